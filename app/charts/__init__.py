"""The menu of charts, in the order in which a study page shows them."""

from app.charts import effects, trade_off
from app.charts.chart import Chart

CHARTS: tuple[Chart, ...] = (trade_off.CHART, effects.CHART)
BY_NAME: dict[str, Chart] = {chart.name: chart for chart in CHARTS}
