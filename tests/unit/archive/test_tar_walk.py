"""The walk over hostile tars: each refused with its own code, at the right place."""

import io
import random
import tarfile

import pytest

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Kind, Member
from chalicelib.archive.tar_walk import walk
from chalicelib.archive.window import Window
from chalicelib.errors import Code, RefusedError
from tests.archives import END, FOLDER, Link, MemorySource, entry, header, mended, padded, pax, tar

GIB = 1024**3
LIMITS = ArchiveLimits(members=50, records=20, extension=4096, extensions=16384)


def members(content: bytes, limits: ArchiveLimits = LIMITS) -> dict[str, Member]:
    return walk(Window(MemorySource(content)), limits)


def refusal(content: bytes, limits: ArchiveLimits = LIMITS) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        members(content, limits)
    return caught.value


def with_field(start: int, value: bytes) -> bytes:
    """Return a header with other bytes at *start*, its checksum right."""
    block = header(b"a")
    return mended(block[:start] + value + block[start + len(value) :])


SOUND = entry(b"a", b"x") + entry(b"b", b"y") + END
NUMBER_BEYOND = b"\x80" + b"\xff" * 11
NEGATIVE = b"\xff" * 12
LONG_NAME = entry(b"l", b"y\0", kind=b"L")
COMMENTED_FOLDER = pax({"comment": "c" * 4000}) + entry(b"a/", kind=b"5")

