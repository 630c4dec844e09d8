"""
Blobs on disk, one file for each digest, shared by all registries of the service.

A repository holds a blob by `retain`ing its digest; the file goes when nobody holds it any more.
So an image in five registries costs its bytes once. Which repository may see a blob is not decided here.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from pathlib import Path


class BlobStore:
    """Content-addressed files under one directory, which is emptied at the start."""

    def __init__(self, directory: Path) -> None:
        self._blobs = directory / "blobs"
        self._uploads = directory / "uploads"
        self._holders: dict[str, int] = {}
        self._lock = threading.Lock()
        for folder in (self._blobs, self._uploads):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def new_file(self) -> Path:
        """Return the path of a file that does not exist yet, on the file system of the blobs."""
        return self._uploads / str(uuid.uuid4())

    def path(self, digest: str) -> Path:
        """Return where the bytes of *digest* are, or would be."""
        hexadecimal = digest.partition(":")[2]
        return self._blobs / hexadecimal[:2] / hexadecimal

    def adopt(self, file: Path, digest: str) -> None:
        """Take *file*, whose digest the caller has computed, and hold it once for the caller."""
        target = self.path(digest)
        with self._lock:
            if digest in self._holders:
                file.unlink()
            else:
                target.parent.mkdir(exist_ok=True)
                file.replace(target)
            self._holders[digest] = self._holders.get(digest, 0) + 1

    def retain(self, digest: str) -> bool:
        """Hold *digest* once more; return False if nobody holds it, for then it is gone."""
        with self._lock:
            if digest not in self._holders:
                return False
            self._holders[digest] += 1
            return True

    def release(self, digest: str) -> None:
        """Let go of *digest*, and of its file with the last holder."""
        with self._lock:
            self._holders[digest] -= 1
            if not self._holders[digest]:
                del self._holders[digest]
                self.path(digest).unlink()
