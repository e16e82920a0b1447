// Drafts: the study kept on the server for its owner, and their list with rename and delete.
import { call } from "./api.js";
import { el } from "./fields.js";
import { said } from "./order_problems.js";
import { fetched, swap } from "./parts.js";

const SURE_MS = 4000;
const list = document.getElementById("drafts");
const opened = () => new URLSearchParams(location.search).get("draft");
export const address = (id) => `/api/v1/drafts/${encodeURIComponent(id)}`;

// The list as the server writes it; it stays open or closed.
async function refresh() {
  swap(list, (await fetched("/studies/new")).getElementById("drafts"));
}

async function changed(id, study) {
  try {
    return await call(address(id), { method: "PATCH", body: { study } });
  } catch (error) {
    // Somebody has deleted it meanwhile, in another tab: it becomes a new one.
    if (error.status === 404) return null;
    throw error;
  }
}

// Keeps the study: in the draft that is open, else in a new one. Answers its id.
export async function save(study, key) {
  const id = opened();
  const draft = (id && (await changed(id, study))) || (await call("/api/v1/drafts", { method: "POST", body: { name: study.name, study }, key }));
  await refresh();
  return draft.id;
}

function rename(row) {
  const link = row.querySelector("a");
  const box = el("input", { type: "text", value: link.textContent, maxLength: 120, "aria-label": "New name of the draft", autocomplete: "off" });
  const wrong = el("span", { className: "field-error", role: "alert" });
  const form = el("form", { className: "actions", onsubmit: async (event) => {
    event.preventDefault();
    try {
      await call(address(row.dataset.draft), { method: "PATCH", body: { name: box.value } });
      await refresh();
      list.querySelector(`[data-draft="${CSS.escape(row.dataset.draft)}"] a`)?.focus();
    } catch (error) {
      wrong.textContent = said(error);
    }
  }, onkeydown: (event) => { if (event.key === "Escape") refresh(); } }, box, el("button", { className: "button", type: "submit" }, "Rename"), wrong);
  row.replaceChildren(form);
  box.focus();
  box.select();
}

async function remove(row, button) {
  if (!("sure" in button.dataset)) {
    const name = button.getAttribute("aria-label");
    const say = (text, label) => { button.textContent = text; button.setAttribute("aria-label", label); };
    button.dataset.sure = "";
    say("Delete for good", `${name} for good`);
    setTimeout(() => { delete button.dataset.sure; say("Delete", name); }, SURE_MS);
    return;
  }
  try {
    await call(address(row.dataset.draft), { method: "DELETE" });
    await refresh();
    list.querySelector("summary").focus();
  } catch (error) {
    row.append(el("span", { className: "field-error", role: "alert" }, said(error)));
  }
}

list.addEventListener("click", (event) => {
  const row = event.target.closest("[data-draft]");
  if (!row) return;
  const button = event.target.closest("button");
  if (button && "rename" in button.dataset) rename(row);
  if (button && "delete" in button.dataset) remove(row, button);
});
