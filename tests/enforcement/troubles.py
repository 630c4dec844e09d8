"""
What brings a function to those of its actions that an upload does not come to unless something happens to it.

Each is begun under whole policies, up to where the action is due, and goes on without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.byte_range import ByteRange
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE, SWEEP, queue_name
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName
from chalicelib.ports.table import Key, Put
from chalicelib.state.ledger import PATIENCE
from chalicelib.state.records import LayerRecord, ReplicaRecord
from chalicelib.state.upload import State, collection
from tests import archives
from tests.enforcement.bench import Bench, Denial
from tests.policies import without
from transship.local.accounts import SOURCE_ACCOUNT

SOUND: Final = archives.docker_save(archives.image("hello"))
SEALED: Final = archives.gzipped(SOUND)
GROWN: Final = archives.docker_save(archives.image("hello", "more"))
"""The next build: another layer on the one of `SOUND`."""
TALL: Final = archives.docker_save(archives.image(*(f"layer {number}" for number in range(110))))
RENEWING: Final = {"preflight": "enforce", "preflight_age": 0.0}
UNASKED: Final = {"preflight": "off"}
DEADLINE: Final = 60
DIGEST: Final = Digest.of(b"of another plan")
REPLICA: Final = (SOURCE_ACCOUNT, "eu-west-1")

Going = Callable[[], object]


@dataclass(frozen=True)
class Trouble:
    """How it begins, which returns how it goes on, and the settings of the deployment meanwhile."""

    begin: Callable[[Bench, str], Going]
    settings: Mapping[str, Any] = field(default_factory=lambda: UNASKED)


def stopped_at(bench: Bench, name: str, state: State, content: bytes = SOUND) -> str:
    """Bring an upload as far as *state*, and return it."""
    upload = bench.upload(content, name)
    record = bench.run(upload, until=state)
    assert record
    assert record.state is state
    return upload


def going(bench: Bench, upload: str) -> Going:
    return lambda: bench.run(upload, until_denied=True)


def nothing_before(bench: Bench, name: str) -> Going:
    return going(bench, bench.upload(SOUND, name))


def confirmed_later(bench: Bench, name: str) -> Going:
    return going(bench, stopped_at(bench, name, State.CONFIRMING))


def leave_behind(bench: Bench, upload: str, record: LayerRecord | ReplicaRecord) -> None:
    """Leave a part of an upload that a function wrote before it was cut off, and that no plan has any more."""
    where = Key(collection(upload), record.sk)
    bench.outside(RECEIVE, admin=True).table.write([Put(where, record.to_item(), 0)])


def planned_halfway(bench: Bench, name: str) -> Going:
    """Come to a plan that one transaction does not hold, and of which an earlier one was cut off."""
    upload = bench.upload(TALL, name)
    leave_behind(bench, upload, layer(name))
    return going(bench, upload)


def opened_halfway(bench: Bench, name: str) -> Going:
    upload = stopped_at(bench, name, State.ACCEPTED, SEALED)
    leave_behind(bench, upload, layer(name))
    return going(bench, upload)


def layer(name: str) -> LayerRecord:
    return LayerRecord(
        repository=RepositoryName(f"vendor/{name}"),
        name=DIGEST,
        content=ByteRange(0, 1),
        compress=False,
        bundle=99,
        digest=DIGEST,
        size=1,
    )


def published_halfway(bench: Bench, name: str) -> Going:
    upload = stopped_at(bench, name, State.PUBLISHING)
    elsewhere = Registry(SOURCE_ACCOUNT, "eu-north-1")
    repository = RepositoryName(f"vendor/{name}")
    leave_behind(bench, upload, ReplicaRecord(image=0, repository=repository, digest=DIGEST, registry=elsewhere))
    return going(bench, upload)


def pushed_late(bench: Bench, name: str, content: bytes = SOUND) -> Going:
    """Come to layers when what receive knew of them is a minute old."""
    upload = stopped_at(bench, name, State.ACCEPTED, content)
    bench.clock.advance(61)
    return going(bench, upload)


def pushed_late_under_known_digests(bench: Bench, name: str) -> Going:
    layout = archives.Layout()
    layout.list(layout.image(archives.image("hello")), ref="1.0")
    return pushed_late(bench, name, layout.tar())


def pushed_in_vain(bench: Bench, name: str) -> Going:
    """Lose the object before its layers are read."""
    upload = stopped_at(bench, name, State.ACCEPTED)
    record = bench.record(upload)
    assert record
    version = record.object
    bench.admin("s3").delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    return going(bench, upload)


def judged_again(bench: Bench, name: str) -> Going:
    return going(bench, stopped_at(bench, name, State.PUBLISHING))


def tag_taken(bench: Bench, name: str) -> Going:
    """Make the tag immutable, which names the build before, when the next one is about to be put."""
    bench.run(bench.upload(GROWN, name))
    upload = stopped_at(bench, name, State.PUBLISHING)
    bench.admin("ecr").put_image_tag_mutability(repositoryName=f"vendor/{name}", imageTagMutability="IMMUTABLE")
    return going(bench, upload)


def replica_with_another_tag(bench: Bench, name: str) -> str:
    """Bring an upload to its confirmation whose tag stays with the build before in one destination."""
    bench.run(bench.upload(GROWN, name))
    ecr = bench.admin("ecr", *REPLICA)
    ecr.put_image_tag_mutability(repositoryName=f"vendor/{name}", imageTagMutability="IMMUTABLE")
    return stopped_at(bench, name, State.CONFIRMING)


def looked_at_again(bench: Bench, name: str) -> Going:
    return going(bench, replica_with_another_tag(bench, name))


def given_up(bench: Bench, name: str) -> Going:
    upload = replica_with_another_tag(bench, name)
    bench.clock.advance(DEADLINE)
    return going(bench, upload)


def event_lost(bench: Bench, name: str) -> Going:
    """Keep confirm from sending what it has decided to announce."""
    bench.put_policy(CONFIRM, without(bench.policy(CONFIRM), "events:PutEvents"))
    bench.run(bench.upload(SOUND, name))
    bench.clock.advance(2 * PATIENCE)
    return bench.sweep


def dead_letter(bench: Bench, _: str) -> Going:
    sqs = bench.admin("sqs")
    url = sqs.get_queue_url(QueueName=f"{queue_name('local', PUSH)}-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"v": 1, "upload": "nobody knows it"}))
    return bench.sweep


def healed(bench: Bench, name: str) -> Going:
    """
    Let the pipeline bring an image under a tag of its own that was deleted in one destination.

    That brings no tag of the image's own, so the upload fails all the same; either end takes the other tag away again.
    """
    image = {"repositoryName": f"vendor/{name}", "imageIds": [{"imageTag": "1.0"}]}
    upload = stopped_at(bench, name, State.CONFIRMING)
    ecr = bench.admin("ecr", *REPLICA)
    bench.await_that(lambda: ecr.batch_get_image(**image)["images"], ecr.exceptions.RepositoryNotFoundException)
    ecr.batch_delete_image(**image)
    bench.clock.advance(DEADLINE)
    bench.run(upload)
    bench.clock.advance(DEADLINE)
    record = bench.run(upload)
    assert record
    assert (record.state, record.heal) == (State.FAILED, "retag")
    return lambda: bench.step(PUBLISH)


TELLING: Final = {**UNASKED, "receipts": True}
LATE: Final = {**UNASKED, "confirm_deadline": DEADLINE}
TROUBLES: Final[dict[Denial, Trouble]] = {
    (RECEIVE, "dynamodb:GetItem"): Trouble(planned_halfway),
    (RECEIVE, "dynamodb:ConditionCheckItem"): Trouble(planned_halfway),
    (RECEIVE, "dynamodb:DeleteItem"): Trouble(planned_halfway),
    (RECEIVE, "sts:AssumeRole"): Trouble(nothing_before, RENEWING),
    (PUSH, "dynamodb:BatchGetItem"): Trouble(pushed_late),
    (PUSH, "dynamodb:DeleteItem"): Trouble(opened_halfway),
    (PUSH, "ecr:BatchCheckLayerAvailability"): Trouble(pushed_late_under_known_digests),
    (PUSH, "events:PutEvents"): Trouble(pushed_in_vain),
    (PUBLISH, "dynamodb:DeleteItem"): Trouble(published_halfway),
    (PUBLISH, "ecr:BatchGetImage"): Trouble(tag_taken),
    (PUBLISH, "ecr:GetRegistryPolicy"): Trouble(judged_again, RENEWING),
    (PUBLISH, "ecr:GetRepositoryPolicy"): Trouble(judged_again, RENEWING),
    (PUBLISH, "ecr:ListTagsForResource"): Trouble(judged_again, RENEWING),
    (PUBLISH, "sts:AssumeRole"): Trouble(judged_again, RENEWING),
    (CONFIRM, "dynamodb:BatchGetItem"): Trouble(looked_at_again),
    (CONFIRM, "sqs:SendMessage"): Trouble(looked_at_again),
    (CONFIRM, "ecr:DescribeRegistry"): Trouble(given_up, LATE),
    (CONFIRM, "ecr:DescribeRepositories"): Trouble(given_up, LATE),
    (CONFIRM, "ecr:DescribeRepositoryCreationTemplates"): Trouble(given_up, LATE),
    (CONFIRM, "ecr:GetLifecyclePolicy"): Trouble(given_up, LATE),
    (CONFIRM, "ecr:GetRegistryPolicy"): Trouble(given_up, LATE),
    (CONFIRM, "ecr:DescribeImageScanFindings"): Trouble(confirmed_later, {**UNASKED, "scan_severity": "CRITICAL"}),
    (RECEIVE, "s3:PutObject"): Trouble(nothing_before, TELLING),
    (PUSH, "s3:PutObject"): Trouble(pushed_in_vain, TELLING),
    (PUBLISH, "s3:PutObject"): Trouble(tag_taken, TELLING),
    (CONFIRM, "s3:PutObject"): Trouble(confirmed_later, TELLING),
    (SWEEP, "s3:PutObject"): Trouble(event_lost, TELLING),
    (PUBLISH, "ecr:BatchDeleteImage"): Trouble(healed, {**LATE, "heal": "retag"}),
    (SWEEP, "events:PutEvents"): Trouble(event_lost),
    (SWEEP, "sqs:DeleteMessage"): Trouble(dead_letter),
}
