// The planner while it is open: each change of the question is answered at once; another model comes from a file.
import "./frame.js";
import { live, shortened } from "./asked.js";

const form = document.getElementById("ask");
const silent = JSON.parse(form.dataset.silent);
const said = document.getElementById("file-said");
const { config, model, phase } = form.elements;
// The beginning of a GGUF file, which no address can carry; null when the question names its model.
let header = null;

// Fields that say nothing in the chosen phase are put away and not sent.
function arranged() {
  const quiet = new Set(silent[phase.value] ?? []);
  for (const box of form.querySelectorAll("[data-field]")) {
    const away = quiet.has(box.dataset.field);
    box.hidden = away;
    form.elements[box.dataset.field].disabled = away;
  }
}

const ask = live(form, document.getElementById("answer"), {
  path: "/plan",
  settle: 120,
  arranged,
  left: (name) => header !== null && name === "weights",
  carried: (place) => (header ? { place: place.replace("/plan?", "/plan/gguf?"), options: { method: "POST", body: header, headers: { Accept: "text/html", "Content-Type": "application/octet-stream" } } } : null),
});

async function shorten() {
  if (!(await shortened(form.elements))) return;
  header = null;
  said.hidden = true;
  arranged();
  await ask();
}
// Written into while a model is named, it takes the model's place; what is pasted is whole and need not be left first.
config.addEventListener("change", shorten);
config.addEventListener("paste", () => setTimeout(shorten));

form.querySelector("[data-file]").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  const magic = await file.slice(0, 4).text();
  if (magic === "GGUF") {
    header = await file.slice(0, Number(form.dataset.headerBytes)).arrayBuffer();
    said.hidden = false;
    said.textContent = `${file.name}: its header stays in this page, so the address does not carry it. Choose a model above to leave it.`;
    model.value = "";
    config.value = "";
    phase.value = "inference";
    arranged();
    await ask();
    // From now on only what the header takes is sent.
    const needed = Number(document.querySelector("#answer [data-header-bytes]")?.dataset.headerBytes);
    if (needed) header = header.slice(0, needed);
    return;
  }
  if (file.size > 1_000_000) {
    document.getElementById("wrong-config").textContent = "The file has more than 1 MB and is no GGUF file; a config.json has a few kB.";
    return;
  }
  config.value = await file.text();
  await shorten();
});
model.addEventListener("input", () => {
  if (model.value === "") return;
  config.value = "";
  header = null;
  said.hidden = true;
});
