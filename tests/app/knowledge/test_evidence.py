"""What is known about techniques: cases brought together, statements judged by the written rule, stacks against their parts."""

from collections.abc import Callable
from typing import Any

import pytest

from app.db.session import Database
from app.door.security import create_token
from app.errors import Invalid, NotFound
from app.knowledge import evidence, targets
from app.knowledge.cases import Cases, Effect, Stack, measured, parts_of
from app.knowledge.claims import Setting, Source, Statement
from app.knowledge.evidence import Judged, Knowledge
from app.results.columns import Columns, Table
from tests import demo
from workers.catalog.report import Report
from workers.catalog.spec import PlannedRun
from workers.catalog.techniques import BY_WORD

FP32: dict[str, Any] = {"technique": "precision", "dtype": "fp32"}
BF16: dict[str, Any] = {"technique": "precision", "dtype": "bf16"}
FLASH: dict[str, Any] = {"technique": "attention", "backend": "flash"}
MATH: dict[str, Any] = {"technique": "attention", "backend": "math"}
COMPILE: dict[str, Any] = {"technique": "torch_compile"}

Measure = Callable[..., Table]


def named(name: str, *stack: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "stack": list(stack)}


@pytest.fixture
def measure(database: Database) -> Measure:
    """Measures studies and gives all results."""
    with database.writing() as session:
        create_token(session, "ada", "admin")
    demo.present(database)
    columns = Columns()

    def act(*orders: dict[str, Any], brings: Callable[[PlannedRun], Report] = demo.report) -> Table:
        for asked in orders:
            demo.measure(database, demo.submit(database, demo.order(**asked), demo.owner(database)), brings=brings)
        with database.reading() as session:
            return columns.table(session)

    return act


def of(known: Knowledge, word: str) -> Judged:
    return next(one for one in (*known.literature, *known.claims) if one.statement.word == word)


def known(table: Table, word: str) -> Knowledge:
    return evidence.known(table, BY_WORD[word])


def statement(low: float, high: float | None) -> Statement:
    source = Source(title="somebody", url=None)
    return Statement(
        word="x", says="X.", stack=("precision",), figure="latency", low=low, high=high, source=source, grade="D"
    )


@pytest.mark.parametrize(
    ("said", "interval", "status"),
    [
        ((0.4, 0.6), (0.45, 0.55), "confirmed"),
        ((0.4, 0.6), (0.55, 0.7), "confirmed"),
        ((0.4, 0.6), (0.62, 0.7), "contradicted"),
        ((0.4, 0.6), (0.604, 0.7), "confirmed"),
        ((0.4, 0.6), (0.2, 0.3), "contradicted"),
        ((0.4, 0.6), (0.3, 0.9), "undecided"),
        ((0.4, 0.6), (0.55, 1.1), "undecided"),
        ((0.9, 1.1), (0.95, 1.02), "confirmed"),
        ((1.0, None), (1.2, 9.0), "confirmed"),
        ((1.0, None), (0.8, 0.9), "contradicted"),
    ],
)
def test_an_interval_beside_a_range(
    said: tuple[float, float | None], interval: tuple[float, float], status: str
) -> None:
    low, high = interval
    effect = Effect(ratio=(low * high) ** 0.5, low=low, high=high, verdict="undecided", runs=1)
    assert evidence.judge(statement(*said), effect) == status


def test_literature_and_claims_are_judged_by_what_was_measured(measure: Measure) -> None:
    found = known(measure({}), "precision")
    assert of(found, "precision-expected-1").status == "confirmed", "weights ×0.50"
    contradicted = of(found, "bf16-memory")
    assert (contradicted.status, contradicted.runs, contradicted.environments) == ("contradicted", 1, 1)
    assert contradicted.cases[0].effect.ratio == pytest.approx(0.55)
    assert of(found, "precision-expected-2").status == "not_measured", "said of a GPU"
    assert of(found, "weights-16").counts == {"confirmed": 1}


