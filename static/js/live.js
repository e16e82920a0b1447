// Following the server's events on an open page.
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

// Acts soon, once for whatever happens until then.
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

// Writes what programs said at the end of a log; who reads its last lines goes on reading the last.
export function writing(log) {
  return ({ lines }) => {
    const near = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
    if (log.dataset.empty === "true") log.textContent = "";
    log.dataset.empty = "false";
    log.append(`${(lines ?? []).join("\n")}\n`);
    if (near) log.scrollTop = log.scrollHeight;
  };
}
