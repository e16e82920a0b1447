// The trade-off while it is open: budgets fade points and move the front at once, arrow keys walk along the front, and what
// is zoomed to stands in the address.
import { change, chosen } from "./address.js";
import { draw } from "./charts.js";
import { broken, corners, pareto, weigh } from "./front.js";
import * as budgets from "./budgets.js";

// As app/charts/trade_off.py has them.
const OPACITY = { front: 1, possible: 0.85, dominated: 0.5, fell_back: 0.7, over: 0.18 };
const section = () => document.querySelector('[data-chart="trade_off"]');
const plot = () => section().querySelector(".plot");
let drawing = null;
let front = null;
let step = -1;
let epoch = 0;

const triple = (reading) => [reading.value, reading.low, reading.high];
const logarithmic = (axis) => drawing.figure.layout[axis].type === "log";

// What the budgets leave: which options keep them, the front of those, and what each budget removes.
function judge(plane, limits) {
  const options = plane.spots.filter((spot) => !spot.fell_back).map((spot) => ({ key: spot.run, values: spot.values }));
  const over = new Set(options.filter((option) => broken(option, limits).length).map(({ key }) => key));
  const places = plane.spots
    .filter((spot) => !spot.fell_back && !over.has(spot.run))
    .map((spot) => ({ key: spot.run, x: triple(spot.x), y: triple(spot.y) }));
  return { over, places, found: pareto(places, plane.x.better, plane.y.better), weighed: weigh(options, limits), options: options.length };
}

function standing(spot, { over, found }) {
  if (spot.fell_back) return "fell_back";
  return over.has(spot.run) ? "over" : (found?.standings.get(spot.run) ?? null);
}

function knee(plane, key) {
  const spot = plane.spots.find(({ run }) => run === key);
  const at = (axis, value, i) => (logarithmic(axis) ? Math.log10(value / plane.per[i]) : value / plane.per[i]);
  const [x, y] = [at("xaxis", spot.x.value, 0), at("yaxis", spot.y.value, 1)];
  const [low, high] = drawing.figure.layout.xaxis.range;
  return {
    name: "knee", text: "knee", xref: "x", yref: "y", x, y, ax: (x - low) / (high - low) < 0.7 ? 34 : -34, ay: 30, arrowhead: 0,
    arrowwidth: 1, arrowcolor: "var(--front)", standoff: 8, font: { size: 12, color: "var(--front)" },
  };
}

// The server's figure with strengths, front and knee as the budgets have them now.
function restyled(plane, judged) {
  const spots = new Map(plane.spots.map((spot) => [spot.run, spot]));
  const line = judged.found ? corners(judged.found, judged.places, plane.x.better) : [];
  const data = drawing.figure.data.map((trace) => {
    if (trace.name === "front") return { ...trace, x: line.map(([x]) => x / plane.per[0]), y: line.map(([, y]) => y / plane.per[1]) };
    if (!Array.isArray(trace.marker?.opacity)) return trace;
    const words = trace.customdata.map(({ run }) => standing(spots.get(run), judged));
    return {
      ...trace,
      customdata: trace.customdata.map(({ run }, i) => ({ run, minor: ["dominated", "fell_back", "over"].includes(words[i]) && !spots.get(run).is_baseline })),
      marker: { ...trace.marker, opacity: words.map((word) => OPACITY[word] ?? 1) },
    };
  });
  const annotations = drawing.figure.layout.annotations.filter(({ name }) => name !== "knee");
  if (judged.found?.knee) annotations.push(knee(plane, judged.found.knee));
  return { data, layout: { ...drawing.figure.layout, annotations } };
}

// Part of an axis that the address asks for, in the axis's own terms.
function zoomed(axis, name, per) {
  const ends = chosen(name)?.split(",").map((end) => Number(end) / per);
  if (ends?.length !== 2 || !(ends[0] < ends[1]) || (logarithmic(axis) && ends[0] <= 0)) return null;
  return logarithmic(axis) ? ends.map(Math.log10) : ends;
}

