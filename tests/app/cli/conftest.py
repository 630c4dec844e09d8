"""An upload's record at its end, as the steps leave it."""

from __future__ import annotations

import pytest

from chalicelib.byte_range import ByteRange
from chalicelib.events import Announcer
from chalicelib.names import Deployment
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.table import Key, Put
from chalicelib.state.ledger import event_item
from chalicelib.state.records import Arrival, ImageRecord, LayerRecord, ReplicaRecord
from chalicelib.state.upload import State, Upload, collection, upload_id
from tests.fakes.table import FakeTable

DEPLOYMENT = Deployment("local", "aws", "us-east-1", "111122223333")
VERSION = ObjectVersion(
    bucket=DEPLOYMENT.bucket, key="uploads/vendor/app/app-1.4.tar", version_id="v1", etag="e", size=2048
)
UPLOAD = Upload(
    id=upload_id(VERSION, "uploads/"),
    object=VERSION,
    principal="AWS:AROAEXAMPLE:session",
    sequencer="0061",
    received=100.0,
    state=State.AVAILABLE,
    accepted=101.0,
    published=103.5,
    ended=105.0,
    kind="docker",
    tally={"parts": 1, "bytes_uploaded": 512, "layers": 1},
)
IMAGE = ImageRecord(
    number=0,
    repository=RepositoryName("vendor/app"),
    root=True,
    tags=(Tag("1.4"),),
    digest=Digest.of(b"manifest"),
    size=8,
    media_type="application/vnd.docker.distribution.manifest.v2+json",
    layers=(Digest.of(b"layer"),),
    put=True,
)
LAYER = LayerRecord(
    repository=IMAGE.repository,
    name=Digest.of(b"layer"),
    content=ByteRange(512, 1024),
    compress=True,
    bundle=0,
    digest=Digest.of(b"compressed"),
    size=512,
    stored=True,
)
REPLICA = ReplicaRecord(
    image=0,
    repository=IMAGE.repository,
    digest=Digest.of(b"manifest"),
    registry=Registry("444455556666", "eu-central-1"),
    status=Arrival.VERIFIED,
    digest_verified=True,
    tags_verified=True,
    seconds=1.2345,
)


@pytest.fixture(name="table")
def _table() -> FakeTable:
    """A table that holds one upload which has become available."""
    table = FakeTable()
    where = collection(UPLOAD.id)
    table.write([Put(UPLOAD.key, UPLOAD.to_item(), 0)])
    table.write([Put(Key(where, record.sk), record.to_item(), 0) for record in (IMAGE, LAYER, REPLICA)])
    announcer = Announcer(DEPLOYMENT, UPLOAD, 105.0)
    for draft in (announcer.pushed(IMAGE, [REPLICA.registry]), announcer.available(IMAGE, [REPLICA])):
        table.write([Put(Key(where, f"outbox#{draft.name}"), event_item(draft.event), 0)])
    return table
