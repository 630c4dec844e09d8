"""
Memory as a push needs it: a few large buffers for a while, and many pieces of some MiB.

Left alone it gives each thread a heap of its own, and learns from the first large buffer that is freed to put the
next ones there too; every push has new threads, and a warm function grew from 166 to 213 MiB within a few pushes.
Here large buffers get pages of their own, which go back when they are freed, and pieces stay in two heaps that are
not trimmed after each of them. See mallopt(3); on another C library nothing happens.

A `bytearray` fills itself with zeros first, page by page, which costs 0.7 ms for each MiB; buffers that are written
anyway are left as they come, in pages of 2 MiB where the system has them (madvise(2)): 0.15 ms.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, Final

MIB: Final = 1 << 20
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_HUGE_PAGES: Final = 14  # MADV_HUGEPAGE
_HUGE_PAGE: Final = 2 * MIB
_PAGE: Final = 4096


@functools.cache
def keep_large_buffers_apart() -> bool:
    """Set the allocator of this process, once, and return whether it took that."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_MMAP_THRESHOLD, 12 * MIB), (_TRIM_THRESHOLD, 32 * MIB), (_ARENA_MAX, 2))
    return all(mallopt(name, value) == 1 for name, value in settings)


def buffer(size: int) -> bytearray:
    """Return *size* bytes that hold anything: for who writes them before reading them."""
    made: bytearray = _unwritten()(None, size)
    if size >= _HUGE_PAGE:
        _ask_for_huge_pages(made)
    return made


@functools.cache
def _unwritten() -> Any:
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_char_p, ctypes.c_ssize_t)(
        ("PyByteArray_FromStringAndSize", ctypes.pythonapi)
    )


def resize(made: bytearray, length: int) -> None:
    """
    Set the length of *made* within what is allocated; what is added holds what was there before.

    Raises:
        BufferError: Somebody looks at it through a memoryview.
    """
    if length != len(made):
        _resize()(made, length)


@functools.cache
def _resize() -> Any:
    resize_ = ctypes.pythonapi.PyByteArray_Resize
    resize_.argtypes = (ctypes.py_object, ctypes.c_ssize_t)
    return resize_


def _ask_for_huge_pages(made: bytearray) -> None:
    """Advise the kernel; it may not listen, and nothing but speed depends on it."""
    madvise = _madvise()
    if madvise is None:
        return
    start = ctypes.addressof(ctypes.c_char.from_buffer(made))
    first = -(-start // _PAGE) * _PAGE
    madvise(first, (start + len(made) - first) // _PAGE * _PAGE, _HUGE_PAGES)


@functools.cache
def _madvise() -> Any:
    try:
        madvise = ctypes.CDLL(None).madvise
    except (AttributeError, OSError):
        return None
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return madvise
