"""Images: what PutImage demands, what reads return, and what deletion and archiving do (ecr.md 1.5, 1.6, 3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.ecr.points_common import DIGEST
from tests.local.ecr.points_images import index_of
from tests.local.ecr.world import OTHER, World, code_of, descriptor, manifest_of, sha256

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def put(world: World, manifest: str, **more: Any) -> Any:
    return world.ecr.put_image(repositoryName="team/app", imageManifest=manifest, **more)["image"]


def refusal(world: World, manifest: str, **more: Any) -> str:
    with pytest.raises(ClientError) as refused:
        put(world, manifest, **more)
    return code_of(refused.value)


class TestPutImage:
    def test_digest_is_that_of_the_exact_text(self, world: World) -> None:
        world.repository()
        text = world.manifest("team/app") + "\n \n"

        image = put(world, text, imageTag="1")

        assert image["imageId"] == {"imageDigest": sha256(text.encode()), "imageTag": "1"}
        assert image["imageManifest"] == text

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "[]",
            "null",
            '{"schemaVersion":2}',
            '{"schemaVersion":2,"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}',
            manifest_of(b"{}", [], schemaVersion=1),
            manifest_of(b"{}", [], config=None),
            manifest_of(b"{}", [], layers={}),
            manifest_of(b"{}", [], layers=[{"mediaType": "a/b", "digest": "sha256:12", "size": 1}]),
            manifest_of(b"{}", [], layers=[{"mediaType": "a/b", "digest": DIGEST, "size": -1}]),
            manifest_of(b"{}", [], layers=[{"mediaType": "a/b", "digest": DIGEST, "size": True}]),
            manifest_of(b"{}", [], layers=[{"digest": DIGEST, "size": 1}]),
            manifest_of(b"{}", [], annotations={"a": 1}),
            manifest_of(b"{}", [], artifactType=5),
            100_000 * "[",
        ],
    )
    def test_text_that_is_no_manifest_is_an_invalid_parameter(self, world: World, text: str) -> None:
        world.repository()

        assert refusal(world, text) == "InvalidParameterException"

    def test_index_of_layers_is_refused(self, world: World) -> None:
        world.repository()
        layer = descriptor("application/vnd.oci.image.layer.v1.tar+gzip", b"layer")
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [layer]}

        assert refusal(world, json.dumps(index)) == "InvalidParameterException"

    def test_media_type_may_stand_beside_the_manifest(self, world: World) -> None:
        world.repository()
        document = json.loads(world.manifest("team/app"))
        del document["mediaType"]
        text = json.dumps(document)

        assert refusal(world, text) == "InvalidParameterException"
        assert put(world, text, imageManifestMediaType=OCI)["imageManifestMediaType"] == OCI

    def test_media_type_beside_the_manifest_must_agree(self, world: World) -> None:
        world.repository()

        assert refusal(world, world.manifest("team/app"), imageManifestMediaType=DOCKER) == "InvalidParameterException"

    def test_absent_layers_are_named(self, world: World) -> None:
        world.repository()

        with pytest.raises(world.ecr.exceptions.LayersNotFoundException) as refused:
            put(world, manifest_of(b"{}", [b"absent"]))

        assert f"[{sha256(b'{}')}, {sha256(b'absent')}]" in refused.value.response["Error"]["Message"]

    def test_foreign_layer_need_not_be_there(self, world: World) -> None:
        world.repository()
        world.upload("team/app", b"{}")
        foreign = descriptor(FOREIGN, b"windows") | {"urls": ["https://example.com/layer"]}

        assert put(world, manifest_of(b"{}", [], layers=[foreign]))

    @pytest.mark.parametrize("layers", [[], None])
    @pytest.mark.parametrize(("accepts", "expected"), [(True, None), (False, "InvalidParameterException")])
    def test_manifest_without_layers_is_switched(
        self, make_world: Callable[..., World], layers: list[Any] | None, accepts: bool, expected: str | None
    ) -> None:
        world = make_world(accepts_empty_layer_list=accepts)
        world.repository()
        world.upload("team/app", b"{}")
        text = manifest_of(b"{}", [], layers=layers)

        if expected:
            assert refusal(world, text) == expected
        else:
            assert put(world, text)

    @pytest.mark.parametrize("demanded", [False, True])
    def test_subject_is_demanded_under_the_switch(self, make_world: Callable[..., World], demanded: bool) -> None:
        world = make_world(subject_must_exist=demanded)
        world.repository()
        text = world.manifest("team/app", subject={"mediaType": OCI, "digest": DIGEST, "size": 1})

        if demanded:
            assert refusal(world, text) == "ReferencedImagesNotFoundException"
        else:
            assert put(world, text)

    @pytest.mark.parametrize(
        ("order", "expected"),
        [(("digest", "layers"), "ImageDigestDoesNotMatchException"), (("layers", "digest"), "LayersNotFoundException")],
    )
    def test_order_of_checks_is_switched(
        self, make_world: Callable[..., World], order: tuple[str, ...], expected: str
    ) -> None:
        world = make_world(put_image_checks=order)
        world.repository()

        assert refusal(world, manifest_of(b"{}", [b"absent"]), imageDigest=DIGEST) == expected

    def test_schema_1_is_stored_as_it_is(self, world: World) -> None:
        world.repository()
        layer = world.upload("team/app", b"layer")
        text = json.dumps({"schemaVersion": 1, "name": "team/app", "fsLayers": [{"blobSum": layer}]})

        image = put(world, text, imageTag="1")

        assert image["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v1+json"
        assert refusal(world, text.replace(layer, DIGEST)) == "LayersNotFoundException"

    def test_tag_moves_and_leaves_the_old_image_untagged(self, world: World) -> None:
        repository = world.repository()
        old = world.push(repository, "1", b"old")
        new = world.push(repository, "1", b"new")

        ids = world.ecr.list_images(repositoryName=repository)["imageIds"]
        assert sorted(ids, key=str) == sorted([{"imageDigest": old}, {"imageDigest": new, "imageTag": "1"}], key=str)

    def test_untagged_push_of_a_stored_image_is_refused(self, world: World) -> None:
        world.push(world.repository(), "1")

        assert refusal(world, world.manifest("team/app")) == "ImageAlreadyExistsException"

    @pytest.mark.parametrize(
        ("mutability", "pattern", "tag", "moves"),
        [
            ("IMMUTABLE", None, "1", False),
            ("IMMUTABLE_WITH_EXCLUSION", "latest*", "latest-1", True),
            ("IMMUTABLE_WITH_EXCLUSION", "latest*", "1", False),
            ("MUTABLE_WITH_EXCLUSION", "release-*", "release-1", False),
            ("MUTABLE_WITH_EXCLUSION", "release-*", "1", True),
        ],
    )
    def test_immutability_with_exclusions(
        self, world: World, mutability: str, pattern: str | None, tag: str, moves: bool
    ) -> None:
        filters = [{"filterType": "WILDCARD", "filter": pattern}] if pattern else None
        settings = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
        repository = world.repository(imageTagMutability=mutability, **settings)
        world.push(repository, tag, b"old")

        try:
            world.push(repository, tag, b"new")
            outcome = True
        except world.ecr.exceptions.ImageTagAlreadyExistsException:
            outcome = False

        assert outcome == moves

    def test_thousand_and_first_tag_is_refused(self, make_world: Callable[..., World]) -> None:
        world = make_world(tags_per_image=2)
        repository = world.repository()
        world.push(repository, "1")
        world.push(repository, "2")

        assert refusal(world, world.manifest(repository), imageTag="3") == "LimitExceededException"

    @pytest.mark.parametrize("tag", ["-1", "a/b", "a b", "é", 301 * "x", ""])
    def test_impossible_tag_is_an_invalid_parameter(self, world: World, tag: str) -> None:
        world.repository()

        assert refusal(world, world.manifest("team/app"), imageTag=tag) == "InvalidParameterException"

    def test_size_is_that_of_the_layers_and_for_an_index_of_the_largest_child(self, world: World) -> None:
        repository = world.repository()
        manifests = [world.manifest(repository, content) for content in (b"short", b"much longer")]
        for manifest in manifests:
            put(world, manifest)
        put(world, index_of(*manifests), imageTag="multi")

        details = world.ecr.describe_images(repositoryName=repository)["imageDetails"]

        assert sorted(detail["imageSizeInBytes"] for detail in details) == [5, 11, 11]

    @pytest.mark.parametrize(("switch", "created"), [(False, False), (True, True)])
    def test_repository_is_created_by_the_api_under_the_switch(
        self, make_world: Callable[..., World], switch: bool, created: bool
    ) -> None:
        world = make_world(creates_on_push_by_api=switch)
        world.ecr.create_repository_creation_template(prefix="ROOT", appliedFor=["CREATE_ON_PUSH"])

        try:
            world.upload("new/app", b"layer")
            outcome = True
        except world.ecr.exceptions.RepositoryNotFoundException:
            outcome = False

        assert outcome == created


class TestReads:
    @pytest.mark.parametrize(
        ("image_id", "code"),
        [
            ({}, "MissingDigestAndTag"),
            ({"imageDigest": "sha256:12"}, "InvalidImageDigest"),
            ({"imageTag": "a b"}, "InvalidImageTag"),
            ({"imageTag": "none"}, "ImageNotFound"),
            ({"imageDigest": DIGEST}, "ImageNotFound"),
        ],
    )
    def test_image_that_cannot_be_had_stands_in_failures(
        self, world: World, image_id: dict[str, str], code: str
    ) -> None:
        answer = world.ecr.batch_get_image(repositoryName=world.repository(), imageIds=[image_id])

        (failure,) = answer["failures"]
        assert (failure["failureCode"], failure["imageId"]) == (code, image_id)

    def test_tag_and_digest_together_ask_whether_the_tag_points_there(self, world: World) -> None:
        repository = world.repository()
        old = world.push(repository, "1", b"old")
        new = world.push(repository, "1", b"new")

        ids = [{"imageDigest": digest, "imageTag": "1"} for digest in (old, new)]
        answer = world.ecr.batch_get_image(repositoryName=repository, imageIds=ids)

        assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageTagDoesNotMatchDigest"]
        assert [image["imageId"]["imageDigest"] for image in answer["images"]] == [new]

    @pytest.mark.parametrize("converts", [True, False])
    def test_read_by_tag_converts_under_the_switch(self, make_world: Callable[..., World], converts: bool) -> None:
        world = make_world(converts_manifests=converts)
        repository = world.repository()
        digest = world.push(repository, "1")

        answer = world.ecr.batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": "1"}], acceptedMediaTypes=[DOCKER]
        )

        (image,) = answer["images"]
        assert (image["imageId"]["imageDigest"] != digest) == converts
        assert image["imageId"]["imageDigest"] == sha256(image["imageManifest"].encode())

    def test_manifest_that_the_other_format_cannot_say_is_returned_as_it_is(self, world: World) -> None:
        repository = world.repository()
        for blob in (b"{}", b"zstd"):
            world.upload(repository, blob)
        layer = descriptor("application/vnd.oci.image.layer.v1.tar+zstd", b"zstd")
        digest = put(world, manifest_of(b"{}", [], layers=[layer]), imageTag="1")["imageId"]["imageDigest"]

        answer = world.ecr.batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": "1"}], acceptedMediaTypes=[DOCKER]
        )

        assert answer["images"][0]["imageId"]["imageDigest"] == digest

    def test_docker_manifest_is_converted_to_oci(self, world: World) -> None:
        repository = world.repository()
        for blob in (b"{}", b"layer"):
            world.upload(repository, blob)
        config = descriptor("application/vnd.docker.container.image.v1+json", b"{}")
        layer = descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", b"layer")
        put(world, manifest_of(b"{}", [], mediaType=DOCKER, config=config, layers=[layer]), imageTag="1")

        answer = world.ecr.batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": "1"}], acceptedMediaTypes=[OCI]
        )

        document = json.loads(answer["images"][0]["imageManifest"])
        assert document["mediaType"] == OCI
        assert document["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"

    def test_referrers_are_filtered_by_type_and_status(self, world: World) -> None:
        repository = world.repository()
        for number, kind in enumerate(("a", "b")):
            text = world.manifest(
                repository,
                b"note %d" % number,
                subject={"mediaType": OCI, "digest": DIGEST, "size": 1},
                artifactType=f"application/x.{kind}",
            )
            digest = put(world, text)["imageId"]["imageDigest"]
        archive(world, digest)
        asked = {"repositoryName": repository, "subjectId": {"imageDigest": DIGEST}}

        active = world.ecr.list_image_referrers(**asked)["referrers"]
        of_b = world.ecr.list_image_referrers(
            **asked, filter={"artifactStatus": "ANY", "artifactTypes": ["application/x.b"]}
        )["referrers"]
        world.settle()

        assert [entry["artifactType"] for entry in active] == ["application/x.a"]
        assert [(entry["digest"], entry["artifactStatus"]) for entry in of_b] == [(digest, "ARCHIVED")]
        assert world.events[-1]["detail-type"] == "ECR Referrer Action"

    def test_referrers_of_no_digest_are_refused(self, world: World) -> None:
        with pytest.raises(world.ecr.exceptions.InvalidParameterException):
            world.ecr.list_image_referrers(repositoryName=world.repository(), subjectId={"imageDigest": "sha256:short"})

    def test_lists_hide_archived_images_unless_asked(self, world: World) -> None:
        repository = world.repository()
        digest = world.push(repository, "1")
        archive(world, digest)

        assert world.ecr.list_images(repositoryName=repository)["imageIds"] == []
        shown = world.ecr.list_images(repositoryName=repository, filter={"imageStatus": "ARCHIVED"})
        assert shown["imageIds"] == [{"imageDigest": digest, "imageTag": "1"}]

    def test_archived_image_is_not_pulled_and_its_layer_is_archived(self, world: World) -> None:
        repository = world.repository()
        digest = world.push(repository, "1")
        archive(world, digest)

        pulled = world.ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])
        layers = world.ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[sha256(b"layer")])

        assert [failure["failureCode"] for failure in pulled["failures"]] == ["ImageInaccessible"]
        assert layers["layers"][0]["layerAvailability"] == "ARCHIVED"

    def test_archived_image_is_active_again_after_its_restore(self, make_world: Callable[..., World]) -> None:
        world = make_world(restore_seconds=1200.0)
        repository = world.repository()
        digest = world.push(repository, "1")
        archive(world, digest)

        restoring = archive(world, digest, "STANDARD")["imageStatus"]
        world.clock.advance(1200)

        (detail,) = world.ecr.describe_images(repositoryName=repository)["imageDetails"]
        assert (restoring, detail["imageStatus"]) == ("ACTIVATING", "ACTIVE")
        assert detail["lastArchivedAt"] < detail["lastActivatedAt"] or detail["lastActivatedAt"]

    def test_pushing_an_archived_image_again_restores_it(self, world: World) -> None:
        repository = world.repository()
        digest = world.push(repository, "1")
        archive(world, digest)

        assert world.push(repository, "1") == digest
        assert world.ecr.describe_images(repositoryName=repository)["imageDetails"][0]["imageStatus"] == "ACTIVE"

    def test_pages_cover_every_image_once(self, world: World) -> None:
        repository = world.repository()
        pushed = {world.push(repository, f"t{number}", b"layer %d" % number) for number in range(7)}

        paginator = world.ecr.get_paginator("describe_images")
        pages = list(paginator.paginate(repositoryName=repository, PaginationConfig={"PageSize": 3}))

        assert [len(page["imageDetails"]) for page in pages] == [3, 3, 1]
        assert {detail["imageDigest"] for page in pages for detail in page["imageDetails"]} == pushed

    @pytest.mark.parametrize("token", ["x", "eA==", "\N{SNOWMAN}"])
    def test_foreign_token_is_refused(self, world: World, token: str) -> None:
        with pytest.raises(world.ecr.exceptions.InvalidParameterException):
            world.ecr.list_images(repositoryName=world.repository(), nextToken=token)

    def test_ids_and_paging_exclude_each_other(self, world: World) -> None:
        with pytest.raises(world.ecr.exceptions.InvalidParameterException):
            world.ecr.describe_images(repositoryName=world.repository(), imageIds=[{"imageTag": "1"}], maxResults=10)

    def test_pull_time_is_recorded_once_a_day_but_not_for_excluded_principals(self, world: World) -> None:
        repository = world.repository()
        world.push(repository, "1")

        def pull() -> Any:
            world.ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])
            (detail,) = world.ecr.describe_images(repositoryName=repository)["imageDetails"]
            return detail.get("lastRecordedPullTime")

        first = pull()
        world.clock.advance(3600)
        assert pull() == first
        world.clock.advance(86_400)
        assert pull() > first
        last = pull()
        world.ecr.register_pull_time_update_exclusion(principalArn=f"arn:aws:iam::{'111122223333'}:user/tester")
        world.clock.advance(2 * 86_400)
        assert pull() == last

    def test_repository_of_another_account_is_read_by_registry_id(self, world: World) -> None:
        world.push(world.repository(), "1")

        answer = world.client(OTHER).list_images(repositoryName="team/app", registryId="111122223333")

        assert len(answer["imageIds"]) == 1


def archive(world: World, digest: str, target: str = "ARCHIVE") -> Any:
    return world.ecr.update_image_storage_class(
        repositoryName="team/app", imageId={"imageDigest": digest}, targetStorageClass=target
    )


class TestDeletion:
    def delete(self, world: World, *image_ids: dict[str, str]) -> Any:
        return world.ecr.batch_delete_image(repositoryName="team/app", imageIds=list(image_ids))

    def test_one_of_two_tags_goes_alone(self, world: World) -> None:
        repository = world.repository()
        digest = world.push(repository, "1")
        world.push(repository, "2")

        answer = self.delete(world, {"imageTag": "1"})

        assert answer["imageIds"] == [{"imageDigest": digest, "imageTag": "1"}]
        assert world.ecr.list_images(repositoryName=repository)["imageIds"] == [
            {"imageDigest": digest, "imageTag": "2"}
        ]

    def test_last_tag_takes_the_image_and_its_layers_along(self, world: World) -> None:
        repository = world.repository()
        world.push(repository, "1")

        self.delete(world, {"imageTag": "1"})

        assert world.ecr.list_images(repositoryName=repository)["imageIds"] == []
        layers = world.ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[sha256(b"layer")])
        assert layers["layers"][0]["layerAvailability"] == "UNAVAILABLE"

    def test_digest_takes_all_tags_along_and_sends_an_event_for_each(self, world: World) -> None:
        repository = world.repository()
        digest = world.push(repository, "1")
        world.push(repository, "2")

        answer = self.delete(world, {"imageDigest": digest})
        world.settle()

        assert [entry["imageTag"] for entry in answer["imageIds"]] == ["1", "2"]
        deletions = [event["detail"] for event in world.events if event["detail"]["action-type"] == "DELETE"]
        assert [detail["image-tag"] for detail in deletions] == ["1", "2"]

    def test_child_of_an_index_stays_until_the_index_is_gone(self, world: World) -> None:
        repository = world.repository()
        manifest = world.manifest(repository)
        child = put(world, manifest)["imageId"]["imageDigest"]
        put(world, index_of(manifest), imageTag="multi")

        refused = self.delete(world, {"imageDigest": child})
        accepted = self.delete(world, {"imageTag": "multi"}, {"imageDigest": child})

        assert [failure["failureCode"] for failure in refused["failures"]] == ["ImageReferencedByManifestList"]
        assert accepted["failures"] == []

    def test_layer_that_another_image_names_stays(self, world: World) -> None:
        repository = world.repository()
        world.push(repository, "1")
        for blob in (b'{"other":1}',):
            world.upload(repository, blob)
        put(world, manifest_of(b'{"other":1}', [b"layer"]), imageTag="2")

        self.delete(world, {"imageTag": "1"})

        layers = world.ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[sha256(b"layer")])
        assert layers["layers"][0]["layerAvailability"] == "AVAILABLE"
