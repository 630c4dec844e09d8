"""A new attempt: what is set back, and the message that starts it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.events import Notification, parse_notifications, renotification
from chalicelib.ports.table import Put
from chalicelib.replacing import replace
from chalicelib.state.upload import State, Upload
from tests.app.cli.conftest import DEPLOYMENT, UPLOAD, VERSION
from tests.fakes.table import FakeTable
from transship.errors import CommandError
from transship.retrying import begin_attempt

FAILED = replace(UPLOAD, state=State.FAILED, code="GAVE_UP", detail="it gave up")


def test_a_failed_upload_begins_again(table: FakeTable) -> None:
    table.write([Put(UPLOAD.key, FAILED.to_item(), 1)])

    begin_attempt(table, UPLOAD.id, 500.0)

    stored = table.get(UPLOAD.key)
    assert stored
    fresh = Upload.from_item(stored.item)
    assert fresh == Upload(
        id=UPLOAD.id, object=VERSION, principal=UPLOAD.principal, sequencer="0061", received=500.0, attempt=2
    )


def test_what_an_attempt_may_have_put_is_not_forgotten_by_the_next(table: FakeTable) -> None:
    table.write([Put(UPLOAD.key, replace(FAILED, put_begun=True).to_item(), 1)])

    assert begin_attempt(table, UPLOAD.id, 500.0).put_begun


@pytest.mark.parametrize("state", [State.AVAILABLE, State.PUSHING, State.SUPERSEDED], ids=str)
def test_refuses_an_upload_that_did_not_fail(state: State) -> None:
    table = FakeTable()
    table.write([Put(UPLOAD.key, replace(UPLOAD, state=state).to_item(), 0)])

    with pytest.raises(CommandError, match=state.value):
        begin_attempt(table, UPLOAD.id, 500.0)


def test_refuses_an_unknown_upload() -> None:
    with pytest.raises(CommandError, match="no upload"):
        begin_attempt(FakeTable(), UPLOAD.id, 500.0)


@given(st.text(min_size=1, max_size=40))
def test_receive_reads_the_same_object_from_the_message(key: str) -> None:
    upload = replace(UPLOAD, object=replace(VERSION, key=key))

    message = renotification(Notification(upload.object, upload.principal, upload.sequencer), DEPLOYMENT)
    (told,) = parse_notifications(json.dumps(message), DEPLOYMENT)

    assert (told.object, told.principal, told.sequencer) == (upload.object, UPLOAD.principal, UPLOAD.sequencer)
