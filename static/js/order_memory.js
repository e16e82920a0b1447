// What the baseline and each variant will need, by the planner's formulas, and whether it fits where it would run.
import { el } from "./fields.js";
import { slot } from "./order_place.js";
import { readable } from "./units.js";

const SAID = { fits: "fits", tight: "may fit", no: "does not fit" };

function row({ variant, point, needs, reason, verdict }) {
  const at = Object.entries(point).map(([name, value]) => `${name.replaceAll("_", " ")} ${value.toLocaleString("en")}`);
  const head = el("th", { scope: "row" }, variant, ...(at.length ? [el("span", { className: "sub" }, `at most, at ${at.join(", ")}`)] : []));
  if (!needs) return el("tr", {}, head, el("td", { className: "quiet small" }, reason));
  const tone = { fits: "improves", tight: "undecided", no: "worsens" }[verdict];
  const judged = verdict ? [" ", el("span", { className: `verdict verdict-${tone}` }, SAID[verdict])] : [];
  return el("tr", {}, head, el("td", {}, readable(needs.bytes, "B"), ...judged));
}

// `memory` is what the server says for each variant; none for a study that it would refuse.
export function foresee(memory = []) {
  const known = memory.filter(({ needs }) => needs);
  if (!known.length) {
    const [first] = memory;
    slot("memory").replaceChildren(...(first?.reason ? [el("p", { className: "quiet small" }, `Memory is not predicted: ${first.reason}`)] : []));
    return;
  }
  const { device, free } = known[0];
  slot("memory").replaceChildren(
    el("table", { className: "forecast" }, el("caption", {}, "Memory of a step, by formulas"), el("tbody", {}, ...memory.map(row))),
    el("p", { className: "quiet small" }, device ? `Held against ${readable(free, "B")} that are free on ${device}; baseline and variant lie there side by side if both fit.` : "No device of this kind is present to hold it against."));
}
