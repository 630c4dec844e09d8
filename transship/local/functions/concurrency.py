"""
How many invocations may run at once: of a function, and of an account in a Region.

Reserved concurrency is taken out of the account's for its function alone (developer guide, "Understanding Lambda
function scaling"); a reservation of 0 stops a function.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from transship.local.functions.errors import TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transship.local.functions.configuration import FunctionConfiguration

ACCOUNT_CONCURRENCY = 1000
"""AWS's default; accounts that are new have less."""

FUNCTION_LIMIT = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_LIMIT = "ConcurrentInvocationLimitExceeded"


class Concurrency:
    """Counts running invocations; `changed` is notified when one has ended."""

    def __init__(self, account_limit: int = ACCOUNT_CONCURRENCY) -> None:
        self.changed = threading.Condition()
        self._account_limit = account_limit
        self._functions: Counter[str] = Counter()
        self._unreserved: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def slot(self, function: FunctionConfiguration) -> Iterator[None]:
        """
        Hold one unit of concurrency for *function*.

        Raises:
            TooManyRequestsError: There is none left.
        """
        name = str(function.arn)
        pool = (function.arn.account, function.arn.region) if function.reserved_concurrency is None else None
        with self.changed:
            self._check(function, name, pool)
            self._functions[name] += 1
            if pool:
                self._unreserved[pool] += 1
        try:
            yield
        finally:
            with self.changed:
                self._functions[name] -= 1
                if pool:
                    self._unreserved[pool] -= 1
                self.changed.notify_all()

    def running(self, function_arn: str) -> int:
        """Return how many invocations of the function run now."""
        with self.changed:
            return self._functions[function_arn]

    def _check(self, function: FunctionConfiguration, name: str, pool: tuple[str, str] | None) -> None:
        reserved = function.reserved_concurrency
        if reserved is not None and self._functions[name] >= reserved:
            raise TooManyRequestsError(FUNCTION_LIMIT)
        if pool and self._unreserved[pool] >= self._account_limit:
            raise TooManyRequestsError(ACCOUNT_LIMIT)
