// The guide while it is open: each change of the question is written into the address and answered; experiments are queued.
import "./frame.js";
import { call } from "./api.js";
import { live, shortened } from "./asked.js";

const answer = document.getElementById("answer");
const form = document.getElementById("ask");
const ask = live(form, answer, { path: "/guide", settle: 300 });

// A name or a config: what is typed last counts.
async function shorten() {
  if (await shortened(form.elements)) await ask();
}
form.elements.config.addEventListener("change", shorten);
form.elements.config.addEventListener("paste", () => setTimeout(shorten));
form.elements.model.addEventListener("change", () => {
  if (form.elements.model.value.trim() !== "") form.elements.config.value = "";
});

answer.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-queue], [data-draft]");
  if (!button) return;
  const study = JSON.parse(button.dataset.queue ?? button.dataset.draft);
  const queued = "queue" in button.dataset;
  button.disabled = true;
  try {
    const made = queued
      ? await call("/api/v1/studies", { method: "POST", body: study })
      : await call("/api/v1/drafts", { method: "POST", body: { name: study.name, study } });
    location.assign(queued ? `/studies/${made.id}` : made.url);
  } catch (error) {
    answer.querySelector("[data-fault]").textContent = error.message;
    button.disabled = false;
  }
});
