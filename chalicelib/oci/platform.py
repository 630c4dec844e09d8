"""The platform that an image runs on."""

from __future__ import annotations

from msgspec import Struct


class Platform(Struct, frozen=True):
    """An operating system, an architecture and its variant, as an index or a config states them."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
