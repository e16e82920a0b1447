// Parallel coordinates of results: a line for each, an axis for each figure, a brush on each axis. Drawn on canvases: all
// lines pale in the back, drawn once; those within every limit in front, drawn while a brush moves.
import { ticks } from "./axes.js";
import { palette } from "./palette.js";
import { ruler } from "./ruler.js";
import { digits, scale } from "./units.js";

const TOP = 54;
const FOOT = 30;
const SIDE = 58;
const GRIP_PX = 24;
const HANDLE_PX = 7;
const SMALLEST_PX = 4;
const DRAGGED_MOST = 1500;
const BUNDLE = 20;

// An axis from top to foot: pixels of a value and back, and where its marks are.
function upright({ low, high, unit }, height) {
  const on = ruler(low, high);
  const length = height - TOP - FOOT;
  const to = (value) => TOP + length * (1 - on.share(value));
  const from = (y) => on.value(1 - (y - TOP) / length);
  const [per] = unit === "×" ? [1] : scale(unit, Math.max(Math.abs(low), Math.abs(high)));
  const marks = on.log ? ticks(low / per, high / per).map((mark) => mark * per) : [0, 0.25, 0.5, 0.75, 1].map((share) => low + (high - low) * share);
  return { to, from, per, marks };
}

export function parallel(section, { brushed }) {
  const place = section.querySelector(".parallel");
  const back = place.querySelector("canvas");
  const front = back.cloneNode();
  place.append(front);
  const words = section.querySelector("[data-lines]");
  const tones = palette(words);
  let [data, figures, limits] = [null, [], new Map()];
  let drag = null;
  let frame = null;
  let size = { width: 0, height: 0 };

  const column = (at) => SIDE + ((size.width - 2 * SIDE) * at) / Math.max(1, figures.length - 1);

  function fit() {
    const dense = devicePixelRatio || 1;
    size = { width: place.clientWidth, height: place.clientHeight };
    for (const canvas of [back, front]) {
      canvas.width = size.width * dense;
      canvas.height = size.height * dense;
      canvas.getContext("2d").setTransform(dense, 0, 0, dense, 0, 0);
    }
  }

  // Where each line crosses each axis, in pixels; not a number where it was not measured.
  function crossings() {
    for (const figure of figures) {
      figure.ruler = upright(figure, size.height);
      const values = data.columns[figure.column];
      figure.at = Float32Array.from(values, (value) => (value === null ? NaN : figure.ruler.to(value)));
    }
  }

  function within(line) {
    for (const [name, { low, high }] of limits) {
      const value = data.columns[name]?.[line];
      if (value === undefined) continue;
      if (value === null || value < low || value > high) return false;
    }
    return true;
  }

  function trace(path, line) {
    let open = false;
    figures.forEach((figure, at) => {
      const y = figure.at[line];
      if (Number.isNaN(y)) open = false;
      else if (open) path.lineTo(column(at), y);
      else {
        path.moveTo(column(at), y);
        open = true;
      }
    });
  }

  function paintBack() {
    const pen = back.getContext("2d");
    const tone = tones();
    pen.clearRect(0, 0, size.width, size.height);
    const path = new Path2D();
    data.runs.forEach((_, line) => trace(path, line));
    pen.strokeStyle = tone("--rule-strong");
    pen.globalAlpha = data.runs.length > 1000 ? 0.18 : 0.4;
    pen.stroke(path);
    pen.globalAlpha = 1;
  }

  function paintFront() {
    const pen = front.getContext("2d");
    const tone = tones();
    pen.clearRect(0, 0, size.width, size.height);
    const kept = [];
    for (let line = 0; line < data.runs.length; line += 1) if (within(line)) kept.push(line);
    const some = drag && kept.length > DRAGGED_MOST ? kept.filter((_, i) => i % Math.ceil(kept.length / DRAGGED_MOST) === 0) : kept;
    pen.lineWidth = some.length > 300 ? 1 : 1.5;
    pen.globalAlpha = Math.min(0.8, Math.max(0.1, 60 / some.length));
    // One stroke covers itself without getting darker: bundles of a few lines let density show.
    const bundles = new Map();
    const stroke = (family) => {
      pen.strokeStyle = tone(`--family-${family}`);
      pen.stroke(bundles.get(family).path);
      bundles.delete(family);
    };
    for (const line of some) {
      const family = data.families[line];
      if (!bundles.has(family)) bundles.set(family, { path: new Path2D(), count: 0 });
      const bundle = bundles.get(family);
      trace(bundle.path, line);
      bundle.count += 1;
      if (bundle.count === BUNDLE) stroke(family);
    }
    [...bundles.keys()].forEach(stroke);
    pen.globalAlpha = 1;
    paintAxes(pen, tone);
    words.textContent = `${kept.length.toLocaleString("en")} of ${data.runs.length.toLocaleString("en")} lines keep every limit.`;
  }

  function paintAxes(pen, tone) {
    const family = getComputedStyle(document.body).fontFamily;
    pen.lineWidth = 1;
    figures.forEach((figure, at) => {
      const [x, { ruler: on }] = [column(at), figure];
      pen.lineWidth = 1;
      pen.strokeStyle = tone("--chart-line");
      pen.beginPath();
      pen.moveTo(x, TOP);
      pen.lineTo(x, size.height - FOOT);
      pen.stroke();
      pen.textAlign = "center";
      pen.fillStyle = tone("--ink-1");
      pen.font = `600 12.5px ${family}`;
      const room = figures.length > 1 ? column(1) - column(0) - 6 : size.width;
      pen.fillText(figure.title, x, 16, Math.max(60, room));
      pen.fillStyle = tone("--ink-3");
      pen.font = `12px ${family}`;
      const [, unit] = figure.unit === "×" ? [1, "× baseline"] : scale(figure.unit, Math.max(Math.abs(figure.low), Math.abs(figure.high)));
      pen.fillText([unit, figure.better === "lower" ? "↓ better" : figure.better === "higher" ? "↑ better" : ""].filter(Boolean).join(" "), x, 33, Math.max(60, room));
      pen.textAlign = "right";
      for (const mark of on.marks) {
        const y = on.to(mark);
        const words = digits(mark / on.per, figure.high - figure.low < 0.2 * Math.abs(figure.high) ? 3 : 2);
        pen.strokeStyle = tone("--surface");
        pen.lineWidth = 3;
        pen.strokeText(words, x - 7, y + 4, 48);
        pen.fillText(words, x - 7, y + 4, 48);
        pen.fillRect(x - 3, y, 3, 1);
      }
      const limit = limits.get(figure.column);
      if (!limit) return;
      const [top, bottom] = [Math.max(TOP, on.to(Math.min(limit.high, figure.high))), Math.min(size.height - FOOT, on.to(Math.max(limit.low, figure.low)))];
      pen.fillStyle = tone("--accent");
      pen.globalAlpha = 0.28;
      pen.fillRect(x - 8, top, 16, Math.max(2, bottom - top));
      pen.globalAlpha = 1;
      pen.fillRect(x - 8, top - 1, 16, 2);
      pen.fillRect(x - 8, bottom - 1, 16, 2);
    });
  }

  function soon() {
    frame ??= requestAnimationFrame(() => {
      frame = null;
      paintFront();
    });
  }

  function redraw() {
    if (!data || !place.clientWidth) return;
    fit();
    crossings();
    paintBack();
    paintFront();
  }

  const spot = (event) => {
    const box = front.getBoundingClientRect();
    return [event.clientX - box.left, Math.min(size.height - FOOT, Math.max(TOP, event.clientY - box.top))];
  };
  const nearest = (x) => figures.findIndex((_, at) => Math.abs(column(at) - x) <= GRIP_PX);

  // An end that is taken hold of moves; the middle moves both; elsewhere a new brush begins.
  function grip(figure, y) {
    const limit = limits.get(figure.column);
    if (!limit) return { from: y, to: y };
    const [top, bottom] = [Math.max(TOP, figure.ruler.to(Math.min(limit.high, figure.high))), Math.min(size.height - FOOT, figure.ruler.to(Math.max(limit.low, figure.low)))];
    if (Math.abs(y - top) <= HANDLE_PX) return { from: bottom, to: y };
    if (Math.abs(y - bottom) <= HANDLE_PX) return { from: top, to: y };
    return y > top && y < bottom ? { top, bottom, held: y } : { from: y, to: y };
  }

  function span({ top, bottom, held, from, to }, y) {
    if (held === undefined) return [Math.min(from, to), Math.max(from, to)];
    const by = Math.min(size.height - FOOT - bottom, Math.max(TOP - top, y - held));
    return [top + by, bottom + by];
  }

  front.addEventListener("pointerdown", (event) => {
    const [x, y] = spot(event);
    const at = data ? nearest(x) : -1;
    if (at < 0 || event.button) return;
    event.preventDefault();
    front.setPointerCapture(event.pointerId);
    drag = { figure: figures[at], ...grip(figures[at], y), moved: false };
  });
  front.addEventListener("pointermove", (event) => {
    const [x, y] = spot(event);
    if (!drag) {
      front.style.cursor = data && nearest(x) >= 0 ? "ns-resize" : "";
      return;
    }
    drag.to = y;
    drag.moved = true;
    const [top, bottom] = span(drag, y);
    const { figure } = drag;
    // At the very end of an axis there is no limit on that side.
    limits.set(figure.column, { low: bottom >= size.height - FOOT - 1 ? -Infinity : figure.ruler.from(bottom), high: top <= TOP + 1 ? Infinity : figure.ruler.from(top) });
    soon();
  });
  const drop = (event) => {
    if (!drag) return;
    const { figure, moved } = drag;
    const [top, bottom] = span(drag, spot(event)[1]);
    drag = null;
    // A click, or a brush too small to hold anything, takes the limit away.
    if (!moved || bottom - top < SMALLEST_PX) limits.delete(figure.column);
    paintFront();
    brushed(figure, limits.get(figure.column) ?? { low: -Infinity, high: Infinity });
  };
  front.addEventListener("pointerup", drop);
  front.addEventListener("pointercancel", drop);
  new ResizeObserver(redraw).observe(place);
  document.addEventListener("themechange", redraw);

  return {
    // `points` are of all results that the filters leave, whatever the limits; `held` are the limits, by column.
    show(points, axes, held) {
      data = points;
      figures = axes.map((figure) => ({ ...figure }));
      limits = new Map(held);
      redraw();
    },
    hold(held) {
      if (drag) return;
      limits = new Map(held);
      if (data) paintFront();
    },
    families: () => [...new Set(data?.families ?? [])],
    take() {
      const whole = document.createElement("canvas");
      [whole.width, whole.height] = [front.width, front.height];
      const pen = whole.getContext("2d");
      pen.fillStyle = getComputedStyle(document.body).backgroundColor;
      pen.fillRect(0, 0, whole.width, whole.height);
      pen.drawImage(back, 0, 0);
      pen.drawImage(front, 0, 0);
      const link = Object.assign(document.createElement("a"), { download: "tradespace-explore.png", href: whole.toDataURL("image/png") });
      link.click();
    },
  };
}
