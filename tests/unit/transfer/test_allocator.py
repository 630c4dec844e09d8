"""Buffers that are left as they come."""

from __future__ import annotations

import pytest

from chalicelib import allocator
from chalicelib.allocator import MIB, buffer, keep_large_buffers_apart, resize


@pytest.mark.parametrize("size", [0, 1, 4_095, 10 * MIB, 13 * MIB + 7])
def test_buffer_is_a_bytearray_like_any_other(size: int) -> None:
    made = buffer(size)
    memoryview(made)[:] = b"x" * size
    assert bytes(made) == b"x" * size

    made.extend(b"more")
    del made[size:]
    assert len(made) == size


def test_buffers_are_apart() -> None:
    first, second = buffer(2 * MIB), buffer(2 * MIB)
    first[:] = b"1" * len(first)
    second[:] = b"2" * len(second)

    assert set(first) == {ord("1")}


def test_buffer_needs_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another C library may not know it."""
    monkeypatch.setattr(allocator, "_madvise", lambda: None)

    assert len(buffer(10 * MIB)) == 10 * MIB


def test_allocator_is_set_once() -> None:
    assert keep_large_buffers_apart() is keep_large_buffers_apart()


def test_resized_buffer_keeps_its_bytes() -> None:
    made = buffer(1000)
    made[:] = bytes(range(250)) * 4

    resize(made, 600)
    assert made == bytes(range(250)) * 2 + bytes(range(100))

    resize(made, 1000)
    assert made[600] == 0, "CPython ends what it has with a zero"
    assert made[601:] == (bytes(range(250)) * 4)[601:]


def test_buffer_that_is_looked_at_is_not_resized() -> None:
    made = buffer(1000)

    with memoryview(made), pytest.raises(BufferError):
        resize(made, 600)
