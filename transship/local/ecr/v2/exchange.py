"""One request of a registry client, and its way to the operations of the JSON API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from transship.local.caller import Caller
from transship.local.ecr.call import JSON, Call
from transship.local.ecr.dispatch import permit
from transship.local.ecr.engine import Engine
from transship.local.ecr.model import validate
from transship.local.ecr.operations import OPERATIONS
from transship.local.ecr.registry import Registry


@dataclass(frozen=True, slots=True)
class Exchange:
    """
    A request, who makes it, and where.

    Attributes:
        engine: The service's state.
        registry: The registry whose port it came to.
        caller: Whom the token stands for.
        request: The HTTP request.
        name: Repository in the path; empty where the path names none.
        reference: Tag, digest or upload id in the path; empty where the path names none.
    """

    engine: Engine
    registry: Registry
    caller: Caller
    request: Request
    name: str = ""
    reference: str = ""

    @contextmanager
    def calling(self, operation: str, **parameters: Any) -> Iterator[Call]:
        """
        Surround what stands for *operation* by its validation, permission, quota and faults; yields the call.

        Raises:
            EcrError: As the JSON API would.
            ConnectionCut: There is to be no answer.
        """
        if self.name:
            parameters["repositoryName"] = self.name
        with self.engine.call(operation, self.registry.id) as faults:
            valid = validate(operation, parameters)
            call = Call(self.engine, self.caller, self.registry, valid, tuple(faults), through_registry_api=True)
            permit(operation, call)
            yield call

    def perform(self, operation: str, **parameters: Any) -> JSON:
        """Run *operation* as the JSON API would, and return the members of its answer."""
        with self.calling(operation, **parameters) as call:
            return OPERATIONS[operation](call)
