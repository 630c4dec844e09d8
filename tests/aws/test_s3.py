"""The adapter of S3 against the local AWS, and against a server that breaks off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chalicelib.aws.s3 import S3Bucket, S3Source
from chalicelib.aws.session import Session
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, FailedError, TemporaryError
from chalicelib.meter import Count, Meter
from chalicelib.ports.bucket import Bucket, Document, ListedVersion, ObjectVersion
from chalicelib.replacing import replace
from tests.aws.conftest import QUICK, NewSession, World
from transship.local.accounts import SOURCE_ACCOUNT

NAME = "transship-uploads"
CONTENT = b"0123456789" * 300_000
FIRST_BYTE = ByteRange(0, 1)


@pytest.fixture(name="s3", scope="module")
def _s3(world: World) -> Any:
    s3 = world.admin("s3")
    s3.create_bucket(Bucket=NAME)
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.fixture(name="bucket")
def _bucket(session: Session, s3: Any) -> S3Bucket:
    assert s3
    return S3Bucket(session, NAME, SOURCE_ACCOUNT)


def put(s3: Any, key: str, content: bytes = CONTENT) -> ObjectVersion:
    answer = s3.put_object(Bucket=NAME, Key=key, Body=content)
    etag = answer["ETag"].strip('"')
    return ObjectVersion(bucket=NAME, key=key, version_id=answer["VersionId"], etag=etag, size=len(content))


@pytest.mark.parametrize(
    "span", [ByteRange(0, 1), ByteRange(7, 0), ByteRange(5, 2_000_001), ByteRange(2_999_999, 1)], ids=str
)
def test_reads_exactly_the_range(bucket: S3Bucket, s3: Any, span: ByteRange) -> None:
    source = bucket.source(put(s3, "uploads/ranges"))

    assert source.read(span) == CONTENT[span.start : span.end]
    assert source.size == len(CONTENT)


def test_streams_in_one_request_and_counts_what_came(new_session: NewSession, s3: Any) -> None:
    meter = Meter()
    source = S3Bucket(new_session(QUICK), NAME, SOURCE_ACCOUNT, meter).source(put(s3, "uploads/stream"))
    span = ByteRange(3, 2_500_000)

    with source.open(span) as stream:
        pieces = list(iter(lambda: stream.read(1 << 20), b""))

    assert b"".join(pieces) == CONTENT[span.start : span.end]
    assert [len(piece) for piece in pieces] == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]
    assert (meter[Count.SOURCE_REQUESTS], meter[Count.SOURCE_BYTES_READ]) == (1, span.length)


def test_metadata_is_that_of_the_version(bucket: S3Bucket, s3: Any) -> None:
    given = s3.put_object(Bucket=NAME, Key="uploads/given", Body=b"x", Metadata={"Tag": "1.4"})
    etag = given["ETag"].strip('"')
    first = ObjectVersion(bucket=NAME, key="uploads/given", version_id=given["VersionId"], etag=etag, size=1)
    put(s3, "uploads/given", b"y")

    assert bucket.metadata(first) == {"tag": "1.4"}
    with pytest.raises(FailedError, match=r"OBJECT_GONE|OBJECT_CHANGED"):
        bucket.metadata(replace(first, version_id="00000000-0000-4000-8000-000000000000"))


def test_reads_the_version_it_was_made_for(bucket: S3Bucket, s3: Any) -> None:
    first = put(s3, "uploads/twice", b"first")
    put(s3, "uploads/twice", b"second")

    assert bucket.source(first).read(ByteRange(0, 5)) == b"first"


def test_deleted_version_is_gone(bucket: S3Bucket, s3: Any) -> None:
    version = put(s3, "uploads/deleted")
    s3.delete_object(Bucket=NAME, Key=version.key, VersionId=version.version_id)

    _ends(bucket, version, Code.OBJECT_GONE)


def test_other_bytes_than_announced_are_noticed(bucket: S3Bucket, s3: Any) -> None:
    version = put(s3, "uploads/changed")

    _ends(bucket, replace(version, etag="00000000000000000000000000000000"), Code.OBJECT_CHANGED)


def test_range_beyond_the_end_is_noticed(bucket: S3Bucket, s3: Any) -> None:
    version = put(s3, "uploads/short", b"0123")

    _ends(bucket, version, Code.OBJECT_CHANGED, ByteRange(2, 5))
    _ends(bucket, version, Code.OBJECT_CHANGED, ByteRange(5, 1))


def test_bucket_of_a_stranger_is_not_read(session: Session, s3: Any) -> None:
    version = put(s3, "uploads/stranger")

    _ends(S3Bucket(session, NAME, "999988887777"), version, Code.ACCESS_DENIED)


CALLS: dict[str, Callable[[S3Bucket, ObjectVersion], Any]] = {
    "document": lambda bucket, version: bucket.document(version.key, 1 << 20),
    "latest": lambda bucket, version: bucket.latest(version.key),
    "put_document": lambda bucket, _: bucket.put_document("receipts/x.json", b"{}"),
    "source": lambda bucket, version: bucket.source(version).read(FIRST_BYTE),
    "metadata": lambda bucket, version: bucket.metadata(version),
    "list_versions": lambda bucket, _: bucket.list_versions("uploads/", None),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_call_reaches_the_bucket_of_a_stranger(session: Session, bucket: S3Bucket, s3: Any, name: str) -> None:
    version = put(s3, "uploads/stranger/all", b"01")
    CALLS[name](bucket, version)

    with pytest.raises(FailedError) as caught:
        CALLS[name](S3Bucket(session, NAME, "999988887777"), version)
    assert caught.value.code is Code.ACCESS_DENIED


def test_every_call_of_the_bucket_was_tried() -> None:
    assert set(CALLS) == {name for name in vars(Bucket) if not name.startswith("_")}


def _ends(bucket: S3Bucket, version: ObjectVersion, code: Code, span: ByteRange = FIRST_BYTE) -> None:
    with pytest.raises(FailedError) as caught:
        bucket.source(version).read(span)
    assert caught.value.code is code


def test_lists_versions_page_by_page_and_tells_which_were_replaced(new_session: NewSession, s3: Any) -> None:
    old = [put(s3, f"listed/{number}", b"old") for number in range(5)]
    latest = [put(s3, f"listed/{number}", b"new") for number in range(5)]
    s3.delete_object(Bucket=NAME, Key="listed/3")
    client = new_session(QUICK)
    bucket = S3Bucket(client, NAME, SOURCE_ACCOUNT)
    client.client("s3").meta.events.register(
        "before-parameter-build.s3.ListObjectVersions", lambda params, **_: params.update(MaxKeys=3)
    )

    found: list[ListedVersion] = []
    marker: str | None = None
    while True:
        page, marker = bucket.list_versions("listed/", marker)
        found.extend(page)
        if marker is None:
            break

    current = [version for version in latest if version.key != "listed/3"]
    assert [listed.object for listed in found if not listed.replaced] == current
    assert {listed.object for listed in found if listed.replaced} == {*old, latest[3]}


class Breaking(BaseHTTPRequestHandler):
    """Promises all of the range, and sends half of it, as often as its server says."""

    def do_GET(self) -> None:
        self.server.gets += 1  # type: ignore[attr-defined]
        body = CONTENT[:1000]
        self.send_response(206)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        breaks = self.server.gets <= self.server.breaks  # type: ignore[attr-defined]
        self.wfile.write(body[:500] if breaks else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(name="breaking")
def _breaking(world: World) -> Iterator[ThreadingHTTPServer]:
    assert world
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as server:
        server.gets, server.breaks = 0, 1  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(name="broken_source")
def _broken_source(breaking: ThreadingHTTPServer, new_session: NewSession, monkeypatch: pytest.MonkeyPatch) -> S3Source:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{breaking.server_port}")
    version = ObjectVersion(bucket=NAME, key="k", version_id="v", etag="e", size=len(CONTENT))
    return S3Bucket(new_session(QUICK), NAME, SOURCE_ACCOUNT).source(version)


def test_body_that_breaks_off_is_temporary_for_a_stream(broken_source: S3Source) -> None:
    with broken_source.open(ByteRange(0, 1000)) as stream:
        assert stream.read(500) == CONTENT[:500]
        with pytest.raises(TemporaryError):
            stream.read(500)


def test_body_that_breaks_off_is_read_again(broken_source: S3Source, breaking: Any) -> None:
    assert broken_source.read(ByteRange(0, 1000)) == CONTENT[:1000]
    assert breaking.gets == 2


def test_body_that_always_breaks_off_is_given_up(broken_source: S3Source, breaking: Any) -> None:
    breaking.breaks = 100
    with pytest.raises(TemporaryError):
        broken_source.read(ByteRange(0, 1000))
    assert breaking.gets == 3


def test_a_document_is_the_latest_version(bucket: S3Bucket, s3: Any) -> None:
    put(s3, "access/rules.json", b"old")
    version = put(s3, "access/rules.json", b"new")

    assert bucket.document("access/rules.json", 100) == Document(version.version_id, b"new")


def test_an_absent_document_is_none(bucket: S3Bucket) -> None:
    assert bucket.document("access/none.json", 100) is None


def test_a_long_document_is_refused(bucket: S3Bucket, s3: Any) -> None:
    put(s3, "access/long.json", b"long")

    with pytest.raises(FailedError) as refused:
        bucket.document("access/long.json", 3)
    assert refused.value.code is Code.TOO_LARGE


def test_the_latest_version_is_found_with_the_time_of_its_writing(bucket: S3Bucket, s3: Any) -> None:
    put(s3, "uploads/latest", b"one")
    second = put(s3, "uploads/latest", b"two")

    found = bucket.latest("uploads/latest")

    assert found is not None
    assert found.object == second
    head = s3.head_object(Bucket=NAME, Key="uploads/latest")
    assert found.modified == head["LastModified"].timestamp()
    assert bucket.latest("uploads/absent") is None
