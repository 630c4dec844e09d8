"""
Why an image does not arrive in a destination, and the statement or command that mends it. Pure: `evidence` reads.

ECR's failureCode is an undocumented free string and is never interpreted (ecr.md 4); causes are found in what the
destination is and allows. A cause is *certain* where it alone explains what is lacking; else it is one to look at.
What nobody but the destination may read, and nobody let us read, is said to be unread and not guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field

from chalicelib.access.documents import read_back_policy, trust_policy
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.ports.registry import CreationTemplate, ReplicationRule, RepositorySettings
from chalicelib.replicas.acceptance import Lacking, Rejection, Replica, rejection
from chalicelib.replicas.destinations import Lack, destinations

_ROOT_TEMPLATE: Final = "ROOT"
_TEMPLATE_ACTIONS: Final = (
    "ecr:CreateRepository",
    "ecr:ReplicateImage",
    "ecr:TagResource",
    "kms:CreateGrant",
    "kms:RetireGrant",
    "kms:DescribeKey",
)
_GONE: Final = frozenset({Lack.DELETED, Lack.CHILD, Lack.LAYER})
_ABSENT: Final = frozenset({Lack.NO_STATUS, Lack.UNFINISHED, Lack.IMAGE, Lack.REPOSITORY})


class Reason(StrEnum):
    """Names of causes; they never change once released."""

    NOT_CONFIGURED = "NotConfigured"
    NOT_OPTED_IN = "RegionNotOptedIn"
    POLICY_MISSING = "RegistryPolicyMissing"
    POLICY_DENIES = "RegistryPolicyDenies"
    MAY_NOT_CREATE = "RepositoryNotCreatable"
    REPOSITORY_DELETED = "RepositoryDeleted"
    TEMPLATE_ROLE = "CreationTemplateRole"
    KEY = "KeyUnusable"
    LIFECYCLE = "LifecycleRule"
    TAG_IMMUTABLE = "TagImmutable"
    TAG_MOVED = "TagNamesAnotherImage"
    TAG_ABSENT = "TagAbsent"
    ARCHIVED = "Archived"
    READ_BACK = "ReadBackDenied"
    INCOMPLETE = "Incomplete"
    UNREAD = "Unread"
    UNKNOWN = "Unknown"


class Unread(Struct, frozen=True):
    """Something could not be read, and why; *action* is what was denied, "" if it was not that."""

    reason: str
    action: str = ""


class Evidence(Struct, frozen=True, kw_only=True):
    """
    What is known about one image in one destination.

    Attributes:
        partition: `aws`, `aws-cn`, `aws-us-gov` …
        source: The registry that was pushed to.
        repository: The repository in the destination.
        upload: Id of the upload, for the commands.
        tags: That it must have.
        lack: A word of `replication.Lack`, or ECR's failureCode.
        rules: The source's replication rules as they are now.
        policy: The destination's registry policy as JSON text, None for none.
        found: The repository in the destination, None for none.
        templates: The destination's creation templates.
        lifecycle: The repository's lifecycle policy as JSON text, None for none.
        reader: ARN of the role that reads back there, "" for our own.
        external_id: That the role is assumed with.
        confirm: ARN of the role of confirm, which assumes it.
        prefixes: Beginnings of names for which a policy that mends should accept replicas; none: this repository.
    """

    partition: str
    source: Registry
    repository: Repository
    upload: str
    tags: tuple[str, ...]
    lack: str
    rules: Sequence[ReplicationRule] | Unread
    policy: str | Unread | None = None
    found: RepositorySettings | Unread | None = None
    templates: Sequence[CreationTemplate] | Unread = ()
    lifecycle: str | Unread | None = None
    reader: str = ""
    external_id: str = ""
    confirm: str = ""
    prefixes: tuple[str, ...] = ()

    @property
    def destination(self) -> Registry:
        """The registry that lacks something."""
        return self.repository.registry

    @property
    def crosses_accounts(self) -> bool:
        """Whether the destination is another account's."""
        return self.destination.account != self.source.account

    @property
    def arrived(self) -> bool:
        """Whether the image, or part of it, did arrive there."""
        return self.lack in set(Lack) - _ABSENT - {Lack.DENIED, Lack.UNREACHED, Lack.KEY, Lack.CHILD_UNFINISHED}


class Cause(Struct, frozen=True):
    """
    One cause.

    Attributes:
        mend: What mends it: "command", or "statement"/"document" and what to "attach_to".
    """

    reason: Reason
    detail: str
    mend: Mapping[str, Any] = field(default_factory=dict)
    certain: bool = True

    def to_item(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"cause": self.reason.value, "certain": self.certain, "detail": self.detail, "mend": dict(self.mend)}


def causes(evidence: Evidence) -> tuple[Cause, ...]:
    """Return the causes that *evidence* shows, the certain ones first; never none."""
    found = [
        *_unreached(evidence),
        *_configuration(evidence),
        *_policy(evidence),
        *_templates(evidence),
        *_repository(evidence),
        *_image(evidence),
        *_tag(evidence),
        *_reader(evidence),
    ]
    certain = [cause for cause in found if cause.certain]
    rest = [cause for cause in found if not cause.certain]
    return (*certain, *rest) or (_unknown(evidence),)


