// On every page: the theme switch, the copy buttons, and what paper needs.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const changed = () => document.dispatchEvent(new CustomEvent("themechange"));

function show(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
}

// From the system's theme first to the other one, so that every press shows; then the one that the system has; then back.
function following(theme) {
  const [own, other] = system.matches ? ["dark", "light"] : ["light", "dark"];
  return theme === undefined ? other : theme === other ? own : undefined;
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  const name = () => {
    button.setAttribute("aria-label", `Switch between light and dark: now ${root.dataset.theme ?? "as the system"}`);
    button.title = button.getAttribute("aria-label");
  };
  name();
  button.addEventListener("click", () => {
    const theme = following(root.dataset.theme);
    show(theme);
    if (theme) localStorage.setItem("theme", theme);
    else localStorage.removeItem("theme");
    name();
    changed();
  });
}
system.addEventListener("change", changed);

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } else {
    // Browsers give pages on plain HTTP from another machine no clipboard: mark the text instead.
    getSelection().selectAllChildren(code);
    button.textContent = "Marked";
  }
  setTimeout(() => (button.textContent = "Copy"), 1600);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-open]");
  if (opener) document.getElementById(opener.dataset.open).showModal();
});

// Paper is white and narrow: charts carry colours and a width of their own, so they are drawn anew for it while printing.
let worn;
// At once: the library's own resizing waits, and paper does not.
const fit = () => document.querySelectorAll(".js-plotly-plot").forEach((plot) => window.Plotly.relayout(plot, { autosize: true }));
addEventListener("beforeprint", () => {
  const foot = document.getElementById("printed");
  if (foot) foot.textContent = `${location.href} · printed ${new Date().toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" })}`;
  worn = root.dataset.theme;
  show("light");
  root.dataset.paper = "";
  changed();
  fit();
});
addEventListener("afterprint", () => {
  show(worn);
  delete root.dataset.paper;
  changed();
  fit();
});
