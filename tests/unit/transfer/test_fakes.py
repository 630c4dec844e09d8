"""The fakes keep the ports' promises where the engine's tests lean on them."""

import json

from chalicelib.access.documents import accept_replicas
from chalicelib.byte_range import ByteRange
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.bucket import Bucket, ObjectSource
from chalicelib.ports.registry import Registries, RegistryClient, ReplicationRule
from tests.fakes.bucket import FakeBucket
from tests.fakes.registry import FakeEcr
from tests.fakes.repository import EcrRules
from transship.local.clock import ManualClock

HOME = Registry("111122223333", "us-east-1")
REPLICA = Registry("444455556666", "eu-central-1")
NAME = RepositoryName("team/app")


def test_fakes_satisfy_the_ports() -> None:
    ecr = FakeEcr(ManualClock())
    registries: Registries = ecr
    client: RegistryClient = ecr.client(HOME)
    bucket: Bucket = FakeBucket()

    assert registries.reader(HOME) is not None
    assert client.registry == HOME
    assert bucket.list_versions("", None) == ([], None)


def test_image_reaches_its_replica_after_the_lag() -> None:
    clock = ManualClock()
    ecr = FakeEcr(clock, sizes=EcrRules(part_size=4, smallest_part=2))
    ecr.create(HOME, NAME)
    ecr.rules[HOME] = (ReplicationRule((REPLICA,), ("team/",)),)
    ecr.policies[str(REPLICA)] = json.dumps(accept_replicas(REPLICA, HOME.account, partition="aws"))
    client = ecr.client(HOME)
    upload = client.begin_layer(NAME)
    client.put_part(NAME, upload.upload_id, 0, b"{}")
    client.complete_layer(NAME, upload.upload_id, Digest.of(b"{}"))
    manifest = f'{{"config":{{"digest":"{Digest.of(b"{}")}"}},"layers":[]}}'.encode()
    client.put_manifest(NAME, manifest, media_type="m", digest=Digest.of(manifest), tag=Tag("1"))

    assert [status.status for status in client.replication_status(NAME, Digest.of(manifest))] == ["IN_PROGRESS"]
    clock.advance(ecr.lag)
    assert [status.status for status in client.replication_status(NAME, Digest.of(manifest))] == ["COMPLETE"]
    assert ecr.repository(REPLICA, NAME).tags == {Tag("1"): Digest.of(manifest)}


def test_source_reads_the_version_it_was_made_for() -> None:
    bucket = FakeBucket()
    first = bucket.put("k", b"first")
    second = bucket.put("k", b"second")
    source: ObjectSource = bucket.source(first)

    assert source.read(ByteRange(1, 3)) == b"irs"
    listed, marker = bucket.list_versions("", None)
    assert ([(one.object, one.replaced) for one in listed], marker) == ([(second, False), (first, True)], None)
