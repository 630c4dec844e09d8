"""Who is being served right now, for code that moto calls without telling."""

from __future__ import annotations

from contextvars import ContextVar

from transship.local.caller import Caller

NOBODY = Caller(account="", region="", arn="", user_id="", access_key="")
"""The local AWS itself: a schedule, a worker, replication."""

current_caller: ContextVar[Caller] = ContextVar("current_caller", default=NOBODY)
"""Set by the front door for as long as it serves a request."""
