"""One call of the API, as an operation sees it: authenticated, validated and allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transship.local.caller import Caller
from transship.local.ecr.engine import Engine
from transship.local.ecr.faults import FaultRule, added_seconds
from transship.local.ecr.options import EcrOptions
from transship.local.ecr.registry import Registry
from transship.local.ecr.repository import Repository

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """
    Parameters and surroundings of one call.

    Attributes:
        engine: The service's state.
        caller: Who calls.
        registry: The registry meant: registryId's, or the caller's own, in the caller's Region.
        parameters: Validated members of the request.
        faults: Fault rules that strike this call.
        through_registry_api: Whether a registry client makes it, for the few differences that this has.
    """

    engine: Engine
    caller: Caller
    registry: Registry
    parameters: Mapping[str, Any]
    faults: tuple[FaultRule, ...] = ()
    through_registry_api: bool = False

    @property
    def options(self) -> EcrOptions:
        """Switches of the service."""
        return self.engine.options

    @property
    def now(self) -> float:
        """Seconds since the epoch, by the service's clock."""
        return self.engine.clock.now()

    @property
    def repository(self) -> Repository:
        """
        The repository that `repositoryName` names.

        Raises:
            EcrError: RepositoryNotFoundException.
        """
        return self.registry.repository(self.parameters["repositoryName"])

    @property
    def where(self) -> JSON:
        """Members that most answers begin with."""
        return {"registryId": self.registry.id.account, "repositoryName": self.parameters["repositoryName"]}

    def visible_from(self) -> float:
        """Return the time from which reads see what this call makes."""
        return self.now + added_seconds(self.faults, "delayed-visibility")
