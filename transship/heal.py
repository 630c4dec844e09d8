"""
`transship heal`: what is missing where, and bringing it; the pipeline's own read-back says whether it worked.

`push` and `backfill` are done here, with the rights of whoever runs the command or of a heal role; `retag` is put by
the deployed `publish`, which alone may put images. In every way the upload then goes back to its confirmation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from chalicelib.access.documents import missing_statement
from chalicelib.access.principals import Principal
from chalicelib.errors import Code, ConflictError, FinalError, TransshipError
from chalicelib.messages import send_confirm
from chalicelib.oci.reference import Registry, Tag
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient
from chalicelib.replicas.family import families
from chalicelib.replicas.healing import Way, healed_roots, open_replicas, reopen, tidy
from chalicelib.replicas.straight import StraightPush
from chalicelib.state.ledger import Entry, Ledger
from chalicelib.state.records import ReplicaRecord
from chalicelib.state.upload import State, Upload
from transship.errors import CommandError

_HEALABLE: Final = frozenset({State.FAILED, State.CONFIRMING, State.AVAILABLE})
_RUNNING: Final = frozenset({"PREPARING", "IN_PROGRESS", "STOPPING"})
_BACKFILL_POLL: Final = 10.0  # seconds; a backfill takes minutes, seldom an hour (ecr.md 1.7)


@dataclass(frozen=True, slots=True)
class Patient:
    """An upload, and its replicas that are not, or no longer taken to be, where they must be."""

    entry: Entry
    missing: tuple[ReplicaRecord, ...]

    @property
    def upload(self) -> Upload:
        """The upload as it was read."""
        return self.entry.upload

    @property
    def destinations(self) -> tuple[Registry, ...]:
        """The registries that lack something, each once."""
        return tuple(sorted({replica.registry for replica in self.missing}))


def examine(outside: Outside, upload_id: str, only: Registry | None = None) -> Patient:
    """
    Return what is missing of an upload, in *only* one destination if that is given.

    All replicas of an upload that is available count as missing: whoever heals it doubts them.

    Raises:
        CommandError: There is no such upload, or nothing of it can be healed.
    """
    ledger = Ledger(outside)
    entry = ledger.load(upload_id)
    if entry is None:
        raise CommandError(f"There is no upload {upload_id}.", "List the recent ones with `transship status`.")
    if entry.upload.state not in _HEALABLE or not entry.upload.published:
        raise CommandError(
            f"The upload {upload_id} is {entry.upload.state.value}, and nothing of it was put that could be missing.",
            "Try `transship retry` after its cause was mended.",
        )
    rows = open_replicas(ledger, entry.upload)
    missing = tuple(row.record for row in rows if only in (None, row.record.registry))
    if not missing:
        raise CommandError(f"Every destination of {upload_id} is verified.", "There is nothing to heal.")
    return Patient(entry, missing)


def heal(
    outside: Outside,
    patient: Patient,
    way: Way,
    *,
    destination: Callable[[Registry], RegistryClient],
    create: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Upload:
    """
    Bring what is missing in one way, send the upload back to its confirmation, and return it.

    Args:
        outside: The ports, with the caller's rights.
        patient: What `examine` found.
        way: What to do.
        destination: Makes a client that may push into a destination.
        create: Whether a push may create a repository that is absent.
        sleep: Waits for a backfill.

    Raises:
        CommandError: AWS refused, or the upload changed meanwhile.
    """
    try:
        if way is Way.PUSH:
            _push(outside, patient, destination, create=create)
        elif way is Way.BACKFILL:
            _backfill(outside, patient.destinations, sleep)
        entry = reopen(outside, patient.entry, way)
    except ConflictError as error:
        raise CommandError(f"The upload {patient.upload.id} changed at this moment.", "Look and try again.") from error
    except TransshipError as error:
        raise CommandError(f"The {way.value} was not done: {error}", _remedy(outside, error)) from error
    send_confirm(outside, entry.upload, 0)
    return entry.upload


def _remedy(outside: Outside, error: TransshipError) -> str:
    if not isinstance(error, FinalError) or error.code is not Code.ACCESS_DENIED or "action" not in error.facts:
        return "See `transship policy` for a heal role."
    action, resource = error.facts["action"], error.facts["resource"]
    if action == "sts:AssumeRole":
        trust = f"transship policy --for trust --principal {_caller(outside)} --external-id ID"
        return f"`{trust}` prints what the trust policy of {resource} lacks; your own must allow {action} on it, too."
    return f"Add to the policy of whom you push as: {json.dumps(missing_statement([action], resource))}"


def _caller(outside: Outside) -> str:
    """Return who runs the command, as a trust policy names them: a session by its role."""
    arn = outside.identity.whoami().arn
    role = Principal.from_arn(arn).role
    if role is None:
        return arn
    try:
        return outside.identity.role_arn(role.rpartition("/")[2])  # with its path
    except TransshipError:
        return role


def _push(
    outside: Outside, patient: Patient, destination: Callable[[Registry], RegistryClient], *, create: bool
) -> None:
    found = families([row.record for row in Ledger(outside).images(patient.upload.id)])
    for registry in patient.destinations:
        numbers = {replica.image for replica in patient.missing if replica.registry == registry}
        push = StraightPush(outside, patient.upload, destination(registry), create=create)
        push.run(found[number] for number in sorted(numbers))


def _backfill(outside: Outside, registries: Iterable[Registry], sleep: Callable[[float], None]) -> None:
    source = outside.registries.client(outside.deployment.registry)
    running = {registry: source.start_backfill(registry) for registry in registries}
    while any(source.backfill_status(number) in _RUNNING for number in running.values()):
        sleep(_BACKFILL_POLL)


def remove_heal_tags(outside: Outside, upload: Upload) -> list[Tag]:
    """Remove what `retag` left in the source where that is safe, and return the tags that stay."""
    registry = outside.registries.client(outside.deployment.registry)
    return tidy(registry, upload, healed_roots(outside, upload.id))
