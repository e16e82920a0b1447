"""Number formats: what their bits can say, worked out from how they are laid out."""

from collections.abc import Sequence
from typing import Literal

from app.frozen import Frozen

End = Literal["largest", "smallest", "lowest"]


class NumberFormat(Frozen):
    """A floating-point format of sign, exponent and mantissa, or a whole number of so many bits."""

    word: str
    title: str
    exponent: int
    """Bits; 0 for whole numbers."""
    mantissa: int
    """Bits, the sign apart."""
    special: Literal["exponent", "code", "none"]
    """What is kept for infinity and for what is no number: the highest exponent, one code of it, or nothing."""
    source: str

    @property
    def bits(self) -> int:
        """Of one number, its sign among them."""
        return 1 + self.exponent + self.mantissa

    @property
    def step(self) -> float:
        """From 1 to the next number."""
        return 2.0**-self.mantissa if self.exponent else 1.0

    @property
    def bias(self) -> int:
        """What is taken off a stored exponent."""
        return int(2 ** (self.exponent - 1)) - 1

    def end(self, which: End) -> tuple[float, str]:
        """One end of what can be said, and how it comes about."""
        if not self.exponent:
            return self._whole(which)
        if which == "smallest":
            power = 1 - self.bias
            return 2.0**power, f"2^{power}".replace("-", "−")
        top = 2**self.exponent - 1 - (1 if self.special == "exponent" else 0) - self.bias
        # One code of the highest exponent is no number: all ones.
        last = 2 if self.special == "code" else 1
        value = (2 - last * 2.0**-self.mantissa) * 2.0**top
        formula = f"(2 − {last} × 2^−{self.mantissa}) × 2^{top}"
        return (value, formula) if which == "largest" else (-value, f"−{formula}")

    def _whole(self, which: End) -> tuple[float, str]:
        if which == "lowest":
            return -(2.0**self.mantissa), f"−2^{self.mantissa}"
        if which == "largest":
            return 2.0**self.mantissa - 1, f"2^{self.mantissa} − 1"
        return 1.0, "1"


IEEE = "IEEE 754"
OCP = "OCP 8-bit floating point specification"
MX = "OCP microscaling formats"
FORMATS: Sequence[NumberFormat] = (
    NumberFormat(word="fp32", title="FP32", exponent=8, mantissa=23, special="exponent", source=IEEE),
    NumberFormat(word="bf16", title="BF16", exponent=8, mantissa=7, special="exponent", source="bfloat16: the upper half of FP32"),
    NumberFormat(word="fp16", title="FP16", exponent=5, mantissa=10, special="exponent", source=IEEE),
    NumberFormat(word="fp8_e4m3", title="FP8 E4M3", exponent=4, mantissa=3, special="code", source=OCP),
    NumberFormat(word="fp8_e5m2", title="FP8 E5M2", exponent=5, mantissa=2, special="exponent", source=OCP),
    NumberFormat(word="fp4_e2m1", title="FP4 E2M1", exponent=2, mantissa=1, special="none", source=MX),
    NumberFormat(word="int8", title="INT8", exponent=0, mantissa=7, special="none", source="two’s complement"),
    NumberFormat(word="int4", title="INT4", exponent=0, mantissa=3, special="none", source="two’s complement"),
)  # fmt: skip
BY_WORD: dict[str, NumberFormat] = {one.word: one for one in FORMATS}


class Shown(Frozen):
    """One format in figures."""

    word: str
    title: str
    bits: int
    lowest: float
    largest: float
    smallest: float
    """The smallest above zero that has all its digits."""
    step: float
    """From 1 to the next number: what is shorter is lost beside 1."""
    source: str


def shown() -> list[Shown]:
    """Every format: floating point from long to short, then whole numbers."""
    return [
        Shown(
            word=one.word,
            title=one.title,
            bits=one.bits,
            lowest=one.end("lowest")[0],
            largest=one.end("largest")[0],
            smallest=one.end("smallest")[0],
            step=one.step,
            source=one.source,
        )
        for one in FORMATS
    ]
