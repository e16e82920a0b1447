// Axes for figures: unit, range, logarithm and ticks, as app/charts/axis.py has them. A figure is {title, unit, better, low,
// high}: what all results span, so that an axis stays where it is while limits move.
import { isLog } from "./ruler.js";
import { digits, scale } from "./units.js";

const ROOM = 1.35;

// Besides, what Plotly needs of one: `per` base units in one of its own, `log`, and `whole`, its ends in Plotly's own terms.
export function axis({ title, unit, better, low, high }) {
  const ratio = unit === "×";
  const [per, word] = ratio ? [1, "× baseline"] : scale(unit, Math.max(Math.abs(low), Math.abs(high)));
  const [least, most] = [low / per, high / per];
  const log = isLog(least, most);
  const span = most - least;
  const room = span > 0 ? span * 0.12 : Math.abs(most) * 0.1 || 1;
  const foot = least >= 0 && least < 0.6 * most ? 0 : least - room;
  const ends = log ? [least / ROOM, most * ROOM] : [least < 0 ? foot : Math.max(0, foot), most + room];
  const words = [title, word.trim() ? ` (${word.trim()})` : "", better === "neither" ? "" : ` · ${better} is better`].join("");
  return { title: words, unit, per, log, whole: log ? ends.map(Math.log10) : ends };
}

// 1, 2 and 5 of every power of ten between two positive values; powers of ten alone over more than three of them.
export function ticks(low, high) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const steps = last - first <= 3 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = first; power <= last; power += 1)
    for (const step of steps) found.push(Number(`${step}e${power}`));
  return found.filter((value) => value >= low && value <= high);
}

// Plotly's description of an axis; `range` is a part of it that is zoomed to, in Plotly's own terms.
export function layout(on, range = null) {
  const values = on.log ? ticks(...on.whole.map((end) => 10 ** end)) : null;
  return {
    title: { text: on.title, font: { size: 13, color: "var(--ink-2)" }, standoff: 12 },
    gridcolor: "var(--chart-grid)", linecolor: "var(--chart-line)", zeroline: false, showline: true,
    ticks: "outside", ticklen: 4, tickcolor: "var(--chart-line)", tickfont: { size: 12, color: "var(--ink-2)" },
    automargin: true, range: range ?? on.whole,
    ...(on.log ? { type: "log", tickvals: values, ticktext: values.map((value) => digits(value, 1)) } : { type: "linear", nticks: 7 }),
  };
}
