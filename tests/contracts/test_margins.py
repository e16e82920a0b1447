"""The band that a forest plot shades is the margin by which the measuring program gives its verdicts."""

from app.charts import effects
from workers.measurement import statistics


def test_chart_and_verdict_agree_on_what_is_the_same() -> None:
    assert effects.TIMES_MARGIN == statistics.SAME_MARGIN
    assert effects.COUNTS_MARGIN == statistics.COUNTER_MARGIN
