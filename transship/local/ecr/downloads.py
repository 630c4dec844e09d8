"""Presigned addresses of blobs: S3's part in GetDownloadUrlForLayer, played by the registry API's own port."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlencode

from transship.local.clock import Clock

PATH = "/_layers/"
LIFETIME_SECONDS = 3600


class Downloads:
    """Signs paths with a secret of this run, and checks them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    def path(self, digest: str) -> str:
        """Return the path and query under which *digest* can be read for an hour."""
        expires = int(self._clock.now()) + LIFETIME_SECONDS
        return f"{PATH}{digest}?{urlencode({'expires': expires, 'signature': self._signature(digest, expires)})}"

    def allows(self, digest: str, expires: str, signature: str) -> bool:
        """Tell whether *signature* is ours and still holds."""
        if not expires.isascii() or not expires.isdigit():
            return False
        fresh = int(expires) > self._clock.now()
        return fresh and hmac.compare_digest(self._signature(digest, int(expires)), signature)

    def _signature(self, digest: str, expires: int) -> str:
        return hmac.new(self._secret, f"{digest}\n{expires}".encode(), hashlib.sha256).hexdigest()
