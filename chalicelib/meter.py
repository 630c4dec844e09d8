"""What a push cost, counted while it runs; the names are those of the command line's `metrics`."""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum


class Count(StrEnum):
    """
    What is counted.

    The adapters count requests as they leave, retries included, and the bytes that S3 sent; the engine counts what a
    registry has taken; `push` counts the layers that it did not have to move.
    """

    SOURCE_REQUESTS = "source_requests"
    SOURCE_BYTES_READ = "source_bytes_read"
    ECR_REQUESTS = "ecr_requests"
    BYTES_UPLOADED = "bytes_uploaded"
    PARTS = "parts"
    LAYERS = "layers"
    LAYERS_SKIPPED = "layers_skipped"
    LAYERS_RESTARTED = "layers_restarted"


class Meter:
    """Counters that many threads may add to."""

    def __init__(self) -> None:
        self._counts: Counter[Count] = Counter()
        self._lock = threading.Lock()

    def add(self, count: Count, amount: int = 1) -> None:
        """Add *amount* to *count*."""
        with self._lock:
            self._counts[count] += amount

    def __getitem__(self, count: Count) -> int:
        with self._lock:
            return self._counts[count]

    def totals(self) -> dict[str, int]:
        """Return every counter by its name, zeros included."""
        with self._lock:
            return {str(count): self._counts[count] for count in Count}
