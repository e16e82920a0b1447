"""Forest: the effects of chosen runs in one quantity, each over its own baseline, whatever study they come from."""

from app.charts import effects
from app.charts.chart import Chart, Choice, Figure, NotDrawn
from app.study.compare import OWN
from app.study.comparison import Comparison


def figure(comparison: Comparison, choice: Choice) -> Figure:
    """One row a run; ``choice.x`` names the quantity.

    Args:
        comparison: the selection, as ``app.study.compare.as_one`` has it.
        choice: the quantity; the rest is not read.

    Raises:
        NotDrawn: no run has an effect for it.
        UnknownQuantity: the choice names a quantity that was not measured.
    """
    if choice.x is None:
        raise NotDrawn("No chosen run has an effect.")
    drawn = effects.figure(comparison, choice)
    meta = drawn["layout"]["meta"]
    shown = {trace["customdata"][0]["run"] for trace in drawn["data"]}
    missing = [run.variant for run in comparison.runs if run.run not in shown]
    if missing:
        meta["caption"] += f" Without an effect in it: {', '.join(missing)}."
    if comparison.baseline == OWN:
        meta["caption"] += " The baselines are not the same, so each row stands for itself."
    return drawn


CHART = Chart("forest", "Effects side by side", "How much does each run change one quantity?", figure, "effects")
