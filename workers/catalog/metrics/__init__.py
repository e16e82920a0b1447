"""Every quantity Tradespace measures, by kind; ``METRICS`` is the menu, in order."""

from workers.catalog.metrics.energy import *  # noqa: F403
from workers.catalog.metrics.energy import ENERGY
from workers.catalog.metrics.memory import *  # noqa: F403
from workers.catalog.metrics.memory import MEMORY
from workers.catalog.metrics.metric import Aspect as Aspect
from workers.catalog.metrics.metric import Better as Better
from workers.catalog.metrics.metric import Metric as Metric
from workers.catalog.metrics.quality import *  # noqa: F403
from workers.catalog.metrics.quality import QUALITY
from workers.catalog.metrics.speed import *  # noqa: F403
from workers.catalog.metrics.speed import SPEED
from workers.catalog.metrics.work import *  # noqa: F403
from workers.catalog.metrics.work import WORK

METRICS: tuple[Metric, ...] = (*SPEED, *MEMORY, *WORK, *ENERGY, *QUALITY)
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
