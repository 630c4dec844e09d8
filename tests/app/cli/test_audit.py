"""Audit records: who, what digest, when, where verified."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.upload import State
from tests.app.cli.conftest import DEPLOYMENT, IMAGE, UPLOAD, VERSION
from tests.fakes.table import FakeTable
from transship.audit import audit_record, audit_records
from transship.observation import Observation, observe

UPLOADED = datetime(2026, 1, 1, tzinfo=UTC)


class _Listing:
    """S3, as far as it lists two versions: one with a record and one without."""

    def get_paginator(self, operation: str) -> _Listing:
        assert operation == "list_object_versions"
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        entry = {"Key": VERSION.key, "VersionId": VERSION.version_id, "Size": VERSION.size, "LastModified": UPLOADED}
        return [{"Versions": [entry]}, {}, {"Versions": [{**entry, "VersionId": "null"}]}]


def test_a_record_names_who_what_when_and_where(table: FakeTable) -> None:
    seen = observe(table, UPLOAD.id)
    assert seen

    record = audit_record(seen)

    assert (record["principal"], record["status"]) == ("AWS:AROAEXAMPLE:session", "available")
    assert record["images"][0]["digest"] == str(IMAGE.digest)
    assert record["images"][0]["destinations"][0]["status"] == "verified"
    assert (record["received"], record["ended"]) == ("1970-01-01T00:01:40.000Z", "1970-01-01T00:01:45.000Z")


def test_what_did_not_happen_has_no_time() -> None:
    record = audit_record(Observation(replace(UPLOAD, state=State.REJECTED, accepted=0.0, published=0.0)))

    assert (record["accepted"], record["published"], record["images"]) == (None, None, [])


def test_every_upload_with_a_record_is_exported(table: FakeTable) -> None:
    records = list(audit_records(_Listing(), table, DEPLOYMENT.bucket))

    assert [record["upload"] for record in records] == [UPLOAD.id]


def test_older_uploads_are_left_out(table: FakeTable) -> None:
    assert list(audit_records(_Listing(), table, DEPLOYMENT.bucket, since=UPLOADED)) == []
