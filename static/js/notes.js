// Notes and tags of a study or run: write, edit, take away, tag. What the server renders is fetched again after a change.
import { call } from "./api.js";
import { NEW, begun, open } from "./note_editor.js";
import { fetched } from "./parts.js";

const SHOWN = 80; // Characters of what was begun.
const section = document.getElementById("notes");
const { address } = section.dataset;
const message = document.getElementById("note-message");
const list = document.getElementById("note-list");
const editing = new Set();

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const article = (note) => [...list.children].find((one) => one.dataset.note === note);

// Puts the server's list in place; a note that somebody is editing on this page stays as it is.
async function refresh() {
  const fresh = await fetched();
  const edited = new Map([...list.querySelectorAll(".note:has(form)")].map((note) => [note.dataset.note, note]));
  const notes = [...fresh.querySelectorAll("#note-list > *")];
  list.replaceChildren(...notes.map((note) => edited.get(note.dataset.note) ?? note));
  document.getElementById("tag-list").replaceChildren(...fresh.querySelectorAll("#tag-list > *"));
}

// What was begun and not saved, with a way back to it.
function offer() {
  const place = document.getElementById("note-begun");
  if (!place) return;
  const waiting = begun.notes().filter((note) => !editing.has(note));
  place.replaceChildren(...waiting.map((note) => {
    const { text, at } = begun.kept(note);
    const start = text.trim().replace(/\s+/g, " ");
    const words = `Begun ${new Date(at).toLocaleString()} and not saved: “${start.length > SHOWN ? `${start.slice(0, SHOWN)}…` : start}”`;
    const [on, off] = ["Continue", "Throw away"].map((textContent) => element("button", { className: "button plain", type: "button", textContent }));
    on.dataset.continue = off.dataset.discard = note;
    return element("li", {}, element("span", { textContent: words }), element("span", { className: "actions" }, on, off));
  }));
  place.hidden = !waiting.length;
}

function start(place, note, what, back) {
  editing.add(note);
  const closed = async (saved) => {
    editing.delete(note);
    if (saved) await refresh().catch((error) => (message.textContent = error.message));
    offer();
    (saved ? article(saved.id)?.querySelector("[data-edit]") : back)?.focus();
  };
  open(place, note, { ...what, closed });
  offer();
}

// `note` is one that was begun on a note that has gone since: it is written as a new one.
function write(note = NEW) {
  const back = section.querySelector("[data-write]");
  const sent = { text: null, key: null };
  const send = (text) => {
    // The same text sent again after a lost answer is the same note.
    if (text !== sent.text) Object.assign(sent, { text, key: crypto.randomUUID?.() });
    return call(`${address}/notes`, { method: "POST", body: { text }, key: sent.key });
  };
  start(back.parentElement, note, { text: "", version: null, send }, back);
}

async function edit(note) {
  const opened = note.querySelector("form textarea[name=text]");
  if (opened) return opened.focus();
  const path = `${address}/notes/${note.dataset.note}`;
  const { text, version } = await call(path);
  const send = (now, read) => call(path, { method: "PUT", body: { text: now, version: read } });
  start(note.querySelector(".note-text"), note.dataset.note, { text, version, send }, note.querySelector("[data-edit]"));
}

async function showHistory(link) {
  const { items } = await call(link.getAttribute("href"));
  const versions = items.slice(1).map((one) =>
    element("li", {}, element("p", { className: "small quiet", textContent: `Version ${one.version}, ${one.author}, ${new Date(one.written_at).toLocaleString()}` }), element("pre", { textContent: one.text })),
  );
  link.closest(".note").append(element("ul", { className: "note-versions" }, ...versions));
  link.remove();
}

async function remove(button, note) {
  if (!button.dataset.sure) {
    button.dataset.sure = "true";
    button.textContent = "Really take away?";
    return;
  }
  await call(`${address}/notes/${note.dataset.note}?version=${button.dataset.version}`, { method: "DELETE" });
  await refresh();
  section.querySelector("[data-write]").focus();
}

async function act(button) {
  const note = button.closest("[data-note]");
  const { continue: begunOn, discard, untag } = button.dataset;
  if ("write" in button.dataset) write();
  else if ("edit" in button.dataset) await edit(note);
  else if ("history" in button.dataset) await showHistory(button);
  else if ("remove" in button.dataset) await remove(button, note);
  else if (begunOn) {
    const there = article(begunOn);
    if (there?.querySelector("[data-edit]")) await edit(there);
    else write(begunOn);
  } else if (discard) {
    begun.forget(discard);
    offer();
    section.querySelector("[data-write]").focus();
  } else if (untag) {
    await call(`${address}/tags?tag=${encodeURIComponent(untag)}`, { method: "DELETE" });
    await refresh();
    document.getElementById("new-tag").focus();
  }
}

section.addEventListener("click", async (event) => {
  const button = event.target.closest("button, [data-history]");
  if (!button || button.closest("form")) return;
  if ("history" in button.dataset) event.preventDefault();
  message.textContent = "";
  try {
    await act(button);
  } catch (error) {
    message.textContent = error.message;
    await refresh().catch(() => {});
  }
});

section.querySelector("[data-tag-form]")?.addEventListener("submit", async (event) => {
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

offer();
