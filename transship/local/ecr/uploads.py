"""
One layer on its way in: a file that grows by consecutive bytes, hashed as it grows.

Rules (ecr.md 1.3, 1.4, 8.2, 8.3): parts are consecutive; every part but the last has at least 5 MiB, which is
judged at the end; a part's checks come before its effect, so that a refused part leaves the upload as it was.
Which upload belongs to which repository is the repository's business.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from transship.local.ecr.disk import write_at

if TYPE_CHECKING:
    from hashlib import _Hash

Bytes = bytes | bytearray | memoryview


class LayerUpload:
    """
    Bytes received so far, with their digest.

    No file stays open between parts, since uploads that nobody completes would use up all descriptors.

    Attributes:
        upload_id: UUID by which clients know it.
        started_at: Seconds since the epoch.
        received: Bytes stored.
        parts: Parts stored.
        smallest_inner_part: Bytes of the smallest part that is not the last; None while there is at most one.
        first_chunk: Bytes of the first chunk that came by the registry API.
        open: Whether bytes can still be added.
        lock: Held while the upload is looked at and changed; parts of different layers run in parallel.
    """

    def __init__(self, upload_id: str, file: Path, started_at: float) -> None:
        self.upload_id = upload_id
        self.started_at = started_at
        self.received = 0
        self.parts = 0
        self.smallest_inner_part: int | None = None
        self.first_chunk = 0
        self.open = True
        self.lock = threading.Lock()
        self._file = file
        self._last_part: int | None = None
        self._hash: _Hash = hashlib.sha256()

    def append(self, data: Bytes) -> None:
        """
        Store *data* after what is there.

        Raises:
            OSError: The disk refused; nothing of *data* counts as received.
        """
        view = memoryview(data)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            write_at(descriptor, view, self.received)
        finally:
            os.close(descriptor)
        self._hash.update(view)
        self.received += len(view)

    def append_part(self, data: Bytes) -> None:
        """Store *data* as one part of UploadLayerPart."""
        self.append(data)
        if self._last_part is not None:
            self.smallest_inner_part = min(self._last_part, self.smallest_inner_part or self._last_part)
        self._last_part = len(data)
        self.parts += 1

    def digest(self) -> str:
        """Return the digest of the bytes received."""
        return f"sha256:{self._hash.hexdigest()}"

    def finish(self) -> Path:
        """Close the upload and return its file, which the caller now owns."""
        self.open = False
        return self._file

    def discard(self) -> None:
        """Close the upload and delete its file, unless somebody else owns it."""
        if self.open:
            self.open = False
            self._file.unlink(missing_ok=True)
