"""A reader who has a keyboard and nothing else."""

from playwright.sync_api import Locator, Page

POINTED = """for (const kind of ["pointerdown", "mousedown", "touchstart"])
  addEventListener(kind, () => sessionStorage.setItem("pointed", kind), true);"""
SHOWN = """(element) => {
  if (element !== document.activeElement) return null;
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const ringed = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return element.matches(":focus-visible") && (ringed || style.boxShadow !== "none") && box.width * box.height > 0;
}"""
MOST = 150
"""Presses of the tabulator after which a thing counts as out of reach."""


class Keys:
    """Walks through a page by keys; notices when anything was pointed at."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(POINTED)

    def press(self, *keys: str) -> None:
        """One key after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def to(self, wanted: Locator, back: bool = False) -> None:
        """Press the tabulator until ``wanted`` has the focus, and see that it shows it.

        Args:
            wanted: what to reach.
            back: against the order of the page.
        """
        for _ in range(MOST):
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
            seen = wanted.evaluate(SHOWN)
            if seen is not None:
                assert seen, f"{wanted} has the focus and does not show it"
                return
        raise AssertionError(f"{wanted} was not reached by {MOST} presses of the tabulator")

    def write(self, wanted: Locator, text: str) -> None:
        """Replace what stands in a field."""
        self.to(wanted)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def pointed(self) -> str | None:
        """The first kind of pointing that this window has seen since it was opened; None is none."""
        found: str | None = self.page.evaluate("sessionStorage.getItem('pointed')")
        return found
