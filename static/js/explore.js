// The Explore page while it is open. What a reader picks is one form; it is written into the address, the chart asks for
// points, and the parts that the server writes are asked for again. Until the answer is there, what was shown stays.
import "./frame.js";
import { Refused, call } from "./api.js";
import { key } from "./key.js";
import * as limits from "./explore_limits.js";
import * as parts from "./explore_parts.js";
import * as picked from "./explore_picked.js";
import { fetched } from "./parts.js";
import { parallel } from "./parallel.js";
import { scatter } from "./scatter.js";
import "./views.js";

const SETTLE_MS = 160;
const TYPED_MS = 350;
const NEWS_MS = 20_000;
const DRAGGED_POINTS = 500;
const PAGE_ONLY = new Set(["show", "axes", "tab", "xr", "yr", "cursor"]);
const form = document.getElementById("explore");
const section = document.getElementById("plane");
const fault = document.getElementById("fault");

// What is picked, as names and values of an address; what is as usual is left out.
function pairs() {
  const found = [];
  const lists = new Map();
  for (const field of form.elements) {
    if (!field.name || field.value.trim() === "" || ((field.type === "checkbox" || field.type === "radio") && !field.checked)) continue;
    if (field.closest("[data-list]")) lists.set(field.name, [...(lists.get(field.name) ?? []), field.value]);
    else if (field.dataset.plain !== field.value) found.push([field.name, field.value.trim()]);
  }
  for (const list of document.querySelectorAll("[data-list]")) {
    const words = lists.get(list.dataset.list) ?? [];
    if (words.length && words.join() !== order(list, list.dataset.usual).join()) found.push([list.dataset.list, words.join()]);
  }
  return found;
}
// The usual words in the order in which the boxes stand.
const order = (list, usual) => [...list.querySelectorAll("input")].map((box) => box.value).filter((word) => usual.split(",").includes(word));

const written = (found) => new URLSearchParams(found).toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
const address = () => (pairs().length ? `/explore?${written(pairs())}` : "/explore");
const asked = ({ limited = true } = {}) => pairs().filter(([name]) => !PAGE_ONLY.has(name) && (limited || !name.includes("__")));

// Every figure that was measured, as the pickers know it, on a scale.
function figure(word) {
  const option = [...form.elements.x.options].find(({ value }) => value === word);
  if (!option) return null;
  const { title, unit, better, relative } = option.dataset;
  const ratio = form.elements.scale.value === "ratio" && relative === undefined;
  const part = ratio ? "ratio" : "value";
  return {
    word, title, better, unit: ratio ? "×" : unit, column: ratio ? `${word}_ratio` : word,
    low: Number(option.dataset[`${part}Low`] ?? 0), high: Number(option.dataset[`${part}High`] ?? 1),
  };
}
// What was measured, but not against a baseline, has no place on a ratio's axis.
const spanned = (one) => one !== null && [...form.elements.x.options].some(({ value, dataset }) => value === one.word && `${one.unit === "×" ? "ratio" : "value"}Low` in dataset);

function zoomed(zoom) {
  for (const name of ["xr", "yr"]) {
    form.querySelector(`[type="hidden"][name="${name}"]`)?.remove();
    if (zoom[name]) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value: zoom[name] }));
  }
  history.replaceState(history.state, "", address());
}

const chart = section?.dataset.tab === "scatter" ? scatter(section, { zoomed, asked: (name) => new URLSearchParams(location.search).get(name) }) : null;
const lines = section && !chart ? parallel(section, { brushed }) : null;
let whole = { query: null, points: null };

function brushed(one, span) {
  limits.set(form, one.column, span);
  load();
}

// The chart alone, as fast as answers come; while one is on its way, only the newest wish waits.
let flying = false;
let wish = false;
async function drag() {
  if (lines) return lines.hold(limits.held());
  if (flying) {
    wish = true;
    return;
  }
  flying = true;
  const began = round;
  try {
    const points = await call(`/api/v1/explore/points?${written([...asked(), ["most", DRAGGED_POINTS]])}`);
    if (began === round) await chart.show(points, { x: figure(form.elements.x.value), y: figure(form.elements.y.value) }, picked.runs());
  } catch (error) {
    refused(error);
  }
  flying = false;
  if (wish) {
    wish = false;
    drag();
  }
}

async function drawn(signal) {
  if (chart) {
    const points = await call(`/api/v1/explore/points?${written(asked())}`, { signal });
    return async () => {
      await chart.show(points, { x: figure(form.elements.x.value), y: figure(form.elements.y.value) }, picked.runs());
      key(section, { families: chart.families(), parts: [] });
    };
  }
  const words = [...document.querySelectorAll('[data-list="axes"] input:checked')].map(({ value }) => value);
  const axes = words.map(figure).filter(spanned);
  // The axes bring their own columns, and whatever has two of them; what else is limited needs one too.
  const query = written([...asked({ limited: false }), ["axes", words.join()], ["columns", [...limits.held().keys()].join()]]);
  const points = query === whole.query ? whole.points : await call(`/api/v1/explore/points?${query}`, { signal });
  const same = query === whole.query;
  whole = { query, points };
  return async () => {
    if (same) lines.hold(limits.held());
    else lines.show(points, axes, limits.held());
    key(section, { families: lines.families(), parts: [] });
  };
}

