// Following the server's events on an open page, and putting what the server wrote anew in place without a reload.
const LOST_MS = 1_500;
const AGAIN_MS = [500, 3_000];
const POLL_MS = 5_000;
const TRIES = 3;
const WORDS = {
  live: "live",
  lost: "connection lost, trying again",
  polling: "no live connection, looking every few seconds",
  gone: "cannot be refreshed just now, trying again",
};

// Calls `on[kind](data)` for every event from number `after` on; reconnects where it ended. When the connection cannot be
// made three times in a row, `poll` is called every few seconds instead, and the stream is tried again beside it. A page
// that nobody looks at holds no connection: browsers allow only a few to one server.
export function follow(address, { after, on, poll, say }) {
  let source = null;
  let last = after;
  let failures = 0;
  let lostTimer = null;
  let againTimer = null;
  let pollTimer = null;
  let ended = false;

  function connected() {
    failures = 0;
    clearTimeout(lostTimer);
    lostTimer = null;
    clearInterval(pollTimer);
    pollTimer = null;
    say("live");
  }

  function failed() {
    failures += 1;
    source.close();
    source = null;
    // A stream also ends when it is ten minutes old; only what lasts is worth a word.
    lostTimer ??= setTimeout(() => pollTimer === null && say("lost"), LOST_MS);
    if (failures >= TRIES && pollTimer === null) {
      look();
      pollTimer = setInterval(look, POLL_MS);
    }
    againTimer = setTimeout(open, AGAIN_MS[failures - 1] ?? 4 * POLL_MS);
  }

  function look() {
    poll().then(
      () => pollTimer !== null && say("polling"),
      () => pollTimer !== null && say("gone"),
    );
  }

  function open() {
    if (ended || source || document.hidden) return;
    const url = new URL(address, location.href);
    url.searchParams.set("after", last);
    source = new EventSource(url);
    source.addEventListener("open", connected);
    source.addEventListener("error", failed);
    for (const [kind, act] of Object.entries(on))
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        act(JSON.parse(event.data));
      });
  }

  function close() {
    for (const timer of [lostTimer, againTimer]) clearTimeout(timer);
    clearInterval(pollTimer);
    lostTimer = againTimer = pollTimer = null;
    source?.close();
    source = null;
  }

  function looked() {
    if (document.hidden) close();
    else open();
  }
  document.addEventListener("visibilitychange", looked);
  // What a page holds open keeps it out of the browser's memory of pages to go back to.
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
  return () => {
    ended = true;
    document.removeEventListener("visibilitychange", looked);
    close();
  };
}

// Shows how the page is connected.
export function saying(place) {
  return (word) => {
    if (place.dataset.liveState === word) return;
    place.dataset.liveState = word;
    place.textContent = WORDS[word];
    place.hidden = false;
  };
}

// What the server wrote into each part, as it wrote it: scripts may have drawn into a part since.
const written = new Map([...document.querySelectorAll("[data-live]")].map((part) => [part.id, part.innerHTML]));

// Fetches the page again and puts the parts that the server writes differently now in place. What the reader opened stays
// open, and the keyboard stays where it was. Returns the ids of the parts that changed.
export async function refresh() {
  const answer = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const changed = [];
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === written.get(part.id)) continue;
    written.set(part.id, next.innerHTML);
    const open = new Set([...part.querySelectorAll("details[open] h2[id]")].map((head) => head.id));
    const scrolled = [...part.querySelectorAll("[aria-label].table-box")].map((box) => [box.getAttribute("aria-label"), box.scrollLeft, box.scrollTop]);
    const focused = mark(document.activeElement, part);
    part.replaceChildren(...next.childNodes);
    for (const details of part.querySelectorAll("details")) if (open.has(details.querySelector("h2[id]")?.id)) details.open = true;
    for (const [label, left, top] of scrolled) part.querySelector(`.table-box[aria-label="${CSS.escape(label)}"]`)?.scrollTo(left, top);
    if (focused) (part.querySelector(focused) ?? part.querySelector("a, button"))?.focus();
    changed.push(part.id);
  }
  return changed;
}

// A selector that finds the same thing in a part that was written anew.
function mark(element, part) {
  if (!part.contains(element) || element === part) return null;
  const { act, run } = element.dataset;
  if (act) {
    const same = `[data-act="${act}"][data-run="${run}"]`;
    return act === "priority" ? `${same}:nth-of-type(${[...element.parentElement.children].indexOf(element) + 1})` : same;
  }
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  return element.matches(".table-box") ? `.table-box[aria-label="${CSS.escape(element.getAttribute("aria-label"))}"]` : null;
}

// Refreshes soon, once for whatever happens until then.
export function soon(act, wait = 400) {
  let timer = null;
  let running = false;
  let again = false;
  async function run() {
    timer = null;
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await act();
    } catch (error) {
      console.debug(error);
    } finally {
      running = false;
    }
    if (again) {
      again = false;
      start();
    }
  }
  const start = () => (timer ??= setTimeout(run, wait));
  return start;
}

// A run got further: its bar and words, wherever they stand.
export function further(data) {
  const row = document.querySelector(`[data-row="${CSS.escape(data.run)}"]`);
  const bar = row?.querySelector("[data-bar]");
  if (!bar) return;
  bar.value = data.fraction ?? 0;
  row.querySelector("[data-phase]").textContent = [data.phase?.replaceAll("_", " "), data.message].filter(Boolean).join(" · ");
}
