// The budgets beside the trade-off: sliders and numbers that agree, and what each one says it removes.
import { chosen } from "./address.js";
import { isLog, ruler } from "./ruler.js";

const STEPS = 1000;
const boxes = () => [...document.querySelectorAll("#budgets [data-budget]")];
const short = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });

// Where values lie on a slider; zero, which has no logarithm, lies at the left end.
function steps({ dataset }) {
  const [least, most, above] = [dataset.least, dataset.most, dataset.above].map(Number);
  const low = least > 0 ? least : above;
  const on = ruler(isLog(low, most) ? low : least, most);
  return {
    value: (step) => (step === 0 ? least : on.value(step / STEPS)),
    step: (value) => Math.round(STEPS * on.share(value)),
  };
}

// The end of a slider that lets everything through.
const open = (box) => (box.dataset.better === "higher" ? 0 : STEPS);

function put(box, limit) {
  const number = box.querySelector(".amount input");
  const slider = box.querySelector('[type="range"]');
  if (limit === null) delete box.dataset.limit;
  else box.dataset.limit = limit;
  number.removeAttribute("aria-invalid");
  const amount = limit === null ? "" : String(Number((limit / Number(box.dataset.per)).toPrecision(5)));
  if (document.activeElement !== number) number.value = amount;
  if (document.activeElement !== slider) slider.value = limit === null ? open(box) : steps(box).step(limit);
  slider.setAttribute("aria-valuetext", limit === null ? "any" : `${amount} ${box.dataset.unit}`.trim());
}

// The limits that are set, as front.js takes them.
export const limits = () =>
  boxes()
    .filter((box) => box.dataset.limit !== undefined)
    .map((box) => ({ quantity: box.dataset.budget, better: box.dataset.better === "higher" ? "higher" : "lower", value: Number(box.dataset.limit) }));

// As the address has them; a budget that is not set is null, so that it leaves the address.
export const parameters = () => Object.fromEntries(boxes().map((box) => [box.dataset.field, box.dataset.limit ?? null]));

// The sliders as the address and the plane have them; after the server wrote the form anew.
export function place(plane) {
  for (const box of boxes()) {
    const values = plane.spots.filter((spot) => !spot.fell_back).map((spot) => spot.values[box.dataset.budget]);
    const above = values.filter((value) => value > 0);
    box.dataset.above = above.length ? Math.min(...above) : 0;
    const text = chosen(box.dataset.field);
    // What the address had and nobody could read stays in its field until the reader changes it.
    if (text === null && box.querySelector("[aria-invalid]")) continue;
    put(box, text === null ? null : Number(text));
  }
}

// What each budget says: `weighed` of front.js, and how many options there are.
export function say(weighed, fitting, options) {
  document.querySelector("[data-fitting]")?.replaceChildren(`${fitting} of ${options} options`);
  for (const box of boxes()) {
    const found = weighed.find(({ limit }) => limit.quantity === box.dataset.budget);
    const says = box.querySelector("[data-says]");
    const per = Number(box.dataset.per);
    if (!found) {
      says.textContent = `${short(Number(box.dataset.least) / per)} to ${short(Number(box.dataset.most) / per)} ${box.dataset.unit}`;
      continue;
    }
    says.textContent = `Removes ${found.removes} of ${options}${found.unmeasured ? `, ${found.unmeasured} of them not measured` : ""}.`;
    if (found.next === null) continue;
    const relax = document.createElement("a");
    relax.href = "#budgets";
    relax.dataset.relax = found.next;
    relax.textContent = `Relax by ${short(Math.abs(found.next - found.limit.value) / per)} ${box.dataset.unit}`;
    says.append(" ", relax, ` and ${found.gains} more ${found.gains === 1 ? "option fits" : "options fit"}.`);
  }
}

// Calls back on every move of a slider, every digit, and every click that loosens or clears.
export function listen(moved) {
  document.addEventListener("input", ({ target }) => {
    const box = target.closest?.("#budgets [data-budget]");
    if (!box) return;
    if (target.type === "range") {
      const step = Number(target.value);
      put(box, step === open(box) ? null : Number(steps(box).value(step).toPrecision(4)));
    } else {
      const number = target.value.trim() === "" ? Number.NaN : Number(target.value);
      put(box, Number.isNaN(number) ? null : number * Number(box.dataset.per));
    }
    moved();
  });
  document.addEventListener("click", (event) => {
    const relax = event.target.closest?.("#budgets [data-relax]");
    const clear = event.target.closest?.("#budgets [data-clear]");
    if (!relax && !clear) return;
    event.preventDefault();
    // What had the focus goes away with the words that held it.
    if (relax) {
      const box = relax.closest("[data-budget]");
      put(box, Number(relax.dataset.relax));
      box.querySelector('[type="range"]').focus();
    } else for (const box of boxes()) put(box, null);
    moved();
  });
}
