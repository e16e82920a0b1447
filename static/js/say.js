// A short word at the foot of the window, read out as well; it goes by itself.
const SHOWN_MS = 2600;
let going;

export function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(going);
  going = setTimeout(() => (place.textContent = ""), SHOWN_MS);
}
