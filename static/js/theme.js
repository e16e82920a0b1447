// Before anything is painted: says that scripts run, and sets the reader's chosen theme; else the system's holds.
(() => {
  const chosen = localStorage.getItem("theme");
  document.documentElement.dataset.scripts = "on";
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
