// Notes and tags of a study or run: write, edit, take away, tag. What the server renders is fetched again after a change.
import { call } from "./api.js";

const section = document.getElementById("notes");
const address = section.dataset.address;
const message = document.getElementById("note-message");

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Puts the server's list in place; a note that somebody is editing on this page stays as it is.
async function refresh() {
  const answer = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const list = document.getElementById("note-list");
  const edited = new Map([...list.querySelectorAll(".note:has(form)")].map((note) => [note.dataset.note, note]));
  const notes = [...fresh.querySelectorAll("#note-list > *")];
  list.replaceChildren(...notes.map((note) => edited.get(note.dataset.note) ?? note));
  document.getElementById("tag-list").replaceChildren(...fresh.querySelectorAll("#tag-list > *"));
}

// An editor that saves by `send(text, version)`; when the note has changed meanwhile, both texts stand beside each other.
function open(place, text, version, back, send) {
  const form = document.getElementById("note-editor").content.cloneNode(true).firstElementChild;
  const box = form.elements.text;
  const wrong = form.querySelector(".field-error");
  box.value = text;
  const close = () => {
    form.remove();
    place.hidden = false;
  };
  form.querySelector("[data-cancel-edit]").addEventListener("click", () => {
    close();
    back.focus();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    wrong.textContent = "";
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      const saved = await send(box.value, version);
      close();
      await refresh();
      document.querySelector(`[data-note="${saved.id}"] [data-edit]`)?.focus();
    } catch (error) {
      const newer = error.problem?.current;
      if (newer) {
        version = newer.version;
        const beside = form.querySelector(".note-newer");
        beside.hidden = false;
        beside.querySelector(".notice").textContent = `${error.problem.detail} Bring both together; Save then replaces theirs.`;
        beside.querySelector("[data-theirs]").value = newer.text;
      } else wrong.textContent = error.message;
      box.focus();
    } finally {
      button.disabled = false;
    }
  });
  place.hidden = true;
  place.after(form);
  box.focus();
}

async function edit(note) {
  const opened = note.querySelector("form textarea[name=text]");
  if (opened) return opened.focus();
  const path = `${address}/notes/${note.dataset.note}`;
  const current = await call(path);
  open(note.querySelector(".note-text"), current.text, current.version, note.querySelector("[data-edit]"), (text, version) =>
    call(path, { method: "PUT", body: { text, version } }),
  );
}

async function showHistory(link) {
  const { items } = await call(link.getAttribute("href"));
  const versions = items.slice(1).map((one) =>
    element("li", {}, element("p", { className: "small quiet", textContent: `Version ${one.version}, ${one.author}, ${new Date(one.written_at).toLocaleString()}` }), element("pre", { textContent: one.text })),
  );
  link.closest(".note").append(element("ul", { className: "note-versions" }, ...versions));
  link.remove();
}

section.addEventListener("click", async (event) => {
  const button = event.target.closest("button, [data-history]");
  if (!button || button.closest("form")) return;
  const note = button.closest("[data-note]");
  message.textContent = "";
  try {
    if ("write" in button.dataset) {
      const sent = { text: null, key: null };
      open(button.parentElement, "", null, button, (text) => {
        // The same text sent again after a lost answer is the same note.
        if (text !== sent.text) Object.assign(sent, { text, key: crypto.randomUUID?.() });
        return call(`${address}/notes`, { method: "POST", body: { text }, key: sent.key });
      });
    } else if ("edit" in button.dataset) await edit(note);
    else if ("history" in button.dataset) {
      event.preventDefault();
      await showHistory(button);
    } else if ("remove" in button.dataset) {
      if (!button.dataset.sure) {
        button.dataset.sure = "true";
        button.textContent = "Really take away?";
        return;
      }
      await call(`${address}/notes/${note.dataset.note}?version=${button.dataset.version}`, { method: "DELETE" });
      await refresh();
      section.querySelector("[data-write]").focus();
    } else if ("untag" in button.dataset) {
      await call(`${address}/tags?tag=${encodeURIComponent(button.dataset.untag)}`, { method: "DELETE" });
      await refresh();
      document.getElementById("new-tag").focus();
    }
  } catch (error) {
    message.textContent = error.message;
    await refresh().catch(() => {});
  }
});

section.querySelector("[data-tag-form]").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const said = document.getElementById("tag-message");
  said.textContent = "";
  try {
    await call(`${address}/tags`, { method: "POST", body: { tag: form.elements.tag.value } });
    form.reset();
    await refresh();
  } catch (error) {
    said.textContent = error.message;
  }
});
