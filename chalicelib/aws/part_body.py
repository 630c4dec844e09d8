"""
The body of UploadLayerPart, built by hand and signed by botocore.

Stock botocore turns a part into base64, text, JSON and bytes: 11 to 14 ms of CPU and four times its size in memory
for each MiB (ecr.md 1.3, docs/performance.md). Here a part is base64 in its place in the body from the moment it is
read, hashed piece by piece while it lies in the core's cache; botocore serializes an empty blob, and its body and the
body's hash are put in before it signs. Signing, retries and errors stay botocore's. The protocol is JSON 1.1 (ecr.md
1.0); a test compares the body with the one that botocore would send.

Bodies outlive their push: fresh pages for every part cost as much as the encoding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import pybase64
from botocore.client import BaseClient

_OPERATION: Final = "ecr.UploadLayerPart"
_CONTEXT: Final = "transship_part"
_BLOB: Final = "layerPartBlob"
# The blob is the first member: the others differ in length from call to call, and would move it.
_HEAD: Final = f'{{"{_BLOB}": "'.encode()
_TAIL: Final = 2048  # bytes for all other members: two names of at most 256 and an id of 36 characters, and numbers
# A multiple of 3, so that only the last piece is padded. Smaller ones take longer, larger ones only memory (measured).
_PIECE: Final = 768 << 10

_spare: Final[list[PartBody]] = []


def send_parts_as_they_are(client: BaseClient) -> None:
    """Make *client* send a `PartBody` that is given as `layerPartBlob` without botocore's serializer."""
    client.meta.events.register(f"before-parameter-build.{_OPERATION}", _set_aside)
    client.meta.events.register(f"before-call.{_OPERATION}", _put_in)


def _set_aside(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    if isinstance(params[_BLOB], PartBody):
        context[_CONTEXT] = params[_BLOB]
        params[_BLOB] = b""


def _put_in(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    part: PartBody | None = context.pop(_CONTEXT, None)
    if part is not None:
        members = json.loads(params["body"])
        del members[_BLOB]
        # botocore's signer takes the hash from this header, where there is one.
        params["body"], params["headers"]["X-Amz-Content-SHA256"] = part.request(members)


def part_body(capacity: int) -> PartBody:
    """Return an empty body for parts of up to *capacity* bytes: one that was released, or a new one."""
    while True:
        try:
            found = _spare.pop()
        except IndexError:
            return PartBody(capacity)
        if found.capacity == capacity:
            found.clear()
            return found


class PartBody:
    """
    One part; implements `PartBuffer`. Memory: 4/3 of *capacity*.

    Attributes:
        capacity: Bytes of the largest part that it takes.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._room = self._new_room()
        self.clear()

    def __len__(self) -> int:
        """Bytes of the part so far."""
        return self._size

    def clear(self) -> None:
        """Make it empty, for another part."""
        self._set_length(self._length)
        self._size = 0
        self._end = len(_HEAD)
        self._rest = b""
        self._sum = hashlib.sha256(_HEAD)

    def release(self) -> None:
        """Keep it for a later push of this process."""
        _spare.append(self)

    def write(self, piece: memoryview) -> None:
        """Add *piece*; with what is there at most `capacity` bytes."""
        self._size += len(piece)
        missing = -len(self._rest) % 3
        if missing:
            self._rest, piece = self._rest + bytes(piece[:missing]), piece[missing:]
            if len(self._rest) < 3:
                return
            self._append(self._rest)
        whole = len(piece) // 3 * 3
        for start in range(0, whole, _PIECE):
            self._append(piece[start : min(start + _PIECE, whole)])
        self._rest = bytes(piece[whole:])

    def request(self, members: Mapping[str, Any]) -> tuple[bytearray, str]:
        """
        Return a request's body and its sha256: the part as `layerPartBlob`, and *members*, at least one.

        Valid until the next call of any method; may be asked for again, with other members.
        """
        tail = pybase64.b64encode(self._rest) + b'", ' + json.dumps(members).encode()[1:]
        whole = self._sum.copy()
        whole.update(tail)
        return self._cut(tail), whole.hexdigest()

    def _append(self, piece: bytes | memoryview) -> None:
        text = pybase64.b64encode(piece)
        self._sum.update(text)
        self._write(self._end, text)
        self._end += len(text)

    def _write(self, place: int, text: bytes | bytearray) -> None:
        with memoryview(self._room) as view:  # a bytearray copies what it is given first
            view[place : place + len(text)] = text

    def _cut(self, tail: bytes) -> bytearray:
        """Return the body alone: botocore sends nothing but a whole bytearray a second time."""
        self._set_length(self._length)
        self._write(self._end, tail)
        end = self._end + len(tail)
        if end < self._length // 2:
            # CPython would give the other pages back, and the next part would have to ask for them.
            return self._room[:end]
        self._set_length(end)
        return self._room

    @property
    def _length(self) -> int:
        return len(_HEAD) + -(-self.capacity // 3) * 4 + _TAIL

    def _set_length(self, length: int) -> None:
        """Set the room's length within what is allocated; what is added holds what was there before."""
        from chalicelib.allocator import resize  # noqa: PLC0415 - only who pushes layers pays for ctypes

        try:
            resize(self._room, length)
        except BufferError:  # somebody still looks at the last body
            before, self._room = self._room, self._new_room()
            self._write(0, before[: self._end])
            resize(self._room, length)

    def _new_room(self) -> bytearray:
        from chalicelib.allocator import buffer  # noqa: PLC0415

        room = buffer(self._length)
        room[: len(_HEAD)] = _HEAD
        return room
