"""Fault rules and quotas: what strikes whom, when, and what the client sees."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.local.ecr.world import ACCOUNT, World, code_of, running, send_part
from transship.local.ecr import DOCUMENTED_QUOTAS, FaultRule, FaultRules, parse_fault
from transship.local.ecr.names import RegistryId

HERE = RegistryId(ACCOUNT, "us-east-1")


class TestText:
    def test_rule_is_read_from_its_text(self) -> None:
        rule = parse_fault("UploadLayerPart:nth=2:region=eu-west-1:seconds=65:cut-after")

        assert rule == FaultRule("UploadLayerPart", "cut-after", nth=2, region="eu-west-1", seconds=65.0)

    @pytest.mark.parametrize(
        "text",
        [
            "PutImage",
            "PutImage:explode",
            "PutImag:throttle",
            "PutImage:nth=two:throttle",
            "PutImage:often:throttle",
            "PutImage:throttle:nth=1",
            "PutImage:stale-upload",
            "PutImage:fail",
            "ReplicateImage:cut-after",
            "BatchGetImage:delayed-visibility",
            "PutImage:code=NoSuchException:error",
            "ListImages:code=KmsException:error",
        ],
    )
    def test_text_that_is_no_rule_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"fault|invalid literal"):
            parse_fault(text)


class TestStrikes:
    def strikes(self, rules: FaultRules, calls: int, operation: str = "PutImage") -> list[int]:
        return [number for number in range(1, calls + 1) if rules.fired(operation, HERE)]

    def test_nth_call_only(self) -> None:
        assert self.strikes(FaultRules.parse(["PutImage:nth=3:throttle"]), 5) == [3]

    def test_at_most_so_many_times(self) -> None:
        assert self.strikes(FaultRules.parse(["*:times=2:throttle"]), 5) == [1, 2]

    def test_chance_is_repeatable_by_its_seed(self) -> None:
        runs = [self.strikes(FaultRules.parse(["*:probability=0.5:5xx"], seed=7), 200) for _ in range(2)]

        assert runs[0] == runs[1]
        assert 60 < len(runs[0]) < 140

    def test_other_region_account_and_operation_are_left_alone(self) -> None:
        texts = ["PutImage:region=eu-west-1:5xx", "PutImage:account=444455556666:5xx", "BatchGetImage:5xx"]

        assert self.strikes(FaultRules.parse(texts), 3) == []

    def test_rule_for_every_call_leaves_replication_alone(self) -> None:
        rules = FaultRules.parse(["*:5xx"])

        assert self.strikes(rules, 1, "ReplicateImage") == []


def test_throttled_call_has_no_effect(world: World) -> None:
    world.fault("CreateRepository:throttle")

    with pytest.raises(ClientError) as refused:
        world.repository()

    assert code_of(refused.value) == "ThrottlingException"
    assert world.ecr.describe_repositories()["repositories"] == []


def test_connection_cut_before_the_effect_leaves_nothing(world: World) -> None:
    world.fault("CreateRepository:nth=1:cut-before")

    with pytest.raises(ConnectionClosedError):
        world.repository()

    assert world.ecr.describe_repositories()["repositories"] == []


def test_connection_cut_after_a_part_leaves_it_stored(world: World) -> None:
    repository = world.repository()
    upload = world.ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    world.fault("UploadLayerPart:nth=1:cut-after")

    with pytest.raises(ConnectionClosedError):
        send_part(world.ecr, repository, upload, 0, b"12345")
    with pytest.raises(ClientError) as refused:
        send_part(world.ecr, repository, upload, 0, b"12345")

    assert refused.value.response["lastValidByteReceived"] == 4


def test_connection_of_a_registry_client_is_cut(world: World) -> None:
    world.repository()
    client = world.registry_client()
    world.fault("InitiateLayerUpload:cut-after")

    with pytest.raises(Exception, match=r"Connection aborted|closed connection"):
        client.request("POST", "/v2/team/app/blobs/uploads/")


def test_stale_upload_is_really_gone(world: World) -> None:
    repository = world.repository()
    upload = world.ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    world.fault("UploadLayerPart:nth=2:stale-upload")
    send_part(world.ecr, repository, upload, 0, b"12345")

    for _ in range(2):
        with pytest.raises(world.ecr.exceptions.UploadNotFoundException):
            send_part(world.ecr, repository, upload, 5, b"6789")


def test_slow_answer_comes_after_the_effect(world: World) -> None:
    repository = world.repository()
    world.fault("DeleteRepository:seconds=30:slow")
    answered = threading.Event()

    def delete() -> None:
        world.ecr.delete_repository(repositoryName=repository)
        answered.set()

    thread = running(delete)
    while world.ecr.describe_repositories()["repositories"]:
        assert not answered.is_set()
    assert not answered.is_set()
    world.clock.advance(30)
    thread.join(10)

    assert answered.is_set()


def test_new_image_and_layer_become_visible_late(world: World) -> None:
    repository = world.repository()
    world.fault("CompleteLayerUpload:seconds=60:delayed-visibility")
    layer = world.upload(repository, b"other layer")
    world.service.faults.clear()
    world.fault("PutImage:seconds=60:delayed-visibility")
    world.push(repository, "1")

    def seen() -> tuple[str, int]:
        checked = world.ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[layer])
        images = world.ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])["images"]
        return checked["layers"][0]["layerAvailability"], len(images)

    before = seen()
    world.clock.advance(60)
    assert (before, seen()) == (("UNAVAILABLE", 0), ("AVAILABLE", 1))


def test_quota_is_a_bucket_that_fills_by_the_clock(make_world: Callable[..., World]) -> None:
    world = make_world(quotas=DOCUMENTED_QUOTAS)
    repository = world.repository()
    manifest = world.manifest(repository)

    def put(tag: int) -> str:
        try:
            world.ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=f"t{tag}")
        except ClientError as error:
            return code_of(error)
        return "stored"

    burst = [put(tag) for tag in range(11)]
    world.clock.advance(0.1)
    later = [put(tag) for tag in (11, 12)]

    assert burst == 10 * ["stored"] + ["ThrottlingException"]
    assert later == ["stored", "ThrottlingException"]


def test_quota_of_another_region_is_another_bucket(make_world: Callable[..., World]) -> None:
    world = make_world(quotas={"GetAuthorizationToken": 1})
    world.ecr.get_authorization_token()

    assert world.client(ACCOUNT, "eu-west-1").get_authorization_token()["authorizationData"]
