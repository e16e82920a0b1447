"""Runs become a comparison: what each variant reads, its effects over the baseline, and what was found.

Charts, tables and findings read a ``Comparison`` and nothing else. All but ``of_study`` are pure functions of stored rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

from pydantic import JsonValue
from sqlmodel import Session

from app.db import queries, reported
from app.db.tables import EffectRow, MeasurementRow, Run, Study
from app.frozen import Frozen
from app.study import definitions, stored
from app.study.environments import Elsewhere, Fields, elsewhere, machine
from app.study.pareto import Candidate, Reading
from app.study.quantities import Quantity, in_order, quantity
from app.study.stacks import family, label, parts
from app.study.verdicts import Ratio, corrections, counted, ratio, scored
from workers.catalog import metrics
from workers.catalog.report import Bottleneck, Outcome, Proof, Ran
from workers.catalog.spec import Point, Variant

Scale = Literal["measured", "ratio"]

COLUMNS: tuple[tuple[str, ...], ...] = (
    (metrics.LATENCY.name,),
    (metrics.THROUGHPUT_TOKENS.name, metrics.THROUGHPUT_SAMPLES.name),
    (metrics.MEMORY_PEAK_ALLOCATED.name, metrics.MEMORY_HOST.name, metrics.MEMORY_EXACT_PEAK.name),
    (metrics.MEMORY_WEIGHTS.name,),
    (metrics.ENERGY_STEP.name,),
    (metrics.QUALITY_PERPLEXITY.name, metrics.QUALITY_LOSS.name),
    (metrics.QUALITY_NEXT_TOKEN.name, metrics.QUALITY_TOP1.name, metrics.QUALITY_TASK.name),
    (metrics.QUALITY_KL.name,),
    (metrics.QUALITY_AGREEMENT.name,),
    (metrics.COLD_FIRST_CALL.name,),
)
"""Columns of the study's table; each is the first of its metrics that was measured."""


class ComparedRun(Frozen):
    """One variant at one point: what it read and what became of it."""

    run: str
    variant: str
    is_baseline: bool
    """The null test: baseline against baseline."""
    label: str
    """The stack in words, for example "precision bf16 + attention flash"."""
    parts: tuple[str, ...] = ()
    """What sets the stack apart from the baseline's, each in words, for example "precision bf16"."""
    family: str
    """Technique family that sets the variant apart from the baseline; "stack" for several, "baseline" for none."""
    point: Point
    state: str
    outcome: Outcome | None
    outcome_phase: str | None
    message: str | None
    readings: dict[str, Reading]
    """Of the variant arm, by quantity key."""
    beside: dict[str, Reading]
    """Of the baseline arm in the same sitting, by quantity key."""
    effects: dict[str, Ratio]
    ran: Ran | None = None
    """The worst of what its techniques ran; None while nothing was proven."""
    environment: str | None = None
    """Id of the environment it was measured in."""
    measured_on: str | None = None
    """Device and version of torch of that environment, in a few words; None where it does not say."""
    energy_method: str | None = None
    """How its energy was read, or why it could not be; None where its environment does not say."""
    proofs: tuple[Proof, ...] = ()
    bottlenecks: tuple[Bottleneck, ...] = ()
    """What binds each phase of each arm."""
    notes: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()

    @property
    def fell_back(self) -> bool:
        """Whether something else ran than was asked: its figures are of that, and it wins nothing."""
        return self.ran == "fell_back"

    @property
    def failed(self) -> bool:
        """Whether the run ended without figures: with another outcome than ok, or given up by the ledger."""
        if self.outcome is None:
            # One that was cancelled says why only where nobody asked for it: its baseline had failed.
            return self.state in ("quarantined", "expired") or (self.state == "cancelled" and self.message is not None)
        # What went well and was to be measured again keeps its figures, whatever came of the other try.
        return self.outcome != "ok"


