"""What the other side of a request takes and has: Accept-Encoding chooses a compression, If-None-Match spares a body."""

import zlib
from typing import Literal

import brotli

Encoding = Literal["br", "gzip"]
ENCODINGS: tuple[Encoding, ...] = ("br", "gzip")
"""Ours, the smaller result first. Browsers offer br only where nobody between can tamper: over TLS and on this machine."""
WORTH_BYTES = 1024
"""A smaller body fits into one packet whether or not it is compressed."""
_GZIP_HEADER = 16


def encoding(accepted: str | None) -> Encoding | None:
    """The compression to answer in.

    Args:
        accepted: the request's Accept-Encoding; None where it has none.

    Returns:
        None when the body must go as it is.
    """
    if not accepted:
        return None
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, rest = part.partition(";")
        weights[name.strip()] = _weight(rest)
    return next((one for one in ENCODINGS if weights.get(one, weights.get("*", 0.0)) > 0), None)


def compressed(body: bytes, encoding: Encoding, *, once: bool) -> bytes:
    """A body in one of our encodings.

    Args:
        body: as it is.
        encoding: which.
        once: whether the result is kept and sent many times, so that the smallest is worth the seconds it takes
            (brotli 11, gzip 9); else what costs about as long as sending the difference (brotli 5, gzip 6).
    """
    if encoding == "br":
        smaller: bytes = brotli.compress(body, quality=11 if once else 5)
        return smaller
    packer = zlib.compressobj(9 if once else 6, zlib.DEFLATED, zlib.MAX_WBITS + _GZIP_HEADER)
    return packer.compress(body) + packer.flush()


def has(known: str | None, etag: str) -> bool:
    """Whether the other side says that it has this very answer.

    Args:
        known: the request's If-None-Match.
        etag: of the answer; weak and strong ones are compared alike, as RFC 9110 §13.1.2 wants it.
    """
    if not known:
        return False
    mine = etag.removeprefix("W/")
    return known.strip() == "*" or any(one.strip().removeprefix("W/") == mine for one in known.split(","))


def _weight(parameters: str) -> float:
    """The q of one offer; what cannot be read counts as refused."""
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
