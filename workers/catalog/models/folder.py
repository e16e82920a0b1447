"""A model from a folder on the worker's machine, by the folder's name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from workers.catalog.model import Unsupported
from workers.catalog.models import pretrained
from workers.catalog.models.pretrained import Checkpoint, Task


class Folder(Checkpoint):
    name: Literal["folder"] = "folder"
    title = "Model from a folder"
    summary = "A checkpoint in the worker's folder of models, as save_pretrained writes it; safetensors only."

    folder: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Name of a folder inside the worker's folder of models (TRADESPACE_MODELS).",
    )
    task: Task = "decoder"

    @property
    def label(self) -> str:
        return self.folder

    def locate(self) -> Path:
        """The folder of that name in the worker's folder of models.

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
