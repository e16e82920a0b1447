// Single keys: where the navigation's links lead (their data-key), and a few acts. Never in a field, never with a modifier.
import { say } from "./say.js";

const SEQUENCE_MS = 1500;
const FIELDS = 'input:not([type="checkbox"], [type="radio"], [type="range"], [type="button"], [type="submit"]), textarea, select, [contenteditable=""], [contenteditable="true"]';
const help = document.getElementById("keys-help");
const toggle = document.getElementById("keys-on");
const links = new Map([...document.querySelectorAll("a[data-key]")].map((link) => [link.dataset.key, link]));
const starts = new Set([...links.keys()].filter((keys) => keys.includes(" ")).map((keys) => keys.split(" ")[0]));
let begun = "";
let forgetting;

toggle.checked = localStorage.getItem("keys") !== "off";
toggle.addEventListener("change", () => localStorage.setItem("keys", toggle.checked ? "on" : "off"));

function search() {
  const field = [...document.querySelectorAll('main [data-search], main input[type="search"], main [data-filters] :is(input, select)')].find((one) => one.checkVisibility());
  if (!field) return (links.get("g e") ?? links.get("g s"))?.click();
  field.focus();
  field.select?.();
}

async function copyLink() {
  const own = document.querySelector("[data-copy-link]");
  if (own) return own.click();
  if (!navigator.clipboard) return say("This browser copies links over HTTPS only; the address bar has it.");
  await navigator.clipboard.writeText(location.href);
  say("Link copied");
}

const ACTS = {
  "/": search,
  s: copyLink,
  c: () => document.dispatchEvent(new CustomEvent("tradespace:compare")),
  "?": () => help.showModal(),
};

function begin(keys) {
  begun = keys;
  clearTimeout(forgetting);
  forgetting = setTimeout(() => (begun = ""), SEQUENCE_MS);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    begun = "";
    const menu = document.querySelector(".menu[open]");
    if (menu) menu.open = false;
    return;
  }
  if (event.defaultPrevented || event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.(FIELDS) || !toggle.checked) return;
  const open = document.querySelector("dialog[open]");
  if (open) {
    if (open === help && event.key === "?") help.close();
    return;
  }
  const keys = begun ? `${begun} ${event.key}` : event.key;
  begun = "";
  const act = links.has(keys) ? () => links.get(keys).click() : ACTS[keys];
  if (act) {
    event.preventDefault();
    act();
  } else if (starts.has(event.key)) begin(event.key);
});
