// Saved views: keeps the page's address under a name, shortens a long one to be passed on, and changes those of the list.
import "./frame.js";
import { call } from "./api.js";
import { say } from "./say.js";

const LONG = 300;
const API = "/api/v1/views";
const here = () => location.pathname + location.search;
const fault = document.getElementById("fault");

async function shared() {
  const [title] = document.title.split(" · ");
  const { url } = await call(API, { method: "POST", body: { name: title, path: here(), sharing: "link" } });
  return new URL(url, location.href).href;
}

document.querySelector("[data-copy-link]")?.addEventListener("click", async () => {
  let link = location.href;
  let words = "Link copied";
  if (link.length > LONG) {
    try {
      link = await shared();
      words = "Short link copied";
    } catch (error) {
      words = `Long link copied. ${error.message}`;
    }
  }
  if (!navigator.clipboard) return say(`This browser copies links over HTTPS only: ${link}`);
  await navigator.clipboard.writeText(link);
  say(words);
});

document.querySelector("[data-save-view]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const wrong = form.querySelector(".field-error");
  wrong.textContent = "";
  try {
    const view = await call(API, { method: "POST", body: { name: form.elements.name.value, path: here(), sharing: form.elements.sharing.value } });
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("a"), { href: view.url, textContent: view.name }));
    const list = form.parentElement.querySelector("ul") ?? Object.assign(document.createElement("ul"), { className: "rows" });
    form.parentElement.querySelector(":scope > p.quiet")?.replaceWith(list);
    list.prepend(item);
    form.reset();
    say(`Saved as ${view.url}`);
  } catch (error) {
    wrong.textContent = error.message;
  }
});

// A name is changed in place: Enter keeps it, Escape leaves it.
function rename(row) {
  const link = row.querySelector("[data-name]");
  const field = Object.assign(document.createElement("input"), { type: "text", value: link.textContent, maxLength: 120 });
  field.setAttribute("aria-label", "Name");
  const back = () => {
    field.replaceWith(link);
    row.querySelector("[data-rename]").focus();
  };
  field.addEventListener("keydown", async (event) => {
    if (event.key === "Escape") back();
    if (event.key !== "Enter") return;
    const changed = await act(() => call(`${API}/${row.dataset.view}`, { method: "PATCH", body: { name: field.value } }));
    if (!changed) return;
    link.textContent = changed.name;
    back();
  });
  link.replaceWith(field);
  field.select();
}

async function act(what) {
  fault.hidden = true;
  try {
    return await what();
  } catch (error) {
    fault.hidden = false;
    fault.textContent = error.message;
    return null;
  }
}

document.addEventListener("click", async ({ target }) => {
  const row = target.closest?.("[data-view]");
  if (!row) return;
  if (target.closest("[data-rename]")) rename(row);
  if (!target.closest("[data-delete]")) return;
  if (!(await act(() => call(`${API}/${row.dataset.view}`, { method: "DELETE" })))) return;
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  next?.querySelector("a")?.focus();
  say("Deleted; its short address leads nowhere now.");
});
document.addEventListener("change", async ({ target }) => {
  const row = target.closest?.("[data-view]");
  if (row && "sharing" in target.dataset) await act(() => call(`${API}/${row.dataset.view}`, { method: "PATCH", body: { sharing: target.value } }));
});
