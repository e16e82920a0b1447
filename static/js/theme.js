// Sets the reader's chosen theme before anything is painted; without a choice the system's preference holds.
(() => {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
