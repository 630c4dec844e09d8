"""
glibc's allocator, told what the engine allocates: a few large buffers for a while, and many pieces of about a MiB.

Left alone it gives each thread a heap of its own, and learns from the first large buffer that is freed to put the
next ones there too; every push has new threads, and a warm function grew from 166 to 213 MiB within a few pushes.
Here large buffers get pages of their own, which go back when they are freed, and pieces stay in two heaps that are
not trimmed after each of them. See mallopt(3); on another C library nothing happens.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Final

MIB: Final = 1 << 20
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8


@functools.cache
def keep_large_buffers_apart() -> bool:
    """Set the allocator of this process, once, and return whether it took that."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_MMAP_THRESHOLD, 4 * MIB), (_TRIM_THRESHOLD, 16 * MIB), (_ARENA_MAX, 2))
    return all(mallopt(name, value) == 1 for name, value in settings)