// Null when the server refuses to write it.
const page = (place, signal) =>
  fetched(place, signal).catch((error) => {
    if (error instanceof Refused) return null;
    throw error;
  });

// The field that is wrong says so; anything else stands above the results.
function refused(error) {
  if (error.name === "AbortError") return;
  const field = error instanceof Refused ? form.elements.namedItem(error.problem.field ?? "") : null;
  fault.hidden = false;
  fault.textContent = error.message;
  field?.setAttribute?.("aria-invalid", "true");
}

let round = 0;
let flight = null;
// Asks for everything that `place` shows and puts it there. `how` says what becomes of the browser's history.
async function load(place = address(), how = "replace") {
  round += 1;
  const mine = round;
  flight?.abort();
  flight = new AbortController();
  const { signal } = flight;
  clearTimeout(pause);
  const waiting = setTimeout(() => document.querySelector(".explore-main").classList.add("waiting"), 250);
  try {
    // What leads elsewhere than the form says is read before the chart asks: the form then says the same.
    const own = how === "replace";
    const both = own ? [drawn(signal), page(place, signal)] : [null, page(place, signal)];
    both.forEach((one) => one?.catch(() => {}));
    const draw = await both[0];
    if (mine !== round) return;
    if (own) await draw();
    const fresh = await both[1];
    if (mine !== round) return;
    if (!fresh) {
      // Whatever the server says to it, the reader sees it.
      if (!own) location.assign(place);
      return;
    }
    // Only what the server understands gets into the address.
    if (how !== "keep") history[`${how}State`](null, "", place);
    fault.hidden = true;
    form.querySelectorAll("[aria-invalid], [data-brush]").forEach((field) => ("brush" in field.dataset ? field.remove() : field.removeAttribute("aria-invalid")));
    parts.adopt(fresh);
    picked.show();
    news(0);
    if (!own) {
      chart?.zoom(Object.fromEntries(["xr", "yr"].map((name) => [name, new URLSearchParams(location.search).get(name)])));
      await (await drawn(signal))();
    } else if (lines) lines.hold(limits.held());
  } catch (error) {
    refused(error);
  } finally {
    clearTimeout(waiting);
    if (mine === round) document.querySelector(".explore-main").classList.remove("waiting");
  }
}

let pause = null;
function soon(wait) {
  clearTimeout(pause);
  pause = setTimeout(load, wait);
}

// At most and at least so many of a list of boxes.
function bounded(box) {
  const list = box.closest("[data-list]");
  const boxes = [...list.querySelectorAll("input")];
  const count = boxes.filter(({ checked }) => checked).length;
  if (count >= list.dataset.fewest && count <= list.dataset.most) return true;
  box.checked = !box.checked;
  return false;
}

function changed({ target }) {
  if (target.form !== form) return;
  if (target.type === "range") {
    limits.slid(target);
    drag();
    soon(SETTLE_MS);
  } else if (target.matches('[type="text"], [type="search"]')) soon(TYPED_MS);
}

function clicked(event) {
  const link = event.target.closest?.("a[data-partial], a[data-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if ("partial" in link.dataset) load(link.href, "push");
  else parts.more(link).then(picked.show, refused);
}

// Results that came since; nothing moves until the reader says so.
function news(count) {
  const notice = document.getElementById("news");
  notice.hidden = count === 0;
  notice.querySelector("[data-news]").textContent = count === 0 ? "" : count > 0 ? `${count.toLocaleString("en")} new ${count === 1 ? "result" : "results"}.` : "The results have changed.";
}
async function look() {
  if (document.hidden) return;
  const began = round;
  try {
    const { total } = await call(`/api/v1/explore?${written([...asked(), ["limit", 1]])}`);
    if (began === round) news(total - Number(document.querySelector("[data-total]").dataset.total));
  } catch (error) {
    console.debug(error);
  }
}

if (form) {
  document.addEventListener("input", changed);
  document.addEventListener("change", (event) => {
    if (event.target.form !== form || event.target.type === "range") return;
    if (event.target.closest("[data-list]") && !bounded(event.target)) return;
    load();
  });
  document.addEventListener("click", clicked);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load();
  });
  addEventListener("popstate", () => load(location.href, "keep"));
  document.querySelector("[data-refresh]").addEventListener("click", () => load());
  section.addEventListener("click", (event) => {
    const take = event.target.closest?.("[data-take]");
    if (take) (chart ?? lines).take(take.dataset.take);
  });
  picked.listen((chosen) => chart?.mark(chosen));
  limits.place();
  drawn().then((draw) => draw()).catch(refused);
  setInterval(look, NEWS_MS);
}
