"""What a producer reads who has nothing but the bucket."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator, FormatChecker

from chalicelib.errors import Code, FailedError
from chalicelib.outcome.receipt import receipt_key
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests.unit.pipeline.troubles import INDEX, KEY, SOUND
from tests.world import FAR, World
from transship.errors import CommandError
from transship.receipts import describe_receipt, follow_receipt

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "receipts" / "receipt.schema.json").read_text())


def world_with_receipts() -> World:
    return World(settings=replace(World().settings, receipts=True))


def receipts(world: World, upload: str) -> list[dict[str, Any]]:
    """Every version of the receipt of an upload, each valid."""
    key = receipt_key(KEY, upload, "uploads/")
    found = [json.loads(content) for content in world.bucket.objects.get(key, {}).values()]
    for one in found:
        Draft202012Validator(SCHEMA, format_checker=FormatChecker(["date-time"])).validate(one)
    return found


def test_written_at_acceptance_and_at_the_end() -> None:
    world = world_with_receipts()
    upload = world.upload(KEY, INDEX)
    world.run()

    first, last = receipts(world, upload)
    assert (first["state"], first["ended"], first["images"][0]["destinations"]) == ("accepted", False, [])
    assert (last["state"], last["ended"]) == ("available", True)
    (image,) = last["images"]
    assert (image["repository"], image["tags"]) == ("team/app", ["1.0"])
    assert [(one["status"], one["checks"]["blobs"]) for one in image["destinations"]] == [("verified", 4)] * 2


@pytest.mark.parametrize("content", [b"", SOUND[: len(SOUND) // 2]], ids=["empty", "cut off"])
def test_says_why_it_was_rejected_and_what_to_do(content: bytes) -> None:
    world = world_with_receipts()
    upload = world.upload(KEY, content)
    world.run()

    (only,) = receipts(world, upload)
    assert only["state"] == "rejected"
    assert only["remedy"] == Code[only["code"]].remedy


def test_says_where_the_image_is_missing() -> None:
    world = world_with_receipts()
    world.ecr.failing[FAR] = "Broken"
    upload = world.upload(KEY, SOUND)
    world.run()

    last = receipts(world, upload)[-1]
    assert (last["state"], last["code"]) == ("failed", "NOT_REPLICATED")
    assert [one["failure"] for one in last["images"][0]["destinations"]] == [None, "Broken"]
    assert "facts" not in last, "roles and statements are the operator's"


def test_comes_before_the_event_that_tells_the_same() -> None:
    world = world_with_receipts()
    world.broken.add("s3.put_document")
    upload = world.upload(KEY, SOUND)
    world.run(seconds=60)
    assert world.bus.types() == []

    world.broken.clear()
    world.run()

    assert receipts(world, upload)[-1]["state"] == "available"
    assert "Image Available" in world.bus.types()


def test_a_bucket_that_refuses_it_keeps_no_event_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_with_receipts()

    def refuse(*_: object) -> None:
        raise FailedError(Code.ACCESS_DENIED, "denied")

    monkeypatch.setattr(type(world.bucket), "put_document", refuse)
    upload = world.upload(KEY, SOUND)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert "Image Available" in world.bus.types()


def test_is_no_upload_itself() -> None:
    world = world_with_receipts()
    upload = world.upload(KEY, SOUND)
    world.run()

    assert not receipt_key(KEY, upload, "uploads/").startswith("uploads/")
    world.clock.seconds += 1_000
    world.run_sweep()
    assert not any(world.queues.messages.values())


def test_none_is_written_by_default() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    world.run()

    assert receipts(world, upload) == []


class _Bucket:
    """S3 as far as `follow_receipt` asks it: *answers* in turn, the last one for ever."""

    def __init__(self, *answers: dict[str, Any] | str) -> None:
        self.answers = list(answers)
        self.asked: set[str] = set()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.asked.add(f"{Bucket}/{Key}")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            raise ClientError({"Error": {"Code": answer, "Message": ""}}, "GetObject")
        return {"Body": io.BytesIO(json.dumps(answer).encode())}


SENT = ObjectVersion(bucket="b", key=KEY, version_id="v1", etag="e", size=1)
ACCEPTED = {"state": "accepted", "ended": False, "images": []}
AVAILABLE = {"state": "available", "ended": True, "images": [{"destinations": [{"status": "verified"}]}]}


def test_is_followed_with_rights_on_the_bucket_alone() -> None:
    bucket = _Bucket("AccessDenied", "NoSuchKey", ACCEPTED, ACCEPTED, AVAILABLE)
    shown: list[dict[str, Any]] = []
    found = follow_receipt(bucket, SENT, shown.append, patience=60, sleep=lambda _: None)

    assert (found, shown) == (AVAILABLE, [ACCEPTED, AVAILABLE])
    assert describe_receipt(found) == "available, 1 of 1 destinations verified"
    (asked,) = bucket.asked
    assert asked.startswith("b/receipts/team/app/app-1.4.tar/")


@pytest.mark.parametrize(("answer", "words"), [("NoSuchKey", "no receipt"), (ACCEPTED, "still accepted")])
def test_waiting_for_it_ends(answer: Any, words: str) -> None:
    ticks = iter(range(100))
    with pytest.raises(CommandError, match=words):
        follow_receipt(
            _Bucket(answer), SENT, lambda _: None, patience=3, clock=lambda: next(ticks), sleep=lambda _: None
        )
