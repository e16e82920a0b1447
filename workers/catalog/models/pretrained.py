"""Models with saved weights: loaded from a folder on this machine, safetensors only, without running anybody's code.

What the operator allows reaches the measuring program as two variables of its environment, set by the worker:
``TRADESPACE_MODELS`` is the folder that holds model folders, ``TRADESPACE_HUB_MODELS`` a comma-separated list of
patterns such as ``meta-llama/*``. They permit; what is measured stands in the spec alone. Only this file reads them.
"""

from __future__ import annotations

import fnmatch
import json
import os
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from workers.catalog.model import Model, Unsupported
from workers.catalog.models import decoder, images, seeded
from workers.catalog.technique import LoadOptions, ModelKind

if TYPE_CHECKING:
    import torch
    from torch import nn

Task = Annotated[
    Literal["decoder", "image"],
    Field(description="What the model is: a decoder over tokens, or a classifier of images."),
]
"""What a checkpoint is, and so how it is fed and read."""


class Checkpoint(Model):
    """What entries for saved models have in common; each says where its model lies."""

    kinds = frozenset({"decoder", "image"})
    attends = True
    modules = ("transformers.modeling_utils",)

    if TYPE_CHECKING:
        # A field of every entry. Declared here it would be asked for before the model's own name.
        task: Task

    @property
    def kind(self) -> ModelKind:
        return self.task

    @abstractmethod
    def locate(self) -> Path:
        """The folder of the checkpoint, on this machine.

        Raises:
            Unsupported: it may not be used, or is not there; the message says why.
        """

    def build(self, options: LoadOptions) -> nn.Module:
        return load(self.locate(), self.task, options)

    def inputs(self, model: nn.Module, *, batch_size: int, length: int | None, seed: int) -> dict[str, torch.Tensor]:
        if self.task == "decoder":
            return decoder.inputs(model, batch_size=batch_size, length=length, seed=seed)
        return images.inputs(model, batch_size=batch_size, seed=seed)

    def logits(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.logits(model, batch) if self.task == "decoder" else images.logits(model, batch)

    def loss(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return decoder.loss(model, batch) if self.task == "decoder" else images.loss(model, batch)


def models_folder() -> Path:
    """The operator's folder of models.

    Raises:
        Unsupported: the operator named none.
    """
    named = os.environ.get("TRADESPACE_MODELS", "")
    if not named:
        raise Unsupported("No folder of models is set up on this worker; its operator sets TRADESPACE_MODELS.")
    return Path(named)


def check_allowed(repository: str) -> None:
    """Refuse a repository that the operator did not allow.

    Raises:
        Unsupported: no pattern matches.
    """
    patterns = [pattern.strip() for pattern in os.environ.get("TRADESPACE_HUB_MODELS", "").split(",")]
    if not any(fnmatch.fnmatchcase(repository, pattern) for pattern in patterns if pattern):
        raise Unsupported(
            f"{repository} is not allowed on this worker; its operator lists the allowed repositories in "
            "TRADESPACE_HUB_MODELS."
        )


def load(folder: Path, task: Task, options: LoadOptions) -> nn.Module:
    """The checkpoint of a folder, on the device, in the dtype asked for.

    Raises:
        Unsupported: the folder holds no checkpoint that can be loaded safely and completely; the message says why.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageClassification

    check_checkpoint(folder)
    loader: Any = AutoModelForCausalLM if task == "decoder" else AutoModelForImageClassification
    try:
        if options.shapes_only:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            # Never what config.json asks for, as below.
            config._attn_implementation = options.attention or "sdpa"
            return seeded.build(lambda: loader.from_config(config), options)
        model, notes = loader.from_pretrained(
            folder,
            dtype=getattr(torch, options.dtype),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            # Never what config.json asks for: that may name a package of kernels to download.
            attn_implementation=options.attention or "sdpa",
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unsupported(f"{folder.name} cannot be loaded as a model of kind {task}: {reason}") from error
    if notes["missing_keys"]:
        missing = ", ".join(sorted(notes["missing_keys"])[:3])
        raise Unsupported(
            f"{folder.name} lacks {len(notes['missing_keys'])} weights of {type(model).__name__} ({missing}, …); they "
            "would be random numbers."
        )
    built: nn.Module = model.to(options.device).eval()
    return built


def check_checkpoint(folder: Path) -> None:
    """Refuse a folder without configuration or safetensors, and one that wants to run its author's code.

    Raises:
        Unsupported: as above.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError as error:
        raise Unsupported(
            f"{folder.name} holds no config.json; a model folder is what save_pretrained writes."
        ) from error
    except (OSError, ValueError) as error:
        raise Unsupported(f"The config.json of {folder.name} cannot be read.") from error
    if not isinstance(config, dict):
        raise Unsupported(f"The config.json of {folder.name} is not a model's configuration.")
    if "auto_map" in config:
        raise Unsupported(
            f"{folder.name} brings its own code (auto_map in config.json); code from models is never run."
        )
    if "quantization_config" in config:
        raise Unsupported(
            f"{folder.name} is quantised already (quantization_config in config.json), so its precision would not be "
            "what the stack says; take the unquantised checkpoint and quantise it by a technique."
        )
    if not any(folder.glob("*.safetensors")):
        raise Unsupported(
            f"{folder.name} holds no *.safetensors file; other formats can carry code and are not loaded."
        )
