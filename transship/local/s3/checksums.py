"""
The checksums that S3's clients send and expect ("Checking object integrity", Amazon S3 User Guide).

`COMPOSITE` is the sum of the parts' sums; `FULL_OBJECT` is that of all bytes, which the CRCs allow to compute from
the parts' sums and lengths.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING, Protocol

import anycrc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_ALGORITHM = "CRC64NVME"
"""What S3 computes for an object that came without a checksum."""

COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"


class Checksum(Protocol):
    """A sum that grows with the bytes."""

    def update(self, data: memoryview, /) -> None:
        """Take in *data*."""

    def digest(self) -> bytes:
        """Return the sum, most significant byte first."""


class _Crc:
    def __init__(self, model: str, width: int) -> None:
        self._model, self._width, self._value = anycrc.Model(model), width, None

    def update(self, data: memoryview, /) -> None:
        self._value = self._model.calc(data) if self._value is None else self._model.calc(data, self._value)

    def digest(self) -> bytes:
        value: int = self._model.calc(b"") if self._value is None else self._value
        return value.to_bytes(self._width, "big")


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_NEW: dict[str, Callable[[], Checksum]] = {
    "CRC32": _Crc32,
    "CRC32C": lambda: _Crc("CRC32-ISCSI", 4),
    "CRC64NVME": lambda: _Crc("CRC64-NVME", 8),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
}
_CRC_MODELS = {"CRC32": "CRC32", "CRC32C": "CRC32-ISCSI", "CRC64NVME": "CRC64-NVME"}

ALGORITHMS = frozenset(_NEW)


def new(algorithm: str) -> Checksum:
    """Return an empty sum of *algorithm*, one of `ALGORITHMS`."""
    return _NEW[algorithm]()


def encoded(digest: bytes) -> str:
    """Return *digest* as S3 writes it."""
    return base64.b64encode(digest).decode()


def composite(algorithm: str, digests: Sequence[bytes]) -> str:
    """Return the sum of the parts' sums, with the number of parts."""
    total = new(algorithm)
    total.update(memoryview(b"".join(digests)))
    return f"{encoded(total.digest())}-{len(digests)}"


def full_object(algorithm: str, parts: Sequence[tuple[bytes, int]]) -> str:
    """
    Return the sum of all bytes from the parts' *(digest, length)*.

    Raises:
        KeyError: *algorithm* is no CRC; only those can be combined.
    """
    model = anycrc.Model(_CRC_MODELS[algorithm])
    digest, _ = parts[0]
    total = int.from_bytes(digest, "big")
    for following, length in parts[1:]:
        total = model.combine(total, int.from_bytes(following, "big"), length)
    return encoded(total.to_bytes(len(digest), "big"))
