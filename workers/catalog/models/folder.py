"""A model from a folder on the worker's machine, by the folder's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from workers.catalog.model import Model, Unsupported
from workers.catalog.models import pretrained
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn


class Folder(Model):
    name: Literal["folder"] = "folder"
    title = "Model from a folder"
    summary = "A checkpoint in the worker's folder of models, as save_pretrained writes it; safetensors only."
    kinds = frozenset({"decoder", "image"})
    attends = True
    modules = ("transformers.modeling_utils",)

    folder: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Name of a folder inside the worker's folder of models (TRADESPACE_MODELS).",
    )
    task: pretrained.Task = Field(
        "decoder", description="What the model is: a decoder over tokens, or a classifier of images."
    )

    @property
    def kind(self) -> ModelKind:
        return self.task

    @property
    def label(self) -> str:
        return self.folder

    def build(self, options: LoadOptions) -> nn.Module:
        return pretrained.load(self.locate(), self.task, options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        return pretrained.inputs(self.task, model, batch_size, length, seed)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return pretrained.logits(self.task, model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return pretrained.loss(self.task, model, batch)

    def locate(self) -> Path:
        """The folder of the checkpoint, on this machine.

        Raises:
            Unsupported: the operator named no folder of models, or it holds no such one.
        """
        root = pretrained.models_folder().resolve()
        found = (root / self.folder).resolve()
        if not found.is_relative_to(root) or not found.is_dir():
            known = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
            raise Unsupported(
                f"{self.folder} is not in this worker's folder of models; there is {', '.join(known[:20]) or 'none'}."
            )
        return found
