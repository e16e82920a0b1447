// Form controls made from JSON schemas: one field, with its hint, its range, and a place for what is wrong with it.
let serial = 0;

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const words = (name) => name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());

function control(schema, value, id, change) {
  if (schema.enum)
    return el("select", { id, onchange: (event) => change(schema.enum[event.target.selectedIndex]) },
      ...schema.enum.map((choice) => new Option(String(choice), String(choice), false, choice === value)));
  if (schema.type === "boolean")
    return el("input", { id, type: "checkbox", checked: Boolean(value), onchange: (event) => change(event.target.checked) });
  if (schema.type === "integer" || schema.type === "number") {
    const box = el("input", { id, type: "number", value: value ?? "", step: schema.type === "integer" ? String(schema.multipleOf ?? 1) : "any",
      oninput: (event) => change(event.target.value === "" ? null : Number(event.target.value)) });
    if (schema.minimum !== undefined) box.min = schema.minimum;
    if (schema.maximum !== undefined) box.max = schema.maximum;
    return box;
  }
  return el("input", { id, type: "text", value: value ?? "", maxLength: schema.maxLength ?? 200, autocomplete: "off", spellcheck: false,
    oninput: (event) => change(event.target.value) });
}

// A field for one property. `path` is the field's place in the study, as problems name it.
export function field(path, name, given, value, change, label = words(name)) {
  const schema = given.anyOf ? { ...given, ...given.anyOf.find((choice) => choice.type !== "null") } : given;
  const id = `field-${++serial}`;
  const range = schema.minimum !== undefined && schema.maximum !== undefined ? ` ${schema.minimum.toLocaleString("en")} to ${schema.maximum.toLocaleString("en")}.` : "";
  const box = control(schema, value, id, change);
  const hint = schema.description ? el("span", { className: "hint", id: `${id}-hint` }, schema.description + range) : null;
  const wrong = el("span", { className: "field-error", id: `${id}-wrong` });
  box.setAttribute("aria-describedby", `${hint ? `${id}-hint ` : ""}${id}-wrong`);
  const caption = el("label", { htmlFor: id }, label);
  const tick = schema.type === "boolean";
  return el("div", { className: `field${tick ? " tick" : ""}`, "data-field": path }, ...(tick ? [box, caption] : [caption, box]), hint, wrong);
}

// A select over entries with words and titles; what cannot be chosen is disabled and says why.
export function choice(path, label, entries, value, change, reason = () => null) {
  const id = `field-${++serial}`;
  const select = el("select", { id, onchange: (event) => change(event.target.value), "aria-describedby": `${id}-wrong` });
  for (const entry of entries) {
    const why = reason(entry);
    const option = new Option(why ? `${entry.title} (${why})` : entry.title, entry.word, false, entry.word === value);
    option.disabled = Boolean(why);
    select.append(option);
  }
  return el("div", { className: "field", "data-field": path }, el("label", { htmlFor: id }, label), select, el("span", { className: "field-error", id: `${id}-wrong` }));
}

export function radios(legend, name, entries, value, change) {
  return el("fieldset", { className: "group", "data-field": name }, el("legend", {}, legend),
    ...entries.map(([word, title, more]) =>
      el("label", {}, el("input", { type: "radio", name, value: word, checked: word === value, onchange: () => change(word) }), el("span", {}, title, more ? el("span", {}, more) : null))),
    el("span", { className: "field-error" }));
}

export function defaults(entry) {
  return Object.fromEntries(Object.entries(entry.properties).filter(([, schema]) => schema.default !== undefined).map(([name, schema]) => [name, schema.default]));
}
