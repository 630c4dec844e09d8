"""A part on its way to the registry in memory."""

from __future__ import annotations


class FakePart:
    """The bytes as they are; implements `PartBuffer`."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.content = bytearray()

    def __len__(self) -> int:
        return len(self.content)

    def __bytes__(self) -> bytes:
        return bytes(self.content)

    def write(self, piece: memoryview) -> None:
        self.content += piece
        assert len(self.content) <= self.capacity

    def clear(self) -> None:
        self.content.clear()

    def release(self) -> None:
        self.clear()
