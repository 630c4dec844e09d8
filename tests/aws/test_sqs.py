"""What is sent to SQS."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.aws.sqs import SqsQueues


class Sqs:
    """A client that keeps what it is sent, and the session that makes it."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def client(self, _: str) -> Sqs:
        return self

    def get_queue_url(self, **_: Any) -> dict[str, str]:
        return {"QueueUrl": "https://queue"}

    def send_message(self, **fields: Any) -> None:
        self.sent.append(fields)


def group(tenant: str) -> str | None:
    sqs = Sqs()
    session: Any = sqs
    SqsQueues(session, "test").send("push", {}, group=tenant)
    return sqs.sent[0].get("MessageGroupId")


@pytest.mark.parametrize("name", ["team", "x" * 128])
def test_the_group_of_a_message_is_its_tenant(name: str) -> None:
    assert group(name) == name


def test_a_longer_tenant_has_a_group_of_its_own_too() -> None:
    """A name may have 256 characters, a MessageGroupId 128."""
    long, other = group("x" * 200), group("x" * 199 + "y")

    assert long is not None
    assert len(long) <= 128
    assert long != other


def test_what_is_nobodys_has_no_group() -> None:
    assert group("") is None
