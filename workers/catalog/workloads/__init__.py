"""The menu of workloads, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.workload import Workload
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.prefill import Prefill

AnyWorkload = Annotated[Prefill | Classify, Field(discriminator="name")]
WORKLOADS: tuple[type[Workload], ...] = (Prefill, Classify)
BY_WORD: dict[str, type[Workload]] = {workload.word: workload for workload in WORKLOADS}
