"""
Step 1: a notification becomes an upload, and an upload a plan or a refusal.

In this order, each before the first ECR write: where the key leads, what the archive is, whether the repositories are
there, whether our roles may. Nothing is pushed here, and this function's role could not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chalicelib.access import preflight
from chalicelib.archive.contents import ArchiveContents
from chalicelib.archive.read import ArchiveLimits, read_archive
from chalicelib.chunks import chunked
from chalicelib.ending import end
from chalicelib.errors import Code, FinalError, RefusedError, TemporaryError
from chalicelib.events import Notification, parse_notifications
from chalicelib.layer_format import encoding
from chalicelib.lease import Lease
from chalicelib.ledger import Entry, Ledger
from chalicelib.messages import drive
from chalicelib.meter import Count
from chalicelib.naming import place, targets
from chalicelib.notify import flush
from chalicelib.oci.reference import Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.plan import Plan, plan
from chalicelib.ports import RegistryClient, RepositorySettings, RepositoryTemplate
from chalicelib.presence import settle
from chalicelib.upload import State, Upload, upload_id

_MOST_NAMES = 100  # of one DescribeRepositories


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


def receive_object(outside: Outside, notification: Notification) -> str:
    """
    Take one object version and return the id of its upload; one that is known already is moved on.

    Raises:
        TemporaryError: Try again later.
    """
    version = notification.object
    known_as = upload_id(version.bucket, version.key, version.version_id)
    outside.log.keys(upload_id=known_as)
    ledger = Ledger(outside)
    entry = ledger.begin(
        Upload(
            id=known_as,
            object=version,
            principal=notification.principal,
            sequencer=notification.sequencer,
            received=outside.clock.now(),
        )
    )
    if entry.upload.state is State.RECEIVED:
        with Lease.hold(outside, entry.upload.id, "receive"):
            entry = ledger.load(entry.upload.id) or entry
            if entry.upload.state is State.RECEIVED:
                entry = _decide(outside, entry)
    drive(outside, entry.upload)
    flush(outside, entry.upload.id)
    return entry.upload.id


def _decide(outside: Outside, entry: Entry) -> Entry:
    try:
        where = place(entry.upload.object.key, outside.settings.prefix)
        contents = read_archive(outside.bucket.source(entry.upload.object), ArchiveLimits())
        planned = plan(contents.images, targets(where, contents.images), outside.settings.bundle_bytes)
        verdict = _authorise(outside, planned)
        if not verdict.denied:
            planned = _settle(outside, planned)
    except FinalError as error:
        return end(outside, entry, error)
    if verdict.denied:
        return _deny(outside, entry, verdict)
    return _accept(outside, entry, contents, planned, verdict)


def _accept(
    outside: Outside, entry: Entry, contents: ArchiveContents, planned: Plan, verdict: preflight.Verdict
) -> Entry:
    ledger = Ledger(outside)
    ledger.overwrite(entry.upload.id, ("image#", "layer#"), [*planned.images, *planned.layers])
    pending = any(not layer.stored for layer in planned.layers)
    upload = replace(
        entry.upload,
        state=State.ACCEPTED if pending else State.PUBLISHING,
        accepted=outside.clock.now(),
        kind=contents.kind,
        warnings=contents.warnings,
        preflight=verdict.to_item(),
    ).with_tally(outside.usage())
    outside.log.info("accepted", images=len(planned.images), layers=len(planned.layers), kind=contents.kind)
    return ledger.decide(entry, upload, [ledger.announcer(upload).accepted(planned.images)])


def _settle(outside: Outside, planned: Plan) -> Plan:
    """Mark the layers that are there already: they are not moved, and if none is left, nothing is."""
    registry = outside.registries.client(outside.deployment.registry)
    layers = settle(outside, registry, planned.layers, encoding(outside.settings))
    outside.meter.add(Count.LAYERS_SKIPPED, sum(layer.stored for layer in layers))
    return replace(planned, layers=tuple(layers))


def _deny(outside: Outside, entry: Entry, verdict: preflight.Verdict) -> Entry:
    """Reject, but only a denial that still stands after a while: IAM is eventually consistent (ecr.md 6.4)."""
    first = entry.upload.preflight.get("first_denied", verdict.asked)
    if verdict.asked - first >= outside.settings.preflight_again:
        upload = replace(entry.upload, preflight=verdict.to_item())
        return end(outside, replace(entry, upload=upload), verdict.refusal())
    upload = replace(entry.upload, preflight={**verdict.to_item(), "first_denied": first})
    Ledger(outside).decide(entry, upload)
    raise TemporaryError("a permission is missing; asking once more", after=outside.settings.preflight_again)


def _authorise(outside: Outside, planned: Plan) -> preflight.Verdict:
    """Find out whether the repositories are there and whether our roles may write them."""
    registry = outside.registries.client(outside.deployment.registry)
    _authenticate(registry)
    found = _repositories(registry, planned.repositories)
    missing = [name for name in planned.repositories if name not in found]
    if missing and not outside.settings.create_repositories:
        raise RefusedError(Code.REPOSITORY_ABSENT, f"there is no repository {missing[0]} in {registry.registry}")
    tags = {
        **{name: registry.repository_tags(name) for name in found},
        **dict.fromkeys(missing, outside.settings.repository_tags),
    }
    verdict = preflight.judge(
        outside, {Repository(registry.registry, name): tags[name] for name in planned.repositories}
    )
    if not verdict.denied:
        _create(outside, registry, missing)
    return verdict


def _authenticate(registry: RegistryClient) -> None:
    try:
        registry.authenticate()
    except FinalError as error:
        raise RefusedError(
            Code.PERMISSION_MISSING,
            f"we cannot authenticate to {registry.registry}: {error.detail}",
            facts={"statements": [{"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"}]},
        ) from error


def _repositories(
    registry: RegistryClient, names: tuple[RepositoryName, ...]
) -> Mapping[RepositoryName, RepositorySettings]:
    found: dict[RepositoryName, RepositorySettings] = {}
    for chunk in chunked(names, _MOST_NAMES):
        found.update(registry.repositories(chunk))
    return found


def _create(outside: Outside, registry: RegistryClient, names: list[RepositoryName]) -> None:
    settings = outside.settings
    template = RepositoryTemplate(
        mutability=settings.repository_mutability,
        scan_on_push=settings.repository_scan,
        kms_key=settings.repository_kms_key or None,
        tags=settings.repository_tags,
    )
    for name in names:
        registry.create_repository(name, template)
        outside.log.info("created a repository", repository=str(name))
