"""Where something is said, and how far one can trust it."""

from typing import Literal

from app.frozen import Frozen

Grade = Literal["A", "B", "C", "D"]
GRADES: dict[Grade, str] = {
    "A": "measured with its method told, and by others too",
    "B": "measured with its method told",
    "C": "measured, with little told about how",
    "D": "said, with nothing told that would let it be checked",
}


class Source(Frozen):
    """Where it is said."""

    title: str
    url: str | None
