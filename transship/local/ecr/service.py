"""The local ECR as its front door sees it: the JSON API, a registry API for each registry, and a worker."""

from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transship.local.caller import Authorizer, Caller
from transship.local.clock import Clock
from transship.local.ecr.dispatch import run
from transship.local.ecr.engine import Emit, Engine
from transship.local.ecr.errors import EcrError, server_error
from transship.local.ecr.faults import FaultRules
from transship.local.ecr.names import RegistryId
from transship.local.ecr.options import EcrOptions
from transship.local.ecr.v2.app import RegistryApp

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

Reply = tuple[int, dict[str, str], bytes]


class EcrService:
    """
    ECR on one machine: every account, every Region.

    Args:
        data_dir: Directory for blobs; emptied at the start, nothing outlives a run.
        clock: Time for replication, expiry and quotas.
        authorizer: Decides on every call.
        emit: Puts a complete event on the default bus of an account and Region: `emit(account, region, event)`.
            Called on the worker's thread.
        options: Switches for what is unknown about the real service.
        faults: Rules that make calls fail.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Clock,
        authorizer: Authorizer,
        emit: Emit,
        options: EcrOptions = EcrOptions(),  # noqa: B008 - frozen
        faults: FaultRules | None = None,
    ) -> None:
        self.faults = faults or FaultRules()
        self._engine = Engine(
            data_dir, clock=clock, authorizer=authorizer, emit=emit, options=options, faults=self.faults
        )

    def json_api(self, caller: Caller, operation: str, body: bytes) -> Reply:
        """
        Answer a request of the JSON API that the front door has authenticated.

        Args:
            caller: Who calls, and in which Region.
            operation: Name after the dot of X-Amz-Target.
            body: The request's body.

        Returns:
            Status, headers and body.

        Raises:
            ConnectionCut: The connection is to be closed without a reply; only by a fault rule.
        """
        try:
            return _reply(200, run(self._engine, caller, operation, body))
        except EcrError as error:
            return _reply(error.status, error.document())
        except OSError:
            logger.exception("the local ECR could not use its disk")
            return _reply(500, server_error("The local ECR could not use its disk").document())

    @property
    def options(self) -> EcrOptions:
        """The switches; those that are set count from the next call on."""
        return self._engine.options

    @options.setter
    def options(self, options: EcrOptions) -> None:
        self._engine.turn(options)

    def registry_app(self, account: str, region: str) -> WSGIApplication:
        """Return the registry API of one registry, which also serves GetDownloadUrlForLayer's addresses."""
        return RegistryApp(self._engine, self._engine.registry(RegistryId(account, region)))

    def set_endpoint(self, account: str, region: str, host_port: str) -> None:
        """Tell where a registry's app is served: for proxyEndpoint, repositoryUri and download addresses."""
        self._engine.registry(RegistryId(account, region)).endpoint = host_port

    def start(self) -> None:
        """Start the worker that replicates and sends events."""
        self._engine.agenda.start()

    def stop(self) -> None:
        """Stop the worker; what is still under way is left undone."""
        self._engine.agenda.stop()

    def step(self) -> int:
        """Do all that is due now, on this thread, and return how many things that was; for tests without a worker."""
        return self._engine.agenda.step()

    def hurry(self) -> None:
        """Let everything that is to happen later, replications above all, happen now."""
        self._engine.agenda.hurry()

    def settle(self) -> None:
        """Return when no replication and no event is under way; advances a manual clock as far as that takes."""
        self._engine.agenda.settle()


def _reply(status: int, document: dict[str, Any]) -> Reply:
    body = json.dumps(document).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "Content-Length": str(len(body)),
        "x-amzn-RequestId": str(uuid.uuid4()),
    }
    return status, headers, body
