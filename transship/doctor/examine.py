"""Every check, one after the other; none that fails keeps the others from being made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import Code, FinalError, TransshipError
from chalicelib.names import Deployment
from chalicelib.oci.reference import RepositoryName
from transship.deploy.checks import check
from transship.doctor.bus import examine_bus
from transship.doctor.identities import examine_identities
from transship.doctor.repositories import examine_repositories, examine_rules
from transship.doctor.rights import examine_rights
from transship.doctor.storage import examine_bucket, examine_dead_letters, examine_table
from transship.errors import CommandError
from transship.finding import Finding
from transship.workstation import outside_of

Check = tuple[str, Callable[[], Iterable[Finding]]]
"""What a check that itself fails is called, and the check."""

_FAULTS: Final = (BotoCoreError, ClientError, TransshipError, CommandError)
_DENIALS: Final = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"})
"""How the services spell that the caller may not ("Common errors" of each API reference)."""

_ABSENT: Final = re.compile(r"NotFound|NonExistent|NoSuch")


def examine(deployment: Deployment, session: boto3.Session, repositories: Sequence[RepositoryName]) -> list[Finding]:
    """
    Make every check of *deployment*.

    Args:
        deployment: Which one.
        session: The rights that everything is looked at with.
        repositories: Those whose permissions and replication are examined; none: those that the access rules name.
    """
    checks: list[Check] = [
        ("deployment can be examined", lambda: check(deployment, session)),
        ("identity of functions can be examined", lambda: examine_identities(deployment, session)),
        ("table can be examined", lambda: examine_table(deployment, session)),
        ("bus can be examined", lambda: examine_bus(deployment, session)),
        ("dead letters can be counted", lambda: examine_dead_letters(deployment, session)),
        *_with_settings(deployment, session, repositories),
    ]
    return [finding for subject, examined in checks for finding in _made(subject, examined)]


def _with_settings(
    deployment: Deployment, session: boto3.Session, repositories: Sequence[RepositoryName]
) -> list[Check]:
    """Return the checks that need the settings of the functions, or one that says why these cannot be read."""
    try:
        outside = outside_of(session, deployment)
    except CommandError as error:
        unread = _failed("settings can be read", error)
        return [(unread.subject, lambda: [unread])]
    return [
        ("bucket can be examined", lambda: examine_bucket(outside, session)),
        ("rules of access can be examined", lambda: examine_rules(outside)),
        ("repository checks can be made", lambda: examine_repositories(outside, repositories)),
        ("role checks can be made", lambda: examine_rights(outside.deployment, outside.settings, outside.identity)),
    ]


def _made(subject: str, examined: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return the findings of a check, and where it broke off, the last of them says so."""
    findings = []
    try:
        for finding in examined():
            findings.append(finding)  # noqa: PERF402 - those before the fault count
    except _FAULTS as error:
        findings.append(_failed(subject, error))
    return findings


def _failed(subject: str, error: BaseException) -> Finding:
    if _denied(error):
        return Finding(subject, holds=None, remedy=f"You may not look: {error}")
    if _absent(error):
        return Finding(subject, holds=False)
    return Finding(subject, holds=False, remedy=f"AWS did not answer: {error}")


def _denied(error: BaseException | None) -> bool:
    """Return whether *error*, or what led to it, is AWS's denial of a look of ours."""
    if isinstance(error, FinalError):
        return error.code is Code.ACCESS_DENIED
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code") in _DENIALS
    return error is not None and _denied(error.__cause__)


def _absent(error: BaseException | None) -> bool:
    """Return whether *error*, or what led to it, says that something is not there: deploying makes it."""
    if isinstance(error, ClientError):
        return _ABSENT.search(error.response["Error"].get("Code", "")) is not None
    return error is not None and _absent(error.__cause__)
