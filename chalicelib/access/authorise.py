"""
Before the first ECR write: are the repositories there, can we authenticate, may our roles do what the push needs?

What was allowed is remembered for `settings.preflight_age` seconds, the existence and the tags of the repositories
with it; a repository that is deleted meanwhile is noticed by the step that meets it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from chalicelib.access.denied_look import denied_look
from chalicelib.access.identity import prove_identity
from chalicelib.access.judgement import Finding, Verdict
from chalicelib.access.needs import Wanted
from chalicelib.access.preflight import judge
from chalicelib.access.probe import announce_probes
from chalicelib.access.rules import Rule
from chalicelib.chunks import chunked
from chalicelib.errors import Code, FinalError, RefusedError
from chalicelib.names import RECEIVE
from chalicelib.oci.reference import Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.registry import RegistryClient, ReplicationRule, RepositorySettings, RepositoryTemplate
from chalicelib.replacing import replace
from chalicelib.replicas.destinations import destinations

_MOST_NAMES: Final = 100  # of one DescribeRepositories
_MOST_LOOKED_AT: Final = 20  # each costs the reading of its tags and its policy; of more, the others are not judged


class Authority(Struct, frozen=True):
    """What our roles may, the replication *rules* by which it was asked, and the *repositories* that are there."""

    verdict: Verdict
    rules: tuple[ReplicationRule, ...] = ()
    repositories: tuple[RepositoryName, ...] = ()


def authorise(outside: Outside, names: Sequence[RepositoryName], archive: ObjectVersion, *, create: bool) -> Authority:
    """
    Find out whether our roles may bring *archive* into *names*, and create those that are missing if *create*.

    Raises:
        RefusedError: REPOSITORY_ABSENT, IDENTITY_MISMATCH.
    """
    key = ("authority", *names)
    remembered: Authority | None = outside.memory.verdicts.get(key)
    if remembered and outside.clock.now() - remembered.verdict.asked < outside.settings.preflight_age:
        return remembered
    prove_identity(outside, RECEIVE)
    try:
        authority = _find_out(outside, names, archive, create=create)
    except FinalError as error:
        return Authority(denied_look(outside, error))
    if not authority.verdict.denied:
        outside.memory.verdicts[key] = authority
    return authority


def authorise_below(outside: Outside, name: RepositoryName, within: Rule, archive: ObjectVersion) -> Authority:
    """
    Find out the same for an archive that nobody has read and that cannot go to *name*, only right below it.

    Which of the repositories there it needs nobody knows: one that our roles may push to is enough to open it.

    Raises:
        RefusedError: REPOSITORY_ABSENT: no image of any archive could go there; IDENTITY_MISMATCH.
    """
    registry = outside.registries.client(outside.deployment.registry)
    try:
        below = [found for found in registry.all_repositories() if found.is_right_below(name)]
    except FinalError as error:
        return Authority(denied_look(outside, error))
    there = [found for found in below if within.lets({found: ()})]
    if not there:
        raise RefusedError(Code.REPOSITORY_ABSENT, f"{registry.registry} has no repository {name}, and none below it")
    asked = authorise(outside, there[:_MOST_LOOKED_AT], archive, create=False)
    return replace(asked, verdict=_at_least_one(asked.verdict, there))


def _at_least_one(verdict: Verdict, names: Sequence[RepositoryName]) -> Verdict:
    """Return *verdict* without what was found about those of *names* with a denial, if there are others."""
    denied = {_repository_of(finding) for finding in verdict.denied} & {str(name) for name in names}
    if len(denied) == len(names):
        return verdict
    return replace(verdict, findings=tuple(one for one in verdict.findings if _repository_of(one) not in denied))


def _repository_of(finding: Finding) -> str:
    return finding.resource.rpartition(":repository/")[2]


def _find_out(outside: Outside, names: Sequence[RepositoryName], archive: ObjectVersion, *, create: bool) -> Authority:
    registry = outside.registries.client(outside.deployment.registry)
    registry.authenticate()
    found = _repositories(registry, names)
    missing = [name for name in names if name not in found]
    if missing and not create:
        raise RefusedError(Code.REPOSITORY_ABSENT, f"there is no repository {missing[0]} in {registry.registry}")
    rules = tuple(registry.replication_rules())
    tags = {
        **{name: registry.repository_tags(name) for name in found},
        **dict.fromkeys(missing, outside.settings.repository_tags),
    }
    verdict = _judge(outside, wanted(outside, tags, rules, archive, missing))
    if not verdict.denied:
        _create(outside, registry, missing)
    return Authority(verdict, rules, tuple(names))


def _judge(outside: Outside, asked: Wanted) -> Verdict:
    mode = outside.settings.preflight
    if mode == "off":
        return Verdict((), outside.clock.now(), mode=mode)
    if mode == "probe":
        return announce_probes(outside)
    verdict = judge(outside, asked)
    for finding in verdict.noted:
        outside.log.warning("a permission is missing that no upload needs", **finding.to_item())
    return verdict


def wanted(
    outside: Outside,
    tags: Mapping[RepositoryName, Mapping[str, str]],
    rules: Iterable[ReplicationRule],
    archive: ObjectVersion | None = None,
    created: Collection[RepositoryName] = (),
) -> Wanted:
    """Return what must be allowed to bring *archive* into the repositories of *tags* and on to where *rules* say."""
    here, settings = outside.deployment, outside.settings
    reached = {(name, registry) for name in tags for registry in destinations(rules, name, here.registry)}
    others = {registry.account for _, registry in reached} - {here.account}
    seen = {here.account, *(others & settings.readers.keys())}
    account = here.registry.account
    writer = settings.writers.get(account)
    looker = settings.readers.get(account) if account != here.account and not writer else None
    return Wanted(
        partition=here.partition,
        registry=here.registry,
        repositories={Repository(here.registry, name): found for name, found in tags.items()},
        created=frozenset(Repository(here.registry, name) for name in created),
        replicas=tuple(sorted(Repository(registry, name) for name, registry in reached if registry.account in seen)),
        readers={other: role.role_arn for other, role in settings.readers.items() if other in others},
        healers={other: role.role_arn for other, role in settings.healers.items() if other in others},
        object_arn=f"arn:{here.partition}:s3:::{archive.bucket}/{archive.key}" if archive else "",
        bucket_key=settings.bucket_kms_key,
        writer=writer.role_arn if writer else "",
        looker=looker.role_arn if looker else "",
        scanned=settings.scan_severity != "off",
        healed=settings.heal != "off",
    )


def _repositories(
    registry: RegistryClient, names: Sequence[RepositoryName]
) -> Mapping[RepositoryName, RepositorySettings]:
    found: dict[RepositoryName, RepositorySettings] = {}
    for chunk in chunked(names, _MOST_NAMES):
        found.update(registry.repositories(chunk))
    return found


def _create(outside: Outside, registry: RegistryClient, names: Sequence[RepositoryName]) -> None:
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
