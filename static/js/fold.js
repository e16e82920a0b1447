// Runs while the page is still being read, before it is painted: what takes a narrow screen begins folded, unless it holds what is wrong.
for (const fold of document.querySelectorAll("details[data-fold]")) {
  if (matchMedia(`(max-width: ${fold.dataset.fold}px)`).matches && !fold.querySelector("[aria-invalid]")) fold.open = false;
}
