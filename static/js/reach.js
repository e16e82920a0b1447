// Notices a server that has gone while the page is open, says so, and keeps a form from being sent into nothing.
const EVERY_MS = 20_000;
const AGAIN_MS = 3_000;
const PATIENCE_MS = 8_000;
const notice = document.getElementById("lost");
let next;

async function ask() {
  clearTimeout(next);
  // A page that nobody sees asks nothing: the server's machine may be measuring.
  if (document.hidden) return;
  let isThere = true;
  try {
    await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    isThere = false;
  }
  notice.hidden = isThere;
  clearTimeout(next);
  next = setTimeout(ask, isThere ? EVERY_MS : AGAIN_MS);
}

document.addEventListener("visibilitychange", ask);
document.addEventListener("tradespace:unanswered", ask);
addEventListener("pagehide", () => clearTimeout(next));
addEventListener("pageshow", (event) => event.persisted && ask());
// An ordinary form would leave the page for the browser's error page, and what was typed with it.
addEventListener("submit", (event) => {
  if (notice.hidden || event.defaultPrevented || event.target.method === "dialog") return;
  event.preventDefault();
  ask();
});
next = setTimeout(ask, EVERY_MS);
