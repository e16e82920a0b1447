"""The menus of charts, in the order in which a study's page and a run's page show them."""

from app.charts import anatomy, effects, memory_over_time, trade_off
from app.charts.chart import Chart, RunChart

CHARTS: tuple[Chart, ...] = (trade_off.CHART, effects.CHART, anatomy.CHART)
BY_NAME: dict[str, Chart] = {chart.name: chart for chart in CHARTS}
RUN_CHARTS: tuple[RunChart, ...] = (anatomy.RUN_CHART, memory_over_time.RUN_CHART)
RUN_CHART_BY_NAME: dict[str, RunChart] = {chart.name: chart for chart in RUN_CHARTS}
