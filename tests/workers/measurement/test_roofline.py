"""Roofs by formula, and every class on a made-up step that is bound by it; unclear where evidence is at odds."""

import math

import pytest

from tests.workers.catalog.test_ceilings import MEASURED
from workers.catalog.ceilings import Bandwidth, Products, Transfer
from workers.measurement import roofline
from workers.measurement.roofline import Finding, Growth, Operator, Roof, Stretch
from workers.measurement.statistics import Estimate

CEILINGS = MEASURED.model_copy(
    update={
        "bandwidths": (
            Bandwidth(stream="copy", working_set=1 << 30, value=1e10, low=9e9, high=1.1e10, n=9, seconds=1.0),
        ),
        "products": (Products(dtype="float32", size=1024, value=1e12, low=9e11, high=1.1e12, n=9, seconds=1.0),),
    }
)


def grown(value: float, spread: float = 0.02) -> Estimate:
    return Estimate(value, value * (1 - spread), value * (1 + spread), 8, 8.0)


def roof(compute: float = 0.0, bandwidth: float = 0.0, communication: float = 0.0, overhead: float = 0.0) -> Roof:
    return Roof(compute, bandwidth, communication, overhead, compute)


def find(now: Roof, more: Roof, growth: float, threads: float | None = None, issuing: float | None = None) -> Finding:
    return roofline.find("the step", 1.0, now, [Growth(grown(growth), more)], threads=threads, issuing=issuing)


def test_every_operator_waits_for_the_slower_of_its_roofs() -> None:
    work = Stretch(
        operators=(
            Operator(flops=10**12, dtype="float32", kept=10**9, fresh=0),
            Operator(flops=10**9, dtype="float32", kept=10**9, fresh=10**9),
            Operator(flops=0, dtype=None, kept=0, fresh=2 * 10**9),
        ),
        calls=5,
        compulsory=10**9,
    )
    found = roofline.roof(work, CEILINGS, dispatch_s=1e-3)
    assert found.compute == pytest.approx(1.0)
    assert found.bandwidth == pytest.approx(0.2 + 0.2)
    assert found.overhead == pytest.approx(5e-3)
    assert found.at_peak == pytest.approx(1.001)
    assert found.work == pytest.approx(1.4)
    assert work.flops == 1_001 * 10**9
    assert work.traffic == 5 * 10**9
    assert work.by_format == {"float32": 1_001 * 10**9}


def test_what_the_step_made_is_as_near_as_it_fits_and_what_was_there_is_as_far_as_all_of_it() -> None:
    near = Bandwidth(stream="copy", working_set=1 << 20, value=1e11, low=9e10, high=1.1e11, n=9, seconds=1.0)
    ceilings = CEILINGS.model_copy(update={"bandwidths": (*CEILINGS.bandwidths, near)})
    work = Stretch((Operator(0, None, kept=10**5, fresh=10**5),), 1, compulsory=1 << 30)
    assert roofline.roof(work, ceilings, 0.0).bandwidth == pytest.approx(10**5 / 1e10 + 10**5 / 1e11)


def test_what_has_no_ceiling_is_named() -> None:
    work = Stretch((Operator(10, "int8", 0, 0),), 1, compulsory=10, transferred=5, opaque=("bitsandbytes::gemv",))
    bare = CEILINGS.model_copy(update={"bandwidths": ()})
    unknown = roofline.roof(work, bare, 0.0).unknown
    assert unknown == ("memory bandwidth", "products in int8", "the products of bitsandbytes::gemv", "transfers")
    assert work.flops is None
    found = roofline.find("the step", 1.0, roofline.roof(work, bare, 0.0), [])
    assert (found.kind, found.headroom) == ("unclear", None)
    assert "products in int8" in found.sentence


def test_transfers_take_their_time() -> None:
    ways = (Transfer(direction="to_device", value=1e9, low=1e9, high=1e9, n=3, seconds=0.1),)
    work = Stretch((), 0, compulsory=0, transferred=10**9)
    found = roofline.roof(work, CEILINGS.model_copy(update={"transfers": ways}), 0.0)
    assert found.communication == pytest.approx(1.0)


def test_compute() -> None:
    found = find(roof(compute=0.8, bandwidth=0.05), roof(compute=1.6, bandwidth=0.1), 1.97)
    assert found.kind == "compute"
    assert found.headroom == pytest.approx(1 / 0.85)
    assert found.sentence == (
        "Arithmetic binds the step: products at their measured peak explain 80% of the time; "
        "twice the batch takes 1.97 times as long, 2.00 expected."
    )


def test_bandwidth_of_weights_does_not_grow_with_the_batch() -> None:
    found = find(
        roof(compute=0.02, bandwidth=0.7, overhead=0.05), roof(compute=0.04, bandwidth=0.71, overhead=0.05), 1.03
    )
    assert found.kind == "bandwidth"
    assert found.evidence["batch.if_compute"] > 1.2


def test_bandwidth_of_activations_grows_with_the_batch() -> None:
    found = find(roof(compute=0.1, bandwidth=0.6), roof(compute=0.2, bandwidth=1.2), 2.0)
    assert found.kind == "bandwidth"


def test_communication() -> None:
    assert find(roof(communication=0.8, compute=0.1), roof(communication=1.6, compute=0.2), 2.0).kind == "communication"


