// Rows of the results that are ticked to be compared; they stay ticked while the table changes.
import { say } from "./say.js";

const picked = new Set();
const form = document.getElementById("picked");
const most = Number(document.querySelector("[data-compared]")?.dataset.compared);
const words = form?.querySelector("[data-picked]");
const none = form?.querySelector("[data-unpick]");

export const runs = () => new Set(picked);

// Ticks what is picked, after rows were written anew.
export function show() {
  for (const box of form.querySelectorAll('[name="runs"]')) box.checked = picked.has(box.value);
  none.hidden = picked.size === 0;
  words.textContent = picked.size === 0 ? `Tick 2 to ${most} rows.` : `${picked.size} chosen${picked.size < 2 ? "; at least 2" : ""}`;
}

export function listen(changed) {
  form.addEventListener("change", ({ target }) => {
    if (target.name !== "runs") return;
    if (!target.checked) picked.delete(target.value);
    else if (picked.size < most) picked.add(target.value);
    else say(`At most ${most} can be compared at once.`);
    show();
    changed(runs());
  });
  none.addEventListener("click", () => {
    picked.clear();
    show();
    changed(runs());
  });
  const compare = () => (picked.size < 2 ? say(`Tick 2 to ${most} rows first.`) : location.assign(`/compare?runs=${[...picked].join(",")}`));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compare();
  });
  document.addEventListener("tradespace:compare", compare);
  // A browser that goes back ticks boxes by itself.
  for (const box of form.querySelectorAll('[name="runs"]:checked')) picked.add(box.value);
  show();
}
