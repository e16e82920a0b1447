// The page New study: opens a study in the form, has the server check it while it is filled in, and submits it.
import "./frame.js";
import { call } from "./api.js";
import { el } from "./fields.js";
import * as drafts from "./order_drafts.js";
import * as exact from "./order_exact.js";
import { count, forecast } from "./order_forecast.js";
import { foresee } from "./order_memory.js";
import { asked, held, suggestion, take } from "./order_held.js";
import { addVariant, drawAll, drawPlace } from "./order_parts.js";
import { changed, form, slot } from "./order_place.js";
import * as presets from "./order_presets.js";
import { said, show } from "./order_problems.js";
import * as unsaved from "./order_unsaved.js";
import * as written from "./order_written.js";

const LOOK_MS = 4000;
const CHECK_MS = 350;
const key = globalThis.crypto?.randomUUID?.() ?? String(Math.random()).slice(2) + Date.now();
const query = new URLSearchParams(location.search);
const loading = document.getElementById("order-loading");
const news = document.getElementById("order-news");
const refused = (text) => { slot("refusal").textContent = text; };

// Something that happened to the whole form, with what can be done about it.
function tell(text, action, act) {
  const button = action && el("button", { className: "button", type: "button", onclick: () => { news.hidden = true; act(); } }, action);
  news.replaceChildren(el("p", {}, text), ...(button ? [button] : []));
  news.hidden = false;
}

// Puts another study into the form; what was there comes back with one click.
function fill(study, from) {
  const before = structuredClone(held.study);
  const named = held.named;
  take(study);
  exact.forget();
  drawAll();
  changed();
  tell(`Filled by: ${from}.`, "Undo", () => { take(before, named); drawAll(); changed(); });
}

let waiting;
let asking;
let opening = true;

function keep() {
  if (!opening) unsaved.keep({ study: held.study, named: held.named, text: written.pasted() });
}

form.addEventListener("orderchange", () => {
  const study = asked();
  written.write(study);
  count(study);
  if (!held.named) slot("name").querySelector("input").placeholder = suggestion();
  keep();
  slot("saved").textContent = "";
  clearTimeout(waiting);
  waiting = setTimeout(() => check(study), CHECK_MS);
});

// What the server says about the study so far; the newest answer counts.
async function check(study) {
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await call("/api/v1/studies/check", { method: "POST", body: study, signal: asking.signal });
    forecast(answer.seconds);
    foresee(answer.memory);
    show(answer.problems ?? []);
    exact.show(answer.problems ?? []);
    if (!(answer.problems ?? []).some(({ field }) => /^(model|workload|device)\b/.test(field))) presets.offer(fill);
  } catch (error) {
    if (error.name === "AbortError") return;
    forecast(null);
    foresee([]);
    show(error.problem?.errors?.length ? error.problem.errors : [{ field: "", message: said(error), hint: "" }]);
  }
}

// The same study sent twice from one page is one study; a changed one is another.
function fingerprint(value) {
  let hash = 5381;
  for (const character of JSON.stringify(value)) hash = (hash * 33 + character.codePointAt(0)) >>> 0;
  return hash.toString(36);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector('[type="submit"]');
  button.disabled = true;
  refused("");
  const study = asked();
  try {
    const made = await call("/api/v1/studies", { method: "POST", body: study, key: `${key}-${fingerprint(study)}` });
    unsaved.forget();
    location.assign(`/studies/${made.id}`);
  } catch (error) {
    refused(said(error));
    if (error.problem?.errors?.length) show(error.problem.errors);
    button.disabled = false;
  }
});

form.querySelector("[data-save-draft]").addEventListener("click", async () => {
  refused("");
  const study = asked();
  try {
    const id = await drafts.save(study, `${key}-draft-${fingerprint(study)}`);
    unsaved.forget();
    history.replaceState(null, "", `?draft=${id}`);
    slot("saved").textContent = "Saved as a draft.";
  } catch (error) {
    refused(said(error));
  }
});

form.querySelector("[data-add-variant]").addEventListener("click", () => addVariant("variant", held.study.baseline.stack.map((layer) => ({ ...layer })), true));

// A worker may announce itself while the form is open: the notice goes and the device says so.
async function look() {
  if (document.hidden) return;
  const { items } = await call("/api/v1/workers?limit=200");
  const present = [...new Set(items.filter((worker) => worker.present).map((worker) => worker.device.kind))].sort().join(" ");
  if (present === form.dataset.present) return;
  form.dataset.present = present;
  document.getElementById("absent").hidden = present !== "";
  const within = slot("device").contains(document.activeElement);
  drawPlace();
  if (within) slot("device").querySelector(":checked")?.focus();
}

const first = () => {
  const found = held.menu.starts.find((start) => start.word === query.get("start"));
  if (found) return found.study;
  // Nothing was asked for: a first study, on what is there.
  const present = form.dataset.present.split(" ");
  return { ...held.menu.starts[0].study, device: present.includes("cpu") || !present[0] ? "cpu" : present[0] };
};

// The study that the address names.
async function named() {
  if (query.get("draft")) return (await call(drafts.address(query.get("draft")))).study;
  if (query.get("from")) return (await call(`/api/v1/studies/${encodeURIComponent(query.get("from"))}`)).spec;
  const start = query.get("start");
  const words = held.menu.starts.map(({ word }) => word);
  if (start && !words.includes(start)) throw new Error(`there is no start ${start}. It is one of ${words.join(", ")}.`);
  return first();
}

// A draft may hold anything: what the form cannot show stays as text.
function begin(study, named) {
  try {
    take(study, named);
  } catch (error) {
    take(first());
    written.paste(JSON.stringify(study, null, 2), error.message);
  }
}

async function open() {
  const kept = unsaved.kept();
  if (kept) {
    begin(kept.study, kept.named);
    if (kept.text) written.paste(kept.text);
    tell("What you had not submitted is here again.", "Start afresh", () => { unsaved.forget(); location.reload(); });
    return;
  }
  begin(await named());
  const stack = query.get("ablate");
  if (stack) await presets.takeApart(stack, (study) => take(study)).catch((error) => refused(said(error)));
  const elsewhere = unsaved.others();
  if (elsewhere.length && !query.size) {
    tell("There is something you have not submitted:");
    news.append(...elsewhere.map(([address, name]) => el("a", { href: address }, name)));
  }
}

try {
  held.menu = await call(form.dataset.menu);
  await open();
  drawAll();
  changed();
  opening = false;
  presets.listen(fill, refused);
  written.listen((study) => fill(study, "the text you gave"), keep);
  form.hidden = false;
  loading.remove();
  // A server that is away for a moment is asked again the next time.
  setInterval(() => look().catch((error) => console.debug(error)), LOOK_MS);
} catch (error) {
  loading.textContent = `The form could not be filled: ${said(error)}`;
}