def test_overhead() -> None:
    found = find(
        roof(compute=0.01, bandwidth=0.05, overhead=0.2), roof(compute=0.02, bandwidth=0.06, overhead=0.2), 1.02
    )
    assert found.kind == "overhead"
    assert "6% of the time at most" in found.sentence


def test_a_step_that_needs_its_threads_is_not_waiting_for_calls() -> None:
    now, more = roof(compute=0.01, bandwidth=0.05, overhead=0.2), roof(compute=0.02, bandwidth=0.06, overhead=0.2)
    assert find(now, more, 1.02, threads=1.02).kind == "overhead"
    assert find(now, more, 1.02, threads=1.8).kind == "unclear"


def test_a_host_that_waits_for_its_device_is_not_the_limit() -> None:
    now, more = roof(overhead=0.3), roof(overhead=0.3)
    assert find(now, more, 1.0, issuing=0.95).kind == "overhead"
    assert find(now, more, 1.0, issuing=0.2).kind == "unclear"


def test_a_roof_that_more_work_contradicts_is_not_claimed() -> None:
    found = find(roof(compute=0.8), roof(compute=1.6), 1.05)
    assert found.kind == "unclear"
    assert found.sentence == (
        "What binds the step is unclear: with twice the batch it takes 1.05 times as long, but 2.00 if compute bound it."
    )


def test_bad_kernels_are_far_from_every_roof() -> None:
    found = find(roof(compute=0.05, bandwidth=0.05), roof(compute=0.1, bandwidth=0.1), 2.0)
    assert found.kind == "unclear"
    assert found.sentence.endswith(
        "it is far from every roof (compute 5%, bandwidth 5%, communication 0%, overhead 0%): its kernels are the limit."
    )


def test_two_classes_that_explain_the_same_leave_it_unclear() -> None:
    found = find(roof(compute=0.4, bandwidth=0.35), roof(compute=0.8, bandwidth=0.7), 2.0)
    assert found.kind == "unclear"
    assert "compute and bandwidth both explain" in found.sentence


def test_noise_claims_nothing() -> None:
    noisy = Growth(Estimate(2.0, 1.0, 4.0, 3, 3.0), roof(compute=1.6))
    assert roofline.find("the step", 1.0, roof(compute=0.8), [noisy]).kind == "unclear"


def test_roofs_that_explain_more_than_there_is_are_scaled_down() -> None:
    found = find(roof(compute=1.2, bandwidth=0.1), roof(compute=2.4, bandwidth=0.2), 2.0)
    assert found.kind == "compute"
    assert math.fsum(found.evidence[f"share.{name}"] for name in roofline.RESOURCES) == pytest.approx(1.0)
    assert found.headroom == pytest.approx(1 / 1.3)


def test_what_was_not_tried_is_unclear_and_says_why() -> None:
    found = roofline.find("backward", 1.0, roof(compute=0.8), [], why_not="a step of 9 s is too long.")
    assert found.kind == "unclear"
    assert found.sentence == "What binds backward is unclear: a step of 9 s is too long."


def test_a_doubled_step_without_a_ceiling_is_unclear() -> None:
    more = roof(compute=1.6)._replace(unknown=("products in int8",))
    assert find(roof(compute=0.8), more, 2.0).kind == "unclear"


def test_another_kernel_for_two_rows_is_seen_through_by_products_done_twice() -> None:
    """One row is a matrix-vector product, two rows are not: the batch says nothing about what binds."""
    now = roof(compute=0.01, bandwidth=0.9)
    batch = Growth(grown(2.3), roof(compute=0.02, bandwidth=0.9))
    twice = Growth(grown(1.85), roof(compute=0.02, bandwidth=1.75), "products")
    assert roofline.find("the step", 1.0, now, [batch]).kind == "unclear"
    found = roofline.find("the step", 1.0, now, [batch, twice])
    assert found.kind == "bandwidth"
    assert found.sentence.endswith("every product done twice takes 1.85 times as long, 1.94 expected.")
    assert found.evidence["batch.measured"] == 2.3
    assert found.evidence["products.measured"] == 1.85


def test_trials_that_all_fail_are_all_told() -> None:
    now = roof(compute=0.8)
    trials = [Growth(grown(1.05), roof(compute=1.6)), Growth(grown(1.1), roof(compute=1.6), "products")]
    found = roofline.find("the step", 1.0, now, trials)
    assert found.kind == "unclear"
    assert "with twice the batch it takes 1.05" in found.sentence
    assert "And with every product done twice it takes 1.10" in found.sentence


def test_products_done_twice_are_the_same_work_from_nearby() -> None:
    work = Stretch((Operator(100, "float32", kept=30, fresh=10), Operator(0, None, kept=5, fresh=5)), 4, compulsory=50)
    again = roofline.repeated(work)
    assert again.operators == (*work.operators, Operator(100, "float32", kept=0, fresh=40))
    assert (again.flops, again.calls, again.compulsory) == (200, 5, 50)


def test_a_change_that_tells_two_classes_not_apart_claims_neither_far_from_the_roof() -> None:
    """An optimizer's update: twice the batch is no more work for it, whatever binds it."""
    now = roof(bandwidth=0.45, overhead=0.07)
    found = find(now, now, 1.0)
    assert found.kind == "unclear"
    assert "bandwidth and overhead both explain" in found.sentence
    near = roof(bandwidth=0.55, overhead=0.07)
    assert find(near, near, 1.0).kind == "bandwidth"
