// The Runs page while it is open: rows follow what happens, filters act at once, buttons cancel and reorder.
import "./frame.js";
import { follow, further, saying, soon } from "./live.js";
import { obey } from "./orders.js";
import { renew } from "./parts.js";

const LOOK_MS = 20_000;
const refresh = () => renew();
const refreshSoon = soon(refresh);

follow("/api/v1/events?kind=state&kind=study&kind=progress&kind=priority", {
  after: document.querySelector("[data-runs]").dataset.event,
  on: { state: refreshSoon, study: refreshSoon, priority: refreshSoon, progress: further },
  poll: refresh,
  say: saying(document.querySelector("[data-live-state]")),
});
// Workers come and go without an event, and expected ends draw nearer.
setInterval(() => document.hidden || refreshSoon(), LOOK_MS);
obey(refresh);

const filters = document.querySelector("[data-filters]");
filters.addEventListener("change", (event) => {
  if (!event.target.matches("select")) return;
  const query = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value));
  location.assign(`/runs${query.size ? `?${query}` : ""}`);
});
