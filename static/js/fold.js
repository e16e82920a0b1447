// Runs while the page is still being read, before it is painted: on a narrow screen the filters begin folded.
if (matchMedia("(max-width: 900px)").matches) {
  for (const fold of document.querySelectorAll("details.filters")) fold.open = false;
}
