// On every page: the theme switch and the copy buttons.
const dark = () =>
  (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  document.dispatchEvent(new CustomEvent("themechange")),
);

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
