// The order form: a study as plain data, drawn from the menus' schemas, checked by the server while it is filled in.
import { call } from "./api.js";
import { choice, defaults, el, field, radios } from "./fields.js";

const form = document.getElementById("order");
const slot = (name) => form.querySelector(`[data-slot="${name}"]`);
const [jsonView, curlView] = form.querySelectorAll(".summary code");
const marks = document.getElementById("marks").content;
const key = globalThis.crypto?.randomUUID?.() ?? String(Math.random()).slice(2) + Date.now();
const LOOK_MS = 4000;
let menu;
let study;
let sweep = {};
let named = false;

const by = (list, word) => menu[list].find((entry) => entry.word === word);
const kindOf = (model) => (by("models", model.name).kinds.length > 1 ? model.task : by("models", model.name).kinds[0]);
const unfit = (technique) => menu.unfit[study.device]?.[study.model.name]?.[kindOf(study.model)]?.[study.workload.name]?.[technique] ?? null;
const clash = (technique, stack) => {
  const other = stack.find((layer) => layer.technique === technique || by("techniques", technique).conflicts.includes(layer.technique));
  return other && (other.technique === technique ? "already in the stack" : `does not combine with ${by("techniques", other.technique).title}`);
};
const complete = (layer) => ({ technique: layer.technique, ...defaults(by("techniques", layer.technique)), ...layer });
const suggestion = () => `${study.model.name} ${study.model.preset ?? ""} ${study.workload.name.replaceAll("_", " ")}`.replace(/\s+/g, " ");

function order() {
  const asked = { ...study, name: study.name.trim() || suggestion() };
  if (!asked.evaluation) delete asked.evaluation;
  if (!asked.profile) delete asked.profile;
  asked.sweep = Object.fromEntries(Object.entries(sweep).map(([name, text]) => [name, text.split(/[\s,;]+/).filter(Boolean).map((word) => (/^-?\d+$/.test(word) ? Number(word) : word))]).filter(([, values]) => values.length));
  return asked;
}

function parameters(path, entry, values) {
  return el("div", { className: "fields" }, ...Object.entries(entry.properties).map(([name, schema]) =>
    field(`${path}.${name}`, name, schema, values[name], (value) => {
      values[name] = value;
      if (path === "model") drawChoices();
      changed();
    })));
}

function drawName() {
  const box = field("name", "name", { type: "string", maxLength: 120 }, study.name, (value) => { study.name = value; named = value !== ""; changed(); });
  box.classList.add("wide");
  box.querySelector("input").placeholder = suggestion();
  slot("name").replaceChildren(box);
}

function drawModel() {
  const entry = by("models", study.model.name);
  const pick = choice("model", "Model", menu.models, entry.word, (word) => {
    study.model = { name: word, ...defaults(by("models", word)) };
    drawModel();
    const fitting = menu.workloads.filter((workload) => workload.models.includes(kindOf(study.model)));
    if (!fitting.some((workload) => workload.word === study.workload.name)) setWorkload(fitting[0].word);
    drawChoices();
    changed();
    slot("model").querySelector("select").focus();
  });
  const fields = parameters("model", entry, study.model);
  fields.prepend(pick);
  slot("model").replaceChildren(fields, el("p", { className: "part-summary" }, entry.summary));
}

function setWorkload(word) {
  study.workload = { name: word, ...defaults(by("workloads", word)) };
  if (!by("workloads", word).logits) study.evaluation = null;
  sweep = {};
}

function drawWorkload() {
  const entry = by("workloads", study.workload.name);
  const pick = choice("workload", "Workload", menu.workloads, entry.word, (word) => {
    setWorkload(word);
    drawChoices();
    changed();
    slot("workload").querySelector("select").focus();
  }, (workload) => (workload.models.includes(kindOf(study.model)) ? null : `for ${workload.models.join(", ")} models`));
  const fields = parameters("workload", entry, study.workload);
  fields.prepend(pick);
  slot("workload").replaceChildren(fields, el("p", { className: "part-summary" }, entry.summary));
}

