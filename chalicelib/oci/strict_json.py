"""
JSON as every reader understands it alike, or not at all.

Rules, each for a difference between readers that was measured between CPython 3.11 and skopeo 1.9:

- UTF-8 without a byte order mark; no lone surrogates, also not as escapes
- no key twice in an object, and in objects with fixed fields no two keys that differ in case alone: Go's reader takes
  either for the other (also the long s for `s` and the Kelvin sign for `k`), Python's does not
- no NaN, no Infinity, no number that a double cannot hold, no integer of thousands of digits
- a bounded depth, and number of values

Callers bound the size before they read. Which fields a document must have is the business of its own module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from chalicelib.errors import Code, RefusedError

MAXIMUM_DEPTH: Final = 64
"""Objects and arrays within each other; a real config has about 6."""

MAXIMUM_VALUES: Final = 100_000
"""Values in all, however small: 4 MiB hold a million of them, and to look at each takes seconds; an index of 500
entries has some 5,000."""

MAXIMUM_DIGITS: Final = 400
"""Digits of an integer; the largest double has 309, the largest size 19."""

# Objects whose keys are the user's own: case counts there, for Go's maps as well.
_MAPS: Final = frozenset({"annotations", "labels", "volumes", "exposedports", "layersources"})


def parse_json(raw: bytes) -> Any:
    """
    Parse *raw* under the rules above.

    Raises:
        RefusedError: JSON, or JSON_AMBIGUOUS for a key that is there twice.
    """
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except RefusedError:
        raise
    except UnicodeDecodeError as error:
        raise RefusedError(Code.JSON, "a JSON document is not UTF-8") from error
    except RecursionError as error:
        raise RefusedError(Code.JSON, "a JSON document is nested too deep") from error
    except ValueError as error:
        raise RefusedError(Code.JSON, "a JSON document is malformed") from error
    _examine(value)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RefusedError(Code.JSON_AMBIGUOUS, "a JSON object has the same key twice")
    return fields


def _constant(_text: str) -> NoReturn:
    raise RefusedError(Code.JSON, "a JSON document holds NaN or Infinity")


def _integer(text: str) -> int:
    if len(text) > MAXIMUM_DIGITS:
        raise RefusedError(Code.JSON, "a JSON document holds an integer of too many digits")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise RefusedError(Code.JSON, "a JSON document holds a number that no double can hold")
    return number


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


def _examine(root: Any) -> None:
    """Check depth, text and case variants of all values; iterative, so that depth costs no stack."""
    stack: list[tuple[Any, int, bool]] = [(root, 1, False)]
    count = 0
    while stack:
        value, depth, is_map = stack.pop()
        count += 1
        if count + len(stack) > MAXIMUM_VALUES:
            raise RefusedError(Code.JSON, f"a JSON document holds more than {MAXIMUM_VALUES} values")
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, (dict, list)):
            if depth > MAXIMUM_DEPTH:
                raise RefusedError(Code.JSON, f"a JSON document is nested deeper than {MAXIMUM_DEPTH}")
            stack.extend(_children(value, depth + 1, is_map=is_map))


def _children(value: dict[str, Any] | list[Any], depth: int, *, is_map: bool) -> Iterator[tuple[Any, int, bool]]:
    if isinstance(value, list):
        yield from ((item, depth, False) for item in value)
        return
    if not is_map and len({key.casefold() for key in value}) != len(value):
        raise RefusedError(Code.JSON_AMBIGUOUS, "a JSON object has two keys that differ in case alone")
    for key, item in value.items():
        _check_text(key)
        yield item, depth, key.casefold() in _MAPS


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise RefusedError(Code.JSON, "a JSON document holds half a surrogate pair")


class Fields:
    """
    A JSON object with fixed fields, read by their exact names; null is the same as absent, as it is for Go.

    Args:
        value: What should be an object.
        what: What to call it in errors, with its article: `a manifest`.

    Raises:
        RefusedError: MANIFEST_FORM if it is none.
    """

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise RefusedError(Code.MANIFEST_FORM, f"{what} is not a JSON object")
        self.what = what
        self._fields: Mapping[str, Any] = value

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str) -> Any:
        """
        Return a field as it is, None if absent.

        Raises:
            RefusedError: JSON_AMBIGUOUS if it is there in another case, which some readers would take for it.
        """
        if name in self._fields:
            return self._fields[name]
        folded = name.casefold()
        if any(key.casefold() == folded for key in self._fields):
            raise RefusedError(Code.JSON_AMBIGUOUS, f"{self.what} has the key {name!r} in another case")
        return None

    def text(self, name: str) -> str:
        """Return a string field, "" if absent."""
        value = self.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._malformed(name, "a string")
        return value

    def array(self, name: str) -> Sequence[Any]:
        """Return an array field, empty if absent."""
        value = self.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._malformed(name, "an array")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an array of strings, empty if absent."""
        values = self.array(name)
        if not all(isinstance(value, str) for value in values):
            raise self._malformed(name, "an array of strings")
        return tuple(values)

    def string_map(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings, empty if absent."""
        value = self.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self._malformed(name, "an object of strings")
        return value

    def child(self, name: str, what: str) -> Fields | None:
        """Return an object field, None if absent."""
        value = self.get(name)
        return None if value is None else Fields(value, what)

    def _malformed(self, name: str, expected: str) -> RefusedError:
        return RefusedError(Code.MANIFEST_FORM, f"the field {name!r} of {self.what} is not {expected}")
