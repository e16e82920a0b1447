// What the server finds wrong with the study, listed beside the form and put to the fields that it names.
import { el } from "./fields.js";
import { form, slot } from "./order_place.js";

function place(path) {
  const parts = (path ?? "").split(".");
  for (; parts.length; parts.pop()) {
    const found = form.querySelector(`[data-field="${CSS.escape(parts.join("."))}"]`);
    if (found) return found;
  }
  return null;
}

export function show(problems) {
  for (const node of form.querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
  for (const node of form.querySelectorAll("[data-field] > .field-error")) node.textContent = "";
  slot("problems").replaceChildren(...problems.map((problem) => {
    const home = place(problem.field);
    const target = home?.matches(".field, fieldset") ? home.querySelector("input, select") : home?.querySelector("select, input");
    const wrong = home && [...home.children].find((child) => child.classList.contains("field-error"));
    if (wrong) wrong.textContent = problem.message;
    target?.setAttribute("aria-invalid", "true");
    return el("li", {}, el("button", { type: "button", onclick: () => target?.focus() }, problem.message), problem.hint ? el("span", { className: "hint" }, problem.hint) : null);
  }));
}

// Problems of a text that is not in the form: a list to read.
export function listed(problems) {
  return el("ul", { className: "problems" }, ...problems.map((problem) =>
    el("li", {}, problem.field ? el("code", {}, problem.field) : null, ` ${problem.message}`, problem.hint ? el("span", { className: "hint" }, problem.hint) : null)));
}

// What to say about a refusal; whoever is signed out learns that nothing is lost.
export function said(error) {
  if (error.status !== 401) return error.message;
  return "You are signed out. Nothing is lost: open a new sign-in link, then come back to this tab and try again.";
}
