// What the trade-off of a study and the plane of Explore have in common: how strongly points are drawn, the knee's name, the
// part that is zoomed to, and keys that walk along the front. An axis is {log, per, whole}: base units in one of the
// plot's, and both ends of all of it in Plotly's own terms.

// By standing, as app/charts/trade_off.py has them.
export const OPACITY = { front: 1, possible: 0.85, dominated: 0.5, fell_back: 0.7, over: 0.18 };

// A value in Plotly's own terms.
export const at = (value, { log, per }) => (log ? Math.log10(value / per) : value / per);

// The knee's name at a place, on the side where there is room.
export function knee(x, y, [low, high]) {
  return {
    name: "knee", text: "knee", xref: "x", yref: "y", x, y, ax: (x - low) / (high - low) < 0.7 ? 34 : -34, ay: 30, arrowhead: 0,
    arrowwidth: 1, arrowcolor: "var(--front)", standoff: 8, font: { size: 12, color: "var(--front)" },
  };
}

// The part of an axis that an address names, in base units with a comma between; null when it names none.
export function range(text, axis) {
  const ends = text?.split(",").map(Number);
  if (ends?.length !== 2 || !(ends[0] < ends[1]) || (axis.log && ends[0] <= 0)) return null;
  return ends.map((end) => at(end, axis));
}

// What an axis shows now, as an address has it; null when that is all of it.
function shown(place, side, { log, per, whole }) {
  const now = place._fullLayout[`${side}axis`].range;
  if (now.every((end, i) => Math.abs(end - whole[i]) < 1e-6 * Math.abs(whole[1] - whole[0]))) return null;
  return now.map((end) => Number(((log ? 10 ** end : end) * per).toPrecision(4))).join(",");
}

// When the reader zooms calls `zoomed({xr, yr})` with what changed, and `reset` when all is to be seen again; `paint` after
// that and when the window has another size, because names then have other places. A change that we made ourselves changes
// nothing. After every drawing, with its axes.
export function watch(place, axes, { zoomed, reset, paint }) {
  place.removeAllListeners("plotly_relayout");
  place.on("plotly_relayout", (what) => {
    const names = Object.keys(what);
    if (names.some((name) => name.endsWith("axis.autorange"))) return reset();
    const moved = ["x", "y"].filter((side) => names.some((name) => name.startsWith(`${side}axis.range`)));
    if (moved.length) zoomed(Object.fromEntries(moved.map((side) => [`${side}r`, shown(place, side, axes[side])])));
    if (moved.length || names.includes("autosize")) paint();
  });
}

// Where a point stands in the figure, as Plotly names it: the first whose data fit.
function point(place, fits) {
  for (const [curveNumber, { customdata, hovertext }] of place.data.entries()) {
    const pointNumber = hovertext ? (customdata?.findIndex(fits) ?? -1) : -1;
    if (pointNumber >= 0) return { curveNumber, pointNumber, words: hovertext[pointNumber] };
  }
  return null;
}

const plain = (html) => new DOMParser().parseFromString(html.replaceAll("<br>", ". "), "text/html").body.textContent;

// Along the front by keys: the point is shown as under a pointer and read out, Enter opens its run. `line` answers the
// runs of the front, `knee` the one of the knee; customdata of a point has its run. Returns what begins the walk anew.
export function walk(section, { line, knee }) {
  const place = section.querySelector(".plot");
  let step = -1;
  place.addEventListener("keydown", (event) => {
    const runs = line();
    if (event.target !== place || !runs.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = runs.length - 1;
    const moves = { ArrowRight: Math.min(step + 1, last), ArrowDown: Math.min(step + 1, last), ArrowLeft: Math.max(step - 1, 0), ArrowUp: Math.max(step - 1, 0), Home: 0, End: last };
    if (event.key === "Enter" && step >= 0 && step <= last) location.assign(`/runs/${runs[step]}`);
    else if (event.key === "Escape") {
      step = -1;
      window.Plotly.Fx.unhover(place);
    } else if (event.key in moves) {
      const run = runs[moves[event.key]];
      const found = point(place, (held) => held.run === run);
      if (!found) return;
      step = moves[event.key];
      window.Plotly.Fx.hover(place, [found]);
      section.querySelector("[data-walk]").textContent = `${step + 1} of ${last + 1} on the front${knee() === run ? ", the knee" : ""}: ${plain(found.words)}`;
    } else return;
    event.preventDefault();
  });
  return () => (step = -1);
}
