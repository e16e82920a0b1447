// The editor of a note: preview, what was begun and not saved, both texts beside each other when the note has changed meanwhile.
import { call } from "./api.js";
import { quietly } from "./storage.js";

export const NEW = "new";
const { address, reader } = document.getElementById("notes").dataset;
const PREFIX = `unsaved note ${reader} ${address} `;

// What was typed and not yet saved, by note, for this tab: a reload, another page or a lost sign-in takes nothing away.
export const begun = {
  keep: (note, text, version) => quietly(() => sessionStorage.setItem(PREFIX + note, JSON.stringify({ text, version, at: Date.now() }))),
  kept: (note) => quietly(() => JSON.parse(sessionStorage.getItem(PREFIX + note))),
  forget: (note) => quietly(() => sessionStorage.removeItem(PREFIX + note)),
  notes: () => (quietly(() => Object.keys(sessionStorage)) ?? []).filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length)),
};

// Opens an editor after `place`, which is hidden meanwhile. It saves by `send(text, version)`; `closed(saved)` hears that it has
// gone, with the note if there is one. What was begun before comes back, made on the version that was read then.
export function open(place, note, { text, version, send, closed }) {
  const form = document.getElementById("note-editor").content.cloneNode(true).firstElementChild;
  const box = form.elements.text;
  const preview = form.querySelector("[data-preview]");
  const shown = form.querySelector(".note-preview");
  const wrong = form.querySelector(".field-error");
  const before = begun.kept(note);
  box.value = before?.text ?? text;
  version = before?.version ?? version;
  form.querySelector("[data-back]").hidden = !before;

  const keep = () => (box.value.trim() && box.value !== text ? begun.keep(note, box.value, version) : begun.forget(note));

  function close(saved) {
    begun.forget(note);
    form.remove();
    place.hidden = false;
    return closed(saved);
  }

  function write() {
    shown.hidden = true;
    box.closest("label").hidden = false;
    preview.setAttribute("aria-pressed", "false");
    box.focus();
  }

  async function look() {
    wrong.textContent = "";
    if (!box.reportValidity()) return;
    try {
      const { html } = await call("/api/v1/notes/preview", { method: "POST", body: { text: box.value } });
      shown.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
      box.closest("label").hidden = true;
      shown.hidden = false;
      preview.setAttribute("aria-pressed", "true");
      shown.focus();
    } catch (error) {
      wrong.textContent = error.message;
      box.focus();
    }
  }

  async function save(event) {
    event.preventDefault();
    wrong.textContent = "";
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      await close(await send(box.value, version));
    } catch (error) {
      const newer = error.problem?.current;
      if (newer) {
        version = newer.version;
        text = newer.text;
        keep();
        const beside = form.querySelector(".note-newer");
        beside.hidden = false;
        beside.querySelector(".notice").textContent = `${error.problem.detail} Bring both together; Save then replaces theirs.`;
        beside.querySelector("[data-theirs]").value = newer.text ?? "";
      } else wrong.textContent = error.message;
      write();
    } finally {
      button.disabled = false;
    }
  }

  box.addEventListener("input", keep);
  preview.addEventListener("click", () => (shown.hidden ? look() : write()));
  form.querySelector("[data-cancel-edit]").addEventListener("click", () => close());
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", save);
  place.hidden = true;
  place.after(form);
  box.focus();
}
