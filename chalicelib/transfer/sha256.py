"""
A sha256 whose state can be saved in one process and restored in another.

hashlib cannot do that. libcrypto can: `SHA256_CTX` is 112 bytes of plain numbers. It is reached through hashlib's own
extension module, so it is the library that hashlib uses, at the same speed. A self-test decides once whether this
works here: it compares sums with hashlib's and a saved state with one written down below. Where it does not,
hashlib does the work and there is no state: such a layer is read from its start again.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
from typing import Any, Final, Protocol

from chalicelib.oci.digest import Digest

_log = logging.getLogger(__name__)

_WORDS: Final = ctypes.c_uint32
# The state after b"transship": FIPS 180-4's initial hash value, 72 bits so far, nine bytes of an unfinished block.
_KNOWN_INPUT: Final = b"transship"
_INITIAL: Final = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
)  # fmt: skip


class _Context(ctypes.Structure):
    """`SHA256_CTX` of openssl/sha.h."""

    _fields_ = (
        ("h", _WORDS * 8),
        ("Nl", _WORDS),
        ("Nh", _WORDS),
        ("data", _WORDS * 16),
        ("num", ctypes.c_uint),
        ("md_len", ctypes.c_uint),
    )


class Sha256(Protocol):
    """A running sha256."""

    def update(self, data: bytes, /) -> None:
        """Take *data* in."""

    def digest(self) -> Digest:
        """Return the digest of all data so far."""

    def state(self) -> bytes | None:
        """Return what `sha256` can go on from, or None."""


def sha256(state: bytes | None = None) -> Sha256:
    """
    Return a running sha256, at its beginning or at a saved *state*.

    Raises:
        ValueError: There is a state but no way to restore it; ask `can_resume` first.
    """
    if can_resume():
        return _Resumable(_library(), state)
    if state is not None:
        raise ValueError("a saved sha256 cannot be restored on this machine")
    return _Plain()


@functools.cache
def can_resume() -> bool:
    """Tell whether states can be saved and restored here (the self-test, done once)."""
    try:
        works = _self_test(_library())
    except (AttributeError, OSError, ImportError) as error:
        _log.warning("sha256 states cannot be saved here: %s", error)
        return False
    if not works:
        _log.warning("sha256 states cannot be saved here: the self-test failed")
    return works


@functools.cache
def _library() -> Any:
    import _hashlib  # noqa: PLC0415 - CPython's, and absent where it was built without OpenSSL

    library = ctypes.CDLL(_hashlib.__file__)
    library.SHA256_Init.argtypes = (ctypes.c_void_p,)
    library.SHA256_Update.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
    library.SHA256_Final.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    return library


def _self_test(library: Any) -> bool:
    first = _Resumable(library)
    first.update(_KNOWN_INPUT)
    saved = first.state()
    rest = bytes(range(256)) * 5
    second = _Resumable(library, saved)
    second.update(rest)
    return saved == _known_state() and second.digest() == Digest.of(_KNOWN_INPUT + rest)


def _known_state() -> bytes:
    block = (ctypes.c_uint32 * 16).from_buffer_copy(_KNOWN_INPUT.ljust(64, b"\0"))
    return bytes(_Context((_WORDS * 8)(*_INITIAL), 8 * len(_KNOWN_INPUT), 0, block, len(_KNOWN_INPUT), 32))


class _Resumable:
    def __init__(self, library: Any, state: bytes | None = None) -> None:
        self._library = library
        self._context = _Context()
        if state is None:
            library.SHA256_Init(ctypes.byref(self._context))
        elif len(state) == ctypes.sizeof(_Context):
            self._context = _Context.from_buffer_copy(state)
        else:
            raise ValueError(f"not a state of sha256: {len(state)} bytes")

    def update(self, data: bytes, /) -> None:
        self._library.SHA256_Update(ctypes.byref(self._context), data, len(data))

    def digest(self) -> Digest:
        final = _Context.from_buffer_copy(self._context)
        sum_ = ctypes.create_string_buffer(32)
        self._library.SHA256_Final(sum_, ctypes.byref(final))
        return Digest(sum_.raw.hex())

    def state(self) -> bytes:
        return bytes(self._context)


class _Plain:
    def __init__(self) -> None:
        self._sum = hashlib.sha256()

    def update(self, data: bytes, /) -> None:
        self._sum.update(data)

    def digest(self) -> Digest:
        return Digest(self._sum.hexdigest())

    def state(self) -> None:
        return None
