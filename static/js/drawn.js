// The page of a technique: its chart, drawn from the address that the page names.
import "./frame.js";
import { NARROW, show } from "./charts.js";

// On a narrow screen rows have their short names.
function fitted(figure, width) {
  if (width >= NARROW) return figure;
  const annotations = figure.layout.annotations?.map((words) => (words.name ? { ...words, text: words.name } : words));
  return { ...figure, layout: { ...figure.layout, annotations } };
}

for (const section of document.querySelectorAll("[data-drawing]")) show(section, section.dataset.drawing, fitted);
for (const select of document.querySelectorAll("[data-submits]"))
  select.addEventListener("change", () => select.form.requestSubmit());
