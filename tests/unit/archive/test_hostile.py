"""Archives that are another image to another reader are refused, each for what it does."""

import pytest

from chalicelib.archive.compressed import open_compressed
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.errors import Code, RefusedError
from tests.archives import Layout, MemorySource, docker_save, gzipped, image, tar, unpacked
from tests.hostile import ATTACKS, Attack


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_refused(attack: Attack) -> None:
    with pytest.raises(RefusedError) as caught:
        read_archive(MemorySource(attack.content), ArchiveLimits())

    assert caught.value.code is attack.code


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_refused_when_compressed_as_a_whole(attack: Attack) -> None:
    with pytest.raises(RefusedError) as caught:
        read_packed(gzipped(attack.content))

    assert caught.value.code in {attack.code, Code.BOMB}  # compressed twice, to whoever looks at the magic


def read_packed(content: bytes) -> None:
    with open_compressed(MemorySource(content), ArchiveLimits()) as archive:
        for _ in archive:
            pass
        archive.contents()


def layout(text: str) -> Layout:
    one = Layout()
    one.list(one.image(image(text)), ref=text)
    return one


@pytest.mark.parametrize("top", [docker_save(image()), layout("1.0").tar()], ids=["docker", "layout"])
@pytest.mark.parametrize("folder", ["inner", "a/b/c"])
def test_a_second_table_in_a_folder_is_not_left_out_in_silence(top: bytes, folder: str) -> None:
    inner = [(f"{folder}/{name}", body) for name, body in layout("2.0").files().items()]
    both = tar([*unpacked(top), *inner])

    contents = read_archive(MemorySource(both), ArchiveLimits())

    assert len(contents.images) == 1
    assert contents.warnings == ("image archives in folders of the archive that are not pushed: 1",)
