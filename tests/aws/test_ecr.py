"""The adapter of ECR against the strict local ECR."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping

import pytest
from botocore.config import Config

from chalicelib.aws.ecr import EcrClient, EcrRegistries
from chalicelib.errors import (
    FailedError,
    ImagesAbsent,
    LayerRejected,
    LayersAbsent,
    LayerUploadGone,
    PartOutOfOrder,
    RepositoryAbsent,
    TagTaken,
    TemporaryError,
)
from chalicelib.meter import Count, Meter
from chalicelib.oci.digest import Digest
from chalicelib.oci.media_type import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.layers import Availability
from chalicelib.ports.registry import ImageQuery, RepositoryTemplate, Scan
from chalicelib.replacing import replace
from chalicelib.transfer.encoding import Encoding, Method
from chalicelib.transfer.job import LayerJob, LayerTask, Route, StoredLayer, TransferOptions
from chalicelib.transfer.layers import store_layers
from chalicelib.transfer.stream import InMemory
from tests.aws.conftest import HOME, PART, NewSession, World
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.ecr import FaultRules
from transship.local.ecr.faults import parse_fault

ABSENT = RepositoryName("team/absent")
LAYER = b"a layer"
CONFIG = b'{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}'


def put_blob(client: EcrClient, name: RepositoryName, content: bytes) -> Digest:
    upload = client.begin_layer(name)
    client.put_part(name, upload.upload_id, 0, content)
    client.complete_layer(name, upload.upload_id, Digest.of(content))
    return Digest.of(content)


def manifest(layer: bytes = LAYER) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, CONFIG),
        "layers": [_descriptor(OCI_LAYER, layer)],
    }
    return json.dumps(document, indent=3).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def put_image(client: EcrClient, name: RepositoryName, tag: str | None = "1") -> Digest:
    put_blob(client, name, LAYER)
    put_blob(client, name, CONFIG)
    content = manifest()
    digest = Digest.of(content)
    client.put_manifest(name, content, media_type=OCI_MANIFEST, digest=digest, tag=Tag(tag) if tag else None)
    return digest


def test_authenticates(client: EcrClient) -> None:
    client.authenticate()


def test_all_repositories_are_found_on_every_page(client: EcrClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.aws.ecr._MOST_REPOSITORIES", 2)
    template = RepositoryTemplate(mutability="MUTABLE", scan_on_push=False, kms_key=None, tags={})
    names = [RepositoryName(f"page/{letter}") for letter in "cabed"]
    for name in names:
        client.create_repository(name, template)

    found = client.all_repositories()
    assert [name for name in found if name.is_right_below(RepositoryName("page"))] == sorted(names)


def test_layer_is_absent_then_available(client: EcrClient, repository: RepositoryName) -> None:
    digest, other = Digest.of(LAYER), Digest.of(b"another")
    assert client.availability(repository, [digest, other]) == dict.fromkeys([digest, other], Availability.ABSENT)

    put_blob(client, repository, LAYER)

    assert client.availability(repository, [other, digest]) == {
        digest: Availability.AVAILABLE,
        other: Availability.ABSENT,
    }


def test_part_out_of_order_is_told_where_to_go_on(client: EcrClient, repository: RepositoryName) -> None:
    upload = client.begin_layer(repository)
    assert upload.part_size == PART
    assert client.put_part(repository, upload.upload_id, 0, b"x" * PART) == PART - 1

    with pytest.raises(PartOutOfOrder) as caught:
        client.put_part(repository, upload.upload_id, 0, b"x" * PART)
    assert caught.value.last_valid_byte == PART - 1


def test_upload_that_ecr_forgot_is_gone(client: EcrClient, repository: RepositoryName) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(LayerUploadGone):
        client.put_part(repository, unknown, 0, b"x")
    with pytest.raises(LayerUploadGone):
        client.complete_layer(repository, unknown, Digest.of(b"x"))


@pytest.mark.parametrize("parts", [[b"not the layer"], [b"small", b"parts"], []], ids=["digest", "too small", "none"])
def test_parts_that_are_no_layer_are_rejected(
    client: EcrClient, repository: RepositoryName, parts: list[bytes]
) -> None:
    upload = client.begin_layer(repository)
    place = 0
    for part in parts:
        place = client.put_part(repository, upload.upload_id, place, part) + 1

    with pytest.raises(LayerRejected):
        client.complete_layer(repository, upload.upload_id, Digest.of(LAYER))


def test_layer_that_is_already_there_is_success(client: EcrClient, repository: RepositoryName) -> None:
    assert put_blob(client, repository, LAYER) == put_blob(client, repository, LAYER)


def test_absent_repository_is_told_by_every_call(client: EcrClient) -> None:
    digest = Digest.of(LAYER)
    for call in (
        lambda: client.begin_layer(ABSENT),
        lambda: client.availability(ABSENT, [digest]),
        lambda: client.put_part(ABSENT, "00000000-0000-4000-8000-000000000000", 0, b"x"),
        lambda: client.complete_layer(ABSENT, "00000000-0000-4000-8000-000000000000", digest),
        lambda: client.put_manifest(ABSENT, manifest(), media_type=OCI_MANIFEST, digest=digest, tag=None),
        lambda: client.images(ABSENT, [ImageQuery(digest)]),
        lambda: client.replication_status(ABSENT, digest),
        lambda: client.repository_tags(ABSENT),
    ):
        with pytest.raises(RepositoryAbsent):
            call()


def test_image_is_put_and_read_back_byte_for_byte(client: EcrClient, repository: RepositoryName) -> None:
    digest = put_image(client, repository)
    other = Digest.of(b"another")

    by_digest, by_tag, wrong_tag, absent = client.images(
        repository,
        [
            ImageQuery(digest),
            ImageQuery(digest, Tag("1")),
            ImageQuery(other, Tag("1")),
            ImageQuery(digest, Tag("2")),
        ],
    )

    assert by_digest.manifest == by_tag.manifest == manifest()
    assert by_digest.media_type == OCI_MANIFEST
    assert (wrong_tag.manifest, absent.manifest) == (None, None)
    # An absent digest under an existing tag: which of the two ECR says is documented nowhere.
    assert wrong_tag.failure in {"ImageTagDoesNotMatchDigest", "ImageNotFound"}
    assert absent.failure == "ImageNotFound"


def test_tags_that_exist_are_told_with_what_they_name(client: EcrClient, repository: RepositoryName) -> None:
    digest = put_image(client, repository)

    assert client.tagged(repository, [Tag("1"), Tag("2")]) == {Tag("1"): digest}


def test_image_that_is_already_there_is_success(client: EcrClient, repository: RepositoryName) -> None:
    assert put_image(client, repository) == put_image(client, repository)


def test_image_without_its_layers_is_told(client: EcrClient, repository: RepositoryName) -> None:
    put_blob(client, repository, CONFIG)
    content = manifest(b"absent")
    with pytest.raises(LayersAbsent):
        client.put_manifest(repository, content, media_type=OCI_MANIFEST, digest=Digest.of(content), tag=None)


def test_index_without_its_images_is_told(client: EcrClient, repository: RepositoryName) -> None:
    entry = _descriptor(OCI_MANIFEST, b"absent")
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    with pytest.raises(ImagesAbsent):
        client.put_manifest(repository, content, media_type=OCI_INDEX, digest=Digest.of(content), tag=None)


def test_manifest_that_is_not_its_digest_is_refused(client: EcrClient, repository: RepositoryName) -> None:
    with pytest.raises(FailedError, match="REGISTRY_REFUSED"):
        client.put_manifest(repository, manifest(), media_type=OCI_MANIFEST, digest=Digest.of(b"another"), tag=None)


def test_immutable_tag_is_taken(client: EcrClient, repository: RepositoryName, world: World) -> None:
    digest = put_image(client, repository)
    world.admin("ecr").put_image_tag_mutability(repositoryName=str(repository), imageTagMutability="IMMUTABLE")

    with pytest.raises(TagTaken):
        client.put_manifest(repository, manifest(), media_type=OCI_MANIFEST, digest=digest, tag=Tag("1"))


def test_repositories_that_exist_are_found_among_others(client: EcrClient, repository: RepositoryName) -> None:
    found = client.repositories([ABSENT, repository, RepositoryName("team/absent-too")])

    assert list(found) == [repository]
    assert not found[repository].immutable_tags
    assert client.repositories([]) == {}


def test_repository_is_created_once_with_its_settings(client: EcrClient) -> None:
    name = RepositoryName("team/created")
    template = RepositoryTemplate(mutability="IMMUTABLE", scan_on_push=True, kms_key=None, tags={"team": "a"})

    client.create_repository(name, template)
    client.create_repository(name, template)

    assert client.repositories([name])[name].immutable_tags
    assert client.repository_tags(name) == {"team": "a"}


def test_scans_are_read_as_far_as_they_are(client: EcrClient, repository: RepositoryName, world: World) -> None:
    scanning, usual = RepositoryName("team/scanning"), world.aws.ecr.options
    template = RepositoryTemplate(mutability="MUTABLE", scan_on_push=True, kms_key=None, tags={})
    client.create_repository(scanning, template)
    digest = put_image(client, scanning)
    put_image(client, repository)
    try:
        world.aws.ecr.options = dataclasses.replace(usual, scan_seconds=3_600.0, scan_findings={"HIGH": 2, "LOW": 1})
        under_way = client.scan(scanning, digest)
        world.aws.ecr.options = dataclasses.replace(world.aws.ecr.options, scan_seconds=0.0)
        found = client.scan(scanning, digest)
    finally:
        world.aws.ecr.options = usual

    assert client.scan(repository, digest) == Scan("ABSENT", {}), "it is not scanned there"
    assert client.scan(scanning, Digest.of(b"absent")) == Scan("ABSENT", {})
    assert under_way == Scan("IN_PROGRESS", {})
    assert found == Scan("COMPLETE", {"HIGH": 2, "LOW": 1})


def test_mutability_exceptions_are_read(client: EcrClient, world: World) -> None:
    name = RepositoryName("team/excepting")
    world.admin("ecr").create_repository(
        repositoryName=str(name),
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev-*"}],
    )

    settings = client.repositories([name])[name]
    assert (settings.immutable_tags, settings.mutability_exceptions) == (True, ("dev-*",))


def test_replication_is_configured_and_reported(
    registries: EcrRegistries, client: EcrClient, repository: RepositoryName, world: World
) -> None:
    replica = Registry(SOURCE_ACCOUNT, "eu-west-1")
    world.admin("ecr").put_replication_configuration(
        replicationConfiguration={
            "rules": [
                {
                    "destinations": [{"registryId": replica.account, "region": replica.region}],
                    "repositoryFilters": [{"filter": "team/", "filterType": "PREFIX_MATCH"}],
                }
            ]
        }
    )
    (rule,) = client.replication_rules()
    assert (rule.destinations, rule.prefixes) == ((replica,), ("team/",))

    digest = put_image(client, repository)

    (status,) = client.replication_status(repository, digest)
    assert (status.registry, status.failure) == (replica, None)
    assert status.status in {"IN_PROGRESS", "COMPLETE"}
    assert client.replication_status(repository, Digest.of(b"another")) == []
    reader = registries.reader(replica)
    assert reader is not None
    assert reader.registry == replica


def test_registry_of_another_account_in_which_we_have_no_role_has_no_rules_for_us(registries: EcrRegistries) -> None:
    with pytest.raises(FailedError, match="answered for 111122223333; name a role of account 777788889999"):
        registries.client(Registry("777788889999", "us-east-1")).replication_rules()


def test_images_of_another_account_are_read_with_its_role(registries: EcrRegistries, world: World) -> None:
    there = Registry(OTHER_ACCOUNT, "us-east-1")
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{SOURCE_ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "an-external-id"}},
    }
    rights = {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*"}
    iam = world.admin("iam", there)
    iam.create_role(RoleName="read-back", AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName="read-back", PolicyName="read", PolicyDocument=_policy(rights))
    world.admin("ecr", there).create_repository(repositoryName="team/replica")
    reader = registries.reader(there)
    assert reader is not None

    (answer,) = reader.images(RepositoryName("team/replica"), [ImageQuery(Digest.of(b"absent"))])
    assert answer.failure == "ImageNotFound"
    with pytest.raises(FailedError, match="ACCESS_DENIED") as caught:
        reader.begin_layer(RepositoryName("team/replica"))
    assert caught.value.facts == {
        "action": "ecr:InitiateLayerUpload",
        "resource": f"arn:aws:ecr:us-east-1:{OTHER_ACCOUNT}:repository/team/replica",
    }


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_nobody_reads_where_no_role_is_configured(registries: EcrRegistries) -> None:
    assert registries.reader(Registry("999988887777", "us-east-1")) is None


@pytest.mark.parametrize("kind", ["throttle", "5xx", "cut-before"])
def test_call_that_fails_once_is_repeated(
    client: EcrClient, repository: RepositoryName, faults: FaultRules, meter: Meter, kind: str
) -> None:
    faults.add(parse_fault(f"BatchCheckLayerAvailability:nth=1:{kind}"))
    before = meter[Count.ECR_REQUESTS]

    client.availability(repository, [Digest.of(LAYER)])

    assert meter[Count.ECR_REQUESTS] == before + 2


def test_call_that_keeps_failing_is_temporary(
    client: EcrClient, repository: RepositoryName, faults: FaultRules
) -> None:
    faults.add(parse_fault("BatchCheckLayerAvailability:5xx"))
    with pytest.raises(TemporaryError):
        client.availability(repository, [Digest.of(LAYER)])


@pytest.mark.parametrize(
    ("fault", "method"),
    [
        ("UploadLayerPart:nth=2:cut-after", Method.KEEP),
        ("UploadLayerPart:nth=2:cut-after", Method.GZIP),
        ("UploadLayerPart:nth=2:cut-before", Method.KEEP),
        ("UploadLayerPart:nth=3:throttle", Method.KEEP),
        ("UploadLayerPart:nth=2:stale-upload", Method.GZIP),
        ("CompleteLayerUpload:nth=1:cut-after", Method.KEEP),
        ("CompleteLayerUpload:nth=1:cut-after", Method.GZIP),
        ("CompleteLayerUpload:nth=1:stale-upload", Method.KEEP),
        ("InitiateLayerUpload:nth=1:cut-after", Method.KEEP),
        ("UploadLayerPart:nth=1:seconds=2:slow", Method.GZIP),
    ],
)
def test_engine_brings_a_layer_through_faults_of_the_wire(
    new_session: NewSession, repository: RepositoryName, faults: FaultRules, fault: str, method: Method
) -> None:
    """A lost reply makes botocore send a part twice; ECR's answer to the second is no error of ours."""
    faults.add(parse_fault(fault))
    session = new_session(Config(connect_timeout=1, read_timeout=1))
    client = EcrRegistries(session, SOURCE_ACCOUNT).client(HOME)
    content = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(4 * PART // 32))
    job = LayerJob(content=content, digest=Digest.of(content), size=len(content))
    if method is Method.GZIP:
        job = replace(job, digest=None, size=None, diff_id=Digest.of(content), encoding=Encoding(method))
    route = Route(source=InMemory(b""), registry=client, repository=repository, options=TransferOptions())

    (stored,) = store_layers([LayerTask(job=job)], route)

    assert isinstance(stored, StoredLayer)
    assert client.availability(repository, [stored.digest]) == {stored.digest: Availability.AVAILABLE}
