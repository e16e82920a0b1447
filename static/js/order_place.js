// Where the order form is drawn, and how its parts tell that the study has changed.
export const form = document.getElementById("order");
export const slot = (name) => form.querySelector(`[data-slot="${name}"]`);
const marks = document.getElementById("marks").content;
export const mark = (selector) => marks.querySelector(selector)?.cloneNode(true) ?? "";
export const changed = () => form.dispatchEvent(new Event("orderchange"));
