// The plane of two figures on the Explore page: points by technique family, the front as a staircase, what may be on it
// ringed, the knee named. Few points are Plotly's; of many, those that matter are, and the rest lies on a canvas behind.
import { axis, layout } from "./axes.js";
import { clear, draw, lettered, resolved } from "./charts.js";
import { cloud } from "./cloud.js";
import { staircase } from "./front.js";
import { palette } from "./palette.js";
import { OPACITY, at as placed, knee, range, walk, watch } from "./plane.js";
import { picture } from "./take.js";
import { told } from "./units.js";

const SVG_MOST = 400;
const BARS_MOST = 40;
const NAMES_MOST = 10;
const SYMBOLS = { baseline: "circle", precision: "square", quantization: "diamond", attention: "triangle-up", compile: "triangle-down", cache: "pentagon", training: "hexagon", compression: "cross", engine: "bowtie", stack: "star" };
const STANDINGS = { f: "on the Pareto front", p: "possibly on the front, within the intervals", d: "not on the front" };
const WORDS = { f: "front", p: "possible", d: "dominated" };

// Plotly reads a little HTML in texts; names are shown as they were typed.
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const short = (text) => (text.length > 28 ? `${text.slice(0, 27)}…` : text);

export function scatter(section, { zoomed, asked }) {
  const stack = section.querySelector(".plot-stack");
  const place = stack.querySelector(".plot");
  const tip = stack.querySelector(".tip");
  const unzoom = section.querySelector("[data-unzoom]");
  const behind = cloud(stack.querySelector("canvas"), place);
  let shown = null;
  let axes = null;
  let ticked = new Set();
  let zoom = { xr: asked("xr"), yr: asked("yr") };
  let epoch = 0;

  const value = (name, at) => shown.columns[name][at];
  const name = (figure) => figure.column;

  // What a figure rests on, where that is known: pairs of processes, and a score of quality items.
  function basis(figure, at) {
    const noun = ["pair", "item"].find((one) => `${name(figure)}.${one}s` in shown.columns);
    const n = noun ? value(`${name(figure)}.${noun}s`, at) : null;
    return n === null ? "" : `, n ${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  }

  function lines(at) {
    const both = ["x", "y"].map((side) => {
      const figure = axes[side].figure;
      const [low, high] = [value(`${name(figure)}.low`, at), value(`${name(figure)}.high`, at)];
      const span = low === null || high === null || low === high ? "" : ` (${told(low, figure.unit)} to ${told(high, figure.unit)})`;
      return `${figure.title}: ${told(value(name(figure), at), figure.unit)}${span}${basis(figure, at)}`;
    });
    const standing = shown.standings[at];
    return [shown.names[at], ...both, ...(standing ? [STANDINGS[standing]] : [])];
  }

  function spread(side, indexes, colour) {
    const { figure, on } = axes[side];
    const [middle, low, high] = ["", ".low", ".high"].map((end) => shown.columns[name(figure) + end]);
    return {
      type: "data", symmetric: false, color: colour, thickness: 1.5, width: 0,
      array: indexes.map((at) => (high[at] === null ? 0 : (high[at] - middle[at]) / on.per)),
      arrayminus: indexes.map((at) => (low[at] === null ? 0 : (middle[at] - low[at]) / on.per)),
    };
  }

  const reading = (side, at) => value(name(axes[side].figure), at);
  const across = (at) => reading("x", at) / axes.x.on.per;
  const up = (at) => reading("y", at) / axes.y.on.per;

  function trace(family, indexes, { bars, names }) {
    const colour = `var(--family-${family})`;
    const standing = (at) => shown.standings[at] ?? "f";
    const found = {
      type: "scatter", mode: names ? "markers+text" : "markers", name: family, cliponaxis: false,
      x: indexes.map(across), y: indexes.map(up),
      customdata: indexes.map((at) => ({ run: shown.runs[at], minor: standing(at) === "d" })),
      hoverinfo: "text", hovertext: indexes.map((at) => lines(at).map(plain).join("<br>")),
      marker: {
        symbol: SYMBOLS[family] ?? "circle", color: colour,
        size: indexes.map((at) => (ticked.has(shown.runs[at]) ? 15 : standing(at) === "d" ? 8 : 11)),
        opacity: indexes.map((at) => OPACITY[WORDS[standing(at)]]),
        line: {
          width: indexes.map((at) => (ticked.has(shown.runs[at]) ? 3 : standing(at) === "p" ? 2 : 1)),
          color: indexes.map((at) => (ticked.has(shown.runs[at]) ? "var(--focus)" : standing(at) === "p" ? "var(--front)" : "var(--surface)")),
        },
      },
    };
    if (names) {
      // Equal names close together would cover each other: each is written once.
      found.text = indexes.map((at) => (shown.standings[at] === "f" && shown.front.find((one) => shown.names[one] === shown.names[at]) === at ? plain(short(shown.names[at])) : ""));
      found.textposition = "top center";
      found.textfont = { size: 12, color: "var(--ink-1)" };
    }
    if (bars) [found.error_x, found.error_y] = [spread("x", indexes, colour), spread("y", indexes, colour)];
    return found;
  }

  function front() {
    // Of three objectives the front is no line in the plane.
    const line = shown.objectives.length > 2 ? [] : shown.front;
    const steps = staircase(line.map((at) => [across(at), up(at)]), axes.x.figure.better);
    return { type: "scatter", mode: "lines", name: "front", hoverinfo: "skip", x: steps.map(([x]) => x), y: steps.map(([, y]) => y), line: { width: 2, dash: "dot", color: "var(--front)" } };
  }

  function byFamily(indexes, how) {
    const families = new Map();
    for (const at of indexes) {
      const family = shown.families[at];
      if (!families.has(family)) families.set(family, []);
      families.get(family).push(at);
    }
    return [...families].map(([family, members]) => trace(family, members, how));
  }

  // Which points are Plotly's, and which lie behind.
  function parted() {
    const every = shown.runs.map((_, at) => at);
    if (every.length <= SVG_MOST) return [every, []];
    const matters = (at) => shown.standings[at] === "f" || ticked.has(shown.runs[at]);
    const maybe = every.filter((at) => shown.standings[at] === "p");
    const front = every.filter((at) => matters(at) || (maybe.length <= SVG_MOST && shown.standings[at] === "p"));
    const ahead = new Set(front);
    return [front, every.filter((at) => !ahead.has(at))];
  }

  function annotations() {
    if (shown.knee === null) return [];
    const [x, y] = ["x", "y"].map((side) => placed(reading(side, shown.knee), axes[side].on));
    return [knee(x, y, axes.x.on.whole)];
  }

  function figure(indexes) {
    const few = indexes.length <= BARS_MOST;
    const ahead = new Set(shown.front);
    const names = shown.front.length <= NAMES_MOST;
    const barred = few ? indexes : indexes.filter((at) => ahead.has(at));
    const bare = few ? [] : indexes.filter((at) => !ahead.has(at));
    return {
      data: [...byFamily(bare, {}), ...byFamily(barred, { bars: barred.length <= 4 * BARS_MOST, names }), front()],
      layout: {
        height: stack.clientHeight, annotations: annotations(),
        xaxis: layout(axes.x.on, range(zoom.xr, axes.x.on)), yaxis: layout(axes.y.on, range(zoom.yr, axes.y.on)),
      },
    };
  }

  const tones = palette(tip);

  async function paint() {
    const [ahead, rest] = parted();
    unzoom.hidden = !zoom.xr && !zoom.yr;
    const tone = tones();
    const points = rest.map((at) => ({
      x: across(at), y: up(at), at, colour: tone(`--family-${shown.families[at]}`), ring: shown.standings[at] === "p" ? tone("--front") : null,
    }));
    if (!(await draw(place, figure(ahead), [axes.x.figure.column, axes.y.figure.column, epoch].join(" ")))) return;
    behind.show(points);
    watch(place, { x: axes.x.on, y: axes.y.on }, { zoomed: moved, reset, paint });
    for (const [event, act] of [["plotly_relayouting", behind.draw], ["plotly_afterplot", behind.draw], ["plotly_click", clicked]]) {
      place.removeAllListeners(event);
      place.on(event, act);
    }
  }

  const open = (run) => location.assign(`/runs/${run}`);
  const clicked = ({ points: [point] }) => point.customdata && open(point.customdata.run);

  function moved(changes) {
    Object.assign(zoom, changes);
    unzoom.hidden = !zoom.xr && !zoom.yr;
    zoomed(zoom);
  }

  function reset() {
    // Another revision, so that Plotly does not put back what the reader had zoomed to.
    epoch += 1;
    zoom = { xr: null, yr: null };
    zoomed(zoom);
    if (shown) paint();
  }

  const again = walk(section, { line: () => shown?.front.map((at) => shown.runs[at]) ?? [], knee: () => shown.runs[shown.knee] });

  place.addEventListener("mousemove", (event) => {
    const spot = shown && !place.querySelector(".hovertext") ? behind.under(event) : null;
    tip.hidden = !spot;
    if (!spot) return;
    tip.replaceChildren(...lines(spot.at).map((line) => Object.assign(document.createElement("span"), { textContent: line })));
    tip.style.left = `${Math.min(spot.x + 14, stack.clientWidth - tip.offsetWidth - 4)}px`;
    tip.style.top = `${Math.max(0, spot.y - tip.offsetHeight - 10)}px`;
  });
  place.addEventListener("mouseleave", () => (tip.hidden = true));
  place.addEventListener("click", (event) => {
    const spot = shown && !place.querySelector(".hovertext") ? behind.under(event) : null;
    if (spot) open(shown.runs[spot.at]);
  });
  unzoom.addEventListener("click", reset);
  document.addEventListener("themechange", () => shown && setTimeout(paint));

  return {
    // Draws what the server answered; `figures` says what the axes are, `chosen` which runs are ticked in the table.
    async show(points, figures, chosen) {
      const turned = axes && (figures.x.column !== axes.x.figure.column || figures.y.column !== axes.y.figure.column);
      if (turned) {
        zoom = { xr: null, yr: null };
        zoomed(zoom);
      }
      axes = Object.fromEntries(Object.entries(figures).map(([side, figure]) => [side, { figure, on: axis(figure) }]));
      [shown, ticked] = [points, chosen];
      again();
      if (points.runs.length) return paint();
      behind.show([]);
      clear(place, "No result of these has both figures. Take a filter away, or choose other axes.");
      shown = null;
    },
    mark(chosen) {
      ticked = chosen;
      if (shown) paint();
    },
    // What the address says of the zoom, after the reader went back.
    zoom(parts) {
      if (parts.xr === zoom.xr && parts.yr === zoom.yr) return;
      epoch += 1;
      zoom = parts;
      if (shown) paint();
    },
    families: () => [...new Set(shown?.families ?? [])],
    // As a picture every point is Plotly's, so that none is missing from it.
    take(format) {
      if (!shown) return null;
      const { data, layout } = figure(shown.runs.map((_, at) => at));
      return picture(format, place, "tradespace-explore", resolved(lettered({ data, layout }, place._fullLayout._size)));
    },
  };
}
