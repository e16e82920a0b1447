// The coverage map: the study of a cell is kept as a draft, and the order form opens with it.
import "./frame.js";
import { call } from "./api.js";

document.getElementById("cell")?.focus();
document.querySelector("[data-draft]")?.addEventListener("click", async ({ currentTarget: button }) => {
  const study = JSON.parse(button.dataset.draft);
  button.disabled = true;
  try {
    const { url } = await call("/api/v1/drafts", { method: "POST", body: { name: study.name, study } });
    location.assign(url);
  } catch (error) {
    document.querySelector("[data-fault]").textContent = error.message;
    button.disabled = false;
  }
});