HOSTILE = {
    "no end mark": (entry(b"a", b"x"), Code.TRUNCATED),
    "half an end mark": (entry(b"a", b"x") + bytes(512), Code.TRUNCATED),
    "cut inside a header": (entry(b"a", b"x") + header()[:100], Code.TRUNCATED),
    "cut inside a member": (header(b"a", 5000) + b"x" * 600, Code.TRUNCATED),
    "a second archive behind the first": (SOUND + SOUND, Code.TRAILING),
    "a zip behind the end": (SOUND + b"PK\x03\x04", Code.TRAILING),
    "data after one zero block": (entry(b"a", b"x") + bytes(512) + entry(b"b") + END, Code.TRAILING),
    "more zeros than tar writes": (SOUND + bytes(2**20 + 512), Code.TRAILING),
    "wrong checksum": (header(checksum=b"000000\0 ") + END, Code.TAR_HEADER),
    "checksum in letters": (header(checksum=b"abcdef\0 ") + END, Code.TAR_HEADER),
    "size in letters": (header(size=b"0000000000x\0") + END, Code.TAR_HEADER),
    "size with a NUL inside": (header(size=b"00000\0000001") + END, Code.TAR_HEADER),
    "size of blanks": (header(size=b" " * 12) + END, Code.TAR_HEADER),
    "size of NULs": (header(size=bytes(12)) + END, Code.TAR_HEADER),
    "negative size": (header(size=NEGATIVE) + END, Code.TAR_HEADER),
    "size beyond 63 bits": (header(size=NUMBER_BEYOND) + END, Code.TAR_HEADER),
    "mode in letters": (entry(b"b") + with_field(100, b"rw-r--r-") + END, Code.TAR_HEADER),
    "owner in letters": (entry(b"b") + with_field(108, b"root    ") + END, Code.TAR_HEADER),
    "time in letters": (entry(b"b") + with_field(136, b"yesterday\0\0\0") + END, Code.TAR_HEADER),
    "device in letters": (entry(b"b") + with_field(329, b"sda1\0\0\0\0") + END, Code.TAR_HEADER),
    "unknown magic": (header(magic=b"ustar\0\0\0") + END, Code.TAR_HEADER),
    "prefix in a GNU header": (header(magic=b"ustar  \0", behind=b"folder") + END, Code.TAR_HEADER),
    "prefix without magic": (header(magic=bytes(8), behind=b"folder") + END, Code.TAR_HEADER),
    "times in a GNU header": (
        header(magic=b"ustar  \0", behind=b"14471234567\00014471234567\0") + END,
        Code.TAR_HEADER,
    ),
    "star dialect": (header(behind=b"\0" * 163 + b"tar\0") + END, Code.TAR_HEADER),
    "old GNU sparse file": (
        header(kind=b"S", magic=b"ustar  \0", behind=b"\0" * 41 + b"00000000001\0") + END,
        Code.TAR_TYPE,
    ),
    "multi-volume": (header(kind=b"M") + END, Code.TAR_TYPE),
    "contiguous file": (header(kind=b"7") + END, Code.TAR_TYPE),
    "PAX sparse file": (pax({"GNU.sparse.major": "1"}) + entry(b"a") + END, Code.TAR_TYPE),
    "Solaris sparse file": (pax({"SUN.holesdata": " 0 1 2"}) + entry(b"a", b"xx") + END, Code.TAR_TYPE),
    "PAX size smaller than the header's": (pax({"size": "1"}) + entry(b"a", b"xx") + END, Code.TAR_DESYNC),
    "PAX size larger than the header's": (pax({"size": "1024"}) + entry(b"a", b"xx") + END, Code.TAR_DESYNC),
    "PAX size where the header says 0": (pax({"size": "512"}) + entry(b"a") + entry(b"b") + END, Code.TAR_DESYNC),
    "PAX size of 8 GiB less one": (pax({"size": str(8 * GIB - 1)}) + entry(b"a") + END, Code.TAR_DESYNC),
    "PAX header before a GNU name": (
        pax({"path": "x"}) + entry(b"l", b"y\0", kind=b"L") + entry(b"a") + END,
        Code.TAR_DESYNC,
    ),
    "two PAX headers": (pax({"path": "x"}) + pax({"path": "y"}) + entry(b"a") + END, Code.TAR_DESYNC),
    "two GNU names": (LONG_NAME * 2 + entry(b"a") + END, Code.TAR_DESYNC),
    "a directory with content": (entry(b"a/", b"xx", kind=b"5") + END, Code.TAR_DESYNC),
    "a link with content": (entry(b"a", b"xx", kind=b"2", link=b"b") + END, Code.TAR_DESYNC),
    "a V7 directory with content": (entry(b"a/", b"xx", kind=b"\0") + END, Code.TAR_DESYNC),
    "negative PAX size": (pax({"size": "-1"}) + entry(b"a") + END, Code.TAR_META),
    "PAX record without length": (pax(b"path=x\n") + entry(b"a") + END, Code.TAR_META),
    "PAX record of length 0": (pax(b"0 path=x\n") + entry(b"a") + END, Code.TAR_META),
    "PAX record longer than the body": (pax(b"99 path=x\n") + entry(b"a") + END, Code.TAR_META),
    "PAX record without line feed": (pax(b"9 path=xy") + entry(b"a") + END, Code.TAR_META),
    "PAX record without equals": (pax(b"7 path\n") + entry(b"a") + END, Code.TAR_META),
    "PAX path twice": (pax(b"10 path=x\n10 path=y\n") + entry(b"a") + END, Code.TAR_META),
    "PAX path with a NUL": (pax({"path": "x\0y"}) + entry(b"a") + END, Code.TAR_META),
    "empty PAX path": (pax({"path": ""}) + entry(b"a") + END, Code.TAR_META),
    "too many PAX records": (pax({f"k{n}": "v" for n in range(21)}) + entry(b"a") + END, Code.TAR_META),
    "PAX header above the limit": (pax({"comment": "c" * 5000}) + entry(b"a") + END, Code.TAR_META),
    "PAX headers above their total": (
        (pax({"comment": "c" * 4000}) + entry(b"a/", kind=b"5")) * 5 + END,
        Code.TAR_META,
    ),
    "a long name of 512 MiB": (header(size=512 * 1024**2, kind=b"L") + END, Code.TAR_META),
    "a long name with a NUL inside": (entry(b"l", b"x\0y\0", kind=b"L") + entry(b"a") + END, Code.TAR_META),
    "an empty long name": (entry(b"l", b"\0", kind=b"L") + entry(b"a") + END, Code.TAR_META),
    "a long name that goes on behind its size": (
        header(b"l", 15, b"L") + padded(b"n" * 120) + entry(b"a") + END,
        Code.TAR_META,
    ),
    "PAX records that go on behind their size": (
        header(b"x", 14, b"x") + padded(b"14 comment=ab\n10 path=b\n") + entry(b"a") + END,
        Code.TAR_META,
    ),
    "global PAX path": (pax({"path": "x"}, b"g") + entry(b"a") + END, Code.TAR_META),
    "global PAX size": (pax({"size": "1"}, b"g") + entry(b"a") + END, Code.TAR_META),
    "extension without a member": (entry(b"a") + pax({"path": "x"}) + END, Code.TAR_META),
    "a name twice": (entry(b"manifest.json", b"1") + entry(b"manifest.json", b"2") + END, Code.DUP_MEMBER),
    "a name in two spellings": (entry(b"manifest.json") + entry(b"./manifest.json") + END, Code.DUP_MEMBER),
    "a name with double slash": (entry(b"a/b") + entry(b"a//b") + END, Code.DUP_MEMBER),
    "a file and a directory": (entry(b"a") + entry(b"a/", kind=b"5") + END, Code.DUP_MEMBER),
    "a file under a file": (entry(b"a") + entry(b"a/b") + END, Code.DUP_MEMBER),
    "a file under a link": (entry(b"a", kind=b"2", link=b".") + entry(b"a/b") + END, Code.DUP_MEMBER),
    "a link over a directory in use": (entry(b"a/b") + entry(b"a", kind=b"2", link=b"c") + END, Code.DUP_MEMBER),
    "a PAX path that repeats a name": (entry(b"a") + pax({"path": "a"}) + entry(b"z") + END, Code.DUP_MEMBER),
    "absolute": (entry(b"/etc/passwd") + END, Code.MEMBER_NAME),
    "climbing": (entry(b"a/../../b") + END, Code.MEMBER_NAME),
    "backslash": (entry(b"a\\b") + END, Code.MEMBER_NAME),
    "control character": (entry(b"a\x1b[31m") + END, Code.MEMBER_NAME),
    "line feed": (entry(b"a\nb") + END, Code.MEMBER_NAME),
    "a file with a slash behind": (entry(b"a/") + END, Code.MEMBER_NAME),
    "a V7 file that PAX calls a directory": (pax({"path": "a/"}) + entry(b"a", kind=b"\0") + END, Code.MEMBER_NAME),
    "a V7 directory that PAX calls a file": (pax({"path": "a"}) + entry(b"a/", kind=b"\0") + END, Code.MEMBER_NAME),
    "no name": (entry(b"") + END, Code.MEMBER_NAME),
    "a file called dot": (entry(b".") + END, Code.MEMBER_NAME),
    "too long": (pax({"path": "n" * 1025}) + entry(b"a") + END, Code.MEMBER_NAME),
    "too deep": (pax({"path": "n/" * 65 + "x"}) + entry(b"a") + END, Code.MEMBER_NAME),
    "name in Latin-1": (entry(b"caf\xe9") + END, Code.NAME_ENCODING),
    "too many members": (b"".join(entry(b"%d" % n) for n in range(51)) + END, Code.TOO_MANY_MEMBERS),
    "a root file system": (
        b"".join(entry(name + b"/", kind=b"5") for name in (b"bin", b"etc", b"usr", b"var")) + END,
        Code.ROOT_FILE_SYSTEM,
    ),
}


