// The planner while it is open: each change of the question is written into the address and answered at once.
import "./frame.js";
import { Refused, call } from "./api.js";
import { swap } from "./parts.js";

const SETTLE_MS = 120;
const form = document.getElementById("ask");
const answer = document.getElementById("answer");
const silent = JSON.parse(form.dataset.silent);
const { config, model, phase } = form.elements;

// Fields that say nothing in the chosen phase are put away and not sent.
function arrange() {
  const quiet = new Set(silent[phase.value] ?? []);
  for (const box of form.querySelectorAll("[data-field]")) {
    const away = quiet.has(box.dataset.field);
    box.hidden = away;
    form.elements[box.dataset.field].disabled = away;
  }
  config.disabled = model.value !== "" || config.value.trim() === "";
}

// The beginning of a GGUF file, which no address can carry; null when the question names its model.
let header = null;
const HEADER_BYTES = 32_000_000;
const said = document.getElementById("file-said");

function address() {
  // What is as usual is left out.
  const given = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && value.trim() !== "" && value !== form.elements[name].dataset.usual && !(header && name === "weights"));
  return `/plan?${new URLSearchParams(given)}`;
}

async function answered(place, signal) {
  const options = { signal, credentials: "same-origin", headers: { Accept: "text/html" } };
  if (!header) return fetch(place, options);
  return fetch(place.replace("/plan?", "/plan/gguf?"), { ...options, method: "POST", body: header });
}

let flight = null;
async function ask(place = address(), how = "replaceState") {
  flight?.abort();
  flight = new AbortController();
  const { signal } = flight;
  const waiting = setTimeout(() => answer.classList.add("waiting"), 250);
  try {
    // Whatever is wrong stands on the page too, so its text is shown with any status.
    const reply = await answered(place, signal);
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    const next = fresh.getElementById("answer");
    if (!next) return location.assign(place);
    swap(answer, next);
    document.title = fresh.title;
    for (const note of form.querySelectorAll(".field-error")) note.textContent = fresh.getElementById(note.id)?.textContent ?? "";
    for (const field of form.elements) if (field.id) field.toggleAttribute("aria-invalid", fresh.getElementById(field.id)?.hasAttribute("aria-invalid") ?? false);
    if (how && !header) history[how](null, "", place);
  } catch (error) {
    if (error.name !== "AbortError") document.dispatchEvent(new CustomEvent("tradespace:unanswered"));
  } finally {
    clearTimeout(waiting);
    answer.classList.remove("waiting");
  }
}

// What an address asks is put into the form; what it does not say is as usual.
function adopt(place) {
  const asked = new URL(place, location.href).searchParams;
  for (const field of form.elements) {
    if (!field.name || (header && field.name === "model")) continue;
    const usual = field.dataset.usual ?? "";
    field.value = asked.get(field.name) ?? usual;
  }
  arrange();
}

let pause = null;
function soon() {
  clearTimeout(pause);
  pause = setTimeout(ask, SETTLE_MS);
}

// A whole config.json is too long for an address: the server says which of its fields matter.
async function shorten() {
  const note = document.getElementById("wrong-config");
  note.textContent = "";
  if (config.value.trim() === "") return;
  try {
    const held = JSON.parse(config.value);
    const { question } = await call("/api/v1/plan", { method: "POST", body: { config: held } });
    config.value = JSON.stringify(question.config);
    model.value = "";
    arrange();
    await ask();
  } catch (error) {
    note.textContent = error instanceof Refused || error instanceof SyntaxError ? error.message : "This could not be read.";
  }
}

form.addEventListener("input", (event) => {
  if (event.target === config || event.target.type === "file" || !event.target.name) return;
  arrange();
  soon();
});
config.addEventListener("change", shorten);
form.querySelector("[data-file]").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  const magic = await file.slice(0, 4).text();
  if (magic === "GGUF") {
    header = await file.slice(0, HEADER_BYTES).arrayBuffer();
    said.hidden = false;
    said.textContent = `${file.name}: its header stays in this page, so the address does not carry it. Choose a model above to leave it.`;
    model.value = "";
    config.value = "";
    phase.value = "inference";
    arrange();
    await ask();
    return;
  }
  if (file.size > 1_000_000) {
    document.getElementById("wrong-config").textContent = "The file has more than 1 MB and is no GGUF file; a config.json has a few kB.";
    return;
  }
  config.disabled = false;
  config.value = await file.text();
  await shorten();
});
model.addEventListener("change", () => {
  if (model.value === "") return;
  header = null;
  said.hidden = true;
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
// A link to another question fills the form with it.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-ask]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  adopt(link.href);
  ask(address(), "pushState");
  form.scrollIntoView({ block: "nearest" });
});
addEventListener("popstate", () => {
  if (location.search === "") return location.reload();
  adopt(location.href);
  ask(address(), null);
});
arrange();
