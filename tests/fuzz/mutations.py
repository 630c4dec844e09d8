"""
Hypothesis strategies for tars: put together from sound and odd pieces, then damaged.

Damage is aimed: single bytes of headers with the checksum set right again, whole blocks repeated, dropped or swapped,
cuts and tails. Noise alone would only ever show that checksums work.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.archives import END, entry, mended, pax

ODD_NAMES = [b"a", b"./a", b"b", b"d/a", b"d//a", b"d/./b", b"d", b"d/", b"manifest.json", b"x" * 100]
NAMES = st.sampled_from(ODD_NAMES) | st.integers(0, 10**6).map(lambda number: b"f/%d" % number)
BEFORE = ("pax name", "pax size", "pax comment", "pax holes", "long name", "global", "parted", "spilt")
CONTENTS = st.binary(max_size=1200) | st.sampled_from([b"", b"x" * 512, b"y" * 513])


@st.composite
def members(draw: st.DrawFn, number: int, *, odd: bool) -> bytes:
    """One member with what may stand before it; unless *odd*, one that is sound."""
    name = draw(NAMES) if odd else b"f/%d" % number
    content = draw(CONTENTS)
    kind = draw(st.sampled_from([b"0", b"0", b"0", b"\0", b"5", b"2"]))
    magic = draw(st.sampled_from([b"ustar\x0000", b"ustar  \0", bytes(8)]))
    before = draw(st.sampled_from(["", "", "", "", *BEFORE]))
    head = {
        "pax name": pax({"path": f"renamed{number}"}),
        "pax size": pax({"size": str(len(content) + odd * draw(st.sampled_from([0, 1, 512])))}),
        "pax comment": pax({"comment": "x"}),
        "pax holes": pax({"SUN.holesdata" if odd else "SUN.x": " 0 1 2"}),
        "long name": entry(b"././@LongLink", b"n" * 120 + b"%d\0" % number, kind=b"L", magic=b"ustar  \0"),
        "spilt": spilt(pax({"comment": "x"}), pax({"path": "spilt"})) if odd else b"",
        "parted": pax({"path": f"renamed{number}"}) + pax({"comment": "x"}, b"g") if odd else b"",
        "global": pax({draw(st.sampled_from(["comment", "path", "size"])) if odd else "comment": "7"}, b"g"),
    }.get(before, b"")
    if kind in (b"5", b"2"):
        content = b""
    return head + entry(name, content, kind=kind, magic=magic, link=b"b" if kind == b"2" else b"")


def spilt(extension: bytes, other: bytes) -> bytes:
    """Let the body of *other* stand behind that of *extension*, in its last block and outside its size."""
    end = extension.index(b"\n", 512) + 1
    return (extension[:end] + other[512:].rstrip(b"\0")).ljust(len(extension), b"\0")


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """A tar: sound, odd or damaged."""
    odd, broken = draw(st.sampled_from([(False, 0), (False, 0), (False, 1), (True, 0), (True, 1), (False, 2)]))
    count = draw(st.integers(0, 5))
    content = bytearray(b"".join(draw(members(number, odd=odd)) for number in range(count)) + END)
    for _ in range(broken):
        content = damage(draw, content)
    return bytes(content)


def damage(draw: st.DrawFn, content: bytearray) -> bytearray:
    """Do one thing to *content*."""
    blocks = len(content) // 512
    block = 512 * draw(st.integers(0, max(blocks - 1, 0)))
    other = 512 * draw(st.integers(0, blocks))
    how = draw(st.sampled_from(["byte", "byte", "size", "kind", "repeat", "drop", "cut", "tail"]))
    if how == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if how == "tail":
        return content + draw(st.binary(max_size=600))
    if how == "repeat":
        return content[:other] + content[block : block + 512] + content[other:]
    if how == "drop":
        return content[:block] + content[block + 512 :]
    if len(content) < block + 512:
        return content
    if how == "byte":
        content[block + draw(st.integers(0, 511))] = draw(st.integers(0, 255))
    elif how == "size":
        content[block + 124 : block + 136] = draw(st.sampled_from([b"00000001000\0", b"\x80" + bytes(11), b" " * 12]))
    else:
        content[block + 156] = draw(st.sampled_from(b"0125LKxgSV7"))
    return bytearray(mended(bytes(content)))
