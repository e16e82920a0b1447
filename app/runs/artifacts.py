"""Files that runs bring back: checked on entry, kept compressed as they came, handed out in parts."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator

from app.errors import Invalid
from workers.catalog.declared import Problem
from workers.catalog.report import Artifact

LARGEST = 64_000_000
"""Bytes of one file once unpacked; a trace of one step is a few million."""
PART = 256_000
"""Bytes that are unpacked at a time."""
GZIP = 16 + zlib.MAX_WBITS
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*")


class _Torn(Exception):
    """The data is no single, whole gzip member."""


def checked(artifact: Artifact, field: str) -> tuple[bytes, int]:
    """The compressed bytes of a file and how many they are once unpacked.

    Args:
        artifact: as a report brings it.
        field: where it stands in the report, for refusals.

    Raises:
        Invalid: it is no base64, no gzip, torn, too large once unpacked, or its media type is no media type.
    """
    if not _MEDIA_TYPE.fullmatch(artifact.media_type):
        raise _refused(f"{field}.media_type", "invalid_text", "is no media type.", "Send one as application/json.")
    try:
        data = base64.b64decode(artifact.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused(f"{field}.data", "not_base64", "is not base64.", "Compress with gzip, then encode.") from error
    size = 0
    try:
        for part in unpacked(data):
            size += len(part)
            if size > LARGEST:
                message = f"is larger than {LARGEST:,} bytes once unpacked."
                raise _refused(f"{field}.data", "too_large", message, "Record fewer steps.")
    except (zlib.error, _Torn) as error:
        raise _refused(f"{field}.data", "not_gzip", "is not one whole gzip file.", "Compress it with gzip.") from error
    return data, size


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes of a compressed file, in parts.

    Raises:
        zlib.error: it is no gzip.
        _Torn: it ends early, or something follows it.
    """
    reader = zlib.decompressobj(GZIP)
    rest = data
    while not reader.eof:
        part = reader.decompress(rest, PART)
        rest = reader.unconsumed_tail
        if not part and not rest and not reader.eof:
            raise _Torn
        yield part
    if reader.unused_data:
        raise _Torn


def _refused(field: str, code: str, message: str, hint: str) -> Invalid:
    return Invalid("The report has a file that cannot be kept.", problems=[Problem(field, code, message, hint)])
