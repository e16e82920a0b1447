// Parts of a page that the server wrote anew are put in place without a reload. What the reader opened stays open, what was
// scrolled stays there, and the keyboard stays where it was.
import { Refused } from "./api.js";

// A page as the server has it now.
export async function fetched(address = location.href, signal) {
  const answer = await fetch(address, { signal, credentials: "same-origin", headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Refused(answer.status, {});
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Words of a fold may change with what is in it; a name does not.
const foldName = (fold) => fold.dataset.keep ?? fold.querySelector("summary [id]")?.id ?? fold.querySelector("summary")?.textContent;
const boxName = (box) => box.getAttribute("aria-label");
const kept = (part, selector, name, state) => new Map([...part.querySelectorAll(selector)].map((one) => [name(one), state(one)]));

// What a thing is, so that the same one is found among those that were written anew.
function sign(element) {
  const { name, type, value, dataset } = element;
  const told = ["href", "aria-label"].map((word) => element.getAttribute(word));
  const words = element.matches("summary") ? foldName(element.parentElement) : element.matches("button") ? element.textContent : "";
  return [element.tagName, name, ["checkbox", "radio"].includes(type) ? value : "", ...told, dataset.act, dataset.run, words].join("\n");
}

function exchange(part, next) {
  part.replaceChildren(...next.childNodes);
}

// Puts what `next` holds into `part`; `put` does it where that is not all there is to do.
export function swap(part, next, put = exchange) {
  if (next.innerHTML === part.innerHTML) return;
  const active = part.contains(document.activeElement) && document.activeElement !== part ? document.activeElement : null;
  const signed = active && sign(active);
  const folds = kept(part, "details", foldName, ({ open }) => open);
  const boxes = kept(part, ".table-box", boxName, ({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop]);
  put(part, next);
  for (const fold of part.querySelectorAll("details")) fold.open = folds.get(foldName(fold)) ?? fold.open;
  for (const box of part.querySelectorAll(".table-box")) if (boxes.has(boxName(box))) box.scrollTo(...boxes.get(boxName(box)));
  if (!active || part.contains(document.activeElement)) return;
  const same = [...part.querySelectorAll(active.tagName)].find((one) => sign(one) === signed);
  (same ?? part.querySelector("a, button, input"))?.focus({ preventScroll: true });
}

// What the server wrote into each live part, as it wrote it: scripts may have drawn into a part since.
const written = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.innerHTML]));

// Fetches the page again and puts in place what the server writes differently now. A part that is to be idle for it waits
// until the reader has left it. Returns the ids of the parts that changed.
export async function renew(address, signal) {
  const fresh = await fetched(address, signal);
  const changed = [];
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === written.get(part.id)) continue;
    if (part.dataset.live === "idle" && part.contains(document.activeElement)) continue;
    written.set(part.id, next.innerHTML);
    swap(part, next);
    changed.push(part.id);
  }
  return changed;
}
