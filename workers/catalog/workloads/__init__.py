"""The menu of workloads, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.workload import Workload
from workers.catalog.workloads.attention import AttentionKernel
from workers.catalog.workloads.classify import Classify
from workers.catalog.workloads.decode import Decode
from workers.catalog.workloads.generate import Generate
from workers.catalog.workloads.prefill import Prefill
from workers.catalog.workloads.train_step import TrainStep

AnyWorkload = Annotated[
    Prefill | Decode | Generate | Classify | TrainStep | AttentionKernel, Field(discriminator="name")
]
WORKLOADS: tuple[type[Workload], ...] = (Prefill, Decode, Generate, Classify, TrainStep, AttentionKernel)
BY_WORD: dict[str, type[Workload]] = {workload.word: workload for workload in WORKLOADS}
