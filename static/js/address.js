// The view stands in the address: what a reader picks is written there at once, so that a link shows the same elsewhere.
const DELAY_MS = 150;
// The server writes the address of the present view into the tab that is open: in base units, with full names.
const own = document.querySelector("[data-tab][aria-current]");
const parameters = new URLSearchParams(own ? new URL(own.href).search : location.search);
let waiting = null;

export const chosen = (name) => parameters.get(name);
export const all = () => [...parameters];

// Readable where the standard allows it: "@", "," and ":" need no escape in a query.
export function written(changes = {}) {
  const query = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) value === null || value === "" ? query.delete(name) : query.set(name, value);
  const text = query.toString().replaceAll("%40", "@").replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text ? `${location.pathname}?${text}` : location.pathname;
}

// The address as it is now, in the bar and in the links to the other tabs.
export function settle() {
  clearTimeout(waiting);
  waiting = null;
  history.replaceState(history.state, "", written() + location.hash);
  for (const link of document.querySelectorAll("[data-tab]")) link.href = written({ tab: link.dataset.tab });
}

// Takes changes in; null or "" leaves a parameter out. Browsers limit how often an address may change, hence the delay.
export function change(changes) {
  for (const [name, value] of Object.entries(changes))
    value === null || value === "" ? parameters.delete(name) : parameters.set(name, value);
  clearTimeout(waiting);
  waiting = setTimeout(settle, DELAY_MS);
}