def test_the_same_the_other_way_round_is_no_evidence(measure: Measure) -> None:
    table = measure({"baseline": named("half", BF16), "variants": [named("bf16", FP32)]})
    found = known(table, "precision")
    assert found.summary.runs == 1
    assert found.summary.typical == ()
    assert {one.status for one in found.claims} == {"not_measured"}
    assert [case.turned_on for case in found.cases] == [False]


def test_only_the_baseline_that_was_meant_counts(measure: Measure) -> None:
    table = measure({"variants": [named("flash attention", FP32, FLASH)]})
    assert of(known(table, "attention"), "flash-memory").status == "not_measured", "what ran before is not known"
    plain = {"baseline": named("math", FP32, MATH), "variants": [named("flash attention", FP32, FLASH)]}
    judged = of(known(measure(plain), "attention"), "flash-memory")
    assert (judged.status, judged.cases[0].case.against) == ("contradicted", "precision fp32 + attention math")


def test_a_stack_that_lacks_something_else_too_is_not_comparable(measure: Measure) -> None:
    table = measure({"baseline": named("both", FP32, MATH), "variants": [named("bf16", BF16)]})
    found = known(table, "precision")
    assert [case.turned_on for case in found.cases] == [False]
    assert of(found, "bf16-memory").status == "not_measured"


def test_what_fell_back_or_was_emulated_is_not_held_against_the_literature(measure: Measure) -> None:
    emulated = known(
        measure({"variants": [named("int8 weights", FP32, {"technique": "int8_weight_only"})]}), "int8_weight_only"
    )
    assert [case.ran for case in emulated.cases] == ["emulated"]
    assert of(emulated, "weights-8").status == "not_measured"
    stack = named("bf16 + flash + compile", BF16)
    fallen = known(measure({"variants": [stack]}, brings=demo.fallen), "precision")
    assert (fallen.summary.fell_back, fallen.cases) == (1, ())


def test_runs_of_one_case_are_pooled_and_cases_kept_apart(measure: Measure) -> None:
    sweep = {"sweep": {"sequence_length": [128, 512]}, "variants": [named("bf16", BF16)]}
    found = known(measure(sweep, sweep, {"variants": [named("bf16", BF16)]}), "precision")
    assert [(case.length, case.runs, case.environments) for case in found.cases] == [(128, 2, 1), (512, 3, 1)]
    assert {case.effects["latency"].runs for case in found.cases} == {2, 3}
    (latency, memory) = found.summary.typical
    assert latency.cases == 2
    assert memory.ratio == pytest.approx(0.55)
    assert [one.case.length for one in found.helps if one.figure == "latency"] != []
    assert found.hurts == ()


def test_quality_that_was_scored_otherwise_is_another_case(measure: Measure) -> None:
    bf16: dict[str, Any] = {"variants": [named("bf16", BF16)]}
    fewer = {"name": "divergence", "items": 64}
    table = measure(bf16, bf16, bf16 | {"evaluation": fewer}, bf16 | {"evaluation": None})
    found = [(case.evaluation, case.runs) for case in known(table, "precision").cases]
    assert found == [(None, 1), ("divergence, items 256", 2), ("divergence, items 64", 1)]
    (target,) = targets.targets(table)
    on_target = targets.on_target(table, target.model, target.hardware)
    assert [(case.evaluation, case.runs) for case in on_target.cases] == found


def test_failures_are_counted(measure: Measure) -> None:
    summary = evidence.overview(measure({}))["llm_int8"]
    assert (summary.runs, summary.failed) == (0, {"oom_host": 1})


def test_a_stack_against_its_parts(measure: Measure) -> None:
    variants = [named("one", BF16), named("two", FP32, COMPILE), named("three", BF16, COMPILE)]
    (latency, memory) = known(measure({"variants": variants}), "torch_compile").interactions
    assert (latency.figure, latency.rest, latency.part) == (
        "latency",
        ("precision bf16",),
        "torch_compile default, auto",
    )
    # Each of the three has ×0.8: both together over the product is ×1.25, so one takes what the other has brought.
    assert latency.ratio == pytest.approx(1.25, rel=0.05)
    assert latency.says == "cancels"
    assert latency.low < latency.ratio < latency.high
    assert memory.ratio == pytest.approx(0.9 / 0.81)


