// Effort exact counts tensors that have no values: what of the study needs values is named, left out by one click, and put back by another.
import { el } from "./fields.js";
import { by, held } from "./order_held.js";
import { drawAll } from "./order_parts.js";
import { changed, slot } from "./order_place.js";

const CODES = new Set(["exact_computes_nothing", "exact_needs_cpu", "cannot_be_counted"]);
const NOTHING = { evaluation: null, profile: false, device: null, variants: [] };
let left = NOTHING;

// What the server refuses to count, of what a study can be without: not its workload, and not its baseline.
function refused(problems) {
  const { study } = held;
  const fields = problems.filter(({ code }) => CODES.has(code)).map(({ field }) => field.split("."));
  const about = (name) => fields.some(([part]) => part === name);
  const places = new Set(fields.filter(([part]) => part === "variants").map(([, place]) => Number(place)));
  return {
    evaluation: about("evaluation") ? study.evaluation : null,
    profile: about("profile"),
    device: about("device") ? study.device : null,
    variants: study.variants.filter((_, place) => places.has(place)),
  };
}

const named = ({ evaluation, profile, device, variants }) => [
  evaluation && `the evaluation ${by("evaluations", evaluation.name).title}`,
  profile && "the profile",
  device && `the ${held.menu.devices[device]}`,
  ...variants.map(({ name }) => `the variant ${name}`),
].filter(Boolean);
const listed = (names) => names.join(", ").replace(/, ([^,]*)$/, " and $1");

function leave(found) {
  const { study } = held;
  left = { evaluation: found.evaluation ?? left.evaluation, profile: found.profile || left.profile, device: found.device ?? left.device, variants: [...left.variants, ...found.variants] };
  if (found.evaluation) study.evaluation = null;
  if (found.profile) study.profile = false;
  if (found.device) study.device = "cpu";
  study.variants = study.variants.filter((variant) => !found.variants.includes(variant));
}

// What has come into its place meanwhile stays.
function restore() {
  const { study } = held;
  study.evaluation ??= left.evaluation;
  study.profile ||= left.profile;
  study.device = left.device ?? study.device;
  study.variants.push(...left.variants.filter(({ name }) => !study.variants.some((variant) => variant.name === name)));
  forget();
}

function note(text, label, act) {
  const button = el("button", { className: "button", type: "button", onclick: () => {
    act();
    drawAll();
    show([]);
    slot("exact").querySelector("button")?.focus();
    changed();
  } }, label);
  slot("exact").replaceChildren(el("div", { className: "notice switch" }, el("p", {}, text), button));
}

export function show(problems) {
  const found = refused(problems);
  if (named(found).length) note(`Effort exact counts tensors that have no values, so it cannot take ${listed(named(found))}.`, "Leave out", () => leave(found));
  else if (named(left).length) note(`Left out for effort exact: ${listed(named(left))}.`, "Put back", restore);
  else slot("exact").replaceChildren();
}

// Another study is in the form.
export function forget() {
  left = NOTHING;
}
