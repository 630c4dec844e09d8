"""
The registry API, by the distribution specification's four categories: pull, push, content discovery, management.

Where ECR differs from the specification, ECR wins and the test's name says so.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.local.ecr.points_images import index_of
from tests.local.ecr.world import ACCOUNT, MIB, RegistryClient, World, error_code, manifest_of, sha256

OCI = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def client(world: World) -> RegistryClient:
    world.repository()
    return world.registry_client()


def push(client: RegistryClient, tag: str, content: bytes = b"layer", **more: Any) -> tuple[str, str]:
    """Push an image of one layer, and return its digest and its manifest."""
    config = b'{"os":"linux"}'
    for blob in (config, content):
        client.put_blob("team/app", blob)
    manifest = manifest_of(config, [content], **more)
    answer = client.request("PUT", f"/v2/team/app/manifests/{tag}", manifest.encode(), Content_Type=OCI)
    assert answer.status == 201, answer.data
    return answer.headers["Docker-Content-Digest"], manifest


class TestAuthentication:
    @pytest.mark.parametrize(
        "authorization",
        ["", "Basic " + base64.b64encode(b"AWS:wrong").decode(), "Bearer token", "Basic !!!"],
        ids=["none", "wrong-password", "bearer", "garbage"],
    )
    def test_request_without_a_token_of_ours_is_challenged(self, client: RegistryClient, authorization: str) -> None:
        answer = client.get("/v2/", Authorization=authorization)

        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert error_code(answer) == "UNAUTHORIZED"

    def test_token_expires_after_12_hours(self, world: World, client: RegistryClient) -> None:
        assert client.get("/v2/").status == 200
        world.clock.advance(12 * 3600)
        assert client.get("/v2/").status == 401

    def test_token_of_another_region_is_refused(self, world: World, client: RegistryClient) -> None:
        other = world.registry_client(ACCOUNT, "eu-west-1")

        assert RegistryClient(client.url, other.token).get("/v2/").status == 401

    def test_caller_without_permission_is_denied(self, world: World, client: RegistryClient) -> None:
        world.authorizer.denied = {"ecr:InitiateLayerUpload"}

        answer = client.request("POST", "/v2/team/app/blobs/uploads/")

        assert (answer.status, error_code(answer)) == (403, "DENIED")


class TestPull:
    def test_manifest_by_tag_and_by_digest_is_byte_exact(self, client: RegistryClient) -> None:
        digest, manifest = push(client, "1")

        for reference in ("1", digest):
            answer = client.get(f"/v2/team/app/manifests/{reference}", Accept=OCI)
            assert answer.data == manifest.encode()
            assert answer.headers["Docker-Content-Digest"] == digest
            assert answer.headers["Content-Type"] == OCI

    def test_head_of_a_manifest_has_its_length_and_no_body(self, client: RegistryClient) -> None:
        _, manifest = push(client, "1")

        answer = client.request("HEAD", "/v2/team/app/manifests/1", Accept=OCI)

        assert (answer.status, answer.headers["Content-Length"], answer.data) == (200, str(len(manifest)), b"")

    def test_absent_manifest_is_unknown(self, client: RegistryClient) -> None:
        answer = client.get("/v2/team/app/manifests/none")

        assert (answer.status, error_code(answer)) == (404, "MANIFEST_UNKNOWN")
        assert client.request("HEAD", "/v2/team/app/manifests/none").status == 404

    def test_absent_repository_is_unknown(self, client: RegistryClient) -> None:
        answer = client.get("/v2/no/such/manifests/1")

        assert (answer.status, error_code(answer)) == (404, "NAME_UNKNOWN")

    def test_blob_is_read_through_a_redirect_that_needs_no_token(self, client: RegistryClient) -> None:
        push(client, "1")

        answer = client.get(f"/v2/team/app/blobs/{sha256(b'layer')}")
        assert answer.status == 307
        file = client.get(answer.headers["Location"], Authorization="")
        assert (file.status, file.data) == (200, b"layer")

    def test_blob_is_served_at_once_under_the_switch(self, make_world: Callable[..., World]) -> None:
        world = make_world(redirects_blobs=False)
        world.repository()
        client = world.registry_client()
        push(client, "1")

        answer = client.get(f"/v2/team/app/blobs/{sha256(b'layer')}")

        assert (answer.status, answer.data) == (200, b"layer")

    @pytest.mark.parametrize(
        ("header", "status", "data", "content_range"),
        [
            ("bytes=1-3", 206, b"aye", "bytes 1-3/5"),
            ("bytes=3-", 206, b"er", "bytes 3-4/5"),
            ("bytes=-2", 206, b"er", "bytes 3-4/5"),
            ("bytes=9-", 416, None, "bytes */5"),
        ],
    )
    def test_range_of_a_blob(
        self, client: RegistryClient, header: str, status: int, data: bytes | None, content_range: str
    ) -> None:
        push(client, "1")
        location = client.get(f"/v2/team/app/blobs/{sha256(b'layer')}").headers["Location"]

        answer = client.get(location, Range=header)

        assert (answer.status, answer.headers.get("Content-Range")) == (status, content_range)
        assert data is None or answer.data == data

    def test_download_address_is_signed_and_expires(self, world: World, client: RegistryClient) -> None:
        push(client, "1")
        location = client.get(f"/v2/team/app/blobs/{sha256(b'layer')}").headers["Location"]

        assert client.get(location[:-1] + "x").status == 403
        world.clock.advance(3601)
        assert client.get(location).status == 403

    def test_head_of_a_blob_has_its_size(self, client: RegistryClient) -> None:
        push(client, "1")

        answer = client.request("HEAD", f"/v2/team/app/blobs/{sha256(b'layer')}")

        assert (answer.status, answer.headers["Content-Length"]) == (200, "5")

    @pytest.mark.parametrize("digest", [sha256(b"none"), "sha256:zz", "nonsense"])
    def test_absent_blob_is_unknown(self, client: RegistryClient, digest: str) -> None:
        answer = client.get(f"/v2/team/app/blobs/{digest}")

        assert (answer.status, error_code(answer)) == (404, "BLOB_UNKNOWN")
        assert client.request("HEAD", f"/v2/team/app/blobs/{digest}").status == 404

    def test_blob_of_no_image_is_not_served_by_ecr(self, client: RegistryClient) -> None:
        digest = client.put_blob("team/app", b"lonely")

        answer = client.get(f"/v2/team/app/blobs/{digest}")

        assert (answer.status, error_code(answer)) == (404, "BLOB_UNKNOWN")

    def test_read_by_tag_converts_but_by_digest_never(self, client: RegistryClient) -> None:
        digest, _ = push(client, "1")

        by_tag = client.get("/v2/team/app/manifests/1", Accept=DOCKER)
        by_digest = client.get(f"/v2/team/app/manifests/{digest}", Accept=DOCKER)

        assert by_tag.headers["Content-Type"] == DOCKER
        assert by_tag.headers["Docker-Content-Digest"] == sha256(by_tag.data) != digest
        assert by_digest.headers["Docker-Content-Digest"] == digest


class TestPush:
    def test_post_then_put_stores_a_blob(self, client: RegistryClient) -> None:
        session = client.request("POST", "/v2/team/app/blobs/uploads/")
        assert (session.status, session.headers["Range"]) == (202, "0-0")

        answer = client.request("PUT", f"{session.headers['Location']}?digest={sha256(b'blob')}", b"blob")

        assert answer.status == 201
        assert answer.headers["Location"] == f"/v2/team/app/blobs/{sha256(b'blob')}"

    def test_single_post_stores_a_blob(self, client: RegistryClient) -> None:
        answer = client.request("POST", f"/v2/team/app/blobs/uploads/?digest={sha256(b'blob')}", b"blob")

        assert answer.status == 201
        assert client.request("HEAD", f"/v2/team/app/blobs/{sha256(b'blob')}").status == 200

    def test_chunks_are_answered_201_by_ecr_with_a_range_that_stands_still(self, client: RegistryClient) -> None:
        location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]

        first = client.request("PATCH", location, b"12345", Content_Range="0-4")
        second = client.request("PATCH", location, b"67890", Content_Range="5-9")
        last = client.request("PUT", f"{location}?digest={sha256(b'1234567890')}", b"")

        assert (first.status, second.status, last.status) == (201, 201, 201)
        assert (first.headers["Range"], second.headers["Range"]) == ("0-4", "0-4")

    def test_range_advances_under_the_switch(self, make_world: Callable[..., World]) -> None:
        world = make_world(advances_chunk_range=True)
        world.repository()
        client = world.registry_client()
        location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]

        client.request("PATCH", location, b"12345", Content_Range="0-4")
        client.request("PATCH", location, b"67890", Content_Range="5-9")
        progress = client.get(location)

        assert (progress.status, progress.headers["Range"]) == (204, "0-9")

    def test_last_chunk_may_come_with_the_put(self, client: RegistryClient) -> None:
        location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]
        client.request("PATCH", location, b"12345", Content_Range="0-4")

        answer = client.request("PUT", f"{location}?digest={sha256(b'12345678')}", b"678", Content_Range="5-7")

        assert answer.status == 201

    @pytest.mark.parametrize("content_range", ["0-4", "6-10", None], ids=["again-at-0", "gap", "stream-again"])
    def test_chunk_that_is_not_the_next_one_is_416(self, client: RegistryClient, content_range: str | None) -> None:
        location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]
        client.request("PATCH", location, b"12345", Content_Range="0-4")

        headers = {"Content_Range": content_range} if content_range else {}
        answer = client.request("PATCH", location, b"67890", **headers)

        assert answer.status == 416
        assert client.request("PUT", f"{location}?digest={sha256(b'12345')}").status == 201

    def test_wrong_digest_is_invalid(self, client: RegistryClient) -> None:
        location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]

        answer = client.request("PUT", f"{location}?digest={sha256(b'other')}", b"blob")

        assert (answer.status, error_code(answer)) == (400, "DIGEST_INVALID")

    def test_blob_that_is_there_is_no_error(self, client: RegistryClient) -> None:
        assert client.put_blob("team/app", b"blob") == client.put_blob("team/app", b"blob")

    def test_empty_blob_is_accepted_but_missing_at_the_manifest(self, client: RegistryClient) -> None:
        client.put_blob("team/app", b"")
        config = client.put_blob("team/app", b"{}")

        manifest = manifest_of(b"{}", [b""])
        answer = client.request("PUT", "/v2/team/app/manifests/1", manifest.encode(), Content_Type=OCI)

        assert config in manifest
        assert (answer.status, error_code(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")

    def test_cancelled_session_is_unknown(self, client: RegistryClient) -> None:
        location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]

        assert client.request("DELETE", location).status == 204
        answer = client.get(location)
        assert (answer.status, error_code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")

    def test_manifest_by_digest_must_match(self, client: RegistryClient) -> None:
        _, manifest = push(client, "1")

        wrong = client.request("PUT", f"/v2/team/app/manifests/{sha256(b'x')}", manifest.encode(), Content_Type=OCI)
        right = client.request(
            "PUT", f"/v2/team/app/manifests/{sha256(manifest.encode())}", manifest.encode(), Content_Type=OCI
        )

        assert (wrong.status, error_code(wrong)) == (400, "DIGEST_INVALID")
        assert right.status == 201

    def test_index_before_its_children_is_refused(self, client: RegistryClient) -> None:
        index = index_of(manifest_of(b"{}", [b"x"])).encode()

        answer = client.request("PUT", "/v2/team/app/manifests/multi", index, Content_Type=INDEX)

        assert (answer.status, error_code(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")

    @pytest.mark.parametrize("body", [b"{", b"\xff", b"[]"], ids=["cut", "no-utf8", "no-object"])
    def test_manifest_that_is_no_json_is_405_by_ecr(self, client: RegistryClient, body: bytes) -> None:
        answer = client.request("PUT", "/v2/team/app/manifests/1", body, Content_Type=OCI)

        assert (answer.status, error_code(answer)) == (405, "UNSUPPORTED")
        assert "Invalid JSON syntax" in answer.json()["errors"][0]["message"]

    def test_manifest_over_4_mib_is_refused(self, client: RegistryClient) -> None:
        manifest = manifest_of(b"{}", [], annotations={"long": 4 * MIB * "x"}).encode()

        assert client.request("PUT", "/v2/team/app/manifests/1", manifest, Content_Type=OCI).status == 405

    def test_immutable_tag_is_invalid(self, world: World, client: RegistryClient) -> None:
        _, manifest = push(client, "1")
        world.ecr.put_image_tag_mutability(repositoryName="team/app", imageTagMutability="IMMUTABLE")

        answer = client.request("PUT", "/v2/team/app/manifests/1", manifest.encode(), Content_Type=OCI)

        assert (answer.status, error_code(answer)) == (400, "TAG_INVALID")

    def test_push_creates_a_repository_where_a_template_says_so(self, world: World, client: RegistryClient) -> None:
        world.ecr.create_repository_creation_template(prefix="auto", appliedFor=["CREATE_ON_PUSH"])

        assert client.request("POST", "/v2/auto/app/blobs/uploads/").status == 202
        assert client.request("POST", "/v2/automatic/blobs/uploads/").status == 404

    def test_referrer_names_its_subject_in_the_answer(self, client: RegistryClient) -> None:
        subject, text = push(client, "1")
        reference = {"mediaType": OCI, "digest": subject, "size": len(text)}
        manifest = manifest_of(b'{"os":"linux"}', [b"layer"], subject=reference, artifactType="application/x.note")

        answer = client.request("PUT", "/v2/team/app/manifests/note", manifest.encode(), Content_Type=OCI)

        assert answer.headers["OCI-Subject"] == subject


class TestMount:
    def mount(self, client: RegistryClient) -> int:
        push(client, "1")
        path = f"/v2/team/other/blobs/uploads/?mount={sha256(b'layer')}&from=team/app"
        return client.request("POST", path).status

    def test_mount_is_an_ordinary_upload_by_default(self, world: World, client: RegistryClient) -> None:
        world.repository("team/other")

        assert self.mount(client) == 202

    def test_mount_shares_the_blob_where_the_account_setting_allows_it(
        self, world: World, client: RegistryClient
    ) -> None:
        world.repository("team/other")
        world.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")

        assert self.mount(client) == 201
        assert client.request("HEAD", f"/v2/team/other/blobs/{sha256(b'layer')}").status == 200

    def test_mount_without_permission_to_read_the_origin_is_an_ordinary_upload(
        self, world: World, client: RegistryClient
    ) -> None:
        world.repository("team/other")
        world.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        world.authorizer.denied = {"ecr:GetDownloadUrlForLayer"}

        assert self.mount(client) == 202


class TestDiscovery:
    def test_tags_are_listed_in_lexical_order_and_pages(self, client: RegistryClient) -> None:
        for tag in ("b", "c", "a"):
            push(client, tag)

        first = client.get("/v2/team/app/tags/list?n=2")
        second = client.get(first.headers["Link"].partition(">")[0].lstrip("<"))

        assert first.json() == {"name": "team/app", "tags": ["a", "b"]}
        assert second.json() == {"name": "team/app", "tags": ["c"]}
        assert "Link" not in second.headers

    def test_page_of_no_tags_is_empty(self, client: RegistryClient) -> None:
        push(client, "1")

        assert client.get("/v2/team/app/tags/list?n=0").json()["tags"] == []

    def test_catalog_lists_repositories(self, world: World, client: RegistryClient) -> None:
        world.repository("team/other")

        assert client.get("/v2/_catalog").json() == {"repositories": ["team/app", "team/other"]}

    def test_referrers_are_an_index_that_can_be_filtered(self, client: RegistryClient) -> None:
        subject, text = push(client, "1")
        reference = {"mediaType": OCI, "digest": subject, "size": len(text)}
        for kind in ("a", "b"):
            push(client, kind, subject=reference, artifactType=f"application/x.{kind}", annotations={"kind": kind})

        everything = client.get(f"/v2/team/app/referrers/{subject}")
        filtered = client.get(f"/v2/team/app/referrers/{subject}?artifactType=application/x.b")

        assert everything.headers["Content-Type"] == INDEX
        assert {entry["artifactType"] for entry in everything.json()["manifests"]} == {
            "application/x.a",
            "application/x.b",
        }
        assert [entry["annotations"] for entry in filtered.json()["manifests"]] == [{"kind": "b"}]
        assert filtered.headers["OCI-Filters-Applied"] == "artifactType"

    def test_referrers_of_an_absent_subject_are_an_empty_index(self, client: RegistryClient) -> None:
        answer = client.get(f"/v2/team/app/referrers/{sha256(b'none')}")

        assert (answer.status, answer.json()["manifests"]) == (200, [])

    def test_referrers_of_no_digest_are_refused(self, client: RegistryClient) -> None:
        assert client.get("/v2/team/app/referrers/latest").status == 400


class TestManagement:
    def test_tag_is_deleted_alone_and_the_image_with_its_digest(self, client: RegistryClient) -> None:
        digest, manifest = push(client, "1")
        client.request("PUT", "/v2/team/app/manifests/2", manifest.encode(), Content_Type=OCI)

        assert client.request("DELETE", "/v2/team/app/manifests/1").status == 202
        assert client.get("/v2/team/app/manifests/2").status == 200
        assert client.request("DELETE", f"/v2/team/app/manifests/{digest}").status == 202
        assert client.get("/v2/team/app/manifests/2").status == 404

    def test_child_of_an_index_is_not_deleted(self, client: RegistryClient) -> None:
        digest, manifest = push(client, "1")
        client.request("PUT", "/v2/team/app/manifests/multi", index_of(manifest).encode(), Content_Type=INDEX)

        assert client.request("DELETE", f"/v2/team/app/manifests/{digest}").status == 403

    def test_blob_cannot_be_deleted(self, client: RegistryClient) -> None:
        answer = client.request("DELETE", f"/v2/team/app/blobs/{sha256(b'layer')}")

        assert (answer.status, error_code(answer)) == (405, "UNSUPPORTED")


def test_image_pushed_by_the_registry_api_is_read_by_the_json_api(world: World, client: RegistryClient) -> None:
    digest, manifest = push(client, "1")

    (image,) = world.ecr.batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": "1"}])["images"]

    assert image["imageId"]["imageDigest"] == digest
    assert image["imageManifest"] == manifest
    assert json.loads(image["imageManifest"])["layers"][0]["digest"] == sha256(b"layer")


def test_download_address_of_the_json_api_is_served(world: World, client: RegistryClient) -> None:
    push(client, "1")

    url = world.ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=sha256(b"layer"))["downloadUrl"]

    assert client.get(url, Authorization="").data == b"layer"


@pytest.mark.parametrize(("kind", "status", "code"), [("throttle", 429, "TOOMANYREQUESTS"), ("5xx", 500, "UNKNOWN")])
def test_fault_rule_strikes_registry_clients_too(
    world: World, client: RegistryClient, kind: str, status: int, code: str
) -> None:
    world.fault(f"InitiateLayerUpload:{kind}")

    answer = client.request("POST", "/v2/team/app/blobs/uploads/")

    assert (answer.status, error_code(answer)) == (status, code)


def test_stream_that_breaks_off_leaves_what_was_received(world: World, client: RegistryClient) -> None:
    location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]
    headers = {"Authorization": f"Basic {client.token}"}
    environ = EnvironBuilder(location, method="PATCH", headers=headers, input_stream=io.BytesIO(b"12345")).get_environ()
    environ["CONTENT_LENGTH"] = "10"

    _, status, _ = run_wsgi_app(world.service.registry_app(ACCOUNT, "us-east-1"), environ)
    rest = client.request("PUT", f"{location}?digest={sha256(b'1234567890')}", b"67890")

    assert (status[:3], rest.status) == ("400", 201)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/", 404),
        ("PATCH", "/v2/team/app/manifests/1", 405),
        ("PUT", "/v2/team/app/blobs/uploads/00000000-0000-4000-8000-000000000000", 400),
        ("GET", "/v2/team/app/tags/list?n=-1", 400),
        ("GET", "/v2/UPPER/tags/list", 405),
    ],
)
def test_request_that_is_none(client: RegistryClient, method: str, path: str, status: int) -> None:
    assert client.request(method, path).status == status


def test_finished_session_takes_no_more(client: RegistryClient) -> None:
    location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]
    client.request("PUT", f"{location}?digest={sha256(b'blob')}", b"blob")

    answer = client.request("PATCH", location, b"more", Content_Range="4-7")

    assert (answer.status, error_code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_content_range_that_is_none_is_refused(client: RegistryClient) -> None:
    location = client.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]

    answer = client.request("PATCH", location, b"12345", Content_Range="everything")

    assert (answer.status, error_code(answer)) == (400, "BLOB_UPLOAD_INVALID")
