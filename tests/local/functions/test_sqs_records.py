"""What an answer says about the messages of a batch, and whose trace an invocation continues."""

from __future__ import annotations

from typing import Any

import pytest

from transship.local.functions.invocation import UNHANDLED, Outcome
from transship.local.functions.recursion import TraceHeader
from transship.local.functions.sqs_records import handled, trace_of

BATCH = [{"MessageId": "a"}, {"MessageId": "b"}]
ARN = "arn:aws:lambda:us-east-1:111122223333:function:one"


# Developer guide, "Implementing partial batch responses": what counts as success and as failure of the whole batch.
@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        pytest.param('{"batchItemFailures": [{"itemIdentifier": "a"}]}', ["b"], id="one-failed"),
        pytest.param('{"batchItemFailures": []}', ["a", "b"], id="empty-list"),
        pytest.param('{"batchItemFailures": null}', ["a", "b"], id="null-list"),
        pytest.param("{}", ["a", "b"], id="empty-answer"),
        pytest.param("null", ["a", "b"], id="null-answer"),
        pytest.param("", ["a", "b"], id="no-answer"),
        pytest.param("{", [], id="bad-json"),
        pytest.param('{"batchItemFailures": [{"itemIdentifier": ""}]}', [], id="empty-id"),
        pytest.param('{"batchItemFailures": [{"itemIdentifier": null}]}', [], id="null-id"),
        pytest.param('{"batchItemFailures": [{"itemIdentifier": "c"}]}', [], id="unknown-id"),
        pytest.param('{"batchItemFailures": [{"id": "a"}]}', [], id="wrong-key"),
        pytest.param('{"batchItemFailures": [["a"]]}', [], id="wrong-shape"),
        pytest.param("[1]", [], id="list"),
    ],
)
def test_partial_answer(answer: str, ids: list[str]) -> None:
    done = handled(BATCH, Outcome(answer.encode()), partial=True)

    assert [message["MessageId"] for message in done] == ids


def test_without_partial_answers_their_text_means_nothing() -> None:
    outcome = Outcome(b'{"batchItemFailures": [{"itemIdentifier": "a"}]}')

    assert handled(BATCH, outcome, partial=False) == BATCH


@pytest.mark.parametrize("partial", [True, False])
def test_failed_invocation_handles_nothing(*, partial: bool) -> None:
    assert handled(BATCH, Outcome(b"{}", UNHANDLED), partial=partial) == []


def test_batch_continues_the_chain_that_ran_the_function_most_often() -> None:
    young, old = TraceHeader.new().after(ARN), TraceHeader.new().after(ARN).after(ARN)
    messages: list[dict[str, Any]] = [
        {"Attributes": {}},
        {"Attributes": {"AWSTraceHeader": str(young)}},
        {"Attributes": {"AWSTraceHeader": str(old)}},
    ]

    assert TraceHeader.parse(trace_of(messages, ARN)).root == old.root
    assert trace_of(messages[:1], ARN) is None
