"""The menu of models, in the order in which pages show them."""

from typing import Annotated

from pydantic import Field

from workers.catalog.model import Model
from workers.catalog.models.architecture import Architecture
from workers.catalog.models.folder import Folder
from workers.catalog.models.hub import Hub
from workers.catalog.models.llama import Llama
from workers.catalog.models.mlp import Mlp
from workers.catalog.models.reference_cnn import ReferenceCnn
from workers.catalog.models.reference_decoder import ReferenceDecoder
from workers.catalog.models.reference_vit import ReferenceVit
from workers.catalog.models.resnet import Resnet
from workers.catalog.models.vit import Vit

AnyModel = Annotated[
    Llama | Architecture | Vit | Resnet | Mlp | ReferenceDecoder | ReferenceVit | ReferenceCnn | Folder | Hub,
    Field(discriminator="name"),
]
MODELS: tuple[type[Model], ...] = (
    Llama,
    Architecture,
    Vit,
    Resnet,
    Mlp,
    ReferenceDecoder,
    ReferenceVit,
    ReferenceCnn,
    Folder,
    Hub,
)
BY_WORD: dict[str, type[Model]] = {model.word: model for model in MODELS}
