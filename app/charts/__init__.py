"""The menus of charts, in the order in which a study's page and a run's page show them."""

from typing import get_args

from app.charts import (
    anatomy,
    distribution,
    effects,
    energy,
    interactions,
    memory_over_time,
    quality,
    roofline,
    samples,
    scaling,
    trade_off,
    training_loss,
    waterfall,
)
from app.charts.chart import RunChart, StudyChart, Tab

TABS: tuple[Tab, ...] = get_args(Tab)
"""Tabs of a study's page that have charts, in order."""
CHARTS: tuple[StudyChart, ...] = (
    trade_off.CHART,
    effects.CHART,
    interactions.CHART,
    distribution.CHART,
    anatomy.CHART,
    waterfall.CHART,
    scaling.CHART,
    roofline.CHART,
    energy.CHART,
    quality.CHART,
)
BY_NAME: dict[str, StudyChart] = {chart.name: chart for chart in CHARTS}
RUN_CHARTS: tuple[RunChart, ...] = (
    samples.RUN_CHART,
    training_loss.RUN_CHART,
    anatomy.RUN_CHART,
    memory_over_time.RUN_CHART,
)
RUN_CHART_BY_NAME: dict[str, RunChart] = {chart.name: chart for chart in RUN_CHARTS}
