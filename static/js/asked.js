// A form whose answer stands beside it: each change goes into the address, and the server's answer into its place.
import { Refused, call } from "./api.js";
import { swap } from "./parts.js";

// `path` is the page's; `settle` how long a pause in typing is, in milliseconds; `carried` gives the request for an address that cannot
// carry all of the question, or nothing; `arranged` is called after every change of the form; of a field that `left` names nothing is sent.
// Returns what asks.
export function live(form, answer, { path, settle, carried = () => null, arranged = () => {}, left = () => false }) {
  const usual = (field) => field.dataset.usual ?? "";

  // What is as usual is left out; a field that was emptied is sent, and the server says what it needs.
  function address() {
    const given = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && (value.trim() !== "" || usual(form.elements[name]) !== "") && value !== usual(form.elements[name]) && !left(name));
    return `${path}?${new URLSearchParams(given)}`;
  }

  let shown = location.search;
  let flight = null;
  async function ask(place = address(), how = "replaceState") {
    flight?.abort();
    flight = new AbortController();
    const waiting = setTimeout(() => answer.classList.add("waiting"), 250);
    try {
      const options = { signal: flight.signal, credentials: "same-origin", headers: { Accept: "text/html" } };
      const other = carried(place);
      // Whatever is wrong stands on the page too, so its text is shown with any status.
      const reply = await (other ? fetch(other.place, { ...options, ...other.options }) : fetch(place, options));
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
      const next = fresh.getElementById(answer.id);
      if (!next) return location.assign(place);
      swap(answer, next);
      document.title = fresh.title;
      for (const note of form.querySelectorAll(".field-error")) note.textContent = fresh.getElementById(note.id)?.textContent ?? "";
      for (const field of form.elements) if (field.id) judge(field, fresh.getElementById(field.id));
      if (how && !other) history[how](null, "", place);
      shown = location.search;
    } catch (error) {
      if (error.name !== "AbortError") document.dispatchEvent(new CustomEvent("tradespace:unanswered"));
    } finally {
      clearTimeout(waiting);
      answer.classList.remove("waiting");
    }
  }

  // A field is as wrong as the server says, and is seen then, wherever it was folded away.
  function judge(field, next) {
    for (const name of ["aria-invalid", "aria-describedby"]) {
      const says = next?.getAttribute(name);
      if (says) field.setAttribute(name, says);
      else field.removeAttribute(name);
    }
    if (field.ariaInvalid) for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  }

  // What an address asks is put into the form; what it does not say is as usual.
  function adopt(place) {
    const asked = new URL(place, location.href).searchParams;
    for (const field of form.elements) if (field.name && !(carried(place) && field.name === "model")) field.value = asked.get(field.name) ?? usual(field);
    arranged();
  }

  let pause = null;
  form.addEventListener("input", ({ target }) => {
    if (target.name === "config" || !target.name) return;
    arranged();
    clearTimeout(pause);
    pause = setTimeout(ask, settle);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  // A link to another question fills the form with it, and its answer is gone to.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("a[data-ask]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    adopt(link.href);
    await ask(address(), "pushState");
    answer.querySelector("section, .notice")?.scrollIntoView({ block: "nearest" });
  });
  addEventListener("popstate", () => {
    // A link inside the page comes here too, and asks nothing.
    if (location.search === shown) return;
    if (location.search === "") return location.reload();
    adopt(location.href);
    ask(address(), null);
  });
  arranged();
  return ask;
}

// A whole config.json is too long for an address: the server says which of its fields matter. Writes them into the form's field,
// in the place of a model's name; says beside it what is wrong. Returns whether there is now something to ask.
export async function shortened({ config, model }) {
  const note = document.getElementById("wrong-config");
  note.textContent = "";
  if (config.value.trim() === "") return false;
  try {
    const { question } = await call("/api/v1/plan", { method: "POST", body: { config: JSON.parse(config.value) } });
    config.value = JSON.stringify(question.config);
    model.value = "";
    return true;
  } catch (error) {
    note.textContent = error instanceof Refused || error instanceof SyntaxError ? error.message : "This could not be read.";
    return false;
  }
}
