"""An upload as the record tells it, and the documents made of it."""

from __future__ import annotations

import dataclasses

from chalicelib.codes import Code
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests.app.cli.conftest import IMAGE, LAYER, REPLICA, UPLOAD
from tests.fakes.table import FakeTable
from transship.document import upload_document
from transship.observation import Observation, observe


def _seen(table: FakeTable) -> Observation:
    seen = observe(table, UPLOAD.id)
    assert seen is not None
    return seen


def test_an_upload_is_read_with_all_its_parts(table: FakeTable) -> None:
    seen = _seen(table)

    assert (seen.upload, seen.images, seen.layers, seen.replicas) == (UPLOAD, (IMAGE,), (LAYER,), (REPLICA,))
    assert sorted(event.detail_type for event in seen.events) == ["Image Available", "Image Pushed"]


def test_an_unknown_upload_is_none() -> None:
    assert observe(FakeTable(), UPLOAD.id) is None


def test_the_document_has_the_keys_of_the_contract(table: FakeTable) -> None:
    document = upload_document(_seen(table))

    assert {"status", "code", "images", "events", "metrics"} <= document.keys()
    assert {"repository", "tags", "digest", "media_type", "destinations"} <= document["images"][0].keys()
    assert {"account", "region", "status", "digest_verified", "tags_verified", "seconds"} <= document["images"][0][
        "destinations"
    ][0].keys()
    assert document["metrics"].keys() == {
        "source_bytes", "source_bytes_read", "source_requests", "bytes_uploaded", "parts", "layers", "layers_skipped",
        "ecr_requests", "seconds", "cpu_seconds", "peak_rss_mib",
    }  # fmt: skip


def test_the_document_says_what_the_record_says(table: FakeTable) -> None:
    document = upload_document(_seen(table), measured={"cpu_seconds": 0.5, "peak_rss_mib": 80.0})

    assert (document["status"], document["code"]) == ("available", None)
    assert document["images"] == [
        {
            "repository": "vendor/app",
            "tags": ["1.4"],
            "digest": str(IMAGE.digest),
            "media_type": IMAGE.media_type,
            "published": True,
            "destinations": [
                {
                    "account": "444455556666",
                    "region": "eu-central-1",
                    "status": "verified",
                    "failure": None,
                    "digest_verified": True,
                    "tags_verified": True,
                    "seconds": 1.234,
                    "checks": {},
                }
            ],
        }
    ]
    assert document["metrics"]["seconds"] == 2.5
    assert document["metrics"]["source_bytes"] == 2048
    assert document["metrics"]["cpu_seconds"] == 0.5


def test_a_refusal_says_why_and_what_to_do() -> None:
    rejected = replace(
        UPLOAD, state=State.REJECTED, code="TRUNCATED", detail="it ends at byte 7", facts={"a": 1}, published=0.0
    )

    document = upload_document(Observation(rejected))

    assert (document["status"], document["code"]) == ("rejected", "TRUNCATED")
    assert (document["detail"], document["facts"]) == ("it ends at byte 7", {"a": 1})
    assert document["remedy"] == Code.TRUNCATED.remedy
    assert document["metrics"]["seconds"] is None


def test_children_of_an_index_are_no_images_of_the_document(table: FakeTable) -> None:
    seen = _seen(table)
    child = replace(IMAGE, root=False, tags=())
    index = replace(IMAGE, number=1, children=(IMAGE.digest,))  # type: ignore[arg-type] # it has one

    document = upload_document(dataclasses.replace(seen, images=(child, index), replicas=(replace(REPLICA, image=1),)))

    assert [image["tags"] for image in document["images"]] == [["1.4"]]
    assert len(document["images"][0]["destinations"]) == 1
