"""One layer: parts, answers of ECR, and going on after every kind of interruption."""

from __future__ import annotations

import gzip
import random

import pytest

from chalicelib.errors import Code, LayerUploadGone, PartOutOfOrder, RefusedError, RepositoryAbsent, TemporaryError
from chalicelib.meter import Count
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.replacing import replace
from chalicelib.transfer import sha256
from chalicelib.transfer.encoding import Encoding
from chalicelib.transfer.job import Paused, StoredLayer
from chalicelib.transfer.layer import store_layer
from chalicelib.transfer.progress import LayerProgress
from tests.fakes.faults import Fault, Faulty, Killed
from tests.fakes.registry import FakeEcr
from tests.fakes.repository import EcrRules
from tests.unit.transfer.rig import CONTENT, GZIP, HOME, KEEP, NAME, PART, ZSTD, Rig, first_answers
from transship.local.clock import ManualClock

ENCODINGS = pytest.mark.parametrize("encoding", [KEEP, GZIP, ZSTD], ids=["keep", "gzip", "zstd"])


def whole(encoding: Encoding) -> StoredLayer:
    """What an uninterrupted push stores."""
    outcome = Rig(encoding=encoding).store()
    assert isinstance(outcome, StoredLayer)
    return outcome


def parts_of(encoding: Encoding) -> int:
    return -(-whole(encoding).size // PART)


@ENCODINGS
def test_stores_a_layer_in_parts_of_the_size_that_ecr_asked_for(encoding: Encoding) -> None:
    rig = Rig(encoding=encoding)

    outcome = rig.store()

    rig.check_stored(outcome)
    count = parts_of(encoding)
    assert rig.ecr.count() == {"InitiateLayerUpload": 1, "UploadLayerPart": count, "CompleteLayerUpload": 1}
    assert (rig.meter[Count.PARTS], rig.meter[Count.BYTES_UPLOADED]) == (count, whole(encoding).size)
    assert [get.taken for get in rig.bucket.reads] == [len(CONTENT)]


@ENCODINGS
@pytest.mark.parametrize("fault", Fault)
def test_goes_on_after_any_call_failed_once(encoding: Encoding, fault: Fault) -> None:
    calls = {"begin_layer": 1, "put_part": parts_of(encoding), "complete_layer": 1}
    for method, count in calls.items():
        for number in range(1, count + 1):
            rig = Rig(encoding=encoding)
            registry = Faulty(rig.ecr.client(HOME), method, number, fault)
            with pytest.raises((TemporaryError, Killed)):
                rig.store(registry)

            outcome = rig.store()

            assert registry.happened
            assert outcome == whole(encoding)
            rig.check_stored(outcome)
            assert rig.ecr.count()["UploadLayerPart"] <= parts_of(encoding) + 1


@ENCODINGS
def test_goes_on_where_time_ran_out_at_every_part(encoding: Encoding) -> None:
    for parts in range(parts_of(encoding)):
        rig = Rig(encoding=encoding)

        paused = rig.store(out_of_time=first_answers(parts + 1))

        assert isinstance(paused, Paused)
        assert paused.progress is not None
        assert paused.progress.sent == parts * PART
        rig.check_stored(rig.store())
        assert rig.meter[Count.BYTES_UPLOADED] == whole(encoding).size


def test_kept_layer_is_never_read_twice_after_running_out_of_time() -> None:
    rig = Rig()
    rig.store(out_of_time=first_answers(6))

    rig.check_stored(rig.store())

    assert rig.bucket.reads[-1].taken == len(CONTENT) - 5 * PART


@pytest.mark.parametrize("encoding", [GZIP, ZSTD], ids=["gzip", "zstd"])
def test_compressed_layer_goes_on_at_the_last_flush_that_ecr_holds(encoding: Encoding) -> None:
    flushes = flush_points(encoding)
    for parts in range(1, parts_of(encoding)):
        rig = Rig(encoding=encoding)
        rig.store(out_of_time=first_answers(parts + 1))
        last = max(read for read, produced in flushes.items() if produced <= parts * PART)

        rig.check_stored(rig.store())

        assert rig.bucket.reads[-1].taken == len(CONTENT) - last


def flush_points(encoding: Encoding) -> dict[int, int]:
    """Bytes produced by the end of each segment, by bytes read."""
    encoder = encoding.encoder()
    produced = len(encoder.begin())
    points = {0: 0}
    for place in range(0, len(CONTENT), encoding.block):
        produced += len(encoder.encode(CONTENT[place : place + encoding.block]))
        if (place + encoding.block) % encoding.segment == 0:
            produced += len(encoder.end_segment())
            points[place + encoding.block] = produced
    return points


def test_begins_nothing_when_there_is_no_time() -> None:
    rig = Rig()

    assert rig.store(out_of_time=lambda: True) == Paused(None)
    assert not rig.ecr.calls


@ENCODINGS
def test_part_of_a_dead_holder_that_lands_late_is_left_where_it_is(encoding: Encoding) -> None:
    """The dead holder sent two parts that it did not live to note; the next one goes on behind them."""
    rig = Rig(encoding=encoding)
    rig.store(out_of_time=first_answers(2))
    rig.saved[1:] = []  # the note of the first part is lost as well

    blob = next(iter(whole_repository(encoding).repository.blobs.values()))
    client = rig.ecr.client(HOME)
    assert rig.last_saved is not None
    client.put_part(NAME, rig.last_saved.upload_id, PART, blob[PART : 2 * PART])

    rig.check_stored(rig.store())
    assert rig.ecr.count()["UploadLayerPart"] == parts_of(encoding) + 1


def whole_repository(encoding: Encoding) -> Rig:
    rig = Rig(encoding=encoding)
    rig.store()
    return rig


@ENCODINGS
@pytest.mark.parametrize("extra", [20, 21, 60], ids=["half a part", "an odd place", "beyond the next part"])
def test_goes_on_inside_a_part_when_ecr_holds_part_of_it(encoding: Encoding, extra: int) -> None:
    rig = Rig(encoding=encoding)
    rig.store(out_of_time=first_answers(3))
    blob = next(iter(whole_repository(encoding).repository.blobs.values()))
    assert rig.last_saved is not None
    held = rig.last_saved.sent
    rig.ecr.client(HOME).put_part(NAME, rig.last_saved.upload_id, held, blob[held : held + extra])

    rig.check_stored(rig.store())
    assert rig.meter[Count.LAYERS_RESTARTED] == 0


@ENCODINGS
def test_mixture_of_two_holders_is_refused_by_its_digest_and_the_layer_starts_again(encoding: Encoding) -> None:
    rig = Rig(encoding=encoding)
    rig.store(out_of_time=first_answers(3))
    assert rig.last_saved is not None
    rig.ecr.client(HOME).put_part(NAME, rig.last_saved.upload_id, rig.last_saved.sent, b"x" * PART)

    rig.check_stored(rig.store())
    assert rig.meter[Count.LAYERS_RESTARTED] == 1


def test_starts_again_with_another_library_version() -> None:
    rig = Rig(encoding=GZIP)
    rig.store(out_of_time=first_answers(3))
    rig.saved[-1] = replace(rig.saved[-1], recipe="gzip-1/isal-1.0/32/128")

    rig.check_stored(rig.store())
    assert rig.ecr.count()["InitiateLayerUpload"] == 2


@ENCODINGS
def test_goes_on_without_sending_twice_where_sums_cannot_be_saved(
    encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The self-test failed: the layer is read from its start again, and what ECR holds is not sent again."""
    monkeypatch.setattr(sha256, "_self_test", lambda _: False)
    sha256.can_resume.cache_clear()
    rig = Rig(encoding=encoding)
    try:
        rig.store(out_of_time=first_answers(4))
        rig.check_stored(rig.store())
    finally:
        sha256.can_resume.cache_clear()

    assert all(progress.checkpoint is None for progress in rig.saved)
    assert rig.meter[Count.BYTES_UPLOADED] == whole(encoding).size


@ENCODINGS
def test_reads_from_the_start_where_saved_sums_cannot_be_restored(
    encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The self-test fails only in the second invocation, on another machine."""
    rig = Rig(encoding=encoding)
    rig.store(out_of_time=first_answers(4))
    monkeypatch.setattr(sha256, "_self_test", lambda _: False)
    sha256.can_resume.cache_clear()
    try:
        rig.check_stored(rig.store())
    finally:
        sha256.can_resume.cache_clear()


def test_stale_upload_restarts_that_layer_only() -> None:
    rig = Rig()
    rig.store(out_of_time=first_answers(3))
    rig.repository.forget_uploads()
    stale = rig.saved[-1].upload_id
    rig.saved[:-1] = []

    rig.check_stored(rig.store())
    assert rig.ecr.count()["InitiateLayerUpload"] == 2
    assert (rig.saved[1].sent, rig.saved[1].upload_id != stale) == (0, True), "nobody may meet the stale one again"


@pytest.mark.parametrize("answer", [-1, 0, None], ids=["-1", "0", "nothing"])
def test_whatever_ecr_says_of_an_upload_that_lost_its_parts(answer: int | None) -> None:
    sizes = EcrRules(PART, smallest_part=PART // 2, first_byte_answer=answer)
    rig = Rig(ecr=FakeEcr(ManualClock(), sizes=sizes))
    rig.store(out_of_time=first_answers(3))
    upload = next(iter(rig.repository.uploads.values()))
    upload.sizes.clear()
    upload.content.clear()

    rig.check_stored(rig.store())


def test_gives_up_for_now_when_uploads_vanish_again_and_again() -> None:
    class Forgetful:
        def __init__(self, target: object) -> None:
            self.target = target

        def __getattr__(self, name: str) -> object:
            if name == "complete_layer":
                raise LayerUploadGone("UploadNotFoundException")
            return getattr(self.target, name)

    rig = Rig()
    with pytest.raises(TemporaryError, match="too often"):
        rig.store(Forgetful(rig.ecr.client(HOME)))
    assert rig.ecr.count()["InitiateLayerUpload"] == 3


def test_part_size_that_ecr_refuses_ends_the_push_for_now() -> None:
    class Stubborn:
        def __init__(self, target: object) -> None:
            self.target = target

        def __getattr__(self, name: str) -> object:
            return self.put_part if name == "put_part" else getattr(self.target, name)

        put_part_calls = 0

        def put_part(self, *_: object) -> int:
            self.put_part_calls += 1
            raise PartOutOfOrder(-1)

    rig = Rig()
    registry = Stubborn(rig.ecr.client(HOME))
    with pytest.raises(TemporaryError, match="too often"):
        rig.store(registry)
    assert registry.put_part_calls == 6


@pytest.mark.parametrize("cut", range(0, len(CONTENT), 97))
def test_broken_connection_to_the_source_is_made_again_at_the_byte(cut: int) -> None:
    rig = Rig(encoding=GZIP)
    rig.bucket.breaks.append(cut)

    rig.check_stored(rig.store())

    assert sum(get.taken for get in rig.bucket.reads) == len(CONTENT)
    assert len(rig.bucket.reads) == 2


def test_source_that_keeps_breaking_is_given_up() -> None:
    rig = Rig()
    rig.bucket.breaks.extend([100, 0, 0, 0])

    with pytest.raises(TemporaryError, match="broke"):
        rig.store()
    assert len(rig.bucket.reads) == 3
    rig.bucket.breaks.clear()
    rig.check_stored(rig.store())


@pytest.mark.parametrize(
    ("encoding", "claim", "code"),
    [
        (KEEP, {"digest": Digest.of(b"other")}, Code.DIGEST_MISMATCH),
        (GZIP, {"diff_id": Digest.of(b"other")}, Code.DIGEST_MISMATCH),
        (ZSTD, {"diff_id": Digest.of(b"other")}, Code.DIGEST_MISMATCH),
        (KEEP, {"size": len(CONTENT) - 1}, Code.SIZE),
        (KEEP, {"size": len(CONTENT) + 1}, Code.SIZE),
        (KEEP, {"content": b"", "size": 0, "digest": Digest.of(b"")}, Code.EMPTY_BLOB),
    ],
    ids=["digest", "diff_id of gzip", "diff_id of zstd", "longer", "shorter", "empty"],
)
def test_refuses_a_layer_that_is_not_what_the_archive_says(
    encoding: Encoding, claim: dict[str, object], code: Code
) -> None:
    rig = Rig(encoding=encoding)

    with pytest.raises(RefusedError) as caught:
        store_layer(rig.task(**claim), rig.route())

    assert caught.value.code is code
    assert not rig.ecr.count()["CompleteLayerUpload"]


def test_refuses_a_damaged_layer_that_was_continued() -> None:
    """The sums of both halves are ours, whoever read the first."""
    rig = Rig(content=CONTENT[:-1] + b"x")
    claim = {"digest": Digest.of(CONTENT)}
    store_layer(rig.task(**claim), rig.route(out_of_time=first_answers(4)))

    with pytest.raises(RefusedError):
        store_layer(rig.task(**claim), rig.route())


def test_what_a_layer_inflates_to_is_compared_unless_it_was_continued() -> None:
    """Decision 18: no decoder outlives an invocation. The blob's own digest is ours as well as ECR's all the same."""
    packed = gzip.compress(random.Random(3).randbytes(300))  # noqa: S311 - bytes that stay as many
    claim = {"packed": "gzip", "digest": None, "size": None, "diff_id": Digest.of(b"something else")}
    at_once, continued = Rig(content=packed), Rig(content=packed)
    store_layer(continued.task(**claim), continued.route(out_of_time=first_answers(4)))

    with pytest.raises(RefusedError) as caught:
        store_layer(at_once.task(**claim), at_once.route())
    stored = store_layer(continued.task(**claim), continued.route())

    assert caught.value.code is Code.DIGEST_MISMATCH
    assert stored == StoredLayer(Digest.of(packed), len(packed))


def test_bytes_of_ours_are_stored_like_a_layer() -> None:
    rig = Rig()
    config = b'{"config": "made by us"}' * 5
    job = {"content": config, "size": len(config), "digest": Digest.of(config)}

    assert store_layer(rig.task(**job), rig.route()) == StoredLayer(Digest.of(config), len(config))
    assert not rig.bucket.reads


def test_compresses_an_empty_layer() -> None:
    for encoding in (GZIP, ZSTD):
        rig = Rig(content=b"", encoding=encoding)

        rig.check_stored(rig.store())


def test_absent_repository_is_the_callers_to_deal_with() -> None:
    rig = Rig()
    route = replace(rig.route(), repository=RepositoryName("team/other"))

    with pytest.raises(RepositoryAbsent):
        store_layer(rig.task(), route)


def test_what_saving_raises_ends_the_push() -> None:
    rig = Rig()
    lost = RuntimeError("the lease is lost")

    def save(_: object) -> None:
        raise lost

    with pytest.raises(RuntimeError, match="lease"):
        store_layer(replace(rig.task(), save=save), rig.route())
    assert rig.ecr.count() == {"InitiateLayerUpload": 1, "UploadLayerPart": 1}


def test_place_is_saved_after_each_part_and_never_for_a_layer_of_one_part() -> None:
    rig = Rig()
    saved: list[LayerProgress] = []
    store_layer(replace(rig.task(), save=saved.append), rig.route())
    assert [progress.sent for progress in saved] == [*range(PART, len(rig.content), PART), len(rig.content)]

    small, saved = Rig(content=b"one part"), []
    store_layer(replace(small.task(), save=saved.append), small.route())
    assert saved == []
