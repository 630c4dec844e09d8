"""
The body of UploadLayerPart, built by hand and signed by botocore.

Stock botocore turns a part into base64, text, JSON and bytes: 11 to 14 ms of CPU and four times its size in memory
for each MiB (ecr.md 1.3, docs/performance.md). Here botocore serializes an empty blob, and its body is then
replaced, before it is signed, by one whose base64 was written straight into place. Signing, retries and errors stay
botocore's. The protocol is JSON 1.1 (ecr.md 1.0); a test compares the body with the one that botocore would send.

Each thread writes its bodies into one and the same place in memory: fresh pages for every part cost as much as the
encoding. A body is valid until the thread's next part, and botocore is done with it by then.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Final

import pybase64
from botocore.client import BaseClient

_OPERATION: Final = "ecr.UploadLayerPart"
_CONTEXT: Final = "transship_part"
# A multiple of 3, so that no piece but the last is padded, and small enough to stay in a core's cache.
_PIECE: Final = 384 << 10
# Bodies of full parts differ only by the digits of their offsets.
_SLACK: Final = 64
_LARGE: Final = 2 << 20
_own: Final = threading.local()


def send_parts_as_they_are(client: BaseClient) -> None:
    """Make *client* send the `layerPartBlob` of UploadLayerPart without botocore's serializer."""
    client.meta.events.register(f"before-parameter-build.{_OPERATION}", _set_aside)
    client.meta.events.register(f"before-call.{_OPERATION}", _put_in)


def _set_aside(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context[_CONTEXT] = params["layerPartBlob"]
    params["layerPartBlob"] = b""


def _put_in(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    params["body"] = part_body(json.loads(params["body"]), memoryview(context.pop(_CONTEXT)))


def part_body(document: dict[str, Any], content: memoryview) -> bytearray:
    """
    Return *document* as JSON, with the base64 of *content* as its `layerPartBlob`.

    Valid until this thread's next call. Memory: 4/3 of the longest *content*, for as long as the thread lives.
    """
    rest = {name: value for name, value in document.items() if name != "layerPartBlob"}
    head = json.dumps(rest).encode()[:-1] + b', "layerPartBlob": "'
    body = _room(len(head) + (len(content) + 2) // 3 * 4 + 2)
    with memoryview(body) as view:  # through it pieces are written in place; a bytearray copies them first
        place = _write(view, 0, head)
        for start in range(0, len(content), _PIECE):
            place = _write(view, place, pybase64.b64encode(content[start : start + _PIECE]))
        _write(view, place, b'"}')
    return body


def _write(view: memoryview, place: int, piece: bytes) -> int:
    end = place + len(piece)
    view[place:end] = piece
    return end


def _room(size: int) -> bytearray:
    """Return *size* bytes of this thread's own: the last ones again, if they are as many but for a few."""
    room: bytearray | None = getattr(_own, "room", None)
    if room is None or abs(size - len(room)) > _SLACK:
        room = _own.room = None  # before there is another
        room = _own.room = _new_room(size + _SLACK)
    try:
        room.extend(bytes(max(0, size - len(room))))
        del room[size:]
    except BufferError:  # somebody still looks at the last body
        room = _own.room = bytearray(size)
    return room


def _new_room(size: int) -> bytearray:
    if size < _LARGE:
        return bytearray(size)
    from chalicelib.allocator import buffer  # noqa: PLC0415 - only who pushes layers pays for ctypes

    return buffer(size)