function drawEvaluation() {
  const possible = by("workloads", study.workload.name).logits;
  const none = { word: "", title: "None" };
  const pick = choice("evaluation", "Quality", [none, ...menu.evaluations], study.evaluation?.name ?? "", (word) => {
    study.evaluation = word ? { name: word, ...defaults(by("evaluations", word)) } : null;
    drawEvaluation();
    changed();
    slot("evaluation").querySelector("select").focus();
  }, (entry) => (entry.word && !possible ? "this workload has no outputs to compare" : null));
  const entry = study.evaluation && by("evaluations", study.evaluation.name);
  const fields = entry ? parameters("evaluation", entry, study.evaluation) : el("div", { className: "fields" });
  fields.prepend(pick);
  slot("evaluation").replaceChildren(fields, el("p", { className: "part-summary" }, entry ? entry.summary : "Speed and memory alone say nothing about what a shorter format does to the outputs."));
}

function drawStack(path, variant, again) {
  const layers = variant.stack.map((layer, index) => {
    const entry = by("techniques", layer.technique);
    const fields = Object.entries(entry.properties).map(([name, schema]) => field(`${path}.stack.${index}.${name}`, name, schema, layer[name], (value) => { layer[name] = value; changed(); }));
    const remove = el("button", { className: "button plain", type: "button", title: `Remove ${entry.title}`, "aria-label": `Remove ${entry.title} from ${variant.name}`, onclick: () => { variant.stack.splice(index, 1); again(); changed(); } }, marks.querySelector('[data-icon="close"]').cloneNode(true));
    return el("div", { className: "layer", "data-field": `${path}.stack.${index}` },
      el("span", { className: "layer-name", title: entry.summary }, marks.querySelector(`[data-family="${entry.family}"]`)?.cloneNode(true) ?? "", entry.title),
      ...fields, el("span", { className: "field-error" }, unfit(layer.technique) ?? ""), remove);
  });
  const add = choice(`${path}.stack`, layers.length ? "Add" : "As built. Add", [{ word: "", title: "a technique…" }, ...menu.techniques], "", (word) => {
    variant.stack.push(complete({ technique: word }));
    again();
    changed();
  }, (entry) => entry.word && (unfit(entry.word) ?? clash(entry.word, variant.stack)));
  return el("div", { className: "stack" }, ...layers, add);
}

function head(path, variant, more) {
  return el("div", { className: "variant-head" }, field(`${path}.name`, "name", { type: "string", maxLength: 120 }, variant.name, (value) => { variant.name = value; changed(); }), more);
}

function drawBaseline() {
  slot("baseline").replaceChildren(head("baseline", study.baseline, null), drawStack("baseline", study.baseline, () => { drawBaseline(); drawPicks(); }));
}

function drawVariants() {
  slot("variants").replaceChildren(...study.variants.map((variant, index) => {
    const remove = el("button", { className: "button", type: "button", "aria-label": `Remove variant ${variant.name}`, onclick: () => { study.variants.splice(index, 1); drawVariants(); drawPicks(); changed(); form.querySelector("[data-add-variant]").focus(); } }, "Remove");
    return el("li", { className: "variant", "data-field": `variants.${index}` }, head(`variants.${index}`, variant, remove), drawStack(`variants.${index}`, variant, () => { drawVariants(); drawPicks(); }));
  }));
}

function free(name) {
  const taken = new Set([study.baseline.name, ...study.variants.map((variant) => variant.name)]);
  let candidate = name;
  for (let number = 2; taken.has(candidate); number += 1) candidate = `${name} ${number}`;
  return candidate;
}

// The baseline with the pick's techniques put on top: what they replace or cannot stand beside is left out.
function applied(pick) {
  const names = pick.stack.map((layer) => layer.technique);
  const kept = study.baseline.stack.filter((layer) => !names.includes(layer.technique) && !names.some((name) => by("techniques", name).conflicts.includes(layer.technique)));
  return [...kept.map((layer) => ({ ...layer })), ...pick.stack.map(complete)];
}

