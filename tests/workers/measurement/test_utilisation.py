"""Rates, intensities and utilisation against their formulas."""

import pytest

from tests.workers.measurement.test_roofline import CEILINGS
from workers.catalog import metrics
from workers.measurement import utilisation
from workers.measurement.statistics import Estimate
from workers.measurement.utilisation import Counted

LATENCY = Estimate(0.5, 0.4, 0.8, 20, 15.0)
COUNTED = Counted(flops=10**11, formats={"float32": 10**11}, traffic=4 * 10**9, compulsory=10**9)


def test_every_figure_by_its_formula() -> None:
    found = dict(utilisation.derived(COUNTED, LATENCY, CEILINGS))
    assert {metric.name: estimate.value for metric, estimate in found.items()} == pytest.approx(
        {
            "compute.rate": 2e11,
            "compute.intensity": 25.0,
            "compute.intensity.compulsory": 100.0,
            "compute.bandwidth": 2e9,
            "compute.mfu": 0.2,
            "compute.mbu": 0.2,
        }
    )
    mfu = found[metrics.COMPUTE_MFU]
    assert (mfu.low, mfu.high) == pytest.approx((0.125, 0.25))
    assert mfu.n == 20


def test_without_ceilings_shares_of_them_are_left_out() -> None:
    found = {metric for metric, _ in utilisation.derived(COUNTED, LATENCY, None)}
    assert found == {
        metrics.COMPUTE_RATE,
        metrics.COMPUTE_INTENSITY,
        metrics.COMPUTE_INTENSITY_MOST,
        metrics.COMPUTE_BANDWIDTH,
    }


def test_a_format_without_a_peak_has_no_mfu() -> None:
    mixed = COUNTED._replace(formats={"float32": 10**10, "int8": 10**10})
    assert metrics.COMPUTE_MFU not in dict(utilisation.derived(mixed, LATENCY, CEILINGS))
    assert utilisation.at_peak({"float32": 10**12}, CEILINGS) == pytest.approx(1.0)


def test_products_that_nobody_can_count_leave_the_bytes() -> None:
    found = dict(utilisation.derived(COUNTED._replace(flops=None), LATENCY, CEILINGS))
    assert set(found) == {metrics.COMPUTE_BANDWIDTH, metrics.COMPUTE_MBU}


def test_nothing_moved_is_no_rate() -> None:
    assert list(utilisation.derived(Counted(0, {}, 0, 0), LATENCY, CEILINGS)) == []
