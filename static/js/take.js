// A chart to take along: as a picture, as rows for a spreadsheet, as data.
const TYPES = { csv: "text/csv;charset=utf-8", json: "application/json" };
const SCALE = 2;

function save(text, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// One cell: quoted where needed; text that a spreadsheet would take for a formula gets an apostrophe.
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The trade-off's points in base units, every budgeted quantity with them.
function points(plane) {
  const extra = plane.budgets.map(({ quantity }) => quantity);
  const ends = (quantity) => [`${quantity.key} (${plane.scale === "ratio" ? "ratio" : quantity.unit})`, `${quantity.key} low`, `${quantity.key} high`, `${quantity.key} n`];
  const shades = [["colour", plane.colour], ["size", plane.size]].filter(([, quantity]) => quantity);
  const columns = ["run", "variant", "stack", "standing", ...ends(plane.x), ...ends(plane.y), ...shades.map(([word, quantity]) => `${word}: ${quantity.key}`), ...extra.map((quantity) => `${quantity.key} as measured (${quantity.unit})`)];
  const four = ({ value, low, high, n }) => [value, low, high, n];
  const rows = plane.spots.map((spot) => [spot.run, spot.variant, spot.label, spot.standing, ...four(spot.x), ...four(spot.y), ...shades.map(([word]) => spot[word]), ...extra.map(({ key }) => spot.values[key])]);
  return [columns, ...rows];
}

// The table of the page that has the same figures as the chart.
function written(name) {
  const table = document.querySelector(`[data-table="${name}"]`);
  return [...table.rows].map((row) => [...row.cells].map(({ textContent }) => textContent.replace(/\s+/g, " ").trim()));
}

function rows(drawing) {
  if (drawing.plane) return points(drawing.plane);
  return drawing.table ? [drawing.table.columns, ...drawing.table.rows] : written(drawing.name);
}

// What a place shows, or other data on its axes, as a file.
export function picture(format, place, filename, data = place.data) {
  const surface = getComputedStyle(document.body).backgroundColor;
  const { layout, clientWidth: width, clientHeight: height } = place;
  return window.Plotly.downloadImage({ data, layout: { ...layout, paper_bgcolor: surface } }, { format, filename, width, height, scale: format === "png" ? SCALE : 1 });
}

// `format` is png, svg, csv or json; `drawing` is what the API answered.
export function take(format, section, drawing, filename) {
  if (format === "png" || format === "svg") return picture(format, section.querySelector(".plot"), filename);
  const text = format === "json" ? JSON.stringify(drawing, null, 1) : `${rows(drawing).map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
  return save(text, TYPES[format], `${filename}.${format}`);
}
