"""Number formats against torch's own figures of them."""

import pytest

from app.presentation.number_formats import Shown, shown

FLOATS = {
    "fp32": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp8_e4m3": "float8_e4m3fn",
    "fp8_e5m2": "float8_e5m2",
}
BY_WORD = {one.word: one for one in shown()}


@pytest.mark.parametrize(("word", "dtype"), FLOATS.items())
def test_ends_and_steps_are_those_of_torch(word: str, dtype: str) -> None:
    import torch

    found, known = BY_WORD[word], torch.finfo(getattr(torch, dtype))
    assert (found.bits, found.lowest, found.largest) == (known.bits, known.min, known.max)
    assert (found.smallest, found.step) == (known.smallest_normal, known.eps)


def test_short_formats_say_what_their_standards_list() -> None:
    def ends(one: Shown) -> tuple[float, ...]:
        return one.bits, one.lowest, one.largest, one.smallest, one.step

    assert ends(BY_WORD["fp4_e2m1"]) == (4, -6, 6, 1, 0.5)
    assert ends(BY_WORD["int8"]) == (8, -128, 127, 1, 1)
    assert ends(BY_WORD["int4"]) == (4, -8, 7, 1, 1)
