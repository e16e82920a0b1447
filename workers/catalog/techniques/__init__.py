"""The menu of techniques, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.technique import Technique
from workers.catalog.techniques.attention import Attention
from workers.catalog.techniques.precision import Precision

AnyTechnique = Annotated[Precision | Attention, Field(discriminator="technique")]
TECHNIQUES: tuple[type[Technique], ...] = (Precision, Attention)
BY_WORD: dict[str, type[Technique]] = {technique.word: technique for technique in TECHNIQUES}
