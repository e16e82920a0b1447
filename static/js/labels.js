// Where names stand beside their points, so that none covers another, as app/charts/labels.py has it. A box is [left, top,
// right, bottom] in pixels from the top left corner of the plot.
const HEIGHT = 16;
const CLEAR = 2;
const SPACE = 6;
// Plotly takes the element of an empty text away, and does not bring it back when there is a text again.
const BLANK = " ";
// As Plotly names them, and which way from the point; what is read most easily comes first.
const PLACES = [
  ["top center", 0, -1], ["bottom center", 0, 1], ["middle right", 1, 0], ["middle left", -1, 0],
  ["top right", 1, -1], ["bottom right", 1, 1], ["top left", -1, -1], ["bottom left", -1, 1],
];

const covered = (box, others) => others.filter((one) => box[0] < one[2] && one[0] < box[2] && box[1] < one[3] && one[1] < box[3]).length;
const mark = ({ x, y, radius }) => [x - radius, y - radius, x + radius, y + radius];

function beside({ x, y, radius, width }, across, down) {
  const gap = radius / 0.8 + 1;
  const left = x + across * gap - ((1 - across) * width) / 2;
  const top = y + down * gap - ((1 - down) * HEIGHT) / 2;
  return [left, top, left + width, top + HEIGHT];
}

// The place of each name; null where a point has no name (its width is 0), or no place is free: inside the plot, where the
// name covers no other name and no point that has one. Of the free ones a name takes that where it covers least of the
// boxes `around` and of the points without a name. Spots are {x, y, radius, width, minor}; names of minor ones give way.
export function places(spots, { width, height }, around = []) {
  const named = [...spots.keys()].filter((at) => spots[at].width > 0).sort((a, b) => spots[a].minor - spots[b].minor);
  const spare = [...around, ...spots.filter((spot) => spot.width <= 0).map(mark)];
  const taken = [];
  const found = spots.map(() => null);
  for (const at of named) {
    const kept = [...taken, ...named.filter((other) => other !== at).map((other) => mark(spots[other]))];
    let least = null;
    let chosen = null;
    for (const [place, across, down] of PLACES) {
      const box = beside(spots[at], across, down);
      const inside = box[0] >= 0 && box[1] >= 0 && box[2] <= width && box[3] <= height;
      if (!inside || covered(box, kept)) continue;
      const covers = covered(box, spare);
      if (least === null || covers < least) [least, chosen, found[at]] = [covers, box, place];
    }
    if (chosen) taken.push(chosen);
  }
  return found;
}

// Pixels of values on an axis, from its low end.
function ruled({ type, range: [low, high], domain: [from, to] = [0, 1] }, room) {
  const length = room * (to - from);
  const own = type === "log" ? Math.log10 : (value) => value;
  const at = (placed) => ((placed - low) / (high - low)) * length;
  return { length, at, of: (value) => at(own(value)) };
}

// The traces of a figure with each name where it is free, in a plot of {width, height}; a name that has no room is left
// blank, and the pointer still finds it. `wide` answers the pixels of a text at a size. Figures without names stay as they
// are.
export function labelled(data, { xaxis, yaxis, annotations = [] }, room, wide) {
  const here = data.filter((trace) => trace.mode && !trace.xaxis);
  if (!here.some(({ mode }) => mode.includes("text"))) return data;
  const [across, up] = [ruled(xaxis, room.width), ruled(yaxis, room.height)];
  const box = (x0, y0, x1, y1) => [Math.min(x0, x1) - CLEAR, Math.min(y0, y1) - CLEAR, Math.max(x0, x1) + CLEAR, Math.max(y0, y1) + CLEAR];
  const spots = [];
  const around = [];
  for (const trace of here) {
    const at = trace.x.map((x, i) => [across.of(x), up.length - up.of(trace.y[i])]);
    // Of lines the front alone is upright and level, so that a box is what a part of it covers.
    if (trace.name === "front") around.push(...at.slice(1).map((end, i) => box(...at[i], ...end)));
    if (!trace.mode.includes("markers")) continue;
    at.forEach(([x, y], i) => {
      if (!(x >= 0 && x <= across.length && y >= 0 && y <= up.length)) return;
      const text = trace.text?.[i];
      const width = text ? wide(text, trace.textfont.size) + SPACE : 0;
      spots.push({ trace, i, x, y, radius: (trace.marker.size[i] ?? trace.marker.size) / 2, width, minor: Boolean(trace.customdata?.[i]?.minor) });
    });
  }
  for (const { x, y, ax, ay, text, font } of annotations.filter((words) => words.xref === "x" && words.ax !== undefined)) {
    const [middle, level, half] = [across.at(x) + ax, up.length - up.at(y) + ay, wide(text, font.size) / 2];
    around.push(box(middle - half, level - HEIGHT / 2, middle + half, level + HEIGHT / 2));
  }
  const each = (value, count) => (Array.isArray(value) ? [...value] : Array(count).fill(value));
  const fresh = new Map();
  for (const trace of here) if (trace.text) fresh.set(trace, { ...trace, text: trace.text.map((text) => text || BLANK), textposition: each(trace.textposition, trace.text.length) });
  places(spots, { width: across.length, height: up.length }, around).forEach((place, number) => {
    const { trace, i, width } = spots[number];
    if (!width) return;
    if (place) fresh.get(trace).textposition[i] = place;
    else fresh.get(trace).text[i] = BLANK;
  });
  return data.map((trace) => fresh.get(trace) ?? trace);
}
