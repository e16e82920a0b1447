// The browser's storage may be switched off or full; pages work without.
export function quietly(act) {
  try {
    return act();
  } catch (error) {
    console.debug(error);
    return null;
  }
}