@pytest.mark.parametrize(("content", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_refuses(content: bytes, code: Code) -> None:
    assert refusal(content).code is code


def test_says_where() -> None:
    error = refusal(entry(b"a", b"x") + entry(b"../b") + END)

    assert (error.offset, error.member) == (1024, "../b")


ACCEPTED = {
    "sound": (SOUND, ["a", "b"]),
    "padded to a record": (SOUND + bytes(10240), ["a", "b"]),
    "dot slash": (entry(b"./", kind=b"5") + entry(b"./a") + END, ["a"]),
    "directories twice": (entry(b"a/", kind=b"5") * 2 + entry(b"a/b") + END, ["a", "a/b"]),
    "a directory after its member": (entry(b"a/b") + entry(b"a/", kind=b"5") + END, ["a/b", "a"]),
    "a V7 directory": (entry(b"d/", kind=b"\0", magic=bytes(8)) + END, ["d"]),
    "V7": (entry(b"a", kind=b"\0", magic=bytes(8)) + END, ["a"]),
    "GNU long name": (entry(b"l", b"n" * 300 + b"\0", kind=b"L") + entry(b"n" * 100) + END, ["n" * 300]),
    "global PAX comment": (pax({"comment": "c"}, b"g") + entry(b"a") + END, ["a"]),
    "PAX size equal to the header's": (pax({"size": "1"}) + entry(b"a", b"x") + entry(b"b") + END, ["a", "b"]),
    "base-256 size": (header(b"a", b"\x80" + (1).to_bytes(11)) + padded(b"x") + entry(b"b") + END, ["a", "b"]),
    "no owner": (with_field(108, bytes(8)) + END, ["a"]),
    "owner and time in base-256": (
        mended(with_field(108, b"\x80" + (10**9).to_bytes(7))[:136] + b"\xff" * 12 + header(b"a")[148:]) + END,
        ["a"],
    ),
    "size padded with spaces": (header(b"a", b"         1 \0") + padded(b"x") + END, ["a"]),
}


@pytest.mark.parametrize(("content", "names"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_takes(content: bytes, names: list[str]) -> None:
    assert list(members(content)) == names


def test_a_pax_size_beyond_octal_needs_the_bytes() -> None:
    """8 GiB do not fit into the header, so the PAX size counts; here the object ends long before."""
    error = refusal(pax({"size": str(8 * GIB)}) + header(b"a", 0o77777777777) + END)

    assert error.code is Code.TRUNCATED


def test_a_pax_size_does_not_count_for_the_next_member() -> None:
    found = members(pax({"size": "600"}) + entry(b"a", b"x" * 600) + entry(b"b", b"y") + END)

    assert found["b"].content.length == 1


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_agrees_with_tarfile(style: int) -> None:
    content = tar({"d/": FOLDER, "d/" + "n" * 90 + ".txt": b"x" * 1500, "d/l": Link("n"), "d/é": b""}, style)

    found = members(content)

    with tarfile.open(fileobj=io.BytesIO(content)) as expected:
        for info in expected:
            member = found[info.name]
            assert (member.content.start, member.content.length) == (info.offset_data, info.size)
            assert member.kind.value == info.type
            assert member.offset == info.offset


def test_every_cut_is_refused() -> None:
    content = tar({"a": b"x" * 700, "b": b"y" * 1300, "c/d": b""}, tarfile.PAX_FORMAT)
    end = content.index(bytes(1024), 4096) + 1024
    dice = random.Random(4)  # noqa: S311 - nothing secret
    cuts = [*range(512, end, 512), *dice.sample(range(513, end), 100)]

    for cut in cuts:
        assert refusal(content[:cut]).code is Code.TRUNCATED, cut


def test_links_are_noted_not_followed() -> None:
    found = members(tar({"a": Link("b"), "h": Link("a", hard=True)}))

    assert {name: member.kind for name, member in found.items()} == {"a": Kind.SYMBOLIC_LINK, "h": Kind.HARD_LINK}
    assert found["a"].target == "b"
