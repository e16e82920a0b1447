// Whole studies for the chosen model and workload, made by the server; what is not offered says why.
import { call } from "./api.js";
import { el } from "./fields.js";
import { asked, held } from "./order_held.js";
import { form, slot } from "./order_place.js";
import { said } from "./order_problems.js";

let asking;
let shown = "";

// What the form keeps of its own when a preset fills it.
const own = () => ({ effort: held.study.effort, profile: held.study.profile, seed: held.study.seed ?? 0 });

function draw(presets, fill) {
  slot("presets").replaceChildren(...presets.map((preset) => {
    const more = `preset-${preset.word}`;
    const button = el("button", { className: "button", type: "button", "aria-describedby": more, onclick: () => {
      if (preset.study) fill({ ...preset.study, ...own() }, preset.title);
    } }, preset.title);
    if (!preset.study) button.setAttribute("aria-disabled", "true");
    return el("li", { className: "preset" }, button, el("p", { id: more }, preset.reason ?? `${preset.summary} ${preset.runs} runs.`));
  }));
}

// Asks anew when the model, the workload or the device has changed; called once the server finds nothing wrong
// with them.
export async function offer(fill) {
  const { model, workload, device } = held.study;
  const wanted = JSON.stringify({ model, workload, device });
  asking?.abort();
  if (wanted === shown) return;
  asking = new AbortController();
  try {
    const { items } = await call("/api/v1/presets", { method: "POST", body: JSON.parse(wanted), signal: asking.signal });
    shown = wanted;
    draw(items, fill);
  } catch (error) {
    if (error.name !== "AbortError" && !slot("presets").children.length) slot("presets").replaceChildren(el("li", { className: "quiet" }, said(error)));
  }
}

// One click on a variant: its stack taken apart.
export async function takeApart(variant, fill, study = asked()) {
  const { study: made } = await call("/api/v1/presets/ablation", { method: "POST", body: { study, variant } });
  fill(made, `Ablation of ${variant}`);
}

export function listen(fill, refused) {
  form.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-ablation]");
    if (button) takeApart(button.dataset.ablation, fill).catch((error) => refused(said(error)));
  });
}
