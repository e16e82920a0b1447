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
  config.disabled = model.value !== "";
}

function address() {
  const said = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value.trim() !== "");
  return `/plan?${new URLSearchParams(said)}`;
}

let flight = null;
async function ask(place = address(), how = "replaceState") {
  flight?.abort();
  flight = new AbortController();
  const { signal } = flight;
  const waiting = setTimeout(() => answer.classList.add("waiting"), 250);
  try {
    // Whatever is wrong stands on the page too, so its text is shown with any status.
    const reply = await fetch(place, { signal, credentials: "same-origin", headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    const next = fresh.getElementById("answer");
    if (!next) return location.assign(place);
    swap(answer, next);
    document.title = fresh.title;
    for (const note of form.querySelectorAll(".field-error")) note.textContent = fresh.getElementById(note.id)?.textContent ?? "";
    for (const field of form.elements) if (field.id) field.toggleAttribute("aria-invalid", fresh.getElementById(field.id)?.hasAttribute("aria-invalid") ?? false);
    if (how) history[how](null, "", place);
  } catch (error) {
    if (error.name !== "AbortError") document.dispatchEvent(new CustomEvent("tradespace:unanswered"));
  } finally {
    clearTimeout(waiting);
    answer.classList.remove("waiting");
  }
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
  if (event.target === config || event.target.type === "file") return;
  arrange();
  soon();
});
config.addEventListener("change", shorten);
form.querySelector("[data-file]").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  if (file.size > 1_000_000) {
    document.getElementById("wrong-config").textContent = "The file has more than 1 MB; a config.json has a few kB.";
    return;
  }
  config.disabled = false;
  config.value = await file.text();
  await shorten();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
// A link to another question is one: the form has to say the same, so the page is opened anew.
arrange();
