// Draws figures of the API with Plotly: one configuration for all charts, colours from the page's CSS variables.
import { call } from "./api.js";
import { key } from "./key.js";
import { labelled } from "./labels.js";

export const CONFIG = {
  displaylogo: false,
  showSendToCloud: false,
  responsive: true,
  displayModeBar: "hover",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { format: "svg", filename: "tradespace" },
};
export const NARROW = 520;
const drawn = new Map();

// "var(--name)" becomes the colour the page shows now.
export function resolved(figure) {
  const probe = document.createElement("span");
  document.body.append(probe);
  const found = new Map();
  const resolve = (value) => {
    if (typeof value === "string" && value.startsWith("var(--")) {
      if (!found.has(value)) {
        probe.style.color = "";
        probe.style.color = value;
        found.set(value, getComputedStyle(probe).color);
      }
      return found.get(value);
    }
    if (Array.isArray(value)) return value.map(resolve);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolve(inner)]));
    return value;
  };
  const plain = resolve(figure);
  probe.remove();
  return plain;
}

// On a narrow screen the labels of beaten points would cover each other; they stay in the table and under the finger.
function fitted(data, width) {
  if (width >= NARROW) return data;
  return data.map((trace) =>
    Array.isArray(trace.text) && Array.isArray(trace.customdata)
      ? { ...trace, text: trace.text.map((text, i) => (trace.customdata[i]?.minor ? "" : text)) }
      : trace,
  );
}

// A page that has something to draw has brought the library; where the first chart comes later, so does the library.
let coming = null;
function library() {
  coming ??= new Promise((come, fail) => {
    const script = document.createElement("script");
    script.src = document.querySelector('meta[name="chart-library"]').content;
    script.addEventListener("load", come);
    script.addEventListener("error", () => {
      coming = null;
      script.remove();
      fail(new Error("What draws the charts could not be fetched."));
    });
    document.head.append(script);
  });
  return coming;
}

const pen = document.createElement("canvas").getContext("2d");
function wide(text, size) {
  pen.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}
// A figure's names, each where it is free in a plot of this size.
export const lettered = ({ data, layout }, { w, h }) => labelled(data, layout, { width: w, height: h }, wide);
const names = (data) => JSON.stringify(data.map(({ text, textposition }) => [text, textposition]));

// Answers whether it is drawn: something newer may have taken its place, above all while the library came.
export async function draw(place, figure, revision) {
  drawn.set(place, { figure, revision });
  const isNewest = () => drawn.get(place)?.figure === figure;
  if (!window.Plotly) await library();
  if (!isNewest()) return false;
  const font = getComputedStyle(document.body).fontFamily;
  const narrow = place.clientWidth < NARROW;
  const margin = narrow ? { l: 52, r: 12, t: 10, b: 56 } : { l: 64, r: 22, t: 14, b: 60 };
  const plain = resolved({
    data: fitted(figure.data, place.clientWidth),
    layout: {
      margin,
      ...figure.layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: font, size: 13, color: "var(--ink-1)" },
      hoverlabel: { bgcolor: "var(--surface)", bordercolor: "var(--rule-strong)", align: "left", font: { family: font, size: 13, color: "var(--ink-1)" } },
      showlegend: false,
      hovermode: "closest",
      dragmode: narrow ? false : "zoom",
      uirevision: revision,
    },
  });
  // What the server wrote, or what was said in place of a chart, goes.
  if (!place._fullLayout) place.replaceChildren();
  const { l, r, t, b } = place._fullLayout?._size ?? margin;
  const data = lettered(plain, { w: place.clientWidth - l - r, h: (plain.layout.height ?? 450) - t - b });
  await window.Plotly.react(place, data, plain.layout, CONFIG);
  if (!isNewest()) return false;
  // How much room the axes' marks and a colour bar leave, only the drawing shows.
  const exact = lettered(plain, place._fullLayout._size);
  if (names(exact) !== names(data)) await window.Plotly.react(place, exact, plain.layout, CONFIG);
  return true;
}

export function clear(place, words) {
  drawn.delete(place);
  if (place._fullLayout) window.Plotly.purge(place);
  const message = document.createElement("p");
  message.className = "chart-message";
  message.textContent = words;
  place.replaceChildren(message);
}

// Fetches what the API draws for a section and shows it there, with its caption and key. `fit` may suit it to its width.
export async function show(section, address, fit = (figure) => figure) {
  const place = section.querySelector(".plot");
  try {
    const drawing = await call(address);
    section.querySelector(".chart-caption").textContent = drawing.caption;
    key(section, drawing);
    if (drawing.figure) await draw(place, fit(drawing.figure, place.clientWidth), address);
    else clear(place, drawing.reason);
  } catch (error) {
    clear(place, error.message);
  }
}

document.addEventListener("themechange", () => {
  for (const [place, { figure, revision }] of drawn) if (place.isConnected) draw(place, figure, revision);
});
