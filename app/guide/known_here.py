"""What the team measured, as evidence for the guide: cases of many studies become rows with the guide's own words."""

from collections.abc import Iterable, Mapping
from functools import cache

from pydantic import TypeAdapter

from app.guide.device import Device
from app.guide.evidence import Measured
from app.guide.priors import Metric, Setting
from app.guide.situation import Situation
from app.guide.techniques import techniques
from app.knowledge.cases import JOINED, Case, Effect
from workers.catalog.technique import Phase, Technique
from workers.catalog.techniques import AnyTechnique

TASK_OF: dict[str, str] = {
    "decode": "chat", "generate": "chat", "prefill": "prefill", "classify": "classify", "train_step": "training",
    "attention": "operator",
}  # fmt: skip
"""Task or phase of each workload of the catalogue."""
FIGURES: dict[str, Metric] = {"latency": "time", "memory": "memory", "accuracy": "quality", "perplexity": "quality"}
"""Figures that the guide reads."""
NOTHING = frozenset({"precision fp32", "attention eager", "attention math", "kv_cache off", "as built"})
"""Parts of labels that are what runs where no technique of the guide is chosen."""
FREE_NUMBERS = ("gradient_accumulation", "gradient_checkpointing")
"""Techniques whose number does not make another technique of it."""


def measurements(
    cases: Iterable[Case], situation: Situation, devices: Mapping[str, Device] | None = None
) -> tuple[Measured, ...]:
    """Rows of evidence from cases; a case with a part that the guide has no word for is left out.

    Args:
        cases: of the team's studies.
        situation: what is asked; its model's name tells which cases are of that model.
        devices: by hardware's name, those whose ceilings are known.
    """
    found = []
    for case in cases:
        phase: Phase = "training" if case.workload == "train_step" else "inference"
        stack, baseline = words(case.label, phase), words(case.against, phase)
        if stack is None or baseline is None or case.ran in ("fell_back", "emulated"):
            continue
        same = case.model == situation.model.name
        setting = Setting(
            task=TASK_OF.get(case.workload),
            device=case.hardware or None,
            kind="cuda" if case.device == "cuda" else "cpu",
            model=case.model,
            parameters=situation.model.parameters if same else None,
            batch=case.batch_size,
            sequence=case.length,
        )
        device = (devices or {}).get(case.hardware)
        for figure, metric in FIGURES.items():
            effect = case.effects.get(figure)
            if effect is not None:
                found.append(_row(case, figure, metric, effect, stack, baseline, setting, device))
    return tuple(found)


def words(label: str, phase: Phase) -> tuple[str, ...] | None:
    """The guide's words of a stack's label; None where a part has none.

    Args:
        label: parts with their parameters, joined as tables have them.
        phase: decides between words that share a part.
    """
    known = _labels(phase)
    found = []
    for part in label.split(JOINED):
        if part in NOTHING:
            continue
        name = part.split()[0]
        word = known.get(part) or (known.get(name) if name in FREE_NUMBERS else None)
        if word is None:
            return None
        found.append(word)
    return tuple(one.word for one in techniques() if one.word in found)


@cache
def _labels(phase: Phase) -> dict[str, str]:
    adapter: TypeAdapter[Technique] = TypeAdapter(AnyTechnique)
    found: dict[str, str] = {}
    for technique in techniques():
        entries = [*(technique.catalogue or ())]
        if phase not in technique.phases or len(entries) != 1:
            continue
        entry = {name: 2 if value == "@batch" else value for name, value in entries[0].items()}
        part = adapter.validate_python(entry).label()
        if "@batch" not in entries[0].values():
            found.setdefault(part, technique.word)
        if entry["technique"] in FREE_NUMBERS:
            # Of several that differ in their number alone, the last stands for any other number.
            found[entry["technique"]] = technique.word
        # A technique may stand in another form beside others: a cache that does not grow beside CUDA graphs.
        for other in techniques():
            if technique.word in other.instead:
                found[adapter.validate_python(other.instead[technique.word]).label()] = technique.word
    return found


def _row(
    case: Case, figure: str, metric: Metric, effect: Effect, stack: tuple[str, ...], baseline: tuple[str, ...], setting: Setting,
    device: Device | None,
) -> Measured:  # fmt: skip
    ratio, low, high = effect.ratio, effect.low, effect.high
    if metric == "quality":
        # Perplexity rises with loss, accuracy falls.
        sign = 1.0 if figure == "perplexity" else -1.0
        ratio, low, high = (sign * (value - 1) for value in (ratio, low, high))
        low, high = min(low, high), max(low, high)
    return Measured(
        id=f"{case.run}:{figure}", url=case.url, stack=stack, baseline=baseline, metric=metric, ratio=ratio, low=low, high=high,
        setting=setting, device=device,
    )  # fmt: skip
