"""
Archives that are another image to another reader: each was taken once, or could have been, and what skopeo sees in it.

GOOD is the image that a scanner is shown, EVIL the one that it must not hide.
"""

from __future__ import annotations

import json
import struct
import tarfile
from dataclasses import dataclass

import zstandard

from chalicelib.errors import Code
from tests.archives import (
    END,
    Content,
    Image,
    Layout,
    docker_save,
    dump,
    entry,
    hybrid_layout,
    image,
    mended,
    pax,
    tar,
    unpacked,
)

GOOD, EVIL = image("good"), image("evil")


@dataclass(frozen=True)
class Attack:
    """An archive, the *code* that refuses it, and the image that skopeo sees in it, None if it refuses it too."""

    content: bytes
    code: Code
    seen: Image | None = None


def members(files: list[tuple[str, Content]]) -> bytes:
    """Return a tar without its end mark."""
    whole = tar(files, tarfile.USTAR_FORMAT)
    return whole[: len(whole.rstrip(b"\0")) + -len(whole.rstrip(b"\0")) % 512]


def _files(one: Image) -> dict[str, Content]:
    return dict(unpacked(docker_save(one)))


_BOTH = [(name, body) for name, body in (_files(GOOD) | _files(EVIL)).items() if name != "manifest.json"]
_GOOD_TABLE, _EVIL_TABLE = (bytes(_files(one)["manifest.json"] or b"") for one in (GOOD, EVIL))  # type: ignore[arg-type]


def _parted(extension: bytes) -> bytes:
    """Hide the evil table behind *extension*, which a global header parts from it, and show the good one."""
    hidden = extension + pax({"comment": "x"}, b"g") + members([("manifest.json", _EVIL_TABLE)])
    shown = pax({"path": "manifest.json"}) + members([("other.json", _GOOD_TABLE)])
    return members(_BOTH) + hidden + shown + END


def _prefixed(behind_name: bytes) -> bytes:
    """Give GNU headers a time that Go's reader takes for a prefix of the name."""
    folder = behind_name.decode()
    table = dump([{"Config": f"{folder}/c.json", "RepoTags": ["x:1"], "Layers": [f"{folder}/l.tar"]}])
    evil = b""
    for name, body in (("c.json", EVIL.config), ("l.tar", EVIL.layers[0])):
        one = bytearray(entry(name.encode(), body, magic=b"ustar  \0"))
        one[345 : 345 + len(behind_name)] = behind_name
        evil += mended(bytes(one))
    good: list[tuple[str, Content]] = [(f"{folder}/c.json", GOOD.config), (f"{folder}/l.tar", GOOD.layers[0])]
    return evil + members([*good, ("manifest.json", table)]) + END


def _skipped() -> bytes:
    """A tar to whoever looks for one, a zstd stream with a frame to be skipped to others."""
    shown = docker_save(GOOD)
    name = b"P*M\x18" + struct.pack("<I", 512 + 512 + len(shown) - 8) + b"x"
    return entry(name, b"-") + shown + zstandard.compress(docker_save(EVIL))


def _in_another_folder() -> bytes:
    """Two tables that name layers alike; one means another file."""
    files = hybrid_layout(GOOD).files()
    table = json.loads(bytes(files["manifest.json"] or b""))  # type: ignore[arg-type]
    digest = table[0]["Layers"][0].rpartition("/")[2]
    table[0]["Layers"][0] = f"other/{digest}"
    return tar({**files, "manifest.json": dump(table), f"other/{digest}": EVIL.layers[0]})


def _indexes_disagree() -> bytes:
    layout = Layout()
    layout.list(layout.image(EVIL), ref="1.0")
    return tar({**layout.files(), **_files(GOOD)})


ATTACKS: dict[str, Attack] = {
    "a PAX header parted from its member": Attack(_parted(pax({"path": "hidden.json"})), Code.TAR_DESYNC, EVIL),
    "a long name parted from its member": Attack(
        _parted(entry(b"././@LongLink", b"hidden.json\0", kind=b"L", magic=b"ustar  \0")), Code.TAR_DESYNC, EVIL
    ),
    "a GNU time that is a prefix": Attack(_prefixed(b"1 1"), Code.TAR_HEADER, EVIL),
    "a second GNU time that is a prefix": Attack(_prefixed(b"7" * 12 + b"1 1"), Code.TAR_HEADER, EVIL),
    "a GNU prefix": Attack(_prefixed(b"folder"), Code.TAR_HEADER, EVIL),
    "a zstd stream that is a tar": Attack(_skipped(), Code.NOT_ARCHIVE, GOOD),
    "a layer of that name in another folder": Attack(_in_another_folder(), Code.VIEWS_DISAGREE, GOOD),
    "two tables of two images": Attack(_indexes_disagree(), Code.VIEWS_DISAGREE, GOOD),
    "a file whose name ends in a slash": Attack(
        members(_BOTH) + entry(b"manifest.json/", _EVIL_TABLE) + members([("manifest.json", _GOOD_TABLE)]) + END,
        Code.MEMBER_NAME,
        EVIL,
    ),
    "two tables": Attack(
        members(_BOTH) + members([("manifest.json", _EVIL_TABLE)]) + members([("./manifest.json", _GOOD_TABLE)]) + END,
        Code.DUP_MEMBER,
        EVIL,
    ),
    "a table that goes on in another case": Attack(
        members([*_BOTH, ("manifest.json", _GOOD_TABLE[:-2] + b',"layers":' + _EVIL_TABLE.partition(b'"Layers":')[2])])
        + END,
        Code.JSON_AMBIGUOUS,
        GOOD,
    ),
}
