// Draws the order form from the menus' schemas: what runs, baseline, variants, device and effort.
import { choice, defaults, el, field, radios } from "./fields.js";
import { by, chooseModel, chooseWorkload, clash, complete, free, held, onBaseline, suggestion, suitsModel, unfit } from "./order_held.js";
import { changed, form, mark, slot } from "./order_place.js";
import { drawSweep } from "./order_sweep.js";

function parameters(path, entry, values) {
  return el("div", { className: "fields" }, ...Object.entries(entry.properties).map(([name, schema]) =>
    field(`${path}.${name}`, name, schema, values[name], (value) => {
      values[name] = value;
      if (path === "model") drawChoices();
      changed();
    })));
}

// A menu with the fields of what is chosen from it.
function part(name, pick, entry, values, summary) {
  const fields = entry ? parameters(name, entry, values) : el("div", { className: "fields" });
  fields.prepend(pick);
  slot(name).replaceChildren(fields, el("p", { className: "part-summary" }, summary));
}

export function drawName() {
  const box = field("name", "name", { type: "string", maxLength: 120 }, held.study.name, (value) => {
    held.study.name = value;
    held.named = value !== "";
    changed();
  });
  box.classList.add("wide");
  box.querySelector("input").placeholder = suggestion();
  slot("name").replaceChildren(box);
}

function drawModel() {
  const { model } = held.study;
  const entry = by("models", model.name);
  const pick = choice("model", "Model", held.menu.models, entry.word, (word) => {
    chooseModel(word);
    drawModel();
    drawChoices();
    changed();
    slot("model").querySelector("select").focus();
  });
  part("model", pick, entry, model, entry.summary);
}

function drawWorkload() {
  const { workload } = held.study;
  const entry = by("workloads", workload.name);
  const pick = choice("workload", "Workload", held.menu.workloads, entry.word, (word) => {
    chooseWorkload(word);
    drawChoices();
    changed();
    slot("workload").querySelector("select").focus();
  }, (other) => (suitsModel(other) ? null : `for ${other.models.join(", ")} models`));
  part("workload", pick, entry, workload, entry.summary);
}

function drawEvaluation() {
  const { evaluation, workload } = held.study;
  const possible = by("workloads", workload.name).logits;
  const entry = evaluation && by("evaluations", evaluation.name);
  const pick = choice("evaluation", "Quality", [{ word: "", title: "None" }, ...held.menu.evaluations], evaluation?.name ?? "", (word) => {
    held.study.evaluation = word ? { name: word, ...defaults(by("evaluations", word)) } : null;
    drawEvaluation();
    changed();
    slot("evaluation").querySelector("select").focus();
  }, (other) => (other.word && !possible ? "this workload has no outputs to compare" : null));
  part("evaluation", pick, entry, evaluation, entry ? entry.summary : "Speed and memory alone say nothing about what a shorter format does to the outputs.");
}

function drawStack(path, variant, again) {
  const layers = variant.stack.map((layer, index) => {
    const entry = by("techniques", layer.technique);
    const fields = Object.entries(entry.properties).map(([name, schema]) => field(`${path}.stack.${index}.${name}`, name, schema, layer[name], (value) => { layer[name] = value; changed(); }));
    const remove = el("button", { className: "button plain", type: "button", title: `Remove ${entry.title}`, "aria-label": `Remove ${entry.title} from ${variant.name}`, onclick: () => { variant.stack.splice(index, 1); again(); changed(); } }, mark('[data-icon="close"]'));
    return el("div", { className: "layer", "data-field": `${path}.stack.${index}` },
      el("span", { className: "layer-name", title: entry.summary }, mark(`[data-family="${entry.family}"]`), entry.title),
      ...fields, el("span", { className: "field-error" }, unfit(layer.technique) ?? ""), remove);
  });
  const add = choice(`${path}.stack`, layers.length ? "Add" : "As built. Add", [{ word: "", title: "a technique…" }, ...held.menu.techniques], "", (word) => {
    variant.stack.push(complete({ technique: word }));
    again();
    changed();
  }, (entry) => entry.word && (unfit(entry.word) ?? clash(entry.word, variant.stack)));
  return el("div", { className: "stack" }, ...layers, add);
}

function head(path, variant, ...more) {
  return el("div", { className: "variant-head" }, field(`${path}.name`, "name", { type: "string", maxLength: 120 }, variant.name, (value) => { variant.name = value; changed(); }), ...more);
}

function drawBaseline() {
  slot("baseline").replaceChildren(head("baseline", held.study.baseline), drawStack("baseline", held.study.baseline, () => { drawBaseline(); drawPicks(); }));
}

function drawVariants() {
  slot("variants").replaceChildren(...held.study.variants.map((variant, index) => {
    const remove = el("button", { className: "button", type: "button", "aria-label": `Remove variant ${variant.name}`, onclick: () => { held.study.variants.splice(index, 1); drawVariants(); drawPicks(); changed(); form.querySelector("[data-add-variant]").focus(); } }, "Remove");
    const apart = variant.stack.length > 1 && el("button", { className: "button plain", type: "button", "data-ablation": variant.name, "aria-label": `Ablation of ${variant.name}`, title: "Measure it without each of its techniques, and each of them alone" }, "Ablation");
    return el("li", { className: "variant", "data-field": `variants.${index}` }, head(`variants.${index}`, variant, el("span", { className: "actions" }, apart || null, remove)), drawStack(`variants.${index}`, variant, () => { drawVariants(); drawPicks(); }));
  }));
}

// Adds a variant and puts the keyboard into it when it came empty.
export function addVariant(name, stack, enter) {
  held.study.variants.push({ name: free(name), stack });
  drawVariants();
  changed();
  if (enter) slot("variants").lastElementChild.querySelector("input").focus();
}

function drawPicks() {
  const reason = el("span", { className: "pick-reason", role: "status" });
  const buttons = held.menu.picks.map((pick) => {
    const why = pick.stack.map((layer) => unfit(layer.technique)).find(Boolean);
    const button = el("button", { className: "button", type: "button", title: why ?? `Add the variant ${pick.name}`, onclick: () => {
      if (why) reason.textContent = why;
      else addVariant(pick.name, onBaseline(pick.stack));
    } }, why ? "" : "+ ", pick.name);
    if (why) button.setAttribute("aria-disabled", "true");
    return button;
  });
  slot("picks").replaceChildren(...buttons, reason);
}

export function drawPlace() {
  const { study, menu } = held;
  const present = form.dataset.present.split(" ");
  slot("device").replaceChildren(radios("Device", "device", Object.entries(menu.devices).map(([word, title]) => [word, title, present.includes(word) ? "a worker is present" : "no worker is present now; the study would wait"]), study.device, (word) => { study.device = word; drawChoices(); changed(); }));
  slot("effort").replaceChildren(radios("Effort", "effort", Object.entries(menu.efforts).map(([word, more]) => [word, word.replace(/^./, (first) => first.toUpperCase()), more]), study.effort, (word) => { study.effort = word; changed(); }));
  slot("profile").replaceChildren(field("profile", "profile", { type: "boolean", description: menu.profile }, study.profile, (value) => { study.profile = value; changed(); }));
}

// What hangs on the model, the workload and the device.
function drawChoices() {
  drawWorkload();
  drawEvaluation();
  drawBaseline();
  drawPicks();
  drawVariants();
  drawSweep();
  if (!held.named) drawName();
}

export function drawAll() {
  drawName();
  drawModel();
  drawChoices();
  drawPlace();
}
