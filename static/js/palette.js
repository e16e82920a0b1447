// Colours of the page's custom properties as they are now: one may hold light-dark(), and a canvas wants what comes of it.
export const palette = (probe) => () => {
  const found = new Map();
  return (name) => {
    if (!found.has(name)) {
      probe.style.color = `var(${name})`;
      found.set(name, getComputedStyle(probe).color);
      probe.style.color = "";
    }
    return found.get(name);
  };
};
