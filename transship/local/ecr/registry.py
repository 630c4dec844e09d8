"""One registry: an account's repositories in one Region, and what is configured for all of them."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from transship.local.ecr.errors import EcrError, limit_exceeded, repository_not_found
from transship.local.ecr.names import RegistryId
from transship.local.ecr.repository import Repository, RepositorySettings
from transship.local.ecr.store import BlobStore

if TYPE_CHECKING:
    from transship.local.ecr.backfill import Backfill

# Defaults of the account settings, and the values each accepts (ecr.md 1.7 and the model's documentation).
ACCOUNT_SETTINGS = {
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE",),
    "REGISTRY_POLICY_SCOPE": ("V2",),
    "BLOB_MOUNTING": ("DISABLED", "ENABLED"),
}


class Registry:
    """
    Repositories by name, and the registry's own settings.

    Attributes:
        id: Account and Region.
        endpoint: `host:port` of its registry API, once it has one.
        replication_rules: Rules of the replication configuration, as given.
        policy: Registry policy text.
        templates: Repository creation templates by prefix.
        account_settings: Values by name.
        pull_time_exclusions: Principal ARNs whose pulls leave lastRecordedPullTime alone, with their creation time.
        backfills: Replication backfills by id.
    """

    def __init__(self, registry_id: RegistryId, store: BlobStore, max_repositories: int) -> None:
        self.id = registry_id
        self.endpoint: str | None = None
        self.replication_rules: list[dict[str, Any]] = []
        self.policy: str | None = None
        self.templates: dict[str, dict[str, Any]] = {}
        self.account_settings = {name: values[0] for name, values in ACCOUNT_SETTINGS.items()}
        self.pull_time_exclusions: dict[str, float] = {}
        self.backfills: dict[str, Backfill] = {}
        self.lock = threading.RLock()
        self._repositories: dict[str, Repository] = {}
        self._store = store
        self._max_repositories = max_repositories

    @property
    def host(self) -> str:
        """Host that registry clients use."""
        return self.endpoint or f"{self.id.account}.dkr.ecr.{self.id.region}.amazonaws.com"

    @property
    def url(self) -> str:
        """proxyEndpoint: plain HTTP where the registry API is served on this machine."""
        return f"http://{self.endpoint}" if self.endpoint else f"https://{self.host}"

    def policy_document(self) -> dict[str, Any] | None:
        """Return the registry policy, parsed."""
        return json.loads(self.policy) if self.policy else None

    def find(self, name: str) -> Repository | None:
        """Return the repository, or None."""
        return self._repositories.get(name)

    def repository(self, name: str) -> Repository:
        """
        Return the repository.

        Raises:
            EcrError: RepositoryNotFoundException.
        """
        found = self.find(name)
        if found is None:
            raise repository_not_found(self.id, name)
        return found

    def repositories(self) -> list[Repository]:
        """Return all repositories by name."""
        with self.lock:
            return sorted(self._repositories.values(), key=lambda repository: repository.name)

    def create(self, name: str, settings: RepositorySettings, now: float) -> Repository:
        """
        Create a repository.

        Raises:
            EcrError: RepositoryAlreadyExistsException, LimitExceededException.
        """
        with self.lock:
            if name in self._repositories:
                text = f"The repository with name '{name}' already exists in the registry with id '{self.id.account}'"
                raise EcrError("RepositoryAlreadyExistsException", text)
            if len(self._repositories) >= self._max_repositories:
                raise limit_exceeded("repositories in a registry", self._max_repositories)
            repository = Repository(self.id, name, self._store, now)
            repository.settings = settings
            self._repositories[name] = repository
            return repository

    def delete(self, repository: Repository, *, force: bool) -> None:
        """
        Delete a repository with all that it holds; images need *force*.

        Raises:
            EcrError: RepositoryNotEmptyException, or RepositoryNotFoundException where another caller was faster.
        """
        with repository.lock:
            repository.check_present()
            if repository.images and not force:
                text = (
                    f"The repository with name '{repository.name}' in registry with id '{self.id.account}' "
                    "cannot be deleted because it still contains images"
                )
                raise EcrError("RepositoryNotEmptyException", text)
            repository.gone = True
            with self.lock:
                del self._repositories[repository.name]
        repository.clear()
