// The key below a chart that has a place for one: marks of the technique families and of the parts of memory that it shows.
export function key(section, drawing) {
  const place = section.querySelector("[data-key]");
  if (!place) return;
  const shown = document.getElementById("marks").content;
  const list = document.createElement("ul");
  list.className = "chart-key";
  const wanted = [...drawing.families.map((family) => `[data-family="${family}"]`), ...drawing.parts.map((part) => `[data-part="${part}"]`)];
  for (const selector of wanted) {
    const mark = shown.querySelector(selector);
    if (mark) list.append(mark.cloneNode(true));
  }
  place.replaceChildren(list);
}