function drawPicks() {
  const reason = el("span", { className: "pick-reason", role: "status" });
  const buttons = menu.picks.map((pick) => {
    const why = pick.stack.map((layer) => unfit(layer.technique)).find(Boolean);
    const button = el("button", { className: "button", type: "button", title: why ?? `Add the variant ${pick.name}`, onclick: () => {
      if (why) { reason.textContent = why; return; }
      study.variants.push({ name: free(pick.name), stack: applied(pick) });
      drawVariants();
      changed();
    } }, why ? "" : "+ ", pick.name);
    if (why) button.setAttribute("aria-disabled", "true");
    return button;
  });
  slot("picks").replaceChildren(...buttons, reason);
}

function drawSweep() {
  const names = by("workloads", study.workload.name).sweepable;
  slot("sweep").replaceChildren(...(names.length
    ? names.map((name) => field(`sweep.${name}`, name, { type: "string", description: `For example ${name === "batch_size" ? "1, 4, 16" : "128, 512, 2048"}` }, sweep[name] ?? "", (value) => { sweep[name] = value; changed(); }))
    : [el("p", { className: "quiet" }, "This workload has nothing to sweep over.")]));
}

function drawPlace() {
  const present = form.dataset.present.split(" ");
  slot("device").replaceChildren(radios("Device", "device", Object.entries(menu.devices).map(([word, title]) => [word, title, present.includes(word) ? "a worker is present" : "no worker is present now; the study would wait"]), study.device, (word) => { study.device = word; drawChoices(); changed(); }));
  slot("effort").replaceChildren(radios("Effort", "effort", Object.entries(menu.efforts).map(([word, more]) => [word, word.replace(/^./, (first) => first.toUpperCase()), more]), study.effort, (word) => { study.effort = word; changed(); }));
  slot("profile").replaceChildren(field("profile", "profile", { type: "boolean", description: menu.profile }, study.profile, (value) => { study.profile = value; changed(); }));
}

// A worker may announce itself while the form is open: the notice goes and the device says so.
async function look() {
  if (document.hidden) return;
  const { items } = await call("/api/v1/workers?limit=200");
  const present = [...new Set(items.filter((worker) => worker.present).map((worker) => worker.device.kind))].sort().join(" ");
  if (present === form.dataset.present) return;
  form.dataset.present = present;
  document.getElementById("absent").hidden = present !== "";
  const within = slot("device").contains(document.activeElement);
  drawPlace();
  if (within) slot("device").querySelector(":checked")?.focus();
}

function drawChoices() {
  drawWorkload();
  drawEvaluation();
  drawBaseline();
  drawPicks();
  drawVariants();
  drawSweep();
  if (!named) drawName();
}

// What the server says about the study so far; the newest answer counts.
let waiting;
let asking;
function changed() {
  const asked = order();
  jsonView.textContent = JSON.stringify(asked, null, 2);
  curlView.textContent = `curl -X POST ${location.origin}/api/v1/studies \\\n  -H "Authorization: Bearer $TRADESPACE_TOKEN" \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(asked).replaceAll("'", "'\\''")}'`;
  const points = Object.values(asked.sweep).reduce((product, values) => product * values.length, 1);
  const runs = points * (1 + asked.variants.length);
  slot("runs").textContent = `${runs.toLocaleString("en")} ${runs === 1 ? "run" : "runs"}`;
  if (!named) slot("name").querySelector("input").placeholder = suggestion();
  clearTimeout(waiting);
  waiting = setTimeout(() => check(asked), 350);
}

