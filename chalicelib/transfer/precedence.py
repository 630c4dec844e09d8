"""
Which layer's bytes are made first where there are more layers in flight than cores.

Parts of one layer are consecutive, so its bytes are made one after the other, by one thread. Where all layers get as
much of the processor as the longest, the longest is left alone at the end, with one core at work: of a docker save of
1,014 MiB, two fifths of it one layer, the last 0.9 of 4.6 s. So whoever makes a shorter layer's bytes gives way.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from typing import Final

_STEPS: Final = 6.2
"""Of niceness for each halving. A step is worth a fifth of the weight (sched(7)): half the bytes weigh a fourth."""
_MOST: Final = 10
"""A tenth of the longest one's weight: nobody's connection to the source is left alone for long."""


def niceness(length: int, longest: int) -> int:
    """Return by how much a layer of *length* bytes gives way to one of *longest*: 0 to 10."""
    return min(round(_STEPS * math.log2(longest / length)), _MOST) if 0 < length < longest else 0


def give_way(by: int) -> None:
    """Let the calling thread give way to all others of this process for as long as it runs."""
    if by and sys.platform == "linux":  # elsewhere niceness is the process's (nice(2), "C library/kernel differences")
        with suppress(OSError):  # a sandbox may forbid it, and nothing but speed depends on it
            os.nice(by)
