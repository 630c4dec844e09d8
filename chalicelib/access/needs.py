"""
Which actions an upload's plan needs, by the function whose role makes the calls: the list that preflight asks about.

Source: ecr.md 6.1 and the Service Authorization Reference for ECR; GetAuthorizationToken and DescribeRegistry know no
resource. The JSON API itself needs no GetAuthorizationToken, but ECR's guide asks every pusher to be able to, so each
calls it once (`identity.prove_access`).
A repository's key asks nothing of the pusher: ECR uses grants of its own (ecr.md 1.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from chalicelib.access.documents import (
    AUTHENTICATE,
    DIAGNOSIS_ACTIONS,
    PUSH_ACTIONS,
    READ_BACK_ACTIONS,
    REGISTRY_DIAGNOSIS_ACTIONS,
)
from chalicelib.chunks import chunked
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE
from chalicelib.oci.reference import Registry, Repository

LAYER_ACTIONS: Final = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
)
ON_REPOSITORY: Final = {
    RECEIVE: ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:ListTagsForResource"),
    PUSH: LAYER_ACTIONS,
    PUBLISH: (
        *LAYER_ACTIONS,
        "ecr:PutImage",
        "ecr:BatchGetImage",
        "ecr:GetRepositoryPolicy",
        "ecr:ListTagsForResource",
    ),
    CONFIRM: ("ecr:DescribeImageReplicationStatus", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"),
}
ON_ANYTHING: Final = {
    PUSH: ("ecr:GetAuthorizationToken",),
    PUBLISH: ("ecr:GetAuthorizationToken", "ecr:DescribeRegistry", "ecr:GetRegistryPolicy"),
    CONFIRM: ("ecr:DescribeRegistry",),
}
SCAN: Final = "ecr:DescribeImageScanFindings"
TIDY: Final = "ecr:BatchDeleteImage"
"""What the settings may ask of confirm, and of publish: to wait for scans, to take away the tags of healing."""
LOOKERS: Final = (RECEIVE, PUBLISH, CONFIRM)
"""Who assumes the roles that read in other accounts: confirm to read back, the others to have them simulated."""
LOOKS: Final = (
    "ecr:DescribeRegistry",
    "ecr:DescribeRepositories",
    "ecr:GetRegistryPolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:ListTagsForResource",
)
"""What goes through the role that looks, where our own roles push into another account: see `aws.ecr.EcrClient`."""
ON_REPLICA: Final = (*READ_BACK_ACTIONS, *DIAGNOSIS_ACTIONS)
BESIDES: Final = frozenset(
    {*((CONFIRM, action) for action in (*DIAGNOSIS_ACTIONS, *REGISTRY_DIAGNOSIS_ACTIONS)), (PUBLISH, TIDY)}
)
"""What an upload arrives without: it explains what did not, or tidies. Preflight names it and refuses nothing."""
HEAL: Final = "heal"
"""Whose role pushes what is missing into other accounts: no function's, but that of the command `transship heal`."""
READERS_OF_OBJECTS: Final = (PUSH, PUBLISH)
_AT_ONCE: Final = 50
"""Repositories of one simulation: with a dozen actions each, its answer is one page of 1,000 results."""
_BESIDE: Final = 5
"""Resources of other kinds in the same simulation: all of them, the archive, keys and roles."""

Context = tuple[tuple[str, str | tuple[str, ...]], ...]
"""Condition keys of a request with their values, in a form that can be remembered by."""


class Need(Struct, frozen=True):
    """
    What the role of *function* must be able to do to *resources*.

    Attributes:
        resources: ARNs, or `*` alone.
        region: Where the calls go.
        context: What the request brings besides its Region.
        repositories: The repositories that *resources* are, in the same order; none where they are something else.
        through: ARN of the role that *function* assumes for it; "" for its own role.
    """

    function: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    region: str
    context: Context = ()
    repositories: tuple[Repository, ...] = ()
    through: str = ""


class Wanted(Struct, frozen=True, kw_only=True):
    """
    A plan, as far as permissions are concerned.

    Attributes:
        partition: `aws`, `aws-cn`, `aws-us-gov`.
        registry: Where images are pushed to.
        repositories: Where they go, each with the resource tags that it has or will have.
        created: Those that must be created.
        replicas: The same repositories where replication brings them to and we read back: in the other Regions of our
            account, and in the accounts of *readers*.
        readers: For each other account the ARN of the role that reads back there.
        healers: For some of these accounts the ARN of the role that heals there.
        object_arn: The archive; "" if none is at hand.
        bucket_key: ARN of the KMS key that encrypts the archive, "" for none.
        writer: ARN of the role through which the target account is written, "" for our own roles.
        looker: ARN of the role through which it is looked at where our own roles write it, "" for none.
        scanned: Whether confirm waits for scans.
        healed: Whether publish sets tags to heal, and takes them away.
    """

    partition: str
    registry: Registry
    repositories: Mapping[Repository, Mapping[str, str]]
    created: frozenset[Repository] = frozenset()
    replicas: tuple[Repository, ...] = ()
    readers: Mapping[str, str] = field(default_factory=dict)
    healers: Mapping[str, str] = field(default_factory=dict)
    object_arn: str = ""
    bucket_key: str = ""
    writer: str = ""
    looker: str = ""
    scanned: bool = False
    healed: bool = False


