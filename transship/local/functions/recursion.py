"""
The recursion guard: counts how often a chain of events came back to the same function.

Lambda keeps the count in the trace header, in a field called Lineage.
A function gets the header as `_X_AMZN_TRACE_ID`; botocore sends it on as `X-Amzn-Trace-Id`
(`botocore.handlers.add_recursion_detection_header`), SQS stores it with the message as `AWSTraceHeader`, and with the
next invocation it comes back.
A function may run 16 times in one chain; the 17th invocation is refused (AWS Lambda developer guide, "Recursive loop
detection"), unless PutFunctionRecursionConfig says Allow.

Rules:
- Lineage is `HASH:COUNT|HASH:COUNT…`: 8 hexadecimal digits that stand for a function, and its runs in this chain.
  AWS does not publish the form; only the counting is its contract.
- botocore percent-encodes the `|`, so a header is unquoted before it is read.
- Only what carries the header is counted: SQS and Invoke. EventBridge does not carry it, at AWS neither.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

MAX_RUNS = 16
"""Runs of one function in one chain."""

MAX_LINEAGE = 16
"""Functions remembered in a header; the oldest are forgotten first, so that the header stays short."""

_ENTRY = re.compile(r"([0-9a-f]{8}):(\d{1,5})")


def _function_hash(function_arn: str) -> str:
    return hashlib.sha256(function_arn.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """
    A trace header, as far as Lambda changes it.

    Attributes:
        root: Id of the whole chain, `1-TIME-RANDOM`.
        sampled: `0` or `1`, handed on.
        runs: Runs in this chain by function hash, oldest entry first.
    """

    root: str
    sampled: str = "0"
    runs: dict[str, int] = field(default_factory=dict)

    @classmethod
    def new(cls) -> Self:
        """Return the header of a chain that begins now."""
        return cls(root=f"1-{int(time.time()):08x}-{os.urandom(12).hex()}")

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read *text*; without a root in it a new chain begins."""
        fields = dict(part.strip().partition("=")[::2] for part in unquote(text or "").split(";"))
        if not fields.get("Root"):
            return cls.new()
        runs = {key: int(count) for key, count in _ENTRY.findall(fields.get("Lineage", ""))}
        return cls(root=fields["Root"], sampled=fields.get("Sampled", "0"), runs=runs)

    def runs_of(self, function_arn: str) -> int:
        """Return how often *function_arn* ran in this chain."""
        return self.runs.get(_function_hash(function_arn), 0)

    def after(self, function_arn: str) -> Self:
        """Return the header for one more run of *function_arn*."""
        key = _function_hash(function_arn)
        others = [item for item in self.runs.items() if item[0] != key][1 - MAX_LINEAGE :]
        return type(self)(self.root, self.sampled, {**dict(others), key: self.runs.get(key, 0) + 1})

    def __str__(self) -> str:
        """Return the header's text, with a new parent segment."""
        lineage = "|".join(f"{key}:{count}" for key, count in self.runs.items())
        text = f"Root={self.root};Parent={os.urandom(8).hex()};Sampled={self.sampled}"
        return f"{text};Lineage={lineage}" if lineage else text
