"""The margin that charts shade is the one by which the measuring program gives its verdicts."""

from app.study import verdicts
from workers.measurement import statistics


def test_chart_and_verdict_agree_on_what_is_the_same() -> None:
    assert verdicts.SAME_MARGIN == statistics.SAME_MARGIN
    assert verdicts.COUNTED_MARGIN == statistics.COUNTER_MARGIN
