"""
Names of members: one spelling for each, and none that could mean something outside the archive.

`./manifest.json` and `manifest.json` are one name for Go and two for Python, so both become the second. Nothing is
ever written to disk; a name is a key. Names that could escape a reader that does write are refused all the same:
readers differ on them.
"""

from __future__ import annotations

import re
from typing import Final

from chalicelib.errors import Code, RefusedError

_UNCLEAN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029]")


def clean_name(raw: bytes, *, longest: int, parts: int, offset: int) -> str:
    """
    Return the one spelling of a member's name, "" for the archive's root.

    Args:
        raw: The name as the archive has it.
        longest: How many bytes it may have.
        parts: How many parts between slashes it may have.
        offset: Where its header is, for errors.

    Raises:
        RefusedError: MEMBER_NAME, NAME_ENCODING.
    """
    if not raw or len(raw) > longest:
        raise RefusedError(Code.MEMBER_NAME, f"a member's name is empty or longer than {longest}", offset=offset)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(Code.NAME_ENCODING, "a member's name is not UTF-8", offset=offset) from error
    if text.startswith("/") or _UNCLEAN.search(text):
        detail = "a member's name is absolute or has a backslash or a control character"
        raise RefusedError(Code.MEMBER_NAME, detail, member=text, offset=offset)
    path = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in path or len(path) > parts:
        raise RefusedError(Code.MEMBER_NAME, "a member's name climbs out or is too deep", member=text, offset=offset)
    return "/".join(path)


def link_target(name: str, target: str) -> str | None:
    """Return the name that a link called *name* leads to, or None if it leads out of the archive."""
    if target.startswith("/") or _UNCLEAN.search(target):
        return None
    parts = name.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
