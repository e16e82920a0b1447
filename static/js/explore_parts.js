// The Explore page written anew: its parts, the fields outside of them, and more rows below those that are there.
import { adopt as adoptLimits, place } from "./explore_limits.js";
import { fetched, swap } from "./parts.js";

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
    if (next) swap(part, next, part.id === "limits" ? adoptLimits : undefined);
  }
  place();
  return true;
}

// More rows below those that are there.
export async function more(link) {
  const fresh = await fetched(link.href);
  const rows = [...fresh.querySelectorAll("#results tbody tr")];
  const body = document.querySelector("#results tbody");
  // A group that goes on needs no second heading.
  const last = [...body.querySelectorAll(".point-row")].at(-1)?.textContent;
  if (rows[0]?.classList.contains("point-row") && rows[0].textContent === last) rows.shift();
  body.append(...rows);
  const next = fresh.querySelector("#results [data-more]");
  link.remove();
  if (next) document.querySelector("#results .more").prepend(next);
  rows.find((row) => row.dataset.run)?.querySelector("a")?.focus({ preventScroll: true });
}
