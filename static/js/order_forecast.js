// How many runs the study has and how long they may take, by effort, with what that rests on.
import { el } from "./fields.js";
import { held, size } from "./order_held.js";
import { slot } from "./order_place.js";

const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const duration = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`);
const span = ({ low, high }) => `${high > 1.3 * low ? `${duration(low)} to ` : ""}${duration(high)}`;

export function count(study) {
  const { points, runs } = size(study);
  slot("runs").textContent = plural(runs, "run");
  slot("size").textContent = `${points > 1 ? `${plural(points, "point")} × ` : ""}${plural(study.variants.length, "variant")} and the null test${points > 1 ? " at each" : ""}; at most ${held.menu.max_runs} runs`;
}

function rests(estimate) {
  const device = held.menu.devices[held.study.device];
  if (!estimate) return `No ${held.study.effort} run has been measured on a ${device} here yet, so there is nothing to judge the time by.`;
  const earlier = `${plural(estimate.like, "earlier run")} with this effort on a ${device}`;
  return estimate.same_model
    ? `On a free device. Rests on ${earlier}, of this model and workload: each run as long as the quickest to the slowest of them.`
    : `On a free device. Rests on ${earlier}, of other models or workloads; it may be far off.`;
}

// `seconds` is what the server says for each effort; none for a study that it would refuse.
export function forecast(seconds) {
  if (!seconds || !Object.keys(seconds).length) {
    slot("time").replaceChildren();
    return;
  }
  const rows = Object.keys(held.menu.efforts).map((effort) =>
    el("tr", effort === held.study.effort ? { className: "chosen", "aria-current": "true" } : {}, el("th", { scope: "row" }, effort), el("td", {}, seconds[effort] ? span(seconds[effort]) : "not known")));
  slot("time").replaceChildren(
    el("table", { className: "forecast" }, el("caption", { className: "visually-hidden" }, "Predicted time by effort"), el("tbody", {}, ...rows)),
    el("p", { className: "quiet small" }, rests(seconds[held.study.effort])));
}
