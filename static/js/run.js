// The page of one run: its charts, and while it has not ended its progress, state and log as they come.
import "./frame.js";
import { show } from "./charts.js";
import { follow, further, saying, soon, writing } from "./live.js";
import "./notes.js";
import { obey } from "./orders.js";
import { renew } from "./parts.js";

const head = document.querySelector("[data-watched]");
const run = head.dataset.watched;
const said = document.querySelector("[data-live-state]");

function showAll() {
  for (const section of document.querySelectorAll("#charts [data-chart]")) show(section, `/api/v1/runs/${run}/charts/${section.dataset.chart}`);
}
showAll();

async function refresh() {
  if ((await renew()).includes("drawn")) showAll();
}
const refreshSoon = soon(refresh);

let following = head.dataset.ended === "false";
function listen() {
  const stop = follow(`/api/v1/events?run=${run}`, {
    after: head.dataset.event,
    on: {
      progress: further,
      log: writing(document.getElementById("log")),
      priority: refreshSoon,
      state: (data) => {
        refreshSoon();
        if (["done", "cancelled", "quarantined", "expired"].includes(data.state)) {
          following = false;
          stop();
          said.hidden = true;
        }
      },
    },
    poll: refresh,
    say: saying(said),
  });
}
if (following) listen();
obey(async () => {
  await refresh();
  // Queued again: from now on there is something to follow.
  if (!following && document.querySelector('#run-state [data-act="cancel"]')) location.reload();
});
