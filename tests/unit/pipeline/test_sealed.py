"""Archives that are compressed as a whole: the same outcomes as plain ones, and what they cost."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from chalicelib.names import PUBLISH, PUSH, RECEIVE
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.ports.registry import ReplicationRule
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.faults import Fault
from tests.fakes.repository import EcrRules
from tests.world import FAR, NEAR, SOURCE, Planned, World

KEY = "uploads/team/app/app-1.4.tar.gz"
APP = RepositoryName("team/app")
KIB = 1024
SMALL_PARTS = EcrRules(part_size=64 * KIB, smallest_part=32 * KIB, largest_part=128 * KIB)


def two_members(content: bytes) -> bytes:
    return gzip.compress(content[:5_000], mtime=0) + gzip.compress(content[5_000:], mtime=0)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": archives.gzipped,
    "gzip of two members": two_members,
    "zstd": archives.zstandarded,
    "zstd of two frames": lambda content: zstandard.compress(content[:5_000]) + zstandard.compress(content[5_000:]),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def noise(seed: int, size: int = 200 * KIB) -> bytes:
    """Return a layer of bytes that do not compress, so that it is large enough to be stored while it passes."""
    return archives.tar({f"{seed}.bin": random.Random(seed).randbytes(size)})  # noqa: S311 - the same bytes each time


def large(*seeds: int, **fields: object) -> archives.Image:
    return archives.Image(tuple(noise(seed) for seed in seeds), **fields)  # type: ignore[arg-type]


def plain_layout(one: archives.Image, compression: str) -> bytes:
    layout = archives.Layout()
    layout.list(layout.image(one, compression), ref="1.0")
    return layout.tar()


def with_index_first(one: archives.Image) -> bytes:
    layout = archives.Layout()
    layout.list(layout.image(one, "+gzip"), ref="1.0")
    return layout.tar(backwards=True)


ARCHIVES: dict[str, tuple[bytes, int]] = {
    # with how many GETs of the whole object they take
    "docker save": (archives.docker_save(large(1, 2)), 1),
    "docker save of small layers": (archives.docker_save(archives.image("hello")), 1),
    "docker save, links first": (archives.docker_save(large(1, 2), large(1, 3, tags=("example/app:2.0",))), 2),
    "hybrid": (archives.hybrid(large(1, 2)), 1),
    "hybrid, gzip": (archives.hybrid(large(1, 2), compression="+gzip"), 1),
    "layout, gzip": (plain_layout(large(1, 2), "+gzip"), 1),
    "layout, zstd": (plain_layout(large(1, 2), "+zstd"), 1),
    "layout, table of contents first": (with_index_first(large(1, 2)), 1),
    "layout, uncompressed": (plain_layout(large(1, 2), ""), 2),
    "jib": (archives.packed_save(large(1, 2)), 1),
}


def world(**settings: object) -> World:
    made = World()
    made.ecr.sizes = SMALL_PARTS
    made.settings = replace(made.settings, **settings)  # type: ignore[arg-type]
    return made


def digests(arrived: World) -> dict[RepositoryName, dict[Tag, str]]:
    """Return what each repository holds under each tag, the same in every registry."""
    held = [
        {
            name: {tag: str(digest) for tag, digest in arrived.ecr.repository(registry, name).tags.items()}
            for name in arrived.ecr.repositories[registry]
            if arrived.ecr.repository(registry, name).tags
        }
        for registry in (SOURCE, NEAR, FAR)
    ]
    assert held[0] == held[1] == held[2]
    return held[0]


def pushed(content: bytes, key: str = KEY, into: World | None = None) -> World:
    arrived = into or world()
    upload = arrived.upload(key, content)
    arrived.run()
    assert arrived.state(upload) is State.AVAILABLE, arrived.record(upload)
    assert not any(arrived.queues.messages.values())
    assert all(row.due is None for row in arrived.table.rows.values())
    return arrived


def passes_of(arrived: World) -> int:
    """Return how often the archive was streamed; what `receive` looks at it reads by ranges."""
    return arrived.calls.count("s3.open")


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize(("plain", "passes"), ARCHIVES.values(), ids=ARCHIVES)
def test_becomes_what_the_plain_archive_becomes_in_as_few_passes(
    plain: bytes, passes: int, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(plain)
    arrived = pushed(content)

    assert digests(arrived) == digests(pushed(plain))
    assert passes_of(arrived) == passes


def test_each_of_several_images_gets_its_layers_in_one_more_pass() -> None:
    first = large(1, 2, tags=("x/first:1",))
    second = large(1, 3, tags=("x/second:2",))
    plain = archives.docker_save(first, second, links=True)
    arrived = pushed(archives.gzipped(plain))

    assert digests(arrived) == digests(pushed(plain))
    assert set(digests(arrived)) == {RepositoryName("team/app/first"), RepositoryName("team/app/second")}
    assert passes_of(arrived) == 2


def test_a_layer_kept_by_one_image_and_compressed_for_another_takes_one_pass_more() -> None:
    layout = archives.hybrid_layout(large(1, tags=("x/first:1",)), large(1, 2, tags=("x/second:2",)))
    signed = next(dict(entry) for entry in layout.entries)
    signed.pop("annotations")
    layout.list(layout.referrer(signed))
    plain = layout.tar()
    arrived = pushed(archives.gzipped(plain))

    assert digests(arrived) == digests(pushed(plain))


def test_an_absent_repository_is_made_by_receive_alone_and_costs_a_second_pass_where_it_may_not_be_made_early() -> None:
    arrived = world(create_repositories=False)
    for name in ("team/app/first", "team/app/second"):
        for registry in (SOURCE, NEAR, FAR):
            arrived.ecr.create(registry, RepositoryName(name))
    plain = archives.docker_save(large(1, tags=("x/first:1",)), large(2, tags=("x/second:2",)))
    pushed(archives.gzipped(plain), into=arrived)

    assert RepositoryName("team/app") not in arrived.ecr.repositories[SOURCE]
    assert arrived.ecr.count()["CreateRepository"] == 0


def test_the_same_archive_again_moves_no_layer_with_a_name_and_puts_nothing_new() -> None:
    content = archives.gzipped(archives.hybrid(large(1, 2)))
    arrived = pushed(content)
    before = arrived.ecr.count()
    pushed(content, into=arrived)

    assert arrived.ecr.count()["UploadLayerPart"] == before["UploadLayerPart"]


def test_accepts_with_a_plan_that_says_what_it_costs() -> None:
    content = archives.gzipped(archives.docker_save(large(1)))
    arrived = pushed(content)

    accepted = next(event.detail for event in arrived.bus.taken if event.detail_type == "Upload Accepted")
    assert accepted["images"] == []
    assert accepted["manifests"] is None
    assert accepted["opening"] == {"compression": "gzip", "bytes": len(content), "least_passes": 1}
    available = next(event.detail for event in arrived.bus.taken if event.detail_type == "Image Available")
    assert available["manifests"] == {"found": 1, "pushed": 1}
    assert arrived.bus.types().count("Upload Accepted") == 1


def bomb() -> bytes:
    return archives.gzipped(archives.tar({"layer.tar": bytes(80 << 20)}))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def wrong_layer() -> bytes:
    layout = archives.Layout()
    layout.list(layout.image(large(1)), ref="1.0")
    name = next(digest for digest, blob in layout.blobs.items() if blob[:2] == b"\x1f\x8b")
    layout.blobs[name] = layout.blobs[name][:-1] + bytes([layout.blobs[name][-1] ^ 1])
    return archives.gzipped(layout.tar())


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut": (lambda: cut(archives.gzipped(archives.docker_save(large(1)))), "TRUNCATED"),
    "no image": (lambda: archives.gzipped(archives.tar({"a": b"b"})), "NO_IMAGE"),
    "twice": (lambda: archives.gzipped(archives.gzipped(archives.docker_save(large(1)))), "BOMB"),
    "bomb": (bomb, "BOMB"),
    "layer is not its digest": (wrong_layer, "DIGEST_MISMATCH"),
    "data behind the end": (lambda: archives.gzipped(archives.docker_save(large(1)) + b"x" * 512), "TRAILING"),
    "garbage behind the stream": (lambda: archives.gzipped(archives.docker_save(large(1))) + b"garbage", "COMPRESSION"),
    "a zip inside": (lambda: archives.gzipped(b"PK\x03\x04" + bytes(600)), "NOT_ARCHIVE"),
}


@pytest.mark.parametrize(("build", "code"), REFUSED.values(), ids=REFUSED)
def test_refuses_at_the_end_what_the_plain_archive_is_refused_for_and_puts_nothing(
    build: Callable[[], bytes], code: str
) -> None:
    arrived = world()
    upload = arrived.upload(KEY, build())
    arrived.run()

    assert (arrived.state(upload), arrived.record(upload).code) == (State.REJECTED, code)
    assert arrived.ecr.count()["PutImage"] == 0
    assert not any(arrived.queues.messages.values())


def test_a_pass_that_outlives_its_function_goes_on_in_the_next() -> None:
    arrived = world()
    seconds = {"UploadLayerPart": 100.0}

    def take_time(call: object) -> None:
        arrived.clock.seconds += seconds.get(call.operation, 0.0)  # type: ignore[attr-defined]

    arrived.ecr.on_call = take_time
    content = archives.gzipped(archives.docker_save(large(1, 2, 3)))
    pushed(content, into=arrived)

    assert passes_of(arrived) > 3
    assert arrived.ecr.count()["UploadLayerPart"] < 1.5 * 3 * 200 / 64 + 3, "what ECR has is not sent again"


def in_two_repositories() -> bytes:
    """Return a layout whose layer, which is kept uncompressed, goes to two repositories in a second pass."""
    layout = archives.Layout()
    layout.list(layout.image(large(1), ""), ref="x/first:1")
    layout.list(layout.image(large(1, 2), ""), ref="x/second:1")
    return layout.tar()


@pytest.mark.parametrize("plain", [archives.docker_save(large(1)), in_two_repositories()], ids=["first", "second"])
@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.KILLED_AFTER], ids=lambda fault: fault.name.lower())
def test_a_layer_of_several_parts_whose_completion_was_not_heard_of_is_begun_anew(plain: bytes, fault: Fault) -> None:
    content = archives.gzipped(plain)
    undisturbed = pushed(content)
    opened = len(undisturbed.calls) - undisturbed.calls[::-1].index("s3.open")
    arrived = world()
    arrived.planned = Planned(undisturbed.calls.index("ecr.complete_layer", opened) + 1, fault)
    pushed(content, into=arrived)

    # One pass for the fault, and one that meets the upload that is gone: its bytes have passed by then.
    assert passes_of(arrived) == passes_of(undisturbed) + 2
    assert digests(arrived) == digests(undisturbed)


def test_an_archive_whose_inflating_alone_takes_too_long_is_refused() -> None:
    arrived = world(time_margin=301.0)  # nothing is left of a push's 300 seconds
    upload = arrived.upload(KEY, archives.gzipped(archives.docker_save(large(1))))
    arrived.run()

    assert (arrived.state(upload), arrived.record(upload).code) == (State.REJECTED, "COMPRESSED")


def test_a_pass_that_only_learned_that_its_upload_is_forgotten_is_followed_by_another() -> None:
    arrived = world(time_margin=200.0, lease=300.0)  # of a push's 300 seconds
    upload = arrived.upload(KEY, archives.gzipped(archives.docker_save(large(1))))
    seconds = iter([60.0, 60.0, 120.0])  # two parts in the first pass; the third meets what ECR forgot

    def take_time(call: Any) -> None:
        if call.operation == "UploadLayerPart":
            arrived.clock.seconds += next(seconds, 0.0)

    arrived.ecr.on_call = take_time
    while passes_of(arrived) < 1:
        arrived.step()
    arrived.ecr.repository(SOURCE, APP).forget_uploads()
    arrived.run()

    assert arrived.state(upload) is State.AVAILABLE, arrived.record(upload)
    assert passes_of(arrived) == 4, "the third begins another upload, too late for bytes that have passed"


def test_a_connection_that_breaks_is_made_again_where_it_broke() -> None:
    arrived = world()
    upload = arrived.upload(KEY, archives.gzipped(archives.docker_save(large(1, 2))))
    while arrived.state_or_none(upload) is not State.ACCEPTED:
        arrived.step()
    arrived.bucket.breaks = [300_000, 50_000]
    arrived.run()

    assert arrived.state(upload) is State.AVAILABLE
    assert passes_of(arrived) == 3
    assert arrived.invocations.count("push") == 1


# --- before it is opened ---


SEVERAL = (large(1, tags=("x/web:1",)), large(2, tags=("x/db:1",)))
SEALED = archives.gzipped(archives.docker_save(archives.image("hello")))


def sealed_world(*there: str, **settings: object) -> World:
    """Return a world that creates nothing, with the repositories *there*."""
    made = world(create_repositories=False, **settings)
    for name in there:
        made.ecr.create(SOURCE, RepositoryName(name))
    return made


def refused(arrived: World, content: bytes = SEALED) -> tuple[str, set[str]]:
    """Let an archive arrive that is refused unopened, and return the code and the calls of ECR."""
    upload = arrived.upload(KEY, content)
    arrived.run()
    assert arrived.state(upload) is State.REJECTED
    assert "push" not in arrived.invocations
    return arrived.record(upload).code, set(arrived.ecr.count())


@pytest.mark.parametrize(
    "there",
    [(), ("team",), ("team/application",), ("team/app/deep/er",), ("other/team/app/x",)],
    ids=["nothing", "above", "begins alike", "two below", "ends alike"],
)
def test_where_no_image_of_any_archive_could_go_nothing_is_opened(there: tuple[str, ...]) -> None:
    assert refused(sealed_world(*there))[0] == "REPOSITORY_ABSENT"


def test_what_every_push_needs_is_judged_though_the_repository_is_absent() -> None:
    arrived = sealed_world("team/app/web")
    arrived.identity.denied.add((PUSH, "s3:GetObjectVersion"))

    assert refused(arrived)[0] == "PERMISSION_MISSING"


def test_roles_that_may_push_to_none_of_the_repositories_below_are_refused_unopened() -> None:
    arrived = sealed_world("team/app/web", "team/app/db")
    arrived.identity.denied.add((PUBLISH, "ecr:PutImage"))

    assert refused(arrived)[0] == "PERMISSION_MISSING"


def test_a_look_for_what_is_below_that_is_denied_is_a_finding_like_any_other() -> None:
    arrived = sealed_world("team/app/web")
    arrived.ecr.denied.add("DescribeRepositories")

    assert refused(arrived)[0] == "PERMISSION_MISSING"


def test_one_repository_below_that_may_be_pushed_to_is_enough_to_open_and_each_is_judged_afterwards() -> None:
    arrived = sealed_world("team/app/web", "team/app/db")
    frozen = {"Sid": "Frozen", "Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"}
    arrived.ecr.policies[f"{SOURCE}/team/app/db"] = json.dumps({"Version": "2012-10-17", "Statement": [frozen]})
    upload = arrived.upload(KEY, archives.gzipped(archives.docker_save(*SEVERAL)))
    arrived.run()

    assert (arrived.state(upload), arrived.record(upload).code) == (State.REJECTED, "PERMISSION_MISSING")
    assert "push" in arrived.invocations
    assert "Frozen" in str(arrived.record(upload).facts["denied"])
    assert not arrived.ecr.count()["InitiateLayerUpload"], "nothing is stored before it is known where it may go"


def test_a_repository_made_by_somebody_meanwhile_gets_nothing_unjudged() -> None:
    arrived = sealed_world("team/app/web", "team/app/db")
    upload = arrived.upload(KEY, archives.gzipped(archives.docker_save(large(1), large(2, tags=("x/db:1",)))))
    while arrived.state_or_none(upload) is not State.ACCEPTED:
        arrived.step()
    arrived.ecr.create(SOURCE, APP)
    arrived.run()

    assert arrived.record(upload).code == "REPOSITORY_ABSENT", "one of the two is not there"
    assert not arrived.ecr.count()["InitiateLayerUpload"]


def test_without_the_right_to_create_nothing_is_opened() -> None:
    arrived = world()
    arrived.identity.denied.add((RECEIVE, "ecr:CreateRepository"))

    code, calls = refused(arrived)
    assert code == "PERMISSION_MISSING"
    assert not calls & {"CreateRepository", "InitiateLayerUpload"}


RULE = {"name": "team", "principals": ["any"], "prefix": "uploads/team/", "create_repositories": True}


def with_rule(**fields: object) -> World:
    made = world()
    document = {"version": 1, "rules": [{**RULE, **fields}]}
    made.bucket.put("access/rules.json", json.dumps(document).encode())
    return made


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"repositories": ["team/other/*"]}, "UPLOADER_DENIED"),
        ({"repositories": ["team"]}, "UPLOADER_DENIED"),
        ({"limits": {"bytes": 10}}, "LIMIT_BYTES"),
    ],
    ids=["another repository", "above", "too large"],
)
def test_what_no_rule_lets_anywhere_near_is_refused_unopened(rule: dict[str, object], code: str) -> None:
    assert refused(with_rule(**rule)) == (code, set())


def test_a_rule_about_what_is_below_alone_lets_go_there_and_leaves_the_repository_itself_alone() -> None:
    arrived = with_rule(repositories=["team/app/*"])
    for name in ("team/app/web", "team/app/db"):
        arrived.ecr.create(SOURCE, RepositoryName(name))
    pushed(archives.gzipped(archives.docker_save(*SEVERAL)), into=arrived)

    assert APP not in arrived.ecr.repositories[SOURCE]


def test_a_destination_is_demanded_of_where_the_images_go_and_not_of_where_the_key_leads() -> None:
    arrived = with_rule(destinations=[str(NEAR)])
    arrived.ecr.rules[SOURCE] = (ReplicationRule((NEAR,), ("team/app/",)),)
    upload = arrived.upload(KEY, archives.gzipped(archives.docker_save(*SEVERAL)))
    lonely = arrived.upload("uploads/team/app/lonely.tar.gz", SEALED)
    arrived.run()

    assert arrived.state(upload) is State.AVAILABLE
    assert (arrived.state(lonely), arrived.record(lonely).code) == (State.REJECTED, "DESTINATION_REQUIRED")