class Comparison(Frozen):
    """A study's variants side by side."""

    study: str
    name: str
    baseline: str
    main_phase: str
    """Phase of a whole step of the workload."""
    points: tuple[Point, ...]
    quantities: tuple[Quantity, ...]
    """What was measured, in the order of the metrics' menu."""
    columns: tuple[str, ...]
    """Keys of the quantities that the study's table shows."""
    axes: tuple[str, str] | None
    """Keys of the two quantities a trade-off opens with."""
    runs: tuple[ComparedRun, ...]
    elsewhere: tuple[Elsewhere, ...] = ()
    """Environments that some runs were measured in, against that of most; empty when all share one."""

    @property
    def environments_differ(self) -> bool:
        """Whether runs were measured in environments whose difference matters.

        Effects hold all the same: both arms of a run share a sitting. Values as measured do not stand side by side.
        """
        return any(other.matters for other in self.elsewhere)

    def environment_number(self, run: ComparedRun) -> int:
        """1 for a run measured where most were, higher for one measured elsewhere."""
        return next((other.number for other in self.elsewhere if run.run in other.runs), 1)

    def quantity(self, wanted: str) -> Quantity | None:
        """The quantity of a key, or of a metric's name alone (its main phase first); None when it was not measured.

        What is held apart answers to the same names where nothing followed the catalogue's definition.
        """
        named = [q for q in self.quantities if wanted in (q.key, q.metric, f"{q.metric}@{q.phase}")]
        return min(
            named, key=lambda q: (q.key != wanted, q.apart is not None, q.phase != self.main_phase), default=None
        )

    def may_have(self, run: ComparedRun, quantity: Quantity) -> bool:
        """Whether what a run brought of a metric in a phase is of this quantity; raw samples do not name their definition."""
        same = (q.key for q in self.quantities if (q.metric, q.phase) == (quantity.metric, quantity.phase))
        return not any(key in run.readings for key in same if key != quantity.key)

    def at(self, point: int) -> tuple[ComparedRun, ...]:
        """The runs of one point of the sweep, baseline first."""
        return tuple(run for run in self.runs if run.point == self.points[point])


class Finding(Frozen):
    """The strongest decided effect of a study on one aspect; the page makes it a sentence."""

    variant: str
    baseline: str
    quantity: Quantity
    effect: Ratio
    point: Point


def of_study(session: Session, study: Study) -> Comparison:
    """The comparison of a stored study, from the reports that count."""
    runs = queries.runs(session, study.id)
    ids = [run.id for run in runs]
    found = {run.environment_id for run in runs if run.environment_id}
    fields = {name: _fields(queries.environment(session, name).fields) for name in found}
    return compare(study, runs, reported.measurements(session, ids), reported.effects(session, ids), fields)


def compare(
    study: Study,
    runs: Sequence[Run],
    measurements: Iterable[MeasurementRow],
    effects: Iterable[EffectRow],
    environments: Mapping[str, Fields] | None = None,
) -> Comparison:
    """Bring a study's stored rows together.

    Args:
        study: the study.
        runs: its runs, in any order.
        measurements: rows of these runs.
        effects: rows of these runs.
        environments: fields of the environments these runs were measured in; without them nothing is known of how they differ.
    """
    known = environments or {}
    spec = stored.study_spec(study)
    variants = {variant.name: variant for variant in (spec.baseline, *spec.variants)}
    readings: dict[tuple[str, str], dict[str, Reading]] = {}
    measurements = list(measurements)
    for row in measurements:
        key = definitions.key(row.metric, row.phase, row.definition)
        readings.setdefault((row.run_id, row.arm), {})[key] = Reading(
            value=row.value,
            low=row.low,
            high=row.high,
            n=row.n,
            counts=counted(row.metric),
            effective_n=row.effective_n,
            q1=row.q1,
            q3=row.q3,
        )
    effects = list(effects)
    together = corrections(runs, effects)
    items = scored(measurements)
    followed = definitions.followed(measurements)
    ratios: dict[str, dict[str, Ratio]] = {}
    for effect in effects:
        version = followed.get((effect.run_id, effect.metric, effect.phase), definitions.FIRST)
        key = definitions.key(effect.metric, effect.phase, version)
        ratios.setdefault(effect.run_id, {})[key] = ratio(effect, together, items)
    seen = {(row.metric, row.phase, row.definition) for row in measurements if row.metric in metrics.BY_NAME}
    compared = tuple(
        _compared(
            run,
            variants[run.variant],
            spec.baseline,
            readings.get((run.id, "variant"), {}),
            readings.get((run.id, "baseline"), {}),
            ratios.get(run.id, {}),
            known.get(run.environment_id or "", {}),
        )
        for run in sorted(runs, key=lambda run: run.position)
    )
    draft = Comparison(
        study=study.id,
        name=study.name,
        baseline=spec.baseline.name,
        main_phase=spec.workload.main_phase,
        points=tuple(spec.points()),
        quantities=in_order(quantity(*one) for one in seen),
        columns=(),
        axes=None,
        runs=compared,
        elsewhere=elsewhere(
            [(run.run, run.environment) for run in compared if run.environment and run.environment in known],
            known,
        ),
    )
    opening = axes(draft)
    return draft.model_copy(
        update={"columns": tuple(_columns(draft)), "axes": (opening[0].key, opening[1].key) if opening else None}
    )


