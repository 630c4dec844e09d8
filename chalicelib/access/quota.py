"""
An uploader's bytes of a day and uploads at once: looked at, not counted (docs/decisions/0001 and 0005).

Each accepted upload leaves one item beside its uploader's others; what they add up to is a query. The items of one
uploader share a guard whose revision every acceptance raises in its own transaction: of two that were decided on the
same view one is decided again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.access.admission import Admission
from chalicelib.access.rules import Uploader, refusal
from chalicelib.errors import Code
from chalicelib.outside import Outside
from chalicelib.ports.table import Key, Put, Stored
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import SHAPE, State, collection

_DAY: Final = 86_400.0
_GUARD: Final = "~guard"  # sorts after every upload's id


def reserve(outside: Outside, admission: Admission) -> list[Put]:
    """
    Return the changes by which the acceptance of the upload is seen by the next one's question.

    None where the rule has no such limit; then nothing is read either.

    Raises:
        RefusedError: LIMIT_DAY, LIMIT_AT_ONCE.
    """
    limits, upload = admission.rule.limits, admission.upload
    if limits.bytes_a_day is None and limits.uploads_at_once is None:
        return []
    place = _place(admission)
    known = {stored.key.sk: stored for stored in outside.table.query(place)}
    others = [stored for name, stored in known.items() if name not in {upload.id, _GUARD}]
    _demand_day(outside, admission, others)
    _demand_at_once(outside, admission, others)
    now = outside.clock.now()
    expires = now + 2 * _DAY + outside.settings.confirm_deadline
    item = {"v": SHAPE, "bytes": upload.object.size, "accepted": now}
    return [
        Put(Key(place, name), content, known[name].revision if name in known else 0, expires=expires)
        for name, content in ((upload.id, item), (_GUARD, {"v": SHAPE}))
    ]


def _place(admission: Admission) -> str:
    uploader = Uploader.read(admission.upload.principal).unique_id or "unknown"
    return f"used#{admission.upload.tenant}/{admission.rule.name}/{uploader}"


def _demand_day(outside: Outside, admission: Admission, others: Sequence[Stored]) -> None:
    most, since = admission.rule.limits.bytes_a_day, outside.clock.now() - _DAY
    used = sum(stored.item["bytes"] for stored in others if stored.item["accepted"] > since)
    wanted = used + admission.upload.object.size
    if most is not None and wanted > most:
        detail = f"{wanted} bytes within 24 hours are more than {most} allowed"
        raise refusal(admission.rules, Code.LIMIT_DAY, detail, admission.rule)


def _demand_at_once(outside: Outside, admission: Admission, others: Sequence[Stored]) -> None:
    most = admission.rule.limits.uploads_at_once
    if most is None:
        return
    records = Ledger(outside).read([Key(collection(stored.key.sk), "upload") for stored in others])
    running = sum(record is not None and not State(record.item["state"]).terminal for record in records.values())
    if running + 1 > most:
        detail = f"{running} uploads are on their way and {most} are allowed"
        raise refusal(admission.rules, Code.LIMIT_AT_ONCE, detail, admission.rule)
