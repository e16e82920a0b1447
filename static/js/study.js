// The study page while it is open: charts and their pickers (kept in the address), live progress, cancel and run again.
import { call } from "./api.js";
import { clear, draw } from "./charts.js";
import { key } from "./key.js";

const head = document.querySelector("[data-study]");
const study = head.dataset.study;
const api = `/api/v1/studies/${study}`;
const address = () => new URLSearchParams(location.search);
let quantities = [];

function remember(name, value) {
  const query = address();
  query.set(name, value);
  history.replaceState(null, "", `?${query}`);
}

// What each chart reads of the address.
const READS = { trade_off: { x: "x", y: "y", point: "point", scale: "scale" }, effects: { x: "quantity", point: "point" }, anatomy: { point: "point" } };

async function show(section) {
  const chart = section.dataset.chart;
  const place = section.querySelector(".plot");
  const query = new URLSearchParams();
  const chosen = address();
  for (const [name, from] of Object.entries({ ...READS[chart], across_environments: "across_environments" }))
    if (chosen.get(from)) query.set(name, chosen.get(from));
  section.classList.add("loading");
  try {
    const drawing = await call(`${api}/charts/${chart}?${query}`);
    section.querySelector(".chart-caption").textContent = drawing.caption;
    key(section, drawing);
    if ("optional" in section.dataset) section.hidden = !drawing.figure;
    const scale = section.querySelector('[name="scale"]');
    if (scale && drawing.scale) scale.value = drawing.scale;
    if (drawing.figure) {
      if (!place._fullLayout) place.replaceChildren();
      await draw(place, drawing.figure, `${query}`);
    } else clear(place, drawing.reason);
  } catch (error) {
    clear(place, error.message);
  } finally {
    section.classList.remove("loading");
  }
}

function fill(select, keys, current) {
  select.replaceChildren(...keys.map((quantity) => new Option(quantity.title, quantity.key, false, quantity.key === current)));
}

// The pickers, from what the server says was measured.
function offer() {
  quantities = [...document.querySelectorAll("#quantities option")].map((option) => ({ key: option.value, title: option.textContent, ...option.dataset, effect: "effect" in option.dataset }));
  document.getElementById("charts").hidden = quantities.length === 0;
  const chosen = address();
  const opening = (axis) => quantities.find((q) => q.opens === axis)?.key;
  const named = (wanted) => quantities.find((q) => q.key === wanted || q.metric === wanted)?.key;
  const picks = { x: named(chosen.get("x")) ?? opening("x"), y: named(chosen.get("y")) ?? opening("y"), quantity: named(chosen.get("quantity")) ?? opening("x") };
  for (const select of document.querySelectorAll(".chart-tools select")) {
    if (select.name === "scale") {
      if (chosen.get("scale")) select.value = chosen.get("scale");
      select.querySelector('[value="measured"]').disabled = Boolean(document.querySelector("#elsewhere .notice")) && !chosen.get("across_environments");
    } else fill(select, select.name === "quantity" ? quantities.filter((q) => q.effect) : quantities, picks[select.name]);
  }
}

const sections = [...document.querySelectorAll("[data-chart]")];
async function showAll() {
  // The pickers first: while nothing is measured there is nothing to draw, and a hidden chart has no width.
  offer();
  if (quantities.length) await Promise.all(sections.map(show));
}
for (const section of sections)
  section.addEventListener("change", (event) => {
    remember(event.target.name, event.target.value);
    show(section);
  });
document.querySelector("[data-picker] select")?.addEventListener("change", (event) => {
  remember("point", event.target.value);
  sections.forEach(show);
});
window.Plotly ? showAll() : addEventListener("DOMContentLoaded", showAll);

// The parts of the page that the server wrote are fetched again and put in place; what the reader opened stays open.
let refreshing = null;
async function refresh() {
  const text = await (await fetch(location.href, { credentials: "same-origin" })).text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === part.innerHTML) continue;
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    part.replaceChildren(...next.childNodes);
    part.querySelectorAll("details").forEach((details, i) => (details.open = open[i] ?? details.open));
  }
  await showAll();
}
function refreshSoon() {
  refreshing ??= setTimeout(() => {
    refreshing = null;
    refresh().catch(refreshSoon);
  }, 400);
}

function listen() {
  const events = new EventSource(`${api}/events?after=${head.dataset.event}`);
  const log = document.getElementById("log");
  let untouched = true;
  events.addEventListener("state", refreshSoon);
  events.addEventListener("study", (event) => {
    refreshSoon();
    if (["done", "cancelled"].includes(JSON.parse(event.data).state)) events.close();
  });
  events.addEventListener("progress", (event) => {
    const data = JSON.parse(event.data);
    const message = document.getElementById("progress-message");
    if (message) message.textContent = [data.variant, data.phase?.replaceAll("_", " "), data.message].filter(Boolean).join(" · ");
    const bar = document.getElementById("progress-bar");
    if (bar && data.study_fraction !== undefined) bar.value = Math.max(bar.value, data.study_fraction);
  });
  events.addEventListener("log", (event) => {
    const near = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
    if (untouched && log.dataset.empty === "true") log.textContent = "";
    untouched = false;
    log.append(`${(JSON.parse(event.data).lines ?? []).join("\n")}\n`);
    if (near) log.scrollTop = log.scrollHeight;
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-cancel], [data-retry]");
  if (!button) return;
  button.disabled = true;
  try {
    await call("cancel" in button.dataset ? `${api}/cancel` : `/api/v1/runs/${button.dataset.retry}/retry`, { method: "POST", key: crypto.randomUUID?.() });
    if ("retry" in button.dataset) location.reload();
    else refreshSoon();
  } catch (error) {
    button.textContent = error.message;
  }
});
if (head.dataset.finished === "false") listen();