def needs(wanted: Wanted) -> Iterator[Need]:
    """Yield what each function needs to bring the images of *wanted* into its repositories and to confirm them."""
    for function in (RECEIVE, PUSH, PUBLISH, CONFIRM):
        yield from _on_registry(wanted, function)
    for function in READERS_OF_OBJECTS:
        yield from _on_object(wanted, function)
    yield from _to_create(wanted)
    yield from _elsewhere(wanted)


def together(asked: Iterable[Need]) -> Iterator[Sequence[Need]]:
    """Yield those of one role, Region and context in groups: one simulation answers each action on each resource."""
    groups: dict[tuple[str, str, str, Context], list[list[Need]]] = {}
    for need in asked:
        own = groups.setdefault((need.function, need.through, need.region, need.context), [[]])
        if sum(len(one.resources) for one in own[-1]) + len(need.resources) > _AT_ONCE + _BESIDE:
            own.append([])
        own[-1].append(need)
    return (group for own in groups.values() for group in own if group)


def _on_registry(wanted: Wanted, function: str) -> Iterator[Need]:
    region, through = wanted.registry.region, wanted.writer
    if through:
        yield Need(function, ("sts:AssumeRole",), (through,), region)
    if assumed := sorted({wanted.looker, *wanted.readers.values()} - {""} if function in LOOKERS else ()):
        yield Need(function, ("sts:AssumeRole",), tuple(assumed), region)
    seen = LOOKS if wanted.looker else ()
    if anything := _less(ON_ANYTHING.get(function, ()), seen):
        yield Need(function, anything, ("*",), region, through=through)
    actions = _less((*ON_REPOSITORY[function], *_chosen(wanted, function)), seen)
    for tags, repositories in _by_tags(wanted.repositories):
        arns = _arns(wanted, repositories)
        yield Need(function, actions, arns, region, resource_tags(tags), repositories, through)


def _arns(wanted: Wanted, repositories: Iterable[Repository]) -> tuple[str, ...]:
    return tuple(repository.arn(wanted.partition) for repository in repositories)


def _chosen(wanted: Wanted, function: str) -> Iterator[str]:
    """Yield what the settings ask of *function* besides."""
    if wanted.scanned and function == CONFIRM:
        yield SCAN
    if wanted.healed and function == PUBLISH:
        yield TIDY


def _less(actions: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(action for action in actions if action not in others)


def _by_tags(
    tags: Mapping[Repository, Mapping[str, str]],
) -> Iterator[tuple[Mapping[str, str], tuple[Repository, ...]]]:
    """Yield repositories in groups of equal *tags*: one simulation has one context."""
    groups: dict[frozenset[tuple[str, str]], list[Repository]] = {}
    for repository, own in tags.items():
        groups.setdefault(frozenset(own.items()), []).append(repository)
    for shared, repositories in groups.items():
        for piece in chunked(repositories, _AT_ONCE):
            yield dict(shared), tuple(piece)


def _on_object(wanted: Wanted, function: str) -> Iterator[Need]:
    if wanted.object_arn:
        yield Need(function, ("s3:GetObjectVersion",), (wanted.object_arn,), wanted.registry.region)
    if wanted.bucket_key:
        via = (("kms:ViaService", f"s3.{wanted.registry.region}.amazonaws.com"),)
        yield Need(function, ("kms:Decrypt",), (wanted.bucket_key,), wanted.registry.region, via)


def _to_create(wanted: Wanted) -> Iterator[Need]:
    region = wanted.registry.region
    for tags, repositories in _by_tags({name: wanted.repositories[name] for name in sorted(wanted.created)}):
        actions = ("ecr:CreateRepository", *(("ecr:TagResource",) if tags else ()))
        arns = _arns(wanted, repositories)
        yield Need(RECEIVE, actions, arns, region, request_tags(tags), repositories, wanted.writer)


def _elsewhere(wanted: Wanted) -> Iterator[Need]:
    for registry in sorted({repository.registry for repository in wanted.replicas}):
        reader, healer = wanted.readers.get(registry.account, ""), wanted.healers.get(registry.account, "")
        for piece in chunked([one for one in wanted.replicas if one.registry == registry], _AT_ONCE):
            # Their tags are those that the destination's creation template gives them, which we do not see.
            # Another account's own policies are not asked: of its own roles they could only deny, and an upload is
            # not to wait for its registries.
            arns, asked = _arns(wanted, piece), () if reader else tuple(piece)
            yield Need(CONFIRM, ON_REPLICA, arns, registry.region, (), asked, reader)
            if healer:
                yield Need(HEAL, PUSH_ACTIONS, arns, registry.region, through=healer)
        yield Need(CONFIRM, REGISTRY_DIAGNOSIS_ACTIONS, ("*",), registry.region, through=reader)
        if healer:
            yield Need(HEAL, (AUTHENTICATE,), ("*",), registry.region, through=healer)


def resource_tags(tags: Mapping[str, str]) -> Context:
    """Return the context of a call on something with *tags*: a policy may ask under either name (ecr.md 6.3)."""
    prefixes = ("aws:ResourceTag", "ecr:ResourceTag")
    return tuple((f"{prefix}/{name}", value) for name, value in sorted(tags.items()) for prefix in prefixes)


def request_tags(tags: Mapping[str, str]) -> Context:
    """Return the context of a call that gives something *tags*."""
    given = tuple((f"aws:RequestTag/{name}", value) for name, value in sorted(tags.items()))
    return (*given, ("aws:TagKeys", tuple(sorted(tags)))) if tags else ()
