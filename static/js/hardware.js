// "Measure again" on the pages of devices: asks a worker for new ceilings.
import "./frame.js";
import { call } from "./api.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-again]");
  if (!button) return;
  button.disabled = true;
  const said = button.parentElement.querySelector("[data-said]");
  try {
    await call(`/api/v1/workers/${button.dataset.again}/ceilings/again`, { method: "POST", key: crypto.randomUUID?.() });
    said.textContent = "Asked. The worker measures as soon as it is free.";
  } catch (error) {
    said.textContent = error.message;
    button.disabled = false;
  }
});
