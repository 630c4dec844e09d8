"""
What follows from a verdict that denies: it is asked once more before it rejects, since IAM is eventually consistent.

Where AWS did not answer at all, it is asked for longer: an outage of IAM is no answer to the uploader's bytes.
"""

from __future__ import annotations

from typing import Final

from chalicelib.access.judgement import Verdict
from chalicelib.errors import RefusedError, TemporaryError
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from chalicelib.state.ledger import Entry, Ledger

_ROUNDS_OF_AN_OUTAGE: Final = 4


def refuse_or_ask_again(outside: Outside, entry: Entry, verdict: Verdict) -> tuple[Entry, RefusedError]:
    """
    Return the refusal of a *verdict* that has stood for long enough, and the entry that records it.

    Raises:
        TemporaryError: It is noted; ask again.
        ConflictError: The upload changed since it was read.
    """
    now, again = outside.clock.now(), outside.settings.preflight_again
    first = entry.upload.preflight.get("first_denied", now)
    if now - first >= again * (_ROUNDS_OF_AN_OUTAGE if verdict.outage else 1):
        upload = replace(entry.upload, preflight=verdict.to_item())
        for finding in verdict.denied:
            outside.log.warning("a permission is missing", **finding.to_item())
        for addition in verdict.statements():
            outside.log.warning("a statement would mend it", **addition)
        return replace(entry, upload=upload), verdict.refusal()
    upload = replace(entry.upload, preflight={**verdict.to_item(), "first_denied": first})
    Ledger(outside).decide(entry, upload)
    raise TemporaryError(f"{verdict.refusal().detail}; asking once more", after=again)
