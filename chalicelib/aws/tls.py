"""
One TLS context for all clients of a process, which reads the root certificates once.

botocore makes a context for each client and names the roots' file to each connection, and urllib3 reads it again at
each handshake: 17 ms of CPU time for some 130 of them (docs/performance.md), nine times in a cold `receive`.
Neither has a setting for that. What is verified stays as it was, against the roots that botocore names: its own, or
those of AWS_CA_BUNDLE (docs/decisions/0026).
"""

from __future__ import annotations

from functools import cache
from ssl import SSLContext
from typing import Any, Final

from botocore import httpsession

_new_context: Final = httpsession.create_urllib3_context


def read_roots_once() -> None:
    """Let clients that are made from now on share a context."""
    module: Any = httpsession
    module.create_urllib3_context = _shared_context


@cache
def _shared_context() -> SSLContext:
    context: Any = _new_context()
    context.load_verify_locations = cache(context.load_verify_locations)  # urllib3 calls it before each handshake
    made: SSLContext = context
    return made
