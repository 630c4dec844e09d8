"""Layer upload: order of parts, their sizes, what is judged when, what a refused part leaves behind (ecr.md 1.3, 8)."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.ecr.points_common import DIGEST
from tests.local.ecr.world import ACCOUNT, MIB, OTHER, World, caller_of, code_of, running, send_part, sha256


def start(world: World, repository: str = "team/app") -> str:
    return str(world.ecr.initiate_layer_upload(repositoryName=repository)["uploadId"])


def test_part_size_asked_for_is_10_mib(world: World) -> None:
    answer = world.ecr.initiate_layer_upload(repositoryName=world.repository())

    assert answer["partSize"] == 10_485_760


def test_layer_of_several_parts_is_stored_byte_exact(world: World, tmp_path: Path) -> None:
    data = os.urandom(11 * MIB)

    digest = world.upload(world.repository(), data, part=5 * MIB)

    stored = tmp_path / "ecr" / "blobs" / digest[7:9] / digest[7:]
    assert stored.read_bytes() == data


@pytest.mark.parametrize(
    ("first", "last", "size"),
    [(0, 4, 5), (4, 8, 5), (6, 10, 5), (5, 9, 4), (5, 8, 5), (5, 4, 0)],
    ids=["again", "overlap", "gap", "shorter-than-said", "longer-than-said", "empty"],
)
def test_wrong_second_part_is_refused_and_leaves_the_upload_as_it_was(
    world: World, first: int, last: int, size: int
) -> None:
    repository = world.repository()
    upload = start(world)
    send_part(world.ecr, repository, upload, 0, b"12345")

    with pytest.raises(ClientError) as refused:
        world.ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=last,
            layerPartBlob=size * b"x",
        )

    assert code_of(refused.value) == "InvalidLayerPartException"
    members = ("registryId", "repositoryName", "uploadId", "lastValidByteReceived")
    assert [refused.value.response[name] for name in members] == [ACCOUNT, repository, upload, 4]
    assert send_part(world.ecr, repository, upload, 5, b"678")["lastByteReceived"] == 7


@pytest.mark.parametrize("answer", [None, 0, -1])
def test_wrong_first_part_is_answered_by_the_switch(make_world: Callable[..., World], answer: int | None) -> None:
    world = make_world(last_valid_byte_of_empty_upload=answer)
    world.repository()

    with pytest.raises(ClientError) as refused:
        send_part(world.ecr, "team/app", start(world), 1, b"late")

    assert refused.value.response.get("lastValidByteReceived") == answer


@pytest.mark.parametrize(
    ("accepts", "size", "accepted"),
    [(True, 20 * MIB, True), (True, 20 * MIB + 1, False), (False, 10 * MIB, True), (False, 10 * MIB + 1, False)],
)
def test_largest_part_is_switched(make_world: Callable[..., World], accepts: bool, size: int, accepted: bool) -> None:
    world = make_world(accepts_parts_above_part_limit=accepts)
    world.repository()
    upload = start(world)

    try:
        send_part(world.ecr, "team/app", upload, 0, bytes(size))
        outcome = True
    except world.ecr.exceptions.InvalidLayerPartException:
        outcome = False

    assert outcome == accepted


def test_short_last_part_is_allowed(world: World) -> None:
    digest = world.upload(world.repository(), bytes(5 * MIB + 1), part=5 * MIB)

    answer = world.ecr.batch_check_layer_availability(repositoryName="team/app", layerDigests=[digest])
    assert answer["layers"][0] | {"layerAvailability": "AVAILABLE", "layerSize": 5 * MIB + 1} == answer["layers"][0]


def test_short_inner_part_is_refused_only_at_the_end(world: World) -> None:
    repository = world.repository()
    upload = start(world)
    for first in (0, 5):
        send_part(world.ecr, repository, upload, first, b"12345")

    with pytest.raises(world.ecr.exceptions.LayerPartTooSmallException):
        world.ecr.complete_layer_upload(
            repositoryName=repository, uploadId=upload, layerDigests=[sha256(b"1234512345")]
        )


def test_layer_over_its_size_limit_is_refused(make_world: Callable[..., World]) -> None:
    world = make_world(layer_size_limit=8)
    world.repository()
    upload = start(world)
    send_part(world.ecr, "team/app", upload, 0, b"12345")

    with pytest.raises(world.ecr.exceptions.LimitExceededException):
        send_part(world.ecr, "team/app", upload, 5, b"6789")


def test_completion_twice_hears_that_the_layer_exists(world: World) -> None:
    repository = world.repository()
    upload = start(world)
    send_part(world.ecr, repository, upload, 0, b"layer")
    complete = {"repositoryName": repository, "uploadId": upload, "layerDigests": [sha256(b"layer")]}

    assert world.ecr.complete_layer_upload(**complete)["layerDigest"] == sha256(b"layer")
    for _ in range(2):
        with pytest.raises(world.ecr.exceptions.LayerAlreadyExistsException):
            world.ecr.complete_layer_upload(**complete)


def test_completion_twice_after_the_layer_went_finds_no_upload(world: World) -> None:
    repository = world.repository()
    upload = start(world)
    send_part(world.ecr, repository, upload, 0, b"layer")
    complete = {"repositoryName": repository, "uploadId": upload, "layerDigests": [sha256(b"layer")]}
    world.ecr.complete_layer_upload(**complete)
    digest = world.push(repository, content=b"layer")
    world.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])

    with pytest.raises(world.ecr.exceptions.UploadNotFoundException):
        world.ecr.complete_layer_upload(**complete)


def test_wrong_digest_can_be_mended(world: World) -> None:
    repository = world.repository()
    upload = start(world)
    send_part(world.ecr, repository, upload, 0, b"layer")

    with pytest.raises(world.ecr.exceptions.InvalidLayerException):
        world.ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[DIGEST])

    right = {"repositoryName": repository, "uploadId": upload, "layerDigests": [sha256(b"layer")]}
    assert world.ecr.complete_layer_upload(**right)["uploadId"] == upload


def test_upload_expires_under_the_switch(make_world: Callable[..., World]) -> None:
    world = make_world(upload_lifetime_seconds=60.0)
    world.repository()
    upload = start(world)
    send_part(world.ecr, "team/app", upload, 0, b"12345")

    world.clock.advance(61)

    with pytest.raises(world.ecr.exceptions.UploadNotFoundException):
        send_part(world.ecr, "team/app", upload, 5, b"6789")


def test_expired_and_forgotten_uploads_leave_no_file(make_world: Callable[..., World], tmp_path: Path) -> None:
    world = make_world(upload_lifetime_seconds=60.0)
    world.repository()
    world.repository("team/other")
    expired, kept = start(world), start(world, "team/other")
    world.clock.advance(61)
    for repository, upload in (("team/app", expired), ("team/other", kept)):
        with pytest.raises(world.ecr.exceptions.UploadNotFoundException):
            send_part(world.ecr, repository, upload, 0, b"late")

    assert list((tmp_path / "ecr" / "uploads").iterdir()) == []


def test_unreferenced_layer_is_cleaned_up_and_a_referenced_one_stays(make_world: Callable[..., World]) -> None:
    world = make_world(unreferenced_layer_lifetime_seconds=3600.0)
    repository = world.repository()
    world.push(repository, "1", b"used")
    unused = world.upload(repository, b"unused")

    world.clock.advance(3601)

    answer = world.ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[unused, sha256(b"used")])
    assert [layer["layerAvailability"] for layer in answer["layers"]] == ["UNAVAILABLE", "AVAILABLE"]


def test_layer_of_another_repository_does_not_count(world: World) -> None:
    digest = world.upload(world.repository("team/one"), b"layer")

    answer = world.ecr.batch_check_layer_availability(
        repositoryName=world.repository("team/two"), layerDigests=[digest]
    )

    assert [layer["layerAvailability"] for layer in answer["layers"]] == ["UNAVAILABLE"]


def test_layer_in_two_repositories_is_one_file(world: World, tmp_path: Path) -> None:
    for name in ("team/one", "team/two"):
        world.upload(world.repository(name), b"layer")

    assert len([path for path in (tmp_path / "ecr" / "blobs").rglob("*") if path.is_file()]) == 1


def test_last_repository_that_goes_takes_the_file_along(world: World, tmp_path: Path) -> None:
    blobs = tmp_path / "ecr" / "blobs"
    for name in ("team/one", "team/two"):
        world.upload(world.repository(name), b"layer")

    world.ecr.delete_repository(repositoryName="team/one")
    between = [path for path in blobs.rglob("*") if path.is_file()]
    world.ecr.delete_repository(repositoryName="team/two")

    assert len(between) == 1
    assert [path for path in blobs.rglob("*") if path.is_file()] == []


def test_malformed_and_missing_digests_stand_in_failures(world: World) -> None:
    answer = world.ecr.batch_check_layer_availability(
        repositoryName=world.repository(), layerDigests=["", "sha256:short", "md5:" + 32 * "0"]
    )

    codes = [failure["failureCode"] for failure in answer["failures"]]
    assert codes == ["MissingLayerDigest", "InvalidLayerDigest", "InvalidLayerDigest"]


def test_config_blob_is_a_layer_with_its_media_type_once_an_image_names_it(world: World) -> None:
    repository = world.repository()
    world.push(repository, "1")
    config = world.ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])["images"][0]

    digest = config["imageManifest"].partition('"digest": "')[2][:71]
    answer = world.ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])

    assert answer["layers"][0]["mediaType"] == "application/vnd.oci.image.config.v1+json"


def test_registry_id_routes_to_the_other_account_in_the_same_region(world: World) -> None:
    world.client(OTHER).create_repository(repositoryName="team/app")

    answer = world.ecr.initiate_layer_upload(repositoryName="team/app", registryId=OTHER)

    part = send_part(world.client(OTHER), "team/app", answer["uploadId"], 0, b"x")
    assert part["registryId"] == OTHER
    request = world.authorizer.asked[-2]
    assert (request.resource, request.resource_account) == (
        f"arn:aws:ecr:us-east-1:{OTHER}:repository/team/app",
        OTHER,
    )


def test_layers_of_one_repository_are_uploaded_in_parallel(world: World) -> None:
    repository = world.repository()
    contents = [os.urandom(MIB) for _ in range(8)]

    threads = [running(lambda data=data: world.upload(repository, data)) for data in contents]
    for thread in threads:
        thread.join()

    answer = world.ecr.batch_check_layer_availability(
        repositoryName=repository, layerDigests=[sha256(data) for data in contents]
    )
    assert {layer["layerAvailability"] for layer in answer["layers"]} == {"AVAILABLE"}


def test_one_of_two_identical_parts_at_once_is_stored(world: World) -> None:
    repository = world.repository()
    upload = start(world)
    data, outcomes = os.urandom(MIB), []

    def send() -> None:
        try:
            send_part(world.ecr, repository, upload, 0, data)
            outcomes.append("stored")
        except ClientError as error:
            outcomes.append(code_of(error))

    threads = [running(send) for _ in range(4)]
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == 3 * ["InvalidLayerPartException"] + ["stored"]


BODY = '{"repositoryName":"team/app","uploadId":"%s","partFirstByte":0,"partLastByte":%d,"layerPartBlob":"%s"}'


@pytest.mark.parametrize(
    ("blob", "data"),
    [("/+8A", b"\xff\xef\x00"), (r"\/+8A", b"\xff\xef\x00"), (r"\u002f+8A", b"\xff\xef\x00")],
    ids=["plain", "escaped-slash", "unicode-escape"],
)
def test_part_is_found_however_the_json_is_written(world: World, blob: str, data: bytes) -> None:
    world.repository()
    upload = start(world)

    status, _, _ = json_part(world, BODY % (upload, len(data) - 1, blob))

    assert status == 200
    world.ecr.complete_layer_upload(repositoryName="team/app", uploadId=upload, layerDigests=[sha256(data)])


@pytest.mark.parametrize("behind", [0, 1 << 10, 1 << 13], ids=["nothing", "1 KiB", "8 KiB"])
def test_part_is_found_whatever_stands_behind_it(world: World, behind: int) -> None:
    world.repository()
    upload = start(world)
    data = os.urandom(3 << 12)
    others = BODY.removesuffix(',"layerPartBlob":"%s"}') % (upload, len(data) - 1)
    text = '{"layerPartBlob":"' + b64encode(data).decode() + '",' + " " * behind + others[1:] + "}"

    status, _, _ = json_part(world, text)

    assert status == 200
    world.ecr.complete_layer_upload(repositoryName="team/app", uploadId=upload, layerDigests=[sha256(data)])


def test_key_of_the_part_inside_another_value_is_no_part(world: World) -> None:
    world.repository()
    text = '{"repositoryName":"\\"layerPartBlob\\":\\"AAAA\\"","layerPartBlob":"AAAA"}'

    status, _, body = json_part(world, text)

    assert (status, b"InvalidParameterException" in body) == (400, True)


@pytest.mark.parametrize(
    "text",
    [
        BODY % ("x", 0, "A"),
        BODY % ("x", 0, "A-_="),
        BODY % ("x", 0, "A" * 8000 + "-_="),
        '{"layerPartBlob":"AAAA',
        "[]",
        '"layerPartBlob":"A"',
        '["layerPartBlob":""]',
    ],
)
def test_malformed_part_is_a_serialization_error(world: World, text: str) -> None:
    status, _, body = json_part(world, text)

    assert (status, b"SerializationException" in body) == (400, True)


def json_part(world: World, text: str) -> Any:
    return world.service.json_api(caller_of(ACCOUNT, "us-east-1"), "UploadLayerPart", text.encode())


def test_disk_that_refuses_is_a_server_error_and_nothing_counts(world: World, tmp_path: Path) -> None:
    world.repository()
    upload = start(world)
    (tmp_path / "ecr" / "uploads").rename(tmp_path / "ecr" / "away")

    status, _, body = json_part(world, BODY % (upload, 2, "AAAA"))
    (tmp_path / "ecr" / "away").rename(tmp_path / "ecr" / "uploads")

    assert (status, b"ServerException" in body) == (500, True)
    assert json_part(world, BODY % (upload, 2, "AAAA"))[0] == 200


@pytest.mark.parametrize(
    ("sizes", "accepted"),
    [((4,), True), ((5, 5, 1), True), ((4, 9, 9), False), ((9, 4, 9), False), ((9, 9, 4), True)],
)
def test_every_part_but_the_last_has_the_least_size(
    make_world: Callable[..., World], sizes: tuple[int, ...], accepted: bool
) -> None:
    world = make_world(min_part_size=5)
    world.repository()
    upload, sent = start(world), b""
    for size in sizes:
        send_part(world.ecr, "team/app", upload, len(sent), size * b"x")
        sent += size * b"x"

    try:
        world.ecr.complete_layer_upload(repositoryName="team/app", uploadId=upload, layerDigests=[sha256(sent)])
        outcome = True
    except world.ecr.exceptions.LayerPartTooSmallException:
        outcome = False

    assert outcome == accepted
