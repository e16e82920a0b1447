// Charts whose address the page names: each is fetched and drawn, with its caption and key.
import { call } from "./api.js";
import { clear, draw } from "./charts.js";

async function show(section) {
  const place = section.querySelector(".plot");
  try {
    const drawing = await call(section.dataset.drawing);
    section.querySelector(".chart-caption").textContent = drawing.caption;
    if (!place._fullLayout) place.replaceChildren();
    if (drawing.figure) await draw(place, drawing.figure, section.dataset.drawing);
    else clear(place, drawing.reason);
  } catch (error) {
    clear(place, error.message);
  }
}

const showAll = () => document.querySelectorAll("[data-drawing]").forEach(show);
window.Plotly ? showAll() : addEventListener("DOMContentLoaded", showAll);

for (const select of document.querySelectorAll("[data-submits]"))
  select.addEventListener("change", () => select.form.requestSubmit());
