// Charts whose address the page names: each is fetched and drawn, with its caption and key.
import { call } from "./api.js";
import { clear, draw } from "./charts.js";

const NARROW = 520;

// On a narrow screen rows have their short names.
function fitted(figure, width) {
  if (width >= NARROW) return figure;
  const annotations = figure.layout.annotations?.map((words) => (words.name ? { ...words, text: words.name } : words));
  return { ...figure, layout: { ...figure.layout, annotations } };
}

async function show(section) {
  const place = section.querySelector(".plot");
  try {
    const drawing = await call(section.dataset.drawing);
    section.querySelector(".chart-caption").textContent = drawing.caption;
    if (!place._fullLayout) place.replaceChildren();
    if (drawing.figure) await draw(place, fitted(drawing.figure, place.clientWidth), section.dataset.drawing);
    else clear(place, drawing.reason);
  } catch (error) {
    clear(place, error.message);
  }
}

const showAll = () => document.querySelectorAll("[data-drawing]").forEach(show);
window.Plotly ? showAll() : addEventListener("DOMContentLoaded", showAll);

for (const select of document.querySelectorAll("[data-submits]"))
  select.addEventListener("change", () => select.form.requestSubmit());
