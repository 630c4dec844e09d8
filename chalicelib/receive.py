"""
Step 1: a notification becomes an upload, and an upload a plan or a refusal.

In this order, each before the first ECR write: where the key leads, whether the uploader may upload there at all, what
the archive is, whether the uploader may push that, whether the repositories are there, whether our roles may.
Where the registry has all of it already nothing will be written, and our roles are not asked about.
Nothing is pushed here, and this function's role could not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from chalicelib.access.admission import Admission, admit, admit_unread, demand_candidates, may_be_named_yet
from chalicelib.access.authorise import Authority, authorise, authorise_below
from chalicelib.access.denial import refuse_or_ask_again
from chalicelib.access.identity import prove_identity
from chalicelib.access.judgement import Verdict
from chalicelib.access.quota import reserve
from chalicelib.errors import Code, ConflictError, FinalError, RefusedError, RepositoryAbsent, TemporaryError
from chalicelib.events import Draft, Notification, parse_notifications
from chalicelib.layers.format import encoding
from chalicelib.layers.presence import cache_keys, guess, settle
from chalicelib.messages import drive, send_confirm
from chalicelib.meter import Count
from chalicelib.names import RECEIVE
from chalicelib.notify import flush
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.outcome.ending import end
from chalicelib.outside import Outside
from chalicelib.planning.look import Look, look
from chalicelib.planning.plan import Plan
from chalicelib.planning.provenance import begun_by, look_again
from chalicelib.planning.unchanged import settle_unchanged
from chalicelib.planning.write_plan import changes_of, write_plan
from chalicelib.ports.registry import ReplicationRule
from chalicelib.ports.table import Key, Put, Stored
from chalicelib.replacing import replace
from chalicelib.state.claims import Claims
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Entry, Ledger
from chalicelib.state.order import order_key, ranked
from chalicelib.state.records import LayerRecord
from chalicelib.state.upload import State, Upload, tenant, upload_id


def receive(outside: Outside, body: str) -> None:
    """
    Take every record of a message from S3; one record's trouble does not keep the others from being taken.

    Raises:
        ForeignMessageError: The message is not ours.
        TemporaryError: At least one record must come again.
    """
    trouble: TemporaryError | None = None
    for notification in parse_notifications(body, outside.deployment):
        try:
            receive_object(outside, notification)
        except TemporaryError as error:
            trouble = error
    if trouble:
        raise trouble


def receive_object(outside: Outside, notification: Notification) -> None:
    """
    Take one object version; one that is known already is moved on.

    Raises:
        TemporaryError: Try again later.
    """
    told, prefix = notification.object, outside.settings.prefix
    outside.log.keys(upload_id=notification.upload or upload_id(told, prefix), tenant=tenant(told.key, prefix))
    begun = begun_by(outside, notification)
    upload = begun.upload
    if upload is None:
        outside.log.info("a provenance file is read with its chart", key=notification.object.key)
        return
    proposal: _Proposal | FinalError
    try:
        seen = _see(outside, upload)
        short = _short_way(outside, seen)
        if short:
            # Its events go with the confirmation, which follows at once.
            send_confirm(outside, short.upload, 0)
            look_again(outside, short.upload)
            return
        proposal = _propose(outside, seen)
    except FinalError as error:
        if begun.waits and error.code is Code.CHART_PROVENANCE:
            outside.log.info("a provenance file waits for another chart", key=notification.object.key)
            return
        if error.code is Code.UPLOADER_DENIED and may_be_named_yet(outside, upload):
            outside.log.info("nobody is named; S3's own notification may still come", reason=error.detail)
            return
        proposal = error
    entry = _long_way(outside, upload, proposal)
    drive(outside, entry.upload)
    look_again(outside, entry.upload)
    flush(outside, entry.upload.id)


class _Seen(Struct, frozen=True):
    """
    A sound archive whose uploader may bring it, and what is known about its place.

    *upload* is as it would be accepted; *known* are the items of the table that decide about it; *reserved* are the
    changes by which its uploader's next upload sees it.
    """

    upload: Upload
    look: Look
    admission: Admission
    claims: Claims
    known: Mapping[Key, Stored | None]
    reserved: Sequence[Put]


class _Proposal(Struct, frozen=True):
    """What would become of an archive: *upload* is as it would be accepted; *new*: nobody has seen it before."""

    upload: Upload
    new: bool
    planned: Plan
    verdict: Verdict
    reserved: Sequence[Put]


def _see(outside: Outside, upload: Upload) -> _Seen:
    """Read the archive, plan, ask whether the uploader may, and look at what is known; nothing is written."""
    demand_candidates(outside, upload)
    seen = look(outside, upload)
    admission = _admit(outside, upload, seen)
    claim_keys = Claims.keys(outside, _tags(seen.planned))
    cached = cache_keys(outside, seen.planned.layers, encoding(outside.settings))
    known = Ledger(outside).read([upload.key, order_key(upload), *claim_keys, *cached])
    accepted = replace(
        upload,
        state=State.ACCEPTED,
        accepted=outside.clock.now(),
        kind=seen.kind,
        warnings=seen.warnings,
        found=seen.found,
        pushed=seen.pushed,
        opening=seen.opening,
        provenance=seen.provenance,
        access=admission.to_item(),
    )
    claims = Claims(outside, {key: known[key] for key in claim_keys})
    return _Seen(accepted, seen, admission, claims, known, reserve(outside, admission))


def _short_way(outside: Outside, seen: _Seen) -> Entry | None:
    """Settle an upload that is new and whose images are there already; see `unchanged`."""
    if seen.upload.opening or seen.known[seen.upload.key]:
        return None
    prove_identity(outside, RECEIVE)
    planned = seen.look.planned
    layers = tuple(guess(outside, planned.layers, encoding(outside.settings), seen.known))

    def demand(rules: Sequence[ReplicationRule]) -> None:
        seen.admission.demand_destinations(outside, rules)

    upload, ranks = ranked(outside, seen.upload, seen.known[order_key(seen.upload)])
    try:
        held = replace(planned, layers=layers)
        reserved = [*seen.reserved, *ranks]
        return settle_unchanged(outside, upload, held, seen.claims, demand=demand, reserved=reserved)
    except FinalError as error:
        if error.code is Code.ACCESS_DENIED:
            return None  # the preflight says what is missing
        raise
    except RepositoryAbsent:
        return None


def _propose(outside: Outside, seen: _Seen) -> _Proposal:
    """Ask whether our roles may, and look at what is there; nothing is written."""
    found, planned = seen.look, seen.look.planned
    authority = _authorise(outside, found, seen.admission)
    verdict = authority.verdict
    if not verdict.denied and not found.sealed:
        seen.admission.demand_destinations(outside, authority.rules)
    if not verdict.denied:
        registry = outside.registries.client(outside.deployment.registry)
        layers = settle(outside, registry, planned.layers, encoding(outside.settings), seen.known)
        outside.meter.add(Count.LAYERS_SKIPPED, _stored(layers) - _stored(planned.layers))
        planned = replace(planned, layers=tuple(layers))
    accepted = replace(
        seen.upload,
        state=State.PUBLISHING
        if not found.sealed and all(layer.stored for layer in planned.layers)
        else State.ACCEPTED,
        accepted=outside.clock.now(),
        opening=found.opening and replace(found.opening, stores=found.repository in authority.repositories),
        preflight=verdict.to_item(),
    )
    accepted, ranks = ranked(outside, accepted, seen.known[order_key(accepted)])
    new = seen.known[seen.upload.key] is None
    return _Proposal(accepted, new, planned, verdict, [*seen.reserved, *ranks])


def _admit(outside: Outside, upload: Upload, seen: Look) -> Admission:
    if seen.sealed:
        return admit_unread(outside, upload, seen.repository)
    return admit(outside, upload, seen.planned.images)


def _authorise(outside: Outside, seen: Look, admission: Admission) -> Authority:
    """Ask for the repositories; an archive that nobody has read may also go right below the one that its key names."""
    archive, rule = admission.upload.object, admission.rule
    create = outside.settings.create_repositories and rule.create_repositories
    if not seen.sealed:
        names = tuple(dict.fromkeys(image.repository for image in seen.planned.images))
        return authorise(outside, names, archive, create=create)
    try:
        if admission.repositories:
            return authorise(outside, admission.repositories, archive, create=create)
    except RefusedError as error:
        if error.code is not Code.REPOSITORY_ABSENT:
            raise
    return authorise_below(outside, seen.repository, rule, archive)


def _stored(layers: Sequence[LayerRecord]) -> int:
    return sum(layer.stored for layer in layers)


def _tags(planned: Plan) -> list[tuple[RepositoryName, Tag]]:
    return [(image.repository, tag) for image in planned.images for tag in image.tags]


def _long_way(outside: Outside, upload: Upload, proposal: _Proposal | FinalError) -> Entry:
    """Decide under a lease, unless somebody has decided already; what is new and small is accepted without one."""
    accepted = None if isinstance(proposal, FinalError) else _accept_new(outside, upload, proposal)
    if accepted:
        return accepted
    ledger = Ledger(outside)
    entry = ledger.begin(upload)
    if entry.upload.state is not State.RECEIVED:
        return entry
    with Lease.hold(outside, upload.id, "receive"):
        entry = ledger.load(upload.id) or entry
        if entry.upload.state is not State.RECEIVED:
            return entry
        if isinstance(proposal, FinalError):
            return end(outside, entry, proposal)
        if _is_opened(entry.upload) is not _is_opened(proposal.upload):
            # Its plan, made before, is empty: written now it would take the place of what `push` has found.
            raise TemporaryError("the archive was opened while it was judged")
        return _deny(outside, entry, proposal) if proposal.verdict.denied else _accept(outside, entry, proposal)


def _accept_new(outside: Outside, upload: Upload, proposal: _Proposal) -> Entry | None:
    """Accept an upload that nobody has seen before in one transaction, which needs no lease; None: it does not fit."""
    plan = changes_of(upload, proposal.planned)
    if not proposal.new or proposal.verdict.denied or plan is None:
        return None
    accepted, drafts = _accepted(outside, upload, proposal)
    try:
        return Ledger(outside).decide_new(accepted, drafts, also=[*proposal.reserved, *plan])
    except ConflictError as error:
        outside.log.info("somebody else has seen the upload by now", reason=str(error))
        return None


def _accept(outside: Outside, entry: Entry, proposal: _Proposal) -> Entry:
    ledger = Ledger(outside)
    write_plan(ledger, entry, proposal.planned)
    accepted, drafts = _accepted(outside, entry.upload, proposal)
    return ledger.decide(entry, accepted, drafts, also=proposal.reserved)


def _accepted(outside: Outside, before: Upload, proposal: _Proposal) -> tuple[Upload, list[Draft]]:
    """Return the upload as it is accepted, and what is announced of it."""
    planned, upload, opened = proposal.planned, proposal.upload, _is_opened(before)
    upload = replace(upload, received=before.received, attempt=before.attempt, tally=before.tally)
    upload = replace(upload, accepted=before.accepted if opened else upload.accepted).with_tally(outside.usage())
    if upload.attempt > 1:
        upload = replace(upload, rank=upload.accepted)  # whoever retries it wants it now
    outside.log.info(
        "accepted", images=len(planned.images), layers=len(planned.layers), kind=upload.kind, **upload.access
    )
    # Of a sealed archive it was announced when it was accepted to be opened.
    return upload, [] if opened else [Ledger(outside).announcer(upload).accepted(planned.images)]


def _is_opened(upload: Upload) -> bool:
    return upload.opening is not None and upload.opening.done


def _deny(outside: Outside, entry: Entry, proposal: _Proposal) -> Entry:
    """Reject, but only a denial that still stands after a while."""
    entry, refusal = refuse_or_ask_again(outside, entry, proposal.verdict)
    return end(outside, entry, refusal)
