"""Content addresses."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Self

from msgspec import Struct

from chalicelib.errors import Code, RefusedError

_HEX: Final = re.compile(r"[a-f0-9]{64}")
_PREFIX: Final = "sha256:"


class Digest(Struct, frozen=True, order=True):
    """
    A content address: the sha256 of some bytes.

    ECR stores nothing under another algorithm (ecr.md 1.4), and the image specification demands lower-case hex,
    so nothing else can be constructed.
    """

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise RefusedError(Code.DIGEST_FORM, "a digest is not sha256 with 64 lower-case hex digits")

    @classmethod
    def parse(cls, text: object) -> Self:
        """
        Read `sha256:<64 hex digits>`.

        Raises:
            RefusedError: DIGEST_FORM, or DIGEST_ALGORITHM for a well-formed digest of another algorithm.
        """
        if not isinstance(text, str):
            raise RefusedError(Code.DIGEST_FORM, "a digest is not a string")
        if text.startswith(("sha512:", "sha384:", "blake3:")):
            raise RefusedError(Code.DIGEST_ALGORITHM, "a digest is not sha256, the only algorithm that ECR stores")
        if not text.startswith(_PREFIX):
            raise RefusedError(Code.DIGEST_FORM, "a digest does not start with 'sha256:'")
        return cls(text.removeprefix(_PREFIX))

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the digest of *content*."""
        return cls(hashlib.sha256(content).hexdigest())

    def __str__(self) -> str:
        return _PREFIX + self.hex
