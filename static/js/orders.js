// What a reader does to a run: cancel it, run it again, say that it comes first or later.
import { call } from "./api.js";

const refusal = document.getElementById("acted");

function order({ act, run, study, priority }, whole) {
  if (act !== "priority") return [`/api/v1/runs/${run}/${act}`, undefined];
  const body = { priority: Number(priority) };
  return [whole ? `/api/v1/studies/${study}/priority` : `/api/v1/runs/${run}/priority`, body];
}

// Listens to every button of this kind, now and later; `done` is called when the server has done it.
export function obey(done) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-act]");
    if (!button || button.getAttribute("aria-disabled")) return;
    // Not `disabled`: the keyboard would lose its place.
    button.setAttribute("aria-disabled", "true");
    refusal.hidden = true;
    const [path, body] = order(button.dataset, document.querySelector("[data-whole]")?.checked);
    try {
      await call(path, { method: "POST", body, key: crypto.randomUUID?.() });
      await done();
    } catch (error) {
      refusal.textContent = error.message;
      refusal.hidden = false;
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}
