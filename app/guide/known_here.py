"""What the team measured, as evidence for the guide: cases of many studies become rows with the guide's own words."""

from collections.abc import Iterable, Mapping
from functools import cache

from pydantic import TypeAdapter

from app.guide.evidence import Measured
from app.guide.priors import Metric, Setting
from app.guide.situation import Situation
from app.guide.techniques import techniques
from app.knowledge.cases import JOINED, Case, Effect
from app.planner.machines import Machine
from workers.catalog.models import MODELS
from workers.catalog.technique import Phase, Technique
from workers.catalog.techniques import AnyTechnique

TASK_OF: dict[str, str] = {
    "decode": "chat", "generate": "chat", "prefill": "prefill", "classify": "classify", "train_step": "training",
    "attention": "operator",
}  # fmt: skip
"""Task or phase of each workload of the catalogue."""
FIGURES: dict[str, Metric] = {"latency": "time", "memory": "memory", "accuracy": "quality", "perplexity": "quality"}
"""Figures that the guide reads."""
MOST_PARTS = 1_024
"""Parts that the catalogue takes a batch in at most."""
NOTHING = frozenset({"precision fp32", "attention flash", "kv_cache off", "as built"})
"""Parts of labels that are what runs where no technique of the guide is chosen; torch takes its flash kernel by itself."""


def measurements(
    cases: Iterable[Case], situation: Situation, devices: Mapping[str, Machine] | None = None
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
        of_kind = _of_kind(case.model, situation)
        if phase == "training" and not of_kind:
            continue
        stack, baseline = (words(label, phase, case.batch_size) for label in (case.label, case.against))
        if stack is None or baseline is None or case.ran == "fell_back":
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
            # What is emulated rounds alike, and takes other time and memory. What a network over images loses says nothing of a decoder.
            tells = of_kind if metric == "quality" else case.ran != "emulated"
            if effect is not None and tells:
                found.append(_row(case, figure, metric, effect, stack, baseline, setting, device))
    return tuple(found)


def words(label: str, phase: Phase, batch: int | None = None) -> tuple[str, ...] | None:
    """The guide's words of a stack's label; None where a part has none, its parameters included.

    Args:
        label: parts with their parameters, joined as tables have them.
        phase: decides between words that share a part.
        batch: sequences or images of a step, which parameters may follow; None where it is not told.
    """
    known, instead = _labels(phase, batch)
    parts = [part for part in label.split(JOINED) if part not in NOTHING]
    # A technique may stand in another form beside others: 16-bit weights beside adapters are those of mixed precision.
    beside = {form: word for part in parts for form, word in instead.get(known.get(part, ""), {}).items()}
    found = [beside.get(part) or known.get(part) for part in parts]
    if None in found or any(known.get(part) in beside.values() and part not in beside for part in parts):
        # Of a part nothing is known here, or it stands in its usual form where the guide means the other.
        return None
    return tuple(one.word for one in techniques() if one.word in found)


def _of_kind(name: str, situation: Situation) -> bool:
    """Whether a model that was measured is of the situation's kind: its own, or one that is surely of that kind.

    Args:
        name: as the catalogue labels it; of a checkpoint it does not tell the kind.
        situation: what is asked.
    """
    if name == situation.model.name:
        return True
    return any(
        model.kinds == {situation.model.kind} and f"{name} ".startswith(f"{model.word.replace('_', ' ')} ")
        for model in MODELS
    )


@cache
def _labels(phase: Phase, batch: int | None) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Words by parts of labels, and by word of a technique those of other techniques in the form that they have beside it."""
    adapter: TypeAdapter[Technique] = TypeAdapter(AnyTechnique)
    found: dict[str, str] = {}
    instead: dict[str, dict[str, str]] = {}
    for technique in techniques():
        entries = [*(technique.catalogue or ())]
        if phase not in technique.phases or len(entries) != 1:
            continue
        follows = "@batch" in entries[0].values()
        if follows and (batch is None or not 1 < batch <= MOST_PARTS):
            continue
        entry = {name: batch if value == "@batch" else value for name, value in entries[0].items()}
        part = adapter.validate_python(entry).label()
        if follows:
            # A batch of four in four parts is one at a time too, and that is what the technique means with any batch.
            found[part] = technique.word
        found.setdefault(part, technique.word)
        for other in technique.also:
            found.setdefault(adapter.validate_python(other).label(), technique.word)
        instead[technique.word] = {
            adapter.validate_python(form).label(): word for word, form in technique.instead.items()
        }
    for forms in instead.values():
        # A cache that does not grow is a cache without CUDA graphs too.
        for form, word in forms.items():
            found.setdefault(form, word)
    return found, instead


def _row(
    case: Case, figure: str, metric: Metric, effect: Effect, stack: tuple[str, ...], baseline: tuple[str, ...], setting: Setting,
    device: Machine | None,
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
