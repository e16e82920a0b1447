"""The menu of models, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.model import Model
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp

AnyModel = Annotated[Llama | Mlp, Field(discriminator="name")]
MODELS: tuple[type[Model], ...] = (Llama, Mlp)
BY_WORD: dict[str, type[Model]] = {model.word: model for model in MODELS}
