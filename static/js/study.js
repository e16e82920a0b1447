// The study page while it is open: charts and their pickers (kept in the address), live progress, cancel and run again.
import { call } from "./api.js";
import { clear, draw } from "./charts.js";

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

async function show(section) {
  const chart = section.dataset.chart;
  const place = section.querySelector(".plot");
  const query = new URLSearchParams();
  const chosen = address();
  const wanted = { x: chosen.get(chart === "effects" ? "quantity" : "x"), y: chart === "effects" ? null : chosen.get("y"), point: chosen.get("point"), scale: chart === "effects" ? null : chosen.get("scale") };
  for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
  section.classList.add("loading");
  try {
    const answer = await call(`${api}/charts/${chart}?${query}`);
    section.querySelector(".chart-caption").textContent = answer.caption;
    key(section, answer.families);
    if (answer.figure) {
      if (!place._fullLayout) place.replaceChildren();
      await draw(place, answer.figure, `${query}`);
    } else clear(place, answer.reason);
  } catch (error) {
    clear(place, error.message);
  } finally {
    section.classList.remove("loading");
  }
}

function key(section, families) {
  const shown = document.querySelector("#marks").content;
  const list = document.createElement("ul");
  list.className = "chart-key";
  for (const family of families) {
    const mark = shown.querySelector(`[data-family="${family}"]`);
    if (mark) list.append(mark.cloneNode(true));
  }
  section.querySelector("[data-key]").replaceChildren(list);
}

function fill(select, keys, current) {
  select.replaceChildren(...keys.map((quantity) => new Option(quantity.title, quantity.key, false, quantity.key === current)));
}

async function offer() {
  const comparison = await call(`${api}/comparison`);
  quantities = comparison.quantities;
  document.getElementById("charts").hidden = quantities.length === 0;
  const chosen = address();
  const [x, y] = comparison.axes ?? [];
  const named = (wanted) => quantities.find((q) => q.key === wanted || q.metric === wanted)?.key;
  const picks = { x: named(chosen.get("x")) ?? x, y: named(chosen.get("y")) ?? y, quantity: named(chosen.get("quantity")) ?? x };
  const effects = new Set(comparison.runs.flatMap((run) => Object.keys(run.effects)));
  for (const tools of document.querySelectorAll(".chart-tools")) {
    for (const select of tools.querySelectorAll("select")) {
      if (select.name === "scale") select.value = chosen.get("scale") === "ratio" ? "ratio" : "measured";
      else fill(select, select.name === "quantity" ? quantities.filter((q) => effects.has(q.key)) : quantities, picks[select.name]);
    }
  }
}

const sections = [...document.querySelectorAll("[data-chart]")];
async function showAll() {
  // The pickers first: while nothing is measured there is nothing to draw, and a hidden chart has no width.
  await offer().catch((error) => clear(sections[0].querySelector(".plot"), error.message));
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
