// What was typed and not yet submitted, kept for this tab: a reload or a lost sign-in takes nothing away.
import { quietly } from "./storage.js";

const PREFIX = "unsaved study ";

export const keep = (state) => quietly(() => sessionStorage.setItem(PREFIX + location.search, JSON.stringify(state)));
export const kept = () => quietly(() => JSON.parse(sessionStorage.getItem(PREFIX + location.search)));
export const forget = () => quietly(() => sessionStorage.removeItem(PREFIX + location.search));

// What is kept under other addresses of the form, as [address, name].
export function others() {
  const found = quietly(() => Object.entries(sessionStorage).filter(([name]) => name.startsWith(PREFIX) && name !== PREFIX + location.search)) ?? [];
  return found.map(([name, text]) => [location.pathname + name.slice(PREFIX.length), quietly(() => JSON.parse(text).study.name) || "a study without a name"]);
}
