"""
Where an upload stands among others that set the same tag.

That is when it was accepted, except among versions of one object: S3's notifications come in any order, and its
sequencers say which version is the later one. A version that is accepted after a later one is ranked before it, or
an old archive would take the tag back from a new one (docs/decisions/0004).
"""

from __future__ import annotations

from typing import Final

from chalicelib.outside import Outside
from chalicelib.ports.table import Key, Put, Stored
from chalicelib.replacing import replace
from chalicelib.state.upload import SHAPE, Upload

_WIDTH: Final = 64
"""Characters to which sequencers are padded: of two the shorter gets zeros on its right (S3 User Guide)."""
_MOST: Final = 50  # versions of one object that are remembered, the latest of them
_STEP: Final = 0.001  # seconds
_DAY: Final = 86_400.0


def order_key(upload: Upload) -> Key:
    """Return where the ranks of the versions of an upload's object are kept."""
    return Key(f"object#{upload.object.bucket}/{upload.object.key}", "order")


def ranked(outside: Outside, upload: Upload, known: Stored | None) -> tuple[Upload, list[Put]]:
    """
    Return *upload*, which is to be accepted, with its rank, and the changes that make it known to other versions.

    *known* is the item at `order_key`. Without a sequencer, as where the notification was lost, acceptance decides.
    """
    if not upload.sequencer:
        return replace(upload, rank=upload.accepted), []
    ranks: dict[str, float] = dict(known.item["ranks"]) if known else {}
    own = upload.sequencer.ljust(_WIDTH, "0")
    if own in ranks:
        return replace(upload, rank=ranks[own]), []
    earlier = max((rank for sequencer, rank in ranks.items() if sequencer < own), default=None)
    later = min((rank for sequencer, rank in ranks.items() if sequencer > own), default=None)
    ranks[own] = _between(earlier, later, upload.accepted)
    latest = dict(sorted(ranks.items())[-_MOST:])
    expires = outside.clock.now() + outside.settings.keep_days * _DAY
    change = Put(order_key(upload), {"v": SHAPE, "ranks": latest}, known.revision if known else 0, expires=expires)
    return replace(upload, rank=ranks[own]), [change]


def _between(earlier: float | None, later: float | None, accepted: float) -> float:
    if later is None:
        return accepted if earlier is None else max(accepted, earlier + _STEP)
    return (earlier + later) / 2 if earlier is not None else later - _STEP
