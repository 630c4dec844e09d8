"""Where the statements of a policy document stand in its text, in the lines and columns that the simulator reports."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text; lines and columns count from 1."""

    line: int
    column: int

    @classmethod
    def at(cls, text: str, offset: int) -> Position:
        """Return the position of the character at *offset*."""
        before = text[:offset]
        return cls(before.count("\n") + 1, offset - before.rfind("\n"))


def statement_spans(text: str) -> list[tuple[Position, Position]]:
    """
    Return the first position of each statement of *text*, a valid policy document, and the one after its last.

    So the example of SimulatePrincipalPolicy in the AWS CLI Command Reference counts.

    Only the top level's `Statement` counts; a key of that name inside a condition does not.
    """
    start = _value_of_statement(text)
    if text[start] == "{":
        return [_span(text, start)]
    spans: list[tuple[Position, Position]] = []
    place = _skip(text, start + 1)
    while text[place] != "]":
        spans.append(_span(text, place))
        place = _skip(text, _end(text, place))
        place = _skip(text, place + 1) if text[place] == "," else place
    return spans


def _value_of_statement(text: str) -> int:
    place = _skip(text, _skip(text, 0) + 1)
    while True:
        key, after = _DECODER.raw_decode(text, place)
        value = _skip(text, _skip(text, after) + 1)
        if key == "Statement":
            return value
        place = _skip(text, _skip(text, _end(text, value)) + 1)


def _span(text: str, start: int) -> tuple[Position, Position]:
    return Position.at(text, start), Position.at(text, _end(text, start))


def _end(text: str, start: int) -> int:
    _, end = _DECODER.raw_decode(text, start)
    return end


def _skip(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place