def obstacles(evidence: Evidence) -> tuple[Cause, ...]:
    """
    Return what would keep an image from arriving that nobody has pushed yet; none where nothing is known to.

    It is asked of a destination as a whole, so `lack` is `Lack.NO_STATUS`.
    """
    return (*_unreached(evidence), *_policy(evidence), *_templates(evidence))


def unread(evidence: Evidence) -> tuple[str, ...]:
    """Return why what could not be read was not, each reason once."""
    return tuple(dict.fromkeys(_unread(evidence)))


def _command(evidence: Evidence, words: str) -> dict[str, str]:
    where = evidence.destination
    return {"command": f"aws {words} --region {where.region}", "account": where.account}


def _heal(evidence: Evidence, way: str) -> dict[str, str]:
    return {"command": f"transship heal {evidence.upload} --way {way}"}


def _parts(evidence: Evidence) -> Iterator[Unread]:
    for part in (evidence.rules, evidence.policy, evidence.found, evidence.templates, evidence.lifecycle):
        if isinstance(part, Unread):
            yield part


def _unread(evidence: Evidence) -> Iterator[str]:
    return (part.reason for part in _parts(evidence))


def _unreached(evidence: Evidence) -> Iterator[Cause]:
    """A Region that is not opted in knows our credentials no more than a stranger's."""
    if any("UnrecognizedClient" in reason or "InvalidClientTokenId" in reason for reason in _unread(evidence)):
        region = evidence.destination.region
        yield Cause(
            Reason.NOT_OPTED_IN,
            f"{region} does not know our credentials: an account has not opted in to it; both must (ecr.md 4)",
            {"command": f"aws account enable-region --region-name {region}", "account": evidence.destination.account},
        )


def _configuration(evidence: Evidence) -> Iterator[Cause]:
    if isinstance(evidence.rules, Unread):
        return
    name, where = evidence.repository.name, evidence.destination
    if where in destinations(evidence.rules, name, evidence.source):
        return
    rule = {"destinations": [{"region": where.region, "registryId": where.account}]}
    yield Cause(
        Reason.NOT_CONFIGURED,
        f"{evidence.source} is no longer configured to replicate {name} to {where}",
        {"attach_to": f"replication configuration of {evidence.source}", "statement": rule},
    )


def _policy(evidence: Evidence) -> Iterator[Cause]:
    if not evidence.crosses_accounts or isinstance(evidence.policy, Unread) or evidence.arrived:
        return
    replica = Replica(
        partition=evidence.partition,
        source_account=evidence.source.account,
        repository=evidence.repository,
        exists=evidence.found is not None,
        prefixes=evidence.prefixes,
    )
    if refused := rejection(evidence.policy, replica):
        yield _refused(evidence, refused)


def _refused(evidence: Evidence, refused: Rejection) -> Cause:
    mend: dict[str, Any] = {"attach_to": f"registry policy of {evidence.destination}"}
    if refused.document:
        words = f"ecr put-registry-policy --policy-text '{json.dumps(refused.document)}'"
        mend |= {"document": refused.document, **_command(evidence, words)}
    match refused.lacking:
        case Lacking.POLICY:
            text = f"{evidence.destination} has no registry policy that accepts replicas"
            return Cause(Reason.POLICY_MISSING, text, mend)
        case Lacking.REPLICATION:
            text = f"the registry policy of {evidence.destination} {refused.detail}"
            return Cause(Reason.POLICY_DENIES, text, mend)
        case Lacking.CREATION:
            text = f"{evidence.repository} does not exist, and the registry policy {refused.detail}"
            return Cause(Reason.MAY_NOT_CREATE, text, mend)


