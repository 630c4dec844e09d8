"""
The deployed pipeline under each answer that the real ECR may give where nobody knows.

One archive of two platforms, with an attestation by `subject` and a layer of several parts, so that every switch has
something to act on. Each answer is pushed to a repository of its own, and must end as the default does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chalicelib.state.upload import State
from tests import archives
from tests.acceptance.producer import Producer
from transship.local.ecr.faults import parse_fault
from transship.local.ecr.option_text import parse_options
from transship.local.ecr.options import EcrOptions
from transship.local.ecr.service import EcrService

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

LOST_PART = "UploadLayerPart:nth=2:cut-after"
LOST_FIRST_PART = "UploadLayerPart:nth=1:cut-after"
FORGOTTEN = "UploadLayerPart:nth=3:stale-upload"


@dataclass(frozen=True)
class Answer:
    """What this ECR is like, and what happens meanwhile."""

    switches: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


ANSWERS = {
    "as by default": Answer(),
    "small parts asked for": Answer(("part_size=5242880",)),
    "large parts asked for": Answer(("part_size=20971520",)),
    "parts above 10 MiB refused": Answer(("accepts_parts_above_part_limit=false",)),
    "lost answer to a part": Answer(faults=(LOST_PART,)),
    "lost answer to a first part": Answer(faults=(LOST_FIRST_PART,)),
    "last valid byte of nothing is -1": Answer(("last_valid_byte_of_empty_upload=-1",), (FORGOTTEN, LOST_FIRST_PART)),
    "last valid byte of nothing is 0": Answer(("last_valid_byte_of_empty_upload=0",), (FORGOTTEN, LOST_FIRST_PART)),
    "upload ids forgotten at once, now and then": Answer(faults=("UploadLayerPart:probability=0.2:stale-upload",)),
    "upload ids live for five seconds": Answer(
        ("upload_lifetime_seconds=5",), ("UploadLayerPart:nth=2:seconds=5.2:slow",)
    ),
    "upload ids live for ever": Answer(("upload_lifetime_seconds=null",)),
    "layers of no image cleaned up after a minute": Answer(("unreferenced_layer_lifetime_seconds=60",)),
    "PutImage looks at tags first": Answer(
        ('put_image_checks=["tag","unchanged","limits","subject","children","layers","digest"]',)
    ),
    "PutImage looks at layers first": Answer(
        ('put_image_checks=["layers","children","unchanged","digest","subject","tag","limits"]',)
    ),
    "a subject must exist": Answer(("subject_must_exist=true",)),
    "pushes create by the API": Answer(("creates_on_push_by_api=true",)),
    "nothing is converted": Answer(("converts_manifests=false",)),
    "status appears late": Answer(("status_appears_after_seconds=2", "replication_lag_seconds=3")),
    "replicas are there before the status is": Answer(("status_appears_after_seconds=3", "replication_lag_seconds=0")),
    "children come by themselves": Answer(("index_brings_children=false",)),
    "one destination is late": Answer(('replication_lags={"444455556666/us-east-1": 4}',)),
    "removed destinations are forgotten": Answer(("forgets_removed_destinations=true",)),
    "untagged replicas are announced": Answer(("announces_untagged_replicas=true",)),
    "failed replications are announced": Answer(("announces_failed_replications=true",)),
    "events are lost": Answer(faults=("ReplicationEvent:lose",)),
    "events come twice": Answer(faults=("ReplicationEvent:duplicate",)),
    "images are seen late": Answer(faults=("PutImage:seconds=2:delayed-visibility",)),
    "quotas as documented": Answer(("quotas=documented",)),
    "PutImage once a second": Answer(('quotas={"PutImage": 1}',)),
}


@pytest.fixture(name="ecr")
def _ecr(producer: Producer) -> Iterator[EcrService]:
    ecr = producer.stage.aws.ecr
    yield ecr
    ecr.options = EcrOptions()
    ecr.faults.clear()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_image_arrives_whatever_the_answer(
    producer: Producer, ecr: EcrService, answer: Answer, request: pytest.FixtureRequest
) -> None:
    number = list(ANSWERS).index(request.node.callspec.id)
    layout = archives.Layout()
    noise = random.Random(number).randbytes(12 << 20)  # noqa: S311 - incompressible, the same bytes each time
    large = archives.Image((archives.tar({"noise": noise}),))
    child = {**layout.image(large), "platform": archives.platform(large)}
    other = archives.image("arm", architecture="arm64")
    index = layout.index(child, {**layout.image(other), "platform": archives.platform(other)})
    layout.list(index, ref="1.0")
    layout.list(layout.referrer(index))
    ecr.options = parse_options(answer.switches)
    for rule in answer.faults:
        ecr.faults.add(parse_fault(rule))

    seen = producer.push(f"uploads/vendor/answer-{number}/app.tar", layout.tar())

    assert seen.upload.state is State.AVAILABLE, seen.upload
    stored = producer.stage.client("ecr").describe_images(
        repositoryName=f"vendor/answer-{number}", imageIds=[{"imageTag": "1.0"}]
    )["imageDetails"][0]
    assert stored["imageDigest"] == index["digest"]


def test_manifest_without_layers_is_refused_in_ecrs_own_words_where_it_is(producer: Producer, ecr: EcrService) -> None:
    empty = archives.docker_save(archives.Image((), tags=("example/empty:1.0",)))

    taken = producer.push("uploads/vendor/empty-1/empty.tar", empty)
    ecr.options = parse_options(["accepts_empty_layer_list=false"])
    refused = producer.push("uploads/vendor/empty-2/empty.tar", empty)

    assert taken.upload.state is State.AVAILABLE
    assert (refused.upload.state, refused.upload.code) == (State.FAILED, "REGISTRY_REFUSED")
