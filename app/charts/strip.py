"""The strip at the edge of a trade-off: runs that brought no figures, with their outcome, so that nobody forgets them."""

from collections.abc import Sequence
from typing import Any

from app.charts.axis import INK
from app.charts.chart import SYMBOLS, plain, shortened
from app.study.comparison import ComparedRun
from app.study.outcomes import ended

ROW = 24
"""Pixels of one run."""
ROWS = 6
"""Runs that are named; of more, their number."""


def height(failed: Sequence[ComparedRun]) -> int:
    """Pixels that the strip takes."""
    return min(len(failed), ROWS) * ROW + 26 if failed else 0


def add(data: list[dict[str, Any]], layout: dict[str, Any], failed: Sequence[ComparedRun], top: float) -> None:
    """Put the strip above the plot.

    Args:
        data: the figure's traces; the strip's is appended.
        layout: the figure's layout; the strip's axes and its heading are added.
        failed: the runs, at least one.
        top: share of the height at which the plot ends.
    """
    data.append(_trace(failed))
    layout["xaxis2"] = {"domain": [0, 1], "range": [0, 1], "visible": False, "anchor": "y2", "fixedrange": True}
    layout["yaxis2"] = {
        "domain": [min(1.0, top + 0.02), 1],
        "range": [-0.5, min(len(failed), ROWS) - 0.5 + 0.9],
        "visible": False,
        "anchor": "x2",
        "fixedrange": True,
    }
    layout["annotations"].append(
        {
            "text": f"No figures ({len(failed)})",
            "xref": "paper",
            "yref": "paper",
            "x": 0,
            "y": 1,
            "xanchor": "left",
            "yanchor": "top",
            "showarrow": False,
            "font": {"size": 12, "color": INK},
        }
    )


def _trace(failed: Sequence[ComparedRun]) -> dict[str, Any]:
    shown = list(failed[:ROWS])
    words = [f"  {plain(shortened(run.variant))} · {ended(run)}" for run in shown]
    if len(failed) > ROWS:
        words[-1] += f" … and {len(failed) - ROWS} more"
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": "no figures",
        "xaxis": "x2",
        "yaxis": "y2",
        "x": [0.012] * len(shown),
        "y": list(range(len(shown) - 1, -1, -1)),
        "text": words,
        "textposition": "middle right",
        "textfont": {"size": 12, "color": "var(--ink-2)"},
        "hoverinfo": "text",
        "hovertext": [
            f"<b>{plain(run.variant)}</b><br>{ended(run)}<br>{plain(shortened(run.message or '', 120))}"
            for run in shown
        ],
        "customdata": [{"run": run.run} for run in shown],
        "marker": {
            "size": 10,
            "symbol": [f"{SYMBOLS[run.family]}-open" for run in shown],
            "color": [f"var(--family-{run.family})" for run in shown],
            "line": {"width": 2},
        },
        "cliponaxis": False,
    }
