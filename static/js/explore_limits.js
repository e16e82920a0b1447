// The limits of the Explore page: a slider and a field for each, which agree; and what is set, in base units.
import { ruler } from "./ruler.js";
import { entered, told } from "./units.js";

const STEPS = 200;
const boxes = () => [...document.querySelectorAll("#limits [data-limit]")];

const on = ({ dataset }) => ruler(Number(dataset.low), Number(dataset.high));

// The end of a slider that lets everything through.
const open = (box) => (box.dataset.bound === "gte" ? 0 : STEPS);

function put(box) {
  const slider = box.querySelector('[type="range"]');
  const { value, unit } = box.dataset;
  if (document.activeElement !== slider) slider.value = value === undefined ? open(box) : Math.round(STEPS * on(box).share(Number(value)));
  slider.setAttribute("aria-valuetext", value === undefined ? "any" : told(Number(value), unit));
  slider.disabled = box.dataset.low === box.dataset.high && value === undefined;
}

// Every slider as its field has it; after the server wrote them anew.
export const place = () => boxes().forEach(put);

// A slider was moved: its field follows.
export function slid(slider) {
  const box = slider.closest("[data-limit]");
  const step = Number(slider.value);
  const field = box.querySelector('[type="text"]');
  if (step === open(box)) {
    delete box.dataset.value;
    field.value = "";
  } else {
    const value = on(box).value(step / STEPS);
    box.dataset.value = value;
    field.value = entered(value, box.dataset.unit);
  }
  put(box);
}

// What is set, as columns with the least and the most that they let through.
export function held() {
  const found = new Map();
  for (const { dataset } of boxes()) {
    if (dataset.value === undefined) continue;
    const [column, bound] = dataset.limit.split("__");
    const span = found.get(column) ?? { low: -Infinity, high: Infinity };
    found.set(column, { ...span, [bound === "lte" ? "high" : "low"]: Number(dataset.value) });
  }
  return found;
}

// Sets both sides of a column, as a brush does; a side without a field gets one that the server then writes properly.
export function set(form, column, { low, high }) {
  for (const [bound, value] of [["gte", low], ["lte", high]]) {
    const name = `${column}__${bound}`;
    let field = form.elements.namedItem(name);
    if (!field) {
      if (!Number.isFinite(value)) continue;
      field = Object.assign(document.createElement("input"), { type: "hidden", name });
      field.dataset.brush = "";
      form.append(field);
    }
    field.value = Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "";
    const box = field.closest("[data-limit]");
    if (!box) continue;
    if (Number.isFinite(value)) box.dataset.value = value;
    else delete box.dataset.value;
    put(box);
  }
}

// Takes in what the server wrote. While the reader has hold of one, the fields stay and what they say changes.
export function adopt(part, next) {
  if (!part.contains(document.activeElement) || !document.activeElement.matches("input")) {
    part.replaceChildren(...next.childNodes);
    return;
  }
  for (const box of part.querySelectorAll("[data-limit]")) {
    const fresh = next.querySelector(`[data-limit="${box.dataset.limit}"]`);
    if (!fresh) continue;
    box.querySelector("[data-says]").replaceChildren(...fresh.querySelector("[data-says]").childNodes);
    if (box.contains(document.activeElement)) {
      if (document.activeElement.type === "text" && fresh.dataset.value !== undefined) box.dataset.value = fresh.dataset.value;
      continue;
    }
    Object.assign(box.dataset, fresh.dataset);
    if (fresh.dataset.value === undefined) delete box.dataset.value;
    box.querySelector('[type="text"]').value = fresh.querySelector('[type="text"]').value;
  }
}
