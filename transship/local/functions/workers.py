"""Threads for batches and events; what goes wrong in one unforeseen is logged, not lost with its future."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)


class Workers(ThreadPoolExecutor):
    """A thread pool whose failures are seen."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run *function* in a thread; an exception of it is logged."""
        future = super().submit(function, *args, **kwargs)
        future.add_done_callback(_report)
        return future


def _report(future: Future[T]) -> None:
    if not future.cancelled() and (error := future.exception()):
        _log.error("a worker failed", exc_info=error)