async function check(asked) {
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await call("/api/v1/studies/check", { method: "POST", body: asked, signal: asking.signal });
    const took = answer.seconds?.[study.effort];
    slot("time").textContent = took ? `about ${took.high > 1.3 * took.low ? `${duration(took.low)} to ` : ""}${duration(took.high)} on a free device, judged by ${took.like} earlier ${took.like === 1 ? "run" : "runs"}${took.same_model ? " like these" : " of other studies"}` : answer.ok ? "No run like these has been measured here, so there is nothing to judge the time by." : "";
    show(answer.problems ?? []);
  } catch (error) {
    if (error.name === "AbortError") return;
    slot("time").textContent = "";
    show(error.problem?.errors ?? [{ field: "", message: error.message, hint: "" }]);
  }
}

const duration = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`);

function place(path) {
  const parts = (path ?? "").split(".");
  for (; parts.length; parts.pop()) {
    const found = form.querySelector(`[data-field="${CSS.escape(parts.join("."))}"]`);
    if (found) return found;
  }
  return null;
}

function show(problems) {
  for (const node of form.querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
  for (const node of form.querySelectorAll("[data-field] > .field-error")) node.textContent = "";
  slot("problems").replaceChildren(...problems.map((problem) => {
    const home = place(problem.field);
    const target = home?.matches(".field, fieldset") ? home.querySelector("input, select") : home?.querySelector("select, input");
    const wrong = home && [...home.children].find((child) => child.classList.contains("field-error"));
    if (wrong) wrong.textContent = problem.message;
    target?.setAttribute("aria-invalid", "true");
    return el("li", {}, el("button", { type: "button", onclick: () => target?.focus() }, problem.message), problem.hint ? el("span", { className: "hint" }, problem.hint) : null);
  }));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector('[type="submit"]');
  button.disabled = true;
  slot("refusal").textContent = "";
  const asked = order();
  try {
    const made = await call("/api/v1/studies", { method: "POST", body: asked, key: `${key}-${fingerprint(asked)}` });
    location.assign(`/studies/${made.id}`);
  } catch (error) {
    slot("refusal").textContent = error.message;
    if (error.problem?.errors?.length) show(error.problem.errors);
    button.disabled = false;
  }
});

// The same study sent twice from one page is one study; a changed one is another.
function fingerprint(value) {
  let hash = 5381;
  for (const character of JSON.stringify(value)) hash = (hash * 33 + character.codePointAt(0)) >>> 0;
  return hash.toString(36);
}

form.querySelector("[data-add-variant]").addEventListener("click", () => {
  study.variants.push({ name: free("variant"), stack: study.baseline.stack.map((layer) => ({ ...layer })) });
  drawVariants();
  changed();
  slot("variants").lastElementChild.querySelector("input").focus();
});

async function opening() {
  const query = new URLSearchParams(location.search);
  if (query.get("from")) return (await call(`/api/v1/studies/${encodeURIComponent(query.get("from"))}`)).spec;
  return (menu.starts.find((start) => start.word === query.get("start")) ?? menu.starts[0]).study;
}

try {
  menu = await call(form.dataset.menu);
  const { sweep: values, ...given } = structuredClone(await opening());
  const filled = (list, chosen) => chosen && { ...defaults(by(list, chosen.name)), ...chosen };
  study = { name: "", ...given, model: filled("models", given.model), workload: filled("workloads", given.workload), evaluation: filled("evaluations", given.evaluation) ?? null };
  for (const variant of [study.baseline, ...study.variants]) variant.stack = variant.stack.map(complete);
  sweep = Object.fromEntries(Object.entries(values ?? {}).map(([name, list]) => [name, list.join(", ")]));
  named = study.name !== "";
  if (!new URLSearchParams(location.search).has("from") && !new URLSearchParams(location.search).has("start")) study.device = form.dataset.present.split(" ").includes("cpu") || !form.dataset.present ? "cpu" : form.dataset.present.split(" ")[0];
  drawName();
  drawModel();
  drawChoices();
  drawPlace();
  changed();
  form.hidden = false;
  document.getElementById("order-loading").remove();
  // A server that is away for a moment is asked again the next time.
  setInterval(() => look().catch((error) => console.debug(error)), LOOK_MS);
} catch (error) {
  document.getElementById("order-loading").textContent = `The form could not be filled: ${error.message}`;
}
