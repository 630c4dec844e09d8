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

if TYPE_CHECKING:
    from hashlib import _Hash

Bytes = bytes | bytearray | memoryview


class LayerUpload:
    """
    Bytes received so far, with their digest.

    Attributes:
        upload_id: UUID by which clients know it.
        started_at: Seconds since the epoch.
        received: Bytes stored.
        parts: Parts stored.
        first_chunk: Bytes of the first chunk that came by the registry API.
        lock: Held while the upload is looked at and changed; parts of different layers run in parallel.
    """

    def __init__(self, upload_id: str, file: Path, started_at: float) -> None:
        self.upload_id = upload_id
        self.started_at = started_at
        self.received = 0
        self.parts = 0
        self.first_chunk = 0
        self.lock = threading.Lock()
        self._file = file
        self._smallest_inner_part: int | None = None
        self._last_part: int | None = None
        self._hash: _Hash = hashlib.sha256()
        self._descriptor: int | None = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    @property
    def open(self) -> bool:
        """Whether bytes can still be added."""
        return self._descriptor is not None

    def append(self, data: Bytes) -> None:
        """Store *data* after what is there; on a write error nothing counts as received."""
        if self._descriptor is None:
            raise ValueError(f"upload {self.upload_id} is closed")
        view = memoryview(data)
        written = 0
        while written < len(view):
            written += os.pwrite(self._descriptor, view[written:], self.received + written)
        self._hash.update(view)
        self.received += len(view)

    def append_part(self, data: Bytes) -> None:
        """Store *data* as one part of UploadLayerPart."""
        self.append(data)
        if self._last_part is not None:
            self._smallest_inner_part = min(self._last_part, self._smallest_inner_part or self._last_part)
        self._last_part = memoryview(data).nbytes
        self.parts += 1

    def smallest_inner_part(self) -> int | None:
        """Return the size of the smallest part that is not the last, or None if there is none."""
        return self._smallest_inner_part

    def digest(self) -> str:
        """Return the digest of the bytes received."""
        return f"sha256:{self._hash.hexdigest()}"

    def finish(self) -> Path:
        """Close the upload and return its file, which the caller now owns."""
        self._close()
        return self._file

    def discard(self) -> None:
        """Close the upload and delete its file."""
        if self._close():
            self._file.unlink()

    def _close(self) -> bool:
        if self._descriptor is None:
            return False
        os.close(self._descriptor)
        self._descriptor = None
        return True
