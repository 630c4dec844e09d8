"""
The repositories that the access rules speak of: whether they are there, and whether our roles may do what a push needs.

Asked as preflight asks it, by the same code, so what doctor says beforehand is what an upload would be told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chalicelib.access.admission import read_current
from chalicelib.access.authorise import wanted
from chalicelib.access.judgement import Finding as Judged
from chalicelib.access.judgement import Outcome, Verdict
from chalicelib.access.preflight import judge
from chalicelib.access.rules import Rule
from chalicelib.chunks import chunked
from chalicelib.errors import RefusedError
from chalicelib.oci.reference import RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient
from chalicelib.replacing import replace
from transship.doctor.replication import examine_replication
from transship.finding import Finding

_MOST_NAMES: Final = 100  # of one DescribeRepositories
_ENOUGH: Final = 20


def examine_rules(outside: Outside) -> Iterator[Finding]:
    """Look at the access rules that are in force."""
    try:
        rules = read_current(outside)
    except RefusedError as error:
        yield Finding("rules of access can be read", holds=False, remedy=f"{error.code.remedy} {error.detail}")
        return
    version = f"version {rules.version_id}" if rules.version_id else "the default, without a document"
    yield Finding(f"rules of access can be read: {version}", holds=True)
    impossible = ", ".join(pattern for pattern in _spoken_of(rules.rules) if _name(pattern) is None)
    yield Finding(
        "rules of access name repositories that can be",
        not impossible,
        f"No repository is ever called {impossible}: correct that with `transship rules put`.",
    )


def examine_repositories(outside: Outside, names: Sequence[RepositoryName]) -> Iterator[Finding]:
    """
    Look at the registry as preflight does, for each of *names*, or without any for what the access rules speak of.

    Raises:
        FinalError, TemporaryError: ECR does not tell.
    """
    registry = outside.registries.client(outside.deployment.registry)
    rules = registry.replication_rules()
    access = _access_rules(outside)
    there, absent = _sorted(registry, names or _of_the_rules(access, registry))
    creating = [name for name in absent if _creatable(outside, access, name)]
    for name in absent:
        yield Finding(
            f"repository {name} is there or may be created",
            name in creating,
            "Create it, or set TRANSSHIP_CREATE_REPOSITORIES, and create_repositories in its access rule: "
            "until then uploads to it end with REPOSITORY_ABSENT.",
        )
    yield from examine_replication(outside, [*there, *absent], rules)
    tags = {name: registry.repository_tags(name) for name in there}
    tags |= dict.fromkeys(creating, outside.settings.repository_tags)
    yield from _permissions(judge(outside, wanted(outside, tags, rules, created=creating)))


def _sorted(
    registry: RegistryClient, names: Sequence[RepositoryName]
) -> tuple[list[RepositoryName], list[RepositoryName]]:
    """Return which of *names* are there and which are not."""
    found = {name for chunk in chunked(names, _MOST_NAMES) for name in registry.repositories(chunk)}
    return [name for name in names if name in found], [name for name in names if name not in found]


def _access_rules(outside: Outside) -> tuple[Rule, ...]:
    try:
        return read_current(outside).rules
    except RefusedError:
        return ()  # `examine_rules` says so


def _of_the_rules(rules: Sequence[Rule], registry: RegistryClient) -> list[RepositoryName]:
    """
    Return the repositories that the access rules speak of: by name, or by a pattern that fits one that is there.

    Of those that only a pattern fits no more than a few are taken: what holds for them is mostly the same.
    """
    named = [name for pattern in _spoken_of(rules) if (name := _name(pattern))]
    fitting = [name for name in registry.all_repositories() if any(rule.lets({name: ()}) for rule in rules)]
    return list(dict.fromkeys([*named, *fitting[:_ENOUGH]]))


def _spoken_of(rules: Sequence[Rule]) -> list[str]:
    """Return the patterns that are names."""
    patterns = [pattern for rule in rules for pattern in rule.repositories]
    return [pattern for pattern in dict.fromkeys(patterns) if "*" not in pattern]


def _name(pattern: str) -> RepositoryName | None:
    try:
        return RepositoryName(pattern)
    except RefusedError:
        return None


def _creatable(outside: Outside, rules: Sequence[Rule], name: RepositoryName) -> bool:
    return outside.settings.create_repositories and any(
        rule.create_repositories and rule.lets({name: ()}) for rule in rules
    )


def _permissions(verdict: Verdict) -> Iterator[Finding]:
    """Yield a finding for each role and resource, with the statements that mend what is denied."""
    grouped: dict[tuple[str, str], list[Judged]] = {}
    for one in verdict.findings:
        grouped.setdefault((one.role.rpartition("/")[2] or one.function, one.resource), []).append(one)
    for (role, resource), told in grouped.items():
        said = f"all {len(told)} actions" if len(told) > 1 else told[0].action
        part = replace(verdict, findings=tuple(told))
        yield Finding(f"role {role} may do {said} on {resource}", _holds(part), _remedy(part))


def _holds(verdict: Verdict) -> bool | None:
    """Return False for a denial, None where it could not be found out: preflight would reject or note either."""
    if all(finding.outcome is Outcome.UNKNOWN for finding in verdict.lacking):
        return None if verdict.lacking else True
    return False


def _remedy(verdict: Verdict) -> str:
    statements = [f"{_place(one)}: {json.dumps(one['statement'])}" for one in verdict.statements()]
    mended = {action for one in verdict.statements() for action in _listed(one["statement"]["Action"])}
    others = [finding.sentence for finding in verdict.lacking if finding.action not in mended]
    return "\n  ".join([*(f"Add to {text}" for text in statements), *others])


def _place(addition: Mapping[str, Any]) -> str:
    return f"the {addition['attach_to']} of {addition.get('role') or addition['repository']}"


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
