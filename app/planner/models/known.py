"""Well-known models, by the fields of their published ``config.json`` that decide memory and time; facts of ``models.json``."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from app.errors import Invalid
from app.frozen import Frozen
from app.planner.models import families
from app.planner.models.anatomy import Anatomy
from app.planner.models.configuration import language_part
from workers.catalog.declared import Problem

FILE = Path(__file__).parent / "models.json"


class Known(Frozen):
    """One published model."""

    name: str
    hub: str
    """Its repository on the Hugging Face hub, where the configuration is from."""
    parameters: int
    config: dict[str, JsonValue]

    @property
    def url(self) -> str:
        """Where the configuration stands."""
        return f"https://huggingface.co/{self.hub}/blob/main/config.json"


@cache
def models() -> tuple[Known, ...]:
    """All of them, the smallest first."""
    held = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(sorted((Known.model_validate(one) for one in held["models"]), key=lambda one: one.parameters))


@cache
def by_name() -> Mapping[str, Known]:
    """Them by name."""
    return {one.name: one for one in models()}


TUNED = re.compile(r"-(instruct|chat|it|base|hf)(-hf)?$")
"""Ends of names of repositories whose models have the sizes of the one without."""


def proper(name: str | None) -> str | None:
    """The name of a published model, as it stands here, for what people call it: "qwen3 14b", "meta-llama/Llama-3.1-8B-Instruct".

    Args:
        name: as it was typed; what names no model that is known here comes back as it is.
    """
    if name is None or name in by_name():
        return name
    return _spelled().get(_plain(name), name)


@cache
def _spelled() -> Mapping[str, str]:
    """Names by their plain spelling, and those of the repositories."""
    found = {_plain(one.hub): one.name for one in models()}
    return found | {_plain(one.name): one.name for one in models()}


def _plain(name: str) -> str:
    return TUNED.sub("", re.sub(r"[\s_]+", "-", name.strip().casefold()).rpartition("/")[2])


SIZE = re.compile(r"(\d{1,4}(?:\.\d{1,3})?) ?([bm])", re.IGNORECASE)
LIKE_IT, REACH = 1.06, 1.6
"""Times by which a size may differ from a published model's for that model to be taken as it is, and with another number of layers;
judgements: widths grow with depth."""


def find(name: str) -> Known | None:
    """A published model, or one of a size: "1.5B" stands for the dense one that is nearest, with as many layers as make up the size.

    Args:
        name: of a model, or its parameters in billions (B) or millions (M).
    """
    return by_name().get(name) or _of_size(name)


@cache
def _of_size(text: str) -> Known | None:
    found = SIZE.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        return None
    wanted = float(found[1]) * {"b": 1e9, "m": 1e6}[found[2].casefold()]

    def apart(count: float) -> float:
        return max(count, wanted) / min(count, wanted)

    dense = [one for one in models() if all(each.active == 1 for each in anatomy(one.name).matrices)]
    near = min(dense, key=lambda one: apart(one.parameters))
    if apart(near.parameters) > REACH:
        return None
    config = dict(near.config)
    if apart(near.parameters) > LIKE_IT:
        layers = anatomy(near.name).layers
        fewer = families.read(config | {"num_hidden_layers": layers - 1}).parameters
        config["num_hidden_layers"] = layers + round((wanted - near.parameters) / (near.parameters - fewer))
    parameters = round(families.read(config).parameters)
    title = f"{text.strip().upper()}, shaped like {near.name}"
    return Known(name=title, hub=near.hub, parameters=parameters, config=config) if apart(parameters) <= 1.1 else None


@cache
def anatomy(name: str) -> Anatomy:
    """One of them, taken apart."""
    return families.read(by_name()[name].config)


NOT_READ = {
    "quantization_config": (
        "says how the weights are kept, which is asked for apart.",
        "Leave it out, and give weights: int4 for GPTQ and AWQ, nf4 for bitsandbytes, fp8, a GGUF mixture.",
    ),
    "vision_config": (
        "is of a vision part, which is not planned.",
        "Leave it out to plan the language part alone.",
    ),
    "audio_config": ("is of an audio part, which is not planned.", "Leave it out to plan the language part alone."),
}
"""Parts of a configuration that change the answer and are not read."""


class _Noted(Mapping[str, JsonValue]):
    """A configuration that notes which of its fields are read."""

    def __init__(self, held: Mapping[str, JsonValue]) -> None:
        self.held = held
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> JsonValue:
        self.read.add(name)
        return self.held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


def essential(config: Mapping[str, JsonValue]) -> tuple[dict[str, JsonValue], Anatomy]:
    """The fields of a configuration that anything here depends on, few enough for an address, and what they make.

    Args:
        config: the content of ``config.json``.

    Raises:
        Invalid: as ``families.read``.
    """
    problems = [Problem(name, "not_read", said, hint) for name, (said, hint) in NOT_READ.items() if config.get(name)]
    if problems:
        raise Invalid.of(problems)
    config = language_part(config)
    noted = _Noted(config)
    found = families.read(noted)
    kept = {name: config[name] for name in config if name in noted.read and config[name] is not None}
    return {name: _short(value) for name, value in kept.items()}, found


def _short(value: JsonValue) -> JsonValue:
    # Kinds of layers count only by how often they occur; rope settings and the like are never read.
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