def emulating(*names: str) -> Callable[[PlannedRun], Report]:
    """Reports of a machine on which these variants are emulated."""

    def brings(planned: PlannedRun) -> Report:
        found = demo.report(planned)
        ran = "emulated" if planned.variant.name in names else "as_asked"
        return found.model_copy(update={"proofs": tuple(one.model_copy(update={"ran": ran}) for one in found.proofs)})

    return brings


STACKED = {"variants": [named("one", BF16), named("two", FP32, COMPILE), named("three", BF16, COMPILE)]}


@pytest.mark.parametrize(
    ("emulated", "ran"),
    [
        ((), ["as_asked"] * 2),
        (("three",), []),
        (("one",), []),
        (("one", "three"), ["emulated"] * 2),
        (("one", "two", "three"), ["emulated"] * 2),
    ],
    ids=["none", "the stack alone", "a part alone", "a part in the stack", "all"],
)
def test_what_ran_emulated_is_not_held_against_what_did_not(
    measure: Measure, emulated: tuple[str, ...], ran: list[str]
) -> None:
    table = measure(STACKED, brings=emulating(*emulated))
    assert [one.ran for one in known(table, "torch_compile").interactions] == ran


def test_parts_that_ran_either_way_say_nothing_of_an_emulated_stack(measure: Measure) -> None:
    measure(STACKED, brings=emulating("one", "two", "three"))
    table = measure(STACKED, brings=emulating())
    assert [one.ran for one in known(table, "torch_compile").interactions] == ["as_asked"] * 2


def test_stacks_are_told_apart_by_their_labels() -> None:
    variant, baseline = parts_of("precision bf16 + torch_compile default, auto"), parts_of("as built")
    stack = Stack(variant - baseline, baseline - variant, variant & baseline)
    assert stack.turned_on
    assert stack.part("torch_compile") == "torch_compile default, auto"
    assert parts_of("precision fp32") - parts_of("as built") == {"precision fp32"}


def test_settings_narrow_what_is_comparable(measure: Measure) -> None:
    cases = Cases(*(lambda table: (table, measured(table)))(measure({"variants": [named("bf16", BF16)]})))
    plain = statement(0.4, 0.6)
    assert evidence.comparable(cases, 0, plain)
    for setting in (
        Setting(device="cuda"),
        Setting(model="8b"),
        Setting(workloads=("generate",)),
        Setting(batch_size=2),
        Setting(length=511),
        Setting(variant=("precision fp16",)),
        Setting(baseline=("precision bf16",)),
        Setting(lacks=("precision fp32",)),
        Setting(also=("torch_compile",)),
    ):
        assert not evidence.comparable(cases, 0, plain.model_copy(update={"setting": setting})), setting


def test_a_target_has_what_was_tried_and_what_was_not(measure: Measure) -> None:
    table = measure({})
    (target,) = targets.targets(table)
    assert (target.model, target.hardware, target.runs) == ("llama tiny", "AMD EPYC 9B45", 7)
    assert target.url == "/models/llama%20tiny/on/AMD%20EPYC%209B45"
    found = targets.on_target(table, "llama tiny", "AMD EPYC 9B45")
    assert {case.label for case in found.cases if len(case.techniques) == 1} >= {
        "precision bf16",
        "int8_weight_only row",
    }
    assert {one.outcome for one in found.setbacks} == {"unsupported", "oom_host"}
    assert {"kv_cache", "autocast", "gradient_checkpointing"} <= set(found.never)
    assert not {"precision", "nf4"} & set(found.never)
    with pytest.raises(NotFound) as refused:
        targets.on_target(table, "llama tiny", "a toaster")
    assert "llama tiny on AMD EPYC 9B45" in str(refused.value.hint)


def test_what_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(NotFound, match="precisoin") as refused:
        evidence.of_catalogue("precisoin")
    assert "Did you mean precision?" in str(refused.value.hint)
    with pytest.raises(Invalid):
        evidence.compared("agreement")
