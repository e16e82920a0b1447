// The sweep: for each field of the workload a list of values, added one by one or by doubling.
import { el, words } from "./fields.js";
import { by, held } from "./order_held.js";
import { changed, mark, slot } from "./order_place.js";

const MOST = 100;
const number = (text) => (text === "" ? null : Number(text));
let serial = 0;

function box(label, value, schema, change, properties = {}) {
  const input = el("input", { type: "number", step: "1", value: value ?? "", "aria-label": label, oninput: (event) => change(number(event.target.value)), ...properties });
  input.min = schema.minimum ?? 1;
  if (schema.maximum !== undefined) input.max = schema.maximum;
  return input;
}

const onEnter = (act) => (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  act();
};

// Values from the first to the last, each twice the one before; text says why there are none.
export function doubled(first, last) {
  if (!Number.isInteger(first) || first < 1) return "Begin with a whole number of 1 or more.";
  if (!Number.isInteger(last) || last < first) return "End with a whole number that is not below the beginning.";
  const values = [];
  for (let value = first; value <= last; value *= 2) values.push(value);
  return values;
}

function drawField(name) {
  const { study } = held;
  const schema = by("workloads", study.workload.name).properties[name];
  const title = words(name).toLowerCase();
  const values = study.sweep[name] ?? [];
  const wrong = el("span", { className: "field-error", role: "status" });
  const id = `sweep-${++serial}`;

  const again = (focus) => {
    const fresh = drawField(name);
    node.replaceWith(fresh);
    changed();
    focus?.(fresh);
  };
  const set = (next) => {
    if (next.length) study.sweep[name] = next;
    else delete study.sweep[name];
  };
  const add = () => {
    if (values.length >= MOST) { wrong.textContent = `A field takes at most ${MOST} values.`; return; }
    const last = values.findLast((value) => value !== null);
    set([...values, last ? last * 2 : study.workload[name]]);
    again((fresh) => {
      const added = [...fresh.querySelectorAll(".sweep-value input")].at(-1);
      added.focus();
      added.select();
    });
  };

  const list = values.map((value, index) => {
    const label = `${title}, value ${index + 1}`;
    const input = box(label, value, schema, (next) => { values[index] = next; set(values); changed(); }, { onkeydown: onEnter(add) });
    const remove = el("button", { className: "button plain", type: "button", "aria-label": `Remove ${label}`, onclick: () => {
      set(values.filter((_, at) => at !== index));
      again((fresh) => (fresh.querySelectorAll(".sweep-value input")[Math.max(0, index - 1)] ?? fresh.querySelector("[data-add-value]")).focus());
    } }, mark('[data-icon="close"]'));
    return el("li", { className: "sweep-value field", "data-field": `sweep.${name}.${index}` }, input, remove, el("span", { className: "field-error" }));
  });

  let [first, last] = [values[0] ?? study.workload[name], values.at(-1) ?? Math.min(study.workload[name] * 8, schema.maximum ?? Infinity)];
  const fill = () => {
    const found = doubled(first, last);
    if (typeof found === "string") { wrong.textContent = found; return; }
    set(found);
    again((fresh) => fresh.querySelector("[data-fill]").focus());
  };
  const node = el("fieldset", { className: "sweep-field", "data-field": `sweep.${name}`, id },
    el("legend", {}, words(name)),
    values.length ? el("ol", { className: "sweep-values" }, ...list) : el("p", { className: "quiet" }, `One value: ${study.workload[name] ?? "none"}, from the workload.`),
    el("div", { className: "sweep-tools" },
      el("button", { className: "button", type: "button", "data-add-value": "", "aria-label": `Add a value of ${title}`, onclick: add }, mark('[data-icon="plus"]'), "Add a value"),
      el("span", { className: "doubling" }, "or from", box(`${title}, doubling from`, first, schema, (value) => { first = value; }, { onkeydown: onEnter(fill) }),
        "to", box(`${title}, doubling to`, last, schema, (value) => { last = value; }, { onkeydown: onEnter(fill) }),
        el("button", { className: "button", type: "button", "data-fill": "", "aria-label": `Fill ${title} by doubling`, onclick: fill }, "doubling"))),
    wrong);
  return node;
}

export function drawSweep() {
  const names = by("workloads", held.study.workload.name).sweepable;
  slot("sweep").replaceChildren(...(names.length ? names.map(drawField) : [el("p", { className: "quiet" }, "This workload has nothing to sweep over.")]));
}
