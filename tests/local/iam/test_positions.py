"""Where statements stand in a document's text."""

from __future__ import annotations

import pytest

from transship.local.iam.positions import Position, statement_spans


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ('{"Statement": {"Effect": "Allow"}}', [(1, 15)]),
        ('{"Statement": [{"a": 1}, {"b": 2}]}', [(1, 16), (1, 26)]),
        ('{"Version": "2012-10-17",\n "Statement": [\n  {"a": 1}\n  ,\n  {"b": 2} ]\n}', [(3, 3), (5, 3)]),
        ('{"Id": "Statement", "x": {"Statement": []}, "Statement": [{"Condition": {"Statement": [1]}}]}', [(1, 59)]),
        ('  {"Statement" : [ {"\\u007d": "]"} ] }', [(1, 20)]),
    ],
    ids=["object", "list", "lines", "decoys", "escapes"],
)
def test_statements_are_found(text: str, starts: list[tuple[int, int]]) -> None:
    assert [start for start, _ in statement_spans(text)] == [Position(*place) for place in starts]


def test_end_is_the_position_after_the_statement() -> None:
    ((_, end),) = statement_spans('{"Statement": [\n{"a": 1}\n]}')

    assert end == Position(2, 9)
