// The Pareto front of two quantities and what budgets do to it: pure functions, as app/study/pareto.py and app/study/budgets.py
// have them. A place is {key, x: [value, low, high], y: [value, low, high]}; an option is {key, values: {quantity: value}};
// a limit is {quantity, better, value}. Nothing here knows of the page.
const DIGITS = 5;
const TINY = 1e-300;
const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// The reading so that less is better.
const oriented = (reading, better) => (better === "lower" ? reading : [-reading[0], -reading[2], -reading[1]]);

// How many of the ascending numbers are below the value; with orEqual, how many are not above it.
function below(ascending, value, orEqual) {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < value || (orEqual && ascending[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Whether another interval lies wholly on the better side of each spot on both axes.
function surelyBeaten(spots) {
  const rivals = spots.map(({ x, y }) => [x[2], y[2]]).sort((a, b) => a[0] - b[0]);
  const ends = rivals.map(([end]) => end);
  const lowest = [Infinity];
  for (const [, end] of rivals) lowest.push(Math.min(lowest.at(-1), end));
  return spots.map(({ x, y }) => lowest[below(ends, x[1], true)] < y[1] || lowest[below(ends, x[1], false)] <= y[1]);
}

// The front's point farthest from the line between its ends, both axes stretched to the front's own range (Das 1999).
function knee(line) {
  const distinct = new Set(line.map(({ x, y }) => `${x[0]} ${y[0]}`));
  if (distinct.size < 3) return null;
  const xs = line.map(({ x }) => x[0]);
  const ys = line.map(({ y }) => y[0]);
  const [left, low] = [Math.min(...xs), Math.min(...ys)];
  const [across, up] = [Math.max(...xs) - left, Math.max(...ys) - low];
  const bulges = line.map((_, i) => 1 - (xs[i] - left) / across - (ys[i] - low) / up);
  const deepest = Math.max(...bulges);
  return deepest > 1e-9 ? line[bulges.indexOf(deepest)].key : null;
}

// Which places nothing beats on both axes: {standings: Map of key to "front", "possible" or "dominated", line: keys from
// small x to large, knee: key or null}; null when an axis has no better direction.
export function pareto(places, betterX, betterY) {
  if (betterX === "neither" || betterY === "neither") return null;
  const spots = places.map(({ key, x, y }) => ({ key, x: oriented(x, betterX), y: oriented(y, betterY) }));
  const onFront = new Set();
  let [bestX, bestY] = [Infinity, Infinity];
  for (const { key, x, y } of [...spots].sort((a, b) => a.x[0] - b.x[0] || a.y[0] - b.y[0]))
    if (y[0] < bestY || (x[0] === bestX && y[0] === bestY)) {
      onFront.add(key);
      [bestX, bestY] = [x[0], y[0]];
    }
  const beaten = surelyBeaten(spots);
  const standings = new Map(spots.map(({ key }, i) => [key, onFront.has(key) ? "front" : beaten[i] ? "dominated" : "possible"]));
  const original = new Map(places.map((place, i) => [place.key, { place, spot: spots[i] }]));
  const members = [...onFront].map((key) => original.get(key));
  members.sort(({ place: a }, { place: b }) => a.x[0] - b.x[0] || a.y[0] - b.y[0] || text(a.key, b.key));
  return { standings, line: members.map(({ place }) => place.key), knee: knee(members.map(({ spot }) => spot)) };
}

// A front as a staircase of [x, y]: between two of its points nothing better has been measured.
export function staircase(points, betterX) {
  return points.slice(1).flatMap((right, i) => {
    const left = points[i];
    return [left, betterX === "lower" ? [right[0], left[1]] : [left[0], right[1]], right];
  });
}

export function corners(front, places, betterX) {
  const at = new Map(places.map(({ key, x, y }) => [key, [x[0], y[0]]]));
  return staircase(front.line.map((key) => at.get(key)), betterX);
}

function breaks(option, { quantity, better, value }) {
  const found = option.values[quantity];
  if (found === undefined || found === null) return true;
  return better === "lower" ? found > value : found < value;
}

// Quantities whose budgets an option is over; what was not measured is over.
export const broken = (option, limits) => limits.filter((limit) => breaks(option, limit)).map(({ quantity }) => quantity);

// The nearest round limit that still lets a value through.
export function loosened(value, better) {
  if (Math.abs(value) < TINY) return value;
  const rounded = Number(value.toExponential(DIGITS - 1));
  if (better === "lower" ? rounded >= value : rounded <= value) return rounded;
  const step = 10 ** (Math.floor(Math.log10(Math.abs(value))) + 1 - DIGITS);
  return Number((rounded + (better === "lower" ? step : -step)).toExponential(DIGITS - 1));
}

// For each limit, the others staying as they are: how many options it removes, how many it alone keeps out, and the least
// loosening that lets more fit, with how many those are.
export function weigh(options, limits) {
  const over = options.map((option) => broken(option, limits));
  return limits.map((limit) => {
    const { quantity, better } = limit;
    const measured = (option) => option.values[quantity] !== undefined && option.values[quantity] !== null;
    const removed = options.filter((_, i) => over[i].includes(quantity));
    const alone = options.filter((_, i) => over[i].length === 1 && over[i][0] === quantity);
    const reach = alone.filter(measured).map((option) => option.values[quantity]);
    const near = reach.length === 0 ? null : reach.reduce((a, b) => (better === "lower" ? Math.min(a, b) : Math.max(a, b)));
    const next = near === null ? null : loosened(near, better);
    return {
      limit,
      removes: removed.length,
      unmeasured: removed.filter((option) => !measured(option)).length,
      alone: alone.length,
      next,
      gains: next === null ? 0 : reach.filter((value) => (better === "lower" ? value <= next : value >= next)).length,
    };
  });
}
