// The study that the order form holds, as plain data, and what the menus say about it. Nothing is drawn here.
import { defaults } from "./fields.js";

// `named` tells a name that somebody gave from the one that the form suggests.
export const held = { menu: null, study: null, named: false };

// What the menus do not have cannot be shown in the form.
export class Unshowable extends Error {}

export const by = (list, word) => held.menu[list].find((entry) => entry.word === word);
const kindOf = (model) => (by("models", model.name).kinds.length > 1 ? model.task : by("models", model.name).kinds[0]);
export const complete = (layer) => ({ technique: layer.technique, ...defaults(by("techniques", layer.technique)), ...layer });

export const suitsModel = (workload) => workload.models.includes(kindOf(held.study.model));
export const unfit = (technique) => {
  const { device, model, workload } = held.study;
  return held.menu.unfit[device]?.[model.name]?.[kindOf(model)]?.[workload.name]?.[technique] ?? null;
};
export function clash(technique, stack) {
  const other = stack.find((layer) => layer.technique === technique || by("techniques", technique).conflicts.includes(layer.technique));
  return other && (other.technique === technique ? "already in the stack" : `does not combine with ${by("techniques", other.technique).title}`);
}

export function suggestion() {
  const { model, workload } = held.study;
  return `${model.name} ${model.preset ?? ""} ${workload.name.replaceAll("_", " ")}`.replace(/\s+/g, " ");
}

// A name that no variant has yet.
export function free(name) {
  const taken = new Set([held.study.baseline.name, ...held.study.variants.map((variant) => variant.name)]);
  let candidate = name;
  for (let number = 2; taken.has(candidate); number += 1) candidate = `${name} ${number}`;
  return candidate;
}

// The baseline with techniques put on top: what they replace or cannot stand beside is left out.
export function onBaseline(stack) {
  const names = stack.map((layer) => layer.technique);
  const kept = held.study.baseline.stack.filter((layer) => !names.includes(layer.technique) && !names.some((name) => by("techniques", name).conflicts.includes(layer.technique)));
  return [...kept.map((layer) => ({ ...layer })), ...stack.map(complete)];
}

export function chooseModel(word) {
  held.study.model = { name: word, ...defaults(by("models", word)) };
  const fitting = held.menu.workloads.filter(suitsModel);
  if (!fitting.some((workload) => workload.word === held.study.workload.name)) chooseWorkload(fitting[0].word);
}

// Values of a sweep stay where the new workload has the same field.
export function chooseWorkload(word) {
  const entry = by("workloads", word);
  held.study.workload = { name: word, ...defaults(entry) };
  if (!entry.logits) held.study.evaluation = null;
  held.study.sweep = Object.fromEntries(Object.entries(held.study.sweep).filter(([name]) => entry.sweepable.includes(name)));
}

// Takes over a study; one that names what the menus do not have is refused, and the form stays as it is.
export function take(given, named = Boolean(given?.name)) {
  const known = (list, word, what) => {
    if (!by(list, word)) throw new Unshowable(`The form knows no ${what} ${JSON.stringify(word ?? "")}.`);
  };
  const filled = (list, chosen, what) => {
    known(list, chosen?.name, what);
    return { ...defaults(by(list, chosen.name)), ...chosen };
  };
  const variant = (one) => {
    if (!Array.isArray(one?.stack)) throw new Unshowable("Baseline and variants need a list of techniques as their stack.");
    return { ...one, name: String(one.name ?? ""), stack: one.stack.map((layer) => (known("techniques", layer?.technique, "technique"), complete(layer))) };
  };
  const study = structuredClone(given ?? {});
  if (!Array.isArray(study.variants ?? [])) throw new Unshowable("The variants are no list.");
  const sweep = Object.entries(study.sweep ?? {}).map(([name, values]) => [name, Array.isArray(values) ? values : [values]]);
  held.study = {
    ...study,
    name: String(study.name ?? ""),
    model: filled("models", study.model, "model"),
    workload: filled("workloads", study.workload, "workload"),
    evaluation: study.evaluation ? filled("evaluations", study.evaluation, "evaluation") : null,
    baseline: variant(study.baseline),
    variants: (study.variants ?? []).map(variant),
    sweep: Object.fromEntries(sweep),
    device: study.device ?? "cpu",
    effort: study.effort ?? "quick",
    profile: study.profile ?? false,
  };
  held.named = named;
}

// The study as it would be posted.
export function asked() {
  const { evaluation, profile, ...study } = structuredClone(held.study);
  study.name = study.name.trim() || suggestion();
  study.sweep = Object.fromEntries(Object.entries(study.sweep).map(([name, values]) => [name, values.filter((value) => value !== null)]).filter(([, values]) => values.length));
  if (evaluation) study.evaluation = evaluation;
  if (profile) study.profile = profile;
  return study;
}

// How many points the sweep has and how many runs the study, the null test at each point included.
export function size(study) {
  const points = Object.values(study.sweep).reduce((product, values) => product * values.length, 1);
  return { points, runs: points * (1 + study.variants.length) };
}
