"""
Writing layers without filling memory with them.

What is written to a file stays in the page cache, and a layer is seldom read again soon. An image of many GiB would
push out all else that the machine has cached; and a virtual machine that hands unused memory back to its host pays for
each page that it takes anew: 2.3 ms of CPU time a MiB, beside 0.3 for a write whose pages are given back at once
(docs/performance.md).
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

_DONTCACHE: Final = 0x80
"""RWF_DONTCACHE (linux/fs.h, since 6.14), which Python does not name: pages leave memory once they are on the disk."""
_LEAST: Final = 1 << 20
"""Below this many bytes the detour to the disk costs more than the cache: twice as much at 64 KiB."""


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """
    Write all of *data* at *offset*, past the page cache where the system can.

    Raises:
        OSError: The disk refused; some of *data* may have been written.
    """
    flags = _DONTCACHE if len(data) >= _LEAST and sys.platform == "linux" else 0
    while data:
        try:
            written = os.pwritev(descriptor, [data], offset, flags)
        except OSError as error:
            if not flags or error.errno != errno.EOPNOTSUPP:
                raise
            flags = 0  # an older kernel, or a file system that has no disk
            continue
        data, offset = data[written:], offset + written
