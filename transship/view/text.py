"""Numbers, and names that others chose, as a person reads them."""

from __future__ import annotations

from typing import Final

from rich.text import Text

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP: Final = 1024
_SHORT_DIGEST: Final = len("sha256:") + 12


def size(count: float) -> str:
    """Return a number of bytes in the largest unit that leaves at least 1: `65.6 MiB`."""
    unit = 0
    while count >= _STEP and unit < len(_UNITS) - 1:
        count /= _STEP
        unit += 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} B"


def seconds(count: float) -> str:
    """Return a duration: `0.42 s`, `12.3 s`, `4 min 05 s`."""
    if count < 10:
        return f"{count:.2f} s"
    if count < 60:
        return f"{count:.1f} s"
    return f"{int(count) // 60} min {int(count) % 60:02} s"


def short(digest: object) -> str:
    """Return the beginning of a digest, which is enough to tell one from another on a screen."""
    return str(digest)[:_SHORT_DIGEST]


def plural(count: int, noun: str) -> str:
    """Return `1 layer`, `2 layers`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def foreign(text: str) -> str:
    """Return text that an archive or an uploader chose with everything escaped that could steer a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def label(*parts: tuple[str, str] | str) -> Text:
    """Return a line of *parts*, each plain or with a style; nothing in them is read as markup."""
    return Text.assemble(*parts)
