"""The sum that can be saved gives hashlib's sums, and its absence is noticed."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from chalicelib.oci.digest import Digest
from chalicelib.transfer import sha256 as module
from chalicelib.transfer.sha256 import can_resume, sha256

DATA = bytes(range(256)) * 2


@pytest.fixture(name="fresh")
def _fresh() -> Iterator[None]:
    can_resume.cache_clear()
    module._library.cache_clear()
    yield
    can_resume.cache_clear()
    module._library.cache_clear()


def test_states_can_be_saved_on_this_machine() -> None:
    assert can_resume()


@pytest.mark.parametrize("cut", [0, 1, 55, 56, 63, 64, 65, 127, 128, 511, 512])
def test_sum_goes_on_from_a_saved_state(cut: int) -> None:
    first = sha256()
    first.update(DATA[:cut])
    second = sha256(first.state())
    second.update(DATA[cut:])

    assert second.digest() == Digest.of(DATA)
    assert first.digest() == Digest.of(DATA[:cut])


def test_digest_may_be_asked_in_the_middle() -> None:
    running = sha256()
    running.update(DATA)
    running.digest()
    running.update(DATA)

    assert running.digest() == Digest.of(DATA * 2)


@pytest.mark.parametrize("state", [b"", b"x" * 111, b"x" * 113], ids=["empty", "short", "long"])
def test_refuses_what_is_no_state(state: bytes) -> None:
    with pytest.raises(ValueError, match="not a state"):
        sha256(state)


@pytest.mark.usefixtures("fresh")
def test_falls_back_to_hashlib_where_libcrypto_lacks_the_functions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Empty:
        def __init__(self, _: object) -> None: ...

    monkeypatch.setattr(ctypes, "CDLL", Empty)

    running = sha256()
    running.update(DATA)

    assert running.digest() == Digest.of(DATA)
    assert running.state() is None
    assert "cannot be saved" in caplog.text


@pytest.mark.usefixtures("fresh")
def test_self_test_notices_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A libcrypto that keeps its state otherwise would restore its own states but not another machine's."""
    monkeypatch.setattr(module, "_INITIAL", (0,) * 8)

    assert not can_resume()
    with pytest.raises(ValueError, match="cannot be restored"):
        sha256(b"x" * 112)
