"""The way of a push through the JSON API: layers, then the image, then what is read back."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.local.ecr.world import World


def test_pushed_image_is_read_back_by_digest_and_by_tag(world: World) -> None:
    repository = world.repository()

    digest = world.push(repository, "1.0")

    images = world.ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1.0"}])["images"]
    assert [image["imageId"] for image in images] == [{"imageDigest": digest, "imageTag": "1.0"}]


def test_push_sends_one_event_without_resources(world: World) -> None:
    repository = world.repository()

    digest = world.push(repository, "1.0")
    world.settle()

    (event,) = world.events
    assert (event["account"], event["region"], event["resources"]) == ("111122223333", "us-east-1", [])
    assert event["detail-type"] == "ECR Image Action"
    assert event["detail"] | {"image-digest": digest, "image-tag": "1.0", "action-type": "PUSH"} == event["detail"]


def test_image_arrives_in_another_region_and_says_so(world: World) -> None:
    repository = world.repository()
    world.replicate_to(("111122223333", "eu-west-1"))

    digest = world.push(repository, "1.0")
    before = world.statuses(repository, digest)
    world.settle()

    assert before == {"111122223333/eu-west-1": "IN_PROGRESS"}
    assert world.statuses(repository, digest) == {"111122223333/eu-west-1": "COMPLETE"}
    assert world.tags(repository, "111122223333", "eu-west-1") == {"1.0": digest}
    event = next(event for event in world.events if event["detail-type"] == "ECR Replication Action")
    assert (event["region"], event["detail"]["source-region"]) == ("eu-west-1", "us-east-1")


def test_part_sent_again_is_refused_with_the_last_valid_byte(world: World) -> None:
    repository = world.repository()
    upload = world.ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    part = {"repositoryName": repository, "uploadId": upload, "partFirstByte": 0, "partLastByte": 4}
    world.ecr.upload_layer_part(**part, layerPartBlob=b"12345")

    with pytest.raises(ClientError) as refused:
        world.ecr.upload_layer_part(**part, layerPartBlob=b"12345")

    assert refused.value.response["Error"]["Code"] == "InvalidLayerPartException"
    assert refused.value.response["lastValidByteReceived"] == 4