def _templates(evidence: Evidence) -> Iterator[Cause]:
    if isinstance(evidence.templates, Unread) or evidence.found is not None:
        return
    template = _template(evidence.templates, evidence.repository.name)
    if template is None or not (template.kms_key or template.has_tags):
        return
    subject = f"the creation template {template.prefix} of {evidence.destination}"
    statement = {"Effect": "Allow", "Action": list(_TEMPLATE_ACTIONS), "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"Service": "ecr.amazonaws.com"}, "Action": "sts:AssumeRole"}
    mend = {"attach_to": template.role_arn or "a new role", "statement": statement, "trust": trust}
    if template.role_arn:
        text = f"{subject} creates with {template.role_arn}: without these rights, or this trust, it cannot"
    else:
        text = f"{subject} gives a key or tags and names no role, without which ECR cannot create the repository"
        mend |= _command(
            evidence,
            f"ecr update-repository-creation-template --prefix {template.prefix} --custom-role-arn ROLE_ARN",
        )
    yield Cause(Reason.TEMPLATE_ROLE, text, mend, certain=not template.role_arn)


def _template(templates: Sequence[CreationTemplate], name: RepositoryName) -> CreationTemplate | None:
    """Return the template that replication creates *name* with: the longest prefix, else ROOT (ecr.md 4)."""
    meant = [template for template in templates if "REPLICATION" in template.applied_for]
    below = [template for template in meant if str(name).startswith(f"{template.prefix}/")]
    roots = [template for template in meant if template.prefix == _ROOT_TEMPLATE]
    return max(below, key=lambda template: len(template.prefix), default=roots[0] if roots else None)


def _repository(evidence: Evidence) -> Iterator[Cause]:
    if evidence.lack == Lack.REPOSITORY:
        text = f"ECR has replicated the image, and {evidence.repository} is not there: it was deleted"
        yield Cause(Reason.REPOSITORY_DELETED, text, _heal(evidence, "push"))
    key = evidence.found.kms_key if isinstance(evidence.found, RepositorySettings) else ""
    if evidence.lack == Lack.KEY or (key and not evidence.arrived):
        name = key or "the repository's key"
        mend = _command(evidence, f"kms describe-key --key-id {key or 'KEY'}")
        text = f"{evidence.repository} is encrypted with {name}: disabled, deleted, or without ECR's grants it is shut"
        yield Cause(Reason.KEY, text, mend, certain=evidence.lack == Lack.KEY)


def _image(evidence: Evidence) -> Iterator[Cause]:
    if evidence.lack in _GONE and isinstance(evidence.lifecycle, str):
        rules = _rules_of(evidence.lifecycle)
        yield Cause(
            Reason.LIFECYCLE,
            f"the lifecycle policy of {evidence.repository} may have deleted it: rule {', '.join(rules)}",
            {"attach_to": f"lifecycle policy of {evidence.repository}", **_heal(evidence, "push")},
            certain=evidence.lack == Lack.DELETED,
        )
    elif evidence.lack in _GONE:
        text = f"{evidence.repository} lacks part of what ECR calls replicated ({evidence.lack})"
        yield Cause(Reason.INCOMPLETE, text, _heal(evidence, "push"))
    if evidence.lack == Lack.ARCHIVED:
        words = f"ecr update-image-storage-class --repository-name {evidence.repository.name} --image-id IMAGE"
        text = f"the image is archived in {evidence.repository}: nobody can pull it"
        yield Cause(Reason.ARCHIVED, text, _command(evidence, f"{words} --target-storage-class STANDARD"))


def _rules_of(lifecycle: str) -> list[str]:
    return [str(rule.get("rulePriority", "?")) for rule in json.loads(lifecycle).get("rules", ())]


def _tag(evidence: Evidence) -> Iterator[Cause]:
    tags = " ".join(evidence.tags)
    if evidence.lack == Lack.TAG:
        yield Cause(Reason.TAG_ABSENT, f"a tag of {tags} is not set in {evidence.repository}", _heal(evidence, "push"))
    if evidence.lack != Lack.OTHER_TAG:
        return
    if isinstance(evidence.found, RepositorySettings) and evidence.found.immutable_tags:
        ids = " ".join(f"imageTag={tag}" for tag in evidence.tags)
        words = f"ecr batch-delete-image --repository-name {evidence.repository.name} --image-ids {ids}"
        text = f"tags of {evidence.repository} are immutable and a tag of {tags} names another image: remove it there"
        yield Cause(Reason.TAG_IMMUTABLE, text, _command(evidence, words))
    else:
        text = f"a tag of {tags} still names another image in {evidence.repository}"
        yield Cause(Reason.TAG_MOVED, text, _heal(evidence, "push"))


def _reader(evidence: Evidence) -> Iterator[Cause]:
    if evidence.lack != Lack.DENIED:
        return
    if evidence.reader and any(part.action == "sts:AssumeRole" for part in _parts(evidence)):
        yield _untrusted(evidence)
        return
    yield Cause(
        Reason.READ_BACK,
        f"{evidence.destination} does not let us read images back, so nothing is proven there",
        {
            "attach_to": evidence.reader or "role of confirm",
            "document": read_back_policy([evidence.repository.arn(evidence.partition)], role=evidence.reader),
        },
    )


def _untrusted(evidence: Evidence) -> Cause:
    """Our own side was judged by preflight before the upload was accepted, so it is most likely theirs."""
    (statement,) = trust_policy([evidence.confirm], evidence.external_id)["Statement"]
    return Cause(
        Reason.READ_BACK,
        f"{evidence.confirm} may not become {evidence.reader}, so nothing is proven in {evidence.destination}: "
        "its trust policy does not name it, or not with this external id",
        {"attach_to": f"trust policy of {evidence.reader}", "statement": statement},
    )


def _unknown(evidence: Evidence) -> Cause:
    if reasons := unread(evidence):
        text = f"nothing that could be read explains it ({evidence.lack or 'waiting'}); unread: {'; '.join(reasons)}"
        return Cause(Reason.UNREAD, text, _heal(evidence, "push"), certain=False)
    text = f"nothing that can be read explains it ({evidence.lack or 'waiting'})"
    return Cause(Reason.UNKNOWN, text, _heal(evidence, "push"), certain=False)
