// The trade-off while it is open: budgets fade points and move the front at once, keys walk along the front, and what is
// zoomed to stands in the address.
import { change, chosen } from "./address.js";
import * as budgets from "./budgets.js";
import { draw } from "./charts.js";
import { broken, corners, pareto, weigh } from "./front.js";
import { OPACITY, at, knee, range, walk, watch } from "./plane.js";

const triple = (reading) => [reading.value, reading.low, reading.high];

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

// The server's axes, as plane.js takes them.
function axesOf({ plane, figure: { layout } }) {
  const axis = (side, per) => ({ log: layout[`${side}axis`].type === "log", per, whole: layout[`${side}axis`].range });
  return { x: axis("x", plane.per[0]), y: axis("y", plane.per[1]) };
}

// The server's figure with strengths, front and knee as the budgets have them now, and what is zoomed to.
function restyled({ plane, figure }, axes, judged) {
  const spots = new Map(plane.spots.map((spot) => [spot.run, spot]));
  const line = judged.found ? corners(judged.found, judged.places, plane.x.better) : [];
  const data = figure.data.map((trace) => {
    if (trace.name === "front") return { ...trace, x: line.map(([x]) => x / plane.per[0]), y: line.map(([, y]) => y / plane.per[1]) };
    if (!Array.isArray(trace.marker?.opacity)) return trace;
    const words = trace.customdata.map(({ run }) => standing(spots.get(run), judged));
    return {
      ...trace,
      customdata: trace.customdata.map(({ run }, i) => ({ run, minor: ["dominated", "fell_back", "over"].includes(words[i]) && !spots.get(run).is_baseline })),
      marker: { ...trace.marker, opacity: words.map((word) => OPACITY[word] ?? 1) },
    };
  });
  const annotations = figure.layout.annotations.filter(({ name }) => name !== "knee");
  const bent = spots.get(judged.found?.knee);
  if (bent) annotations.push(knee(at(bent.x.value, axes.x), at(bent.y.value, axes.y), axes.x.whole));
  const zoomed = (side) => ({ ...figure.layout[`${side}axis`], range: range(chosen(`${side}r`), axes[side]) ?? axes[side].whole });
  return { data, layout: { ...figure.layout, annotations, xaxis: zoomed("x"), yaxis: zoomed("y") } };
}

// `settled` is called when the reader has stopped moving a budget for a moment.
export function tradeOff(section, settled) {
  const place = section.querySelector(".plot");
  const unzoom = section.querySelector("[data-unzoom]");
  let drawing = null;
  let front = null;
  let epoch = 0;

  async function paint() {
    const { plane } = drawing;
    const axes = axesOf(drawing);
    const judged = judge(plane, budgets.limits());
    front = judged.found;
    budgets.say(judged.weighed, judged.places.length, judged.options);
    unzoom.hidden = !["x", "y"].some((side) => range(chosen(`${side}r`), axes[side]));
    const revision = [plane.x.key, plane.y.key, plane.scale, chosen("point"), epoch].join(" ");
    if (await draw(place, restyled(drawing, axes, judged), revision)) watch(place, axes, { zoomed, reset: whole, paint });
  }

  function zoomed(changes) {
    change(changes);
    unzoom.hidden = !chosen("xr") && !chosen("yr");
  }

  function whole() {
    // Another revision, so that Plotly does not put back what the reader had zoomed to.
    epoch += 1;
    change({ xr: null, yr: null });
    if (drawing) paint();
  }

  let frame = null;
  let pause = null;
  budgets.listen(() => {
    const limits = budgets.parameters();
    change({ ...limits, ...Object.fromEntries(Object.keys(limits).map((name) => [`per.${name.slice(4)}`, null])) });
    frame ??= requestAnimationFrame(() => {
      frame = null;
      if (drawing) paint();
    });
    clearTimeout(pause);
    pause = setTimeout(settled, 300);
  });
  const again = walk(section, { line: () => front?.line ?? [], knee: () => front.knee });
  unzoom.addEventListener("click", whole);

  return {
    // Shows what the server drew; called again whenever it drew anew.
    async show(fresh) {
      drawing = fresh;
      budgets.place(drawing.plane);
      again();
      await paint();
    },
    // The server has nothing to draw; budgets may still be moved, and it is asked again.
    gone() {
      drawing = null;
      front = null;
      unzoom.hidden = true;
    },
  };
}
