"""Units: base values become what people read."""

import pytest

from app.charts.units import between, digits, readable, times

THIN = "\u202f"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0124, "s", f"12.4{THIN}ms"),
        (3.2e-6, "s", f"3.20{THIN}µs"),
        (61.0, "s", f"61.0{THIN}s"),
        (0.0, "s", f"0{THIN}s"),
        (1_395_864_371, "B", f"1.30{THIN}GiB"),
        (12, "B", f"12.0{THIN}B"),
        (24_038.4, "tokens/s", f"24,038{THIN}tokens/s"),
        (1.2e6, "tokens/s", f"1.20{THIN}M{THIN}tokens/s"),
        (3.1e12, "FLOP", f"3.10{THIN}TFLOP"),
        (2.1e-4, "nat", f"2.1×10⁻⁴{THIN}nat"),
        (0.996, "1", "0.996"),
        (-0.5, "s", f"−500{THIN}ms"),
    ],
)
def test_readable(value: float, unit: str, text: str) -> None:
    assert readable(value, unit) == text


def test_an_interval_keeps_its_value_s_unit() -> None:
    assert between(0.00098, 0.00113, "s", 0.00101) == "0.980–1.13"


@pytest.mark.parametrize(("ratio", "text"), [(0.518, "×0.52"), (0.998, "×0.998"), (1.0, "×1.00"), (43.96, "×44.0")])
def test_times(ratio: float, text: str) -> None:
    assert times(ratio) == text


def test_digits_of_numbers_that_round_up() -> None:
    assert digits(9.999) == "10.0"
    assert digits(0.00009999) == "1.0×10⁻⁴"
