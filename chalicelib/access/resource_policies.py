"""
The policies of repositories and registries, read and asked: the simulator does not see them (ecr.md 6.3).

A registry's policy (scope V2) takes part in every request to its repositories (ecr.md section 0). Both are asked by our
own evaluator, as the session that the function or the assumed role will be.
What it cannot see: the registry policy of another account in which we have no role. What cannot be read of a
destination is not asked: a Region that does not answer keeps no upload waiting, and the read-back tells what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from chalicelib.access.findings import Finding as Says
from chalicelib.access.findings import Question
from chalicelib.access.needs import Need
from chalicelib.access.policy_document import Policy, PolicyGrammarError, PolicyKind, parse_policy
from chalicelib.access.principals import Principal
from chalicelib.access.sides import SILENT, Unread
from chalicelib.access.verdict import Request
from chalicelib.errors import Code, FinalError, RepositoryAbsent, TemporaryError
from chalicelib.oci.reference import Registry, Repository
from chalicelib.outside import Outside

Read = Policy | Unread | None
"""A policy, None where there is none, or why it could not be read."""


class Caller(Struct, frozen=True):
    """A role as it will call: its ARN with the path, and the name of its session."""

    role: str
    session: str

    @property
    def principal(self) -> Principal:
        """The role session."""
        _, partition, _, _, account, path = self.role.split(":", 5)
        name = path.rpartition("/")[2]
        return Principal.from_arn(f"arn:{partition}:sts::{account}:assumed-role/{name}/{self.session}", role=self.role)

    @property
    def account(self) -> str:
        """The account that it belongs to."""
        return self.role.split(":")[4]


class ResourcePolicies:
    """The policies that one judgement asks, each read once; *denied*: how reading one was denied."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._read: dict[Registry | Repository, Read] = {}
        self.denied: list[FinalError] = []

    def read(self, repositories: Iterable[Repository]) -> None:
        """Read the policies of *repositories* and of their registries, of several registries at once."""
        of_registries: dict[Registry, list[Repository]] = {}
        for repository in dict.fromkeys(repositories):
            of_registries.setdefault(repository.registry, []).append(repository)
        self._outside.each(self._read_each, list(of_registries.values()))

    def _read_each(self, repositories: Sequence[Repository]) -> None:
        for repository in repositories:
            self._of_repository(repository)
            self._of_registry(repository.registry)

    def ask(
        self, caller: Caller, need: Need, action: str, repository: Repository, resource: str
    ) -> tuple[Says | Unread, Says | Unread]:
        """Return what the policies of *repository* and of its registry say of *action*."""
        context = {**_context(caller, need, repository), **self._outside.settings.preflight_context}
        request = Request(caller.principal, action, resource, repository.registry.account, context)
        return _ask(self._of_repository(repository), request), _ask(self._of_registry(repository.registry), request)

    def _of_repository(self, repository: Repository) -> Read:
        client = self._outside.registries.client(repository.registry)
        name = f"the policy of {repository}"
        return self._once(repository, repository.registry, name, lambda: client.repository_policy(repository.name))

    def _of_registry(self, registry: Registry) -> Read:
        if not self._readable(registry):
            return None
        client = self._outside.registries.client(registry)
        return self._once(registry, registry, f"the policy of the registry {registry}", client.registry_policy)

    def _readable(self, registry: Registry) -> bool:
        # GetRegistryPolicy has no registryId: it answers for the account of its credentials (ecr.md 1.0).
        settings = self._outside.settings
        return registry.account in {self._outside.deployment.account, *settings.writers, *settings.readers}

    def _once(self, key: Registry | Repository, registry: Registry, name: str, read: Callable[[], str | None]) -> Read:
        if key not in self._read:
            self._read[key] = self._parsed(registry, name, read)
        return self._read[key]

    def _parsed(self, registry: Registry, name: str, read: Callable[[], str | None]) -> Read:
        try:
            text = read()
            return None if text is None else parse_policy(text, name=name, kind=PolicyKind.RESOURCE)
        except RepositoryAbsent:
            return None  # one that replication or we shall create
        except PolicyGrammarError as error:
            return Unread(f"{name} cannot be understood: {error}")
        except (FinalError, TemporaryError) as error:
            return self._unread(name, error) if registry == self._outside.deployment.registry else None

    def _unread(self, name: str, error: FinalError | TemporaryError) -> Unread:
        if isinstance(error, TemporaryError):
            return Unread(f"{name}: {error}")
        if error.code is Code.ACCESS_DENIED:
            self.denied.append(error)
        return Unread(error.detail)


def _ask(policy: Read, request: Request) -> Says | Unread:
    if isinstance(policy, Unread):
        return policy
    return Question(request).ask([policy]) if policy else SILENT


def _context(caller: Caller, need: Need, repository: Repository) -> Mapping[str, str | tuple[str, ...]]:
    return {
        "aws:PrincipalArn": caller.role,
        "aws:PrincipalAccount": caller.account,
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:SecureTransport": "true",
        "aws:ResourceAccount": repository.registry.account,
        "aws:RequestedRegion": need.region,
        **dict(need.context),
    }
