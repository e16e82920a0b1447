// The page of one run: its charts, and while it has not ended its progress, state and log as they come.
import { call } from "./api.js";
import { clear, draw } from "./charts.js";
import { key } from "./key.js";
import { follow, further, refresh, saying, soon } from "./live.js";
import { obey } from "./orders.js";

const head = document.querySelector("[data-watched]");
const run = head.dataset.watched;
const said = document.querySelector("[data-live-state]");

async function show(section) {
  const place = section.querySelector(".plot");
  try {
    const drawing = await call(`/api/v1/runs/${run}/charts/${section.dataset.chart}`);
    section.querySelector(".chart-caption").textContent = drawing.caption;
    key(section, drawing);
    if (drawing.figure) await draw(place, drawing.figure, section.dataset.chart);
    else clear(place, drawing.reason);
  } catch (error) {
    clear(place, error.message);
  }
}

const showAll = () => document.querySelectorAll("#charts [data-chart]").forEach(show);
if (window.Plotly || document.readyState === "complete") showAll();
else addEventListener("DOMContentLoaded", showAll);

async function renew() {
  if ((await refresh()).includes("drawn")) showAll();
}
const renewSoon = soon(renew);

const log = document.getElementById("log");
function write({ lines }) {
  const near = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
  if (log.dataset.empty === "true") log.textContent = "";
  log.dataset.empty = "false";
  log.append(`${(lines ?? []).join("\n")}\n`);
  if (near) log.scrollTop = log.scrollHeight;
}

let following = head.dataset.ended === "false";
function listen() {
  const stop = follow(`/api/v1/events?run=${run}`, {
    after: head.dataset.event,
    on: {
      progress: further,
      log: write,
      priority: renewSoon,
      state: (data) => {
        renewSoon();
        if (["done", "cancelled", "quarantined", "expired"].includes(data.state)) {
          following = false;
          stop();
          said.hidden = true;
        }
      },
    },
    poll: renew,
    say: saying(said),
  });
}
if (following) listen();
obey(async () => {
  await renew();
  // Queued again: from now on there is something to follow.
  if (!following && document.querySelector('#run-state [data-act="cancel"]')) location.reload();
});