async function paint() {
  const { plane } = drawing;
  const judged = judge(plane, budgets.limits());
  front = judged.found;
  budgets.say(judged.weighed, judged.places.length, judged.options);
  const figure = restyled(plane, judged);
  const [x, y] = [zoomed("xaxis", "xr", plane.per[0]), zoomed("yaxis", "yr", plane.per[1])];
  if (x) figure.layout.xaxis = { ...figure.layout.xaxis, range: x };
  if (y) figure.layout.yaxis = { ...figure.layout.yaxis, range: y };
  section().querySelector("[data-unzoom]").hidden = !x && !y;
  const place = plot();
  await draw(place, figure, [plane.x.key, plane.y.key, plane.scale, chosen("point"), epoch].join(" "));
  place.removeAllListeners("plotly_relayout");
  place.on("plotly_relayout", moved);
}

// What an axis shows, for the address; null when that is all of it.
function shownOf(axis, per) {
  const [now, whole] = [plot()._fullLayout[axis].range, drawing.figure.layout[axis].range];
  if (now.every((end, i) => Math.abs(end - whole[i]) < 1e-6 * Math.abs(whole[1] - whole[0]))) return null;
  return now.map((end) => Number(((logarithmic(axis) ? 10 ** end : end) * per).toPrecision(4))).join(",");
}

// The reader zoomed or went back; a change that we made ourselves changes nothing.
function moved(what) {
  const names = Object.keys(what);
  if (names.some((name) => name.endsWith("axis.autorange"))) return unzoom();
  const changes = {};
  if (names.some((name) => name.startsWith("xaxis.range"))) changes.xr = shownOf("xaxis", drawing.plane.per[0]);
  if (names.some((name) => name.startsWith("yaxis.range"))) changes.yr = shownOf("yaxis", drawing.plane.per[1]);
  if (!Object.keys(changes).length) return;
  change(changes);
  section().querySelector("[data-unzoom]").hidden = !chosen("xr") && !chosen("yr");
}

function unzoom() {
  // Another revision, so that Plotly does not put back what the reader had zoomed to.
  epoch += 1;
  change({ xr: null, yr: null });
  paint();
}

const words = (html) => new DOMParser().parseFromString(html.replaceAll("<br>", ". "), "text/html").body.textContent;

function point(key) {
  const traces = plot().data;
  for (let curve = 0; curve < traces.length; curve += 1) {
    const place = traces[curve].customdata?.findIndex(({ run }) => run === key) ?? -1;
    if (place >= 0 && traces[curve].hovertext) return { curveNumber: curve, pointNumber: place };
  }
  return null;
}

// Along the front by keys: the point is shown as under a pointer, and read out.
function walk(event) {
  if (event.target !== plot() || !front?.line.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const last = front.line.length - 1;
  const moves = { ArrowRight: Math.min(step + 1, last), ArrowDown: Math.min(step + 1, last), ArrowLeft: Math.max(step - 1, 0), ArrowUp: Math.max(step - 1, 0), Home: 0, End: last };
  if (event.key === "Enter" && step >= 0 && step <= last) location.assign(`/runs/${front.line[step]}`);
  else if (event.key === "Escape") {
    step = -1;
    window.Plotly.Fx.unhover(plot());
  } else if (event.key in moves) {
    step = moves[event.key];
    const found = point(front.line[step]);
    if (!found) return;
    window.Plotly.Fx.hover(plot(), [found]);
    const told = words(plot().data[found.curveNumber].hovertext[found.pointNumber]);
    section().querySelector("[data-walk]").textContent = `${step + 1} of ${last + 1} on the front${front.knee === front.line[step] ? ", the knee" : ""}: ${told}`;
  } else return;
  event.preventDefault();
}

// Shows what the server drew; called again whenever it drew anew.
export async function show(fresh) {
  drawing = fresh;
  budgets.place(drawing.plane);
  step = -1;
  await paint();
}

// The server has nothing to draw; budgets may still be moved, and it is asked again.
export function gone() {
  drawing = null;
  front = null;
}

// `settled` is called when the reader has stopped moving a budget for a moment.
export function attach(settled) {
  let frame = null;
  let pause = null;
  budgets.listen(() => {
    change({ ...budgets.parameters(), ...Object.fromEntries(Object.keys(budgets.parameters()).map((name) => [`per.${name.slice(4)}`, null])) });
    frame ??= requestAnimationFrame(() => {
      frame = null;
      if (drawing) paint();
    });
    clearTimeout(pause);
    pause = setTimeout(settled, 300);
  });
  plot().addEventListener("keydown", walk);
  section().querySelector("[data-unzoom]").addEventListener("click", unzoom);
}
