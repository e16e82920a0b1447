// The charts of a run's page.
import { call } from "./api.js";
import { clear, draw } from "./charts.js";
import { key } from "./key.js";

const charts = document.getElementById("charts");

async function show(section) {
  const place = section.querySelector(".plot");
  try {
    const drawing = await call(`/api/v1/runs/${charts.dataset.run}/charts/${section.dataset.chart}`);
    section.querySelector(".chart-caption").textContent = drawing.caption;
    key(section, drawing);
    if (drawing.figure) await draw(place, drawing.figure, section.dataset.chart);
    else clear(place, drawing.reason);
  } catch (error) {
    clear(place, error.message);
  }
}

const showAll = () => charts.querySelectorAll("[data-chart]").forEach(show);
window.Plotly ? showAll() : addEventListener("DOMContentLoaded", showAll);
