// Compare: the picker keeps its choice in the address; the forest plot draws the quantity that is chosen there.
import "./frame.js";
import { show } from "./charts.js";

const form = document.getElementById("pick");
const forest = document.getElementById("forest");

// Commas stay commas, so that people can read the address.
const written = (query) => `?${query}`.replaceAll("%2C", ",");

function picker() {
  const boxes = [...form.querySelectorAll('input[name="runs"]')];
  const { fewest, most } = form.dataset;
  const compare = form.querySelector(".pick-bar .button.primary");
  const older = form.querySelector("[data-older]");
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);

  function count() {
    const runs = chosen();
    const fits = runs.length >= fewest && runs.length <= most;
    compare.setAttribute("aria-disabled", String(!fits));
    form.querySelector("[data-count]").textContent = `${runs.length} chosen${runs.length > most ? `; at most ${most}` : runs.length < fewest ? `; at least ${fewest}` : ""}`;
    return fits;
  }
  function remember() {
    const query = new URLSearchParams(location.search);
    query.delete("studies");
    query.delete("runs");
    if (chosen().length) query.set("runs", chosen().join(","));
    query.set("pick", "true");
    history.replaceState(null, "", written(query));
    if (older) {
      const further = new URL(older.href);
      further.searchParams.delete("runs");
      if (chosen().length) further.searchParams.set("runs", chosen().join(","));
      older.href = written(further.searchParams);
    }
  }
  form.addEventListener("change", (event) => {
    if (event.target.name !== "runs") return;
    count();
    remember();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const searching = event.submitter?.name === "pick";
    if (!searching && !count()) return form.querySelector("[data-count]").scrollIntoView({ block: "nearest" });
    const query = new URLSearchParams();
    if (chosen().length) query.set("runs", chosen().join(","));
    if (searching) {
      if (form.elements.search.value.trim()) query.set("search", form.elements.search.value.trim());
      query.set("pick", "true");
    }
    location.href = `/compare${written(query)}`;
  });
  document.addEventListener("tradespace:compare", () => form.requestSubmit(compare));
  count();
}

function draws() {
  const select = forest.querySelector("select");
  const shown = () => show(forest, `/api/v1/compare/charts/forest${written(new URLSearchParams({ runs: forest.dataset.runs, x: select.value }))}`);
  select.addEventListener("change", () => {
    const query = new URLSearchParams(location.search);
    query.set("x", select.value);
    history.replaceState(null, "", written(query));
    shown();
  });
  shown();
}

if (form) picker();
if (forest) draws();
