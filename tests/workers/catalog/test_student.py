"""Student's t in closed form says what scipy says."""

import pytest
from scipy import stats

from workers.catalog import student


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 9, 18, 31, 200])
def test_probabilities_and_quantiles_are_scipys(freedom: int) -> None:
    for t in (0.0, 0.3, -1.0, 2.2, 5.0, 40.0):
        assert student.two_sided(t, freedom) == pytest.approx(2 * float(stats.t.sf(abs(t), freedom)), abs=1e-12)
    for confidence in (0.5, 0.95, 0.999):
        expected = float(stats.t.ppf((1 + confidence) / 2, freedom))
        assert student.quantile(freedom, confidence) == pytest.approx(expected, rel=1e-8)


def test_no_degrees_of_freedom_say_nothing() -> None:
    with pytest.raises(ValueError, match="0 degrees"):
        student.two_sided(1.0, 0)
