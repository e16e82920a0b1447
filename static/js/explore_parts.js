// Parts of the Explore page that the server writes are put in place without a reload; what the reader opened stays open,
// and the keyboard stays where it was.
import { adopt as adoptLimits, place } from "./explore_limits.js";

const kept = (part) => new Map([...part.querySelectorAll("details[data-keep]")].map((fold) => [fold.dataset.keep, fold.open]));

// A selector that finds the same thing in a part that was written anew.
function mark(element, part) {
  if (!part.contains(element) || element === part) return null;
  if (element.name) return `[name="${CSS.escape(element.name)}"]${element.type === "checkbox" ? `[value="${CSS.escape(element.value)}"]` : ""}`;
  const fold = element.matches("summary") ? element.parentElement.dataset.keep : null;
  if (fold) return `details[data-keep="${CSS.escape(fold)}"] > summary`;
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  return element.matches(".table-box") ? ".table-box" : null;
}

function swap(part, next) {
  if (next.innerHTML === part.innerHTML) return;
  const folds = kept(part);
  const focused = mark(document.activeElement, part);
  const lost = part.contains(document.activeElement);
  const [left, top] = [part.querySelector(".table-box")?.scrollLeft ?? 0, part.querySelector(".table-box")?.scrollTop ?? 0];
  if (part.id === "limits") adoptLimits(part, next);
  else part.replaceChildren(...next.childNodes);
  for (const fold of part.querySelectorAll("details[data-keep]")) if (folds.has(fold.dataset.keep)) fold.open = folds.get(fold.dataset.keep);
  part.querySelector(".table-box")?.scrollTo(left, top);
  if (focused) part.querySelector(focused)?.focus({ preventScroll: true });
  else if (lost && !part.contains(document.activeElement)) part.querySelector("a, button, input")?.focus({ preventScroll: true });
}

// Fields outside of the parts, as the address has them; one that is being typed into stays.
function fields(form, fresh) {
  const others = [...fresh.getElementById("explore").elements].filter((field) => field.name && !field.closest("[data-part]"));
  for (const field of [...form.elements]) if (field.type === "hidden" && !field.closest("[data-part]")) field.remove();
  for (const field of others) {
    if (field.type === "hidden") {
      form.append(field.cloneNode());
      continue;
    }
    const own = [...form.elements].find((one) => one.name === field.name && !one.closest("[data-part]") && (one.type !== "checkbox" || one.value === field.value));
    if (!own || own === document.activeElement && own.matches("[type=search]")) continue;
    if (own.type === "checkbox") own.checked = field.checked;
    else {
      if (own.matches("select") && own.innerHTML !== field.innerHTML) own.replaceChildren(...[...field.children].map((option) => option.cloneNode(true)));
      own.value = field.value;
    }
  }
  for (const list of document.querySelectorAll("[data-list]")) {
    const same = fresh.querySelector(`[data-list="${list.dataset.list}"]`);
    if (same) list.dataset.usual = same.dataset.usual;
  }
}

export function adopt(fresh) {
  const form = document.getElementById("explore");
  if (!fresh.getElementById("explore")) return false;
  fields(form, fresh);
  for (const part of document.querySelectorAll("[data-part]")) {
    const next = fresh.getElementById(part.id);
    if (next) swap(part, next);
  }
  place();
  return true;
}

// More rows below those that are there.
export async function more(link) {
  const answer = await fetch(link.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rows = [...fresh.querySelectorAll("#results tbody tr")];
  const body = document.querySelector("#results tbody");
  // A group that goes on needs no second heading.
  const last = [...body.querySelectorAll(".point-row")].at(-1)?.textContent;
  if (rows[0]?.classList.contains("point-row") && rows[0].textContent === last) rows.shift();
  body.append(...rows);
  const next = fresh.querySelector("#results [data-more]");
  const [, first] = [link.remove(), rows.find((row) => row.dataset.run)];
  if (next) document.querySelector("#results .more").prepend(next);
  first?.querySelector("a")?.focus({ preventScroll: true });
}
