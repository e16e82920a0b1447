// The study page while it is open: charts drawn in full, pickers kept in the address, live progress, cancel and run again.
import "./frame.js";
import { all, change, settle, written } from "./address.js";
import { Refused, call } from "./api.js";
import { clear, draw } from "./charts.js";
import { key } from "./key.js";
import { follow, saying, writing } from "./live.js";
import "./notes.js";
import { renew } from "./parts.js";
import { say } from "./say.js";
import { take } from "./take.js";
import { tradeOff } from "./trade_off.js";

const head = document.querySelector("[data-study]");
const study = head.dataset.study;
const api = `/api/v1/studies/${study}`;
const sections = [...document.querySelectorAll("[data-chart]")];
const drawings = new Map();
const traded = sections.find((section) => section.dataset.chart === "trade_off");
const trade = traded && tradeOff(traded, () => refresh().catch(refreshSoon));

// What a chart reads of the address; what the page calls the quantity is the chart's x.
function query(section) {
  const reads = new Set(["point", "across_environments", ...section.dataset.reads.split(" ")]);
  const budgets = section.dataset.chart === "trade_off";
  const found = all().filter(([name]) => reads.has(name) || (budgets && /^(max|min|per)\./.test(name)));
  return new URLSearchParams(found.map(([name, value]) => [name === "quantity" ? "x" : name, value]));
}

function openRun(event) {
  const run = event.points[0]?.customdata?.run;
  if (!run) return;
  if (event.event.ctrlKey || event.event.metaKey) window.open(`/runs/${run}`);
  else location.assign(`/runs/${run}`);
}

async function put(section, drawing, revision) {
  const place = section.querySelector(".plot");
  const plane = section === traded ? trade : null;
  drawings.set(section, drawing);
  section.querySelector(".chart-caption").textContent = drawing.caption;
  section.querySelector(".chart-take").hidden = !drawing.figure;
  section.classList.toggle("shaded", Boolean(drawing.figure?.layout.coloraxis));
  key(section, drawing);
  const scale = section.querySelector('select[name="scale"]');
  if (scale && drawing.scale) scale.value = drawing.scale;
  if (!drawing.figure) {
    plane?.gone();
    return clear(place, drawing.reason);
  }
  // Room for the drawing that takes the place of what the server wrote, so that nothing below jumps.
  place.style.minHeight = `${drawing.figure.layout.height ?? 400}px`;
  if (plane) await plane.show(drawing);
  else await draw(place, drawing.figure, revision);
  // Something newer may have been said in its place.
  if (!place._fullLayout) return;
  place.removeAllListeners("plotly_click");
  place.on("plotly_click", openRun);
}

async function show(section, signal) {
  section.classList.add("loading");
  const asked = query(section);
  try {
    await put(section, await call(`${api}/charts/${section.dataset.chart}?${asked}`, { signal }), `${asked}`);
  } catch (error) {
    if (error.name === "AbortError") return;
    drawings.delete(section);
    clear(section.querySelector(".plot"), error.message);
  }
  section.classList.remove("loading");
}

let newest = null;
// `refused` is told when the server refuses the page; the charts say why.
async function refresh(refused = () => {}) {
  newest?.abort();
  newest = new AbortController();
  const { signal } = newest;
  try {
    await renew(written(), signal).catch((error) => {
      if (!(error instanceof Refused)) throw error;
      refused(error);
    });
    await Promise.all(sections.map((section) => show(section, signal)));
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

let refreshing = null;
function refreshSoon() {
  refreshing ??= setTimeout(() => {
    refreshing = null;
    refresh().catch(refreshSoon);
  }, 400);
}

// A picker's value as the address has it: in base units, and nothing where it is the one that the page opens with.
function picked(field) {
  if (field.value === "" || field.value === field.dataset.plain) return null;
  return field.dataset.per ? String(field.valueAsNumber * Number(field.dataset.per)) : field.value;
}

document.addEventListener("change", ({ target }) => {
  const form = target.closest?.("form[data-view]");
  if (!form || form.id === "budgets" || !target.name) return;
  change({ [target.name]: picked(target), ...(["x", "y", "scale", "point"].includes(target.name) ? { xr: null, yr: null } : {}) });
  refreshSoon();
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-view]")) event.preventDefault();
});

document.addEventListener("click", async (event) => {
  const taken = event.target.closest?.("[data-take]");
  if (taken) {
    const section = taken.closest("[data-chart]");
    return take(taken.dataset.take, section, drawings.get(section), `tradespace-${study}-${section.dataset.chart}`);
  }
  const link = event.target.closest?.("[data-copy-link]");
  if (link) {
    settle();
    if (!navigator.clipboard) return say("This browser copies links over HTTPS only; the address bar has it.");
    await navigator.clipboard.writeText(location.href);
    return say("Link copied");
  }
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

function further(data) {
  const message = document.getElementById("progress-message");
  if (message) message.textContent = [data.variant, data.phase?.replaceAll("_", " "), data.message].filter(Boolean).join(" · ");
  const bar = document.getElementById("progress-bar");
  if (bar && data.study_fraction !== undefined) bar.value = Math.max(bar.value, data.study_fraction);
}

const log = document.getElementById("log");
function listen() {
  const said = document.querySelector("[data-live-state]");
  const stop = follow(`${api}/events`, {
    after: head.dataset.event,
    on: {
      progress: further,
      ...(log && { log: writing(log) }),
      state: refreshSoon,
      study: ({ state }) => {
        refreshSoon();
        if (!["done", "cancelled"].includes(state)) return;
        stop();
        said.hidden = true;
      },
    },
    // What cannot be had is said beside the title, and the charts stay as they are.
    poll: () =>
      refresh((error) => {
        throw error;
      }),
    say: saying(said),
  });
}

for (const section of sections) show(section);
// On a narrow screen the tabs scroll: the one that is open is in sight.
const open = document.querySelector(".tabs [aria-current]");
open.parentElement.scrollLeft += open.getBoundingClientRect().left - open.parentElement.getBoundingClientRect().left - 24;
if (log) log.scrollTop = log.scrollHeight;
if (head.dataset.finished === "false") listen();
