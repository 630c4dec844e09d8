"""
Every change made to moto's own behaviour, in one place.

`install` is idempotent; what it leans on is named in tests/local/aws/test_moto_contract.py, so that an upgrade of
moto fails there first.
"""

from __future__ import annotations

from moto.core import errors

_COMMON_ERRORS = ("AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "UnrecognizedClientException")
"""Codes that every service may send ("Common Error Types") and that no service's model lists; moto warns of them."""


def install() -> None:
    """Change moto for this process."""
    known = errors.COMMON_ERROR_CODES
    known.extend(code for code in _COMMON_ERRORS if code not in known)