def axes(comparison: Comparison) -> tuple[Quantity, Quantity] | None:
    """The two quantities a trade-off opens with: latency against peak memory, or the nearest to it that was measured."""
    directed = [quantity for quantity in comparison.quantities if quantity.better != "neither"]
    wanted_x = (metrics.LATENCY.name, metrics.LATENCY_TTFT.name)
    wanted_y = (metrics.MEMORY_PEAK_ALLOCATED.name, metrics.MEMORY_HOST.name, metrics.MEMORY_WEIGHTS.name)
    x = next((q for name in wanted_x if (q := comparison.quantity(name))), directed[0] if directed else None)
    if x is None:
        return None
    others = [quantity for quantity in directed if quantity.aspect != x.aspect]
    y = next((q for name in wanted_y if (q := comparison.quantity(name))), others[0] if others else None)
    return (x, y) if y is not None and y != x else None


def reading(run: ComparedRun, quantity: Quantity, scale: Scale) -> Reading | None:
    """Where a run lies on an axis: as measured, or over the baseline of its own sitting."""
    if scale == "measured":
        return run.readings.get(quantity.key)
    effect = run.effects.get(quantity.key)
    return effect.reading if effect else None


def candidates(runs: Iterable[ComparedRun], x: Quantity, y: Quantity, scale: Scale) -> list[Candidate]:
    """The runs that have a reading on both axes."""
    placed = ((run, reading(run, x, scale), reading(run, y, scale)) for run in runs if not run.failed)
    return [Candidate(run.run, at_x, at_y) for run, at_x, at_y in placed if at_x is not None and at_y is not None]


def findings(comparison: Comparison) -> tuple[Finding, ...]:
    """For speed and for memory the largest decided gain of any variant at any point, strongest first."""
    found: list[Finding] = []
    memory = (metrics.MEMORY_PEAK_ALLOCATED.name, metrics.MEMORY_WEIGHTS.name, metrics.MEMORY_EXACT_PEAK.name)
    for name in (metrics.LATENCY.name, *memory):
        quantity = comparison.quantity(name)
        if quantity is None:
            continue
        gains = [
            (run.effects[quantity.key], run)
            for run in comparison.runs
            if not run.is_baseline
            and not run.fell_back
            and quantity.key in run.effects
            and run.effects[quantity.key].tone == "improves"
        ]
        if gains:
            effect, run = min(gains, key=lambda gain: gain[0].ratio)
            found.append(
                Finding(
                    variant=run.variant,
                    baseline=comparison.baseline,
                    quantity=quantity,
                    effect=effect,
                    point=run.point,
                )
            )
    return tuple(found)


def _columns(comparison: Comparison) -> Iterable[str]:
    for choices in COLUMNS:
        chosen = next((q for name in choices if (q := comparison.quantity(name))), None)
        if chosen is not None:
            yield from (q.key for q in comparison.quantities if (q.metric, q.phase) == (chosen.metric, chosen.phase))


def _compared(
    run: Run,
    variant: Variant,
    baseline: Variant,
    readings: dict[str, Reading],
    beside: dict[str, Reading],
    effects: dict[str, Ratio],
    environment: Fields,
) -> ComparedRun:
    remarks = run.notes if isinstance(run.notes, dict) else {}
    proofs = run.proofs if isinstance(run.proofs, list) else []
    method = environment.get("energy.method")
    return ComparedRun(
        run=run.id,
        variant=run.variant,
        is_baseline=run.is_baseline,
        label=label(variant),
        parts=parts(variant, baseline),
        family=family(variant, baseline),
        point=run.point,
        state=run.state,
        outcome=run.outcome,
        outcome_phase=run.outcome_phase,
        message=run.message,
        readings=readings,
        beside=beside,
        effects=effects,
        ran=cast("Ran | None", run.ran),
        environment=run.environment_id,
        measured_on=machine(environment),
        energy_method=method if isinstance(method, str) else None,
        proofs=tuple(Proof.model_validate(proof) for proof in proofs),
        bottlenecks=tuple(bottlenecks(run)),
        notes=_texts(remarks.get("notes")),
        # A sentence here; in the terminal it ends one.
        unmet=tuple(text[:1].upper() + text[1:] for text in _texts(remarks.get("unmet"))),
    )


def bottlenecks(run: Run) -> list[Bottleneck]:
    """What binds each phase of each arm of a stored run."""
    found = run.bottlenecks if isinstance(run.bottlenecks, list) else []
    return [Bottleneck.model_validate(one) for one in found]


def _fields(found: JsonValue) -> Fields:
    return found if isinstance(found, dict) else {}


def _texts(found: JsonValue) -> tuple[str, ...]:
    return tuple(str(text) for text in found) if isinstance(found, list) else ()
