"""Ceilings as a paper: which bandwidth counts for which working set, and the best of a sweep."""

import pytest
from pydantic import ValidationError

from workers.catalog.ceilings import Bandwidth, Ceilings, Products, Transfer

MEASURED = Ceilings(
    device="cpu",
    name="a processor",
    environment="0123456789abcdef",
    threads=2,
    measured_at="2026-01-01T00:00:00+00:00",
    seconds=8.0,
    contention=0.0,
    bandwidths=(
        Bandwidth(stream="copy", working_set=1_000, value=50.0, low=49, high=51, n=9, seconds=0.1),
        Bandwidth(stream="copy", working_set=100_000, value=60.0, low=59, high=61, n=9, seconds=0.1),
        Bandwidth(stream="read", working_set=100_000, value=40.0, low=39, high=41, n=9, seconds=0.1),
        Bandwidth(stream="copy", working_set=10_000_000, value=10.0, low=9, high=11, n=9, seconds=0.1),
        Bandwidth(stream="read", working_set=10_000_000, value=15.0, low=14, high=16, n=9, seconds=0.1),
    ),
    products=(
        Products(dtype="float32", size=256, value=100.0, low=99, high=101, n=9, seconds=0.1),
        Products(dtype="float32", size=512, value=200.0, low=199, high=201, n=9, seconds=0.1),
        Products(dtype="float32", size=1024, value=190.0, low=189, high=191, n=9, seconds=0.1),
    ),
    dispatch_s=1e-6,
)


@pytest.mark.parametrize(
    ("working_set", "best"),
    [(1, 60.0), (1_000, 60.0), (100_000, 60.0), (100_001, 15.0), (10_000_000, 15.0), (1 << 40, 15.0)],
)
def test_what_is_reached_with_more_data_can_be_reached_with_less(working_set: int, best: float) -> None:
    assert MEASURED.bandwidth(working_set) == best


def test_the_peak_is_the_best_of_the_sweep_and_absent_formats_have_none() -> None:
    assert MEASURED.peak("float32") == 200.0
    assert MEASURED.peak("bfloat16") is None


def test_nothing_measured_is_nothing_known() -> None:
    bare = MEASURED.model_copy(update={"bandwidths": (), "products": ()})
    assert bare.bandwidth(1_000) is None
    assert bare.transfer() is None


def test_the_slower_direction_counts_for_transfers() -> None:
    ways = tuple(
        Transfer(direction=direction, value=value, low=value, high=value, n=3, seconds=0.1)
        for direction, value in (("to_device", 20.0), ("to_host", 12.0))
    )
    assert MEASURED.model_copy(update={"transfers": ways}).transfer() == 12.0


def test_it_survives_json_and_refuses_a_rate_of_nothing() -> None:
    assert Ceilings.model_validate_json(MEASURED.model_dump_json()) == MEASURED
    with pytest.raises(ValidationError):
        Products(dtype="float32", size=256, value=0.0, low=0, high=0, n=1, seconds=0.1)
