"""
AWS on this machine: one process, one HTTP endpoint, one more port for each ECR registry that is asked for.

`LocalAws` composes moto, our own services and the door in front of them; it owns every thread and every file.
moto keeps its state in module globals, so a process runs one `LocalAws` at a time, and each starts empty.

Left out: persistence. *data_dir* holds the bytes of objects and layers for as long as the stack runs.
"""

from __future__ import annotations

import base64
import json
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends

from transship.local import functions, patches
from transship.local.accounts import ACCOUNTS, Credentials, create_administrator
from transship.local.api_gateway import take_swagger
from transship.local.clock import Clock, RealClock
from transship.local.cloudformation.service import CloudFormation
from transship.local.ecr import EcrOptions, EcrService, FaultRules
from transship.local.ecr.faults import delivery_faults
from transship.local.events.router import EventRouter
from transship.local.front_door import FrontDoor, Service
from transship.local.functions import FunctionService, LambdaApi
from transship.local.functions.credentials import AssumedRoles
from transship.local.iam.authorizer import LocalIam
from transship.local.iam.iam import Iam
from transship.local.iam.sts import Sts
from transship.local.message_moves import MessageMoves
from transship.local.protocol import Answer, AwsRequest
from transship.local.s3.notifications import Notifier, Sinks
from transship.local.s3.service import S3Service
from transship.local.server import WsgiServer
from transship.local.service_roles import assume_for_function, assume_for_target
from transship.local.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from transship.local.caller import Caller


@dataclass(frozen=True, slots=True)
class Registry:
    """
    An ECR registry that registry clients can reach.

    Attributes:
        account: 12 digits.
        region: Region name.
        host: `127.0.0.1:PORT`.
    """

    account: str
    region: str
    host: str


class LocalAws:
    """The AWS of this machine; a context manager."""

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Clock | None = None,
        accounts: Sequence[str] = ACCOUNTS,
        organizations: Mapping[str, str] | None = None,
        registries: Sequence[tuple[str, str]] = (),
        ecr_options: EcrOptions | None = None,
        faults: FaultRules | None = None,
        port: int = 0,
        function_options: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Compose the services; nothing is answered before `start`.

        Args:
            data_dir: An empty directory for the bytes of objects and layers, and for functions.
            clock: Time of SQS, EventBridge, IAM, ECR and schedules; the rest of moto lives in the machine's.
            accounts: Accounts that exist, 12 digits each.
            organizations: Ids of the organizations that accounts are in, by account; a test may change
                `iam.organizations` while the stack runs.
            registries: (account, Region) of the registries that get a port of their own.
            ecr_options: Switches for what is unknown about ECR.
            faults: Rules that make ECR calls and deliveries of events fail.
            port: Of the endpoint; 0 for any free one.
            function_options: Further arguments of `FunctionService`.
        """
        self.clock = clock or RealClock()
        self.iam = LocalIam(self.clock, organizations)
        self._running = ExitStack()
        _forget_everything()
        self._administrators = {account: create_administrator(account) for account in accounts}
        assume = partial(assume_for_target, self.iam)
        faults = faults or FaultRules()
        self._timer = Timer(self.clock)
        self.events = EventRouter(
            self.clock,
            self.iam,
            assume=assume,
            invoke=self._invoke,
            later=self._timer.call_later,
            strike=partial(delivery_faults, faults),
        )
        self._notifier = Notifier(self.clock, Sinks(invoke=self._invoke, emit=self.events.emit))
        self.ecr = EcrService(
            data_dir / "ecr",
            clock=self.clock,
            authorizer=self.iam,
            emit=self.events.emit,
            options=ecr_options or EcrOptions(),
            faults=faults,
        )
        self._cloudformation = CloudFormation(lambda: self.endpoint_url, self.clock, self.iam.credentials)
        services: dict[str, Service] = {
            "ecr": self._ecr_api,
            "s3": S3Service(data_dir / "s3", self._notifier, self.iam),
            "apigateway": take_swagger,
            "cloudformation": self._cloudformation,
            "iam": Iam(self.iam),
            "sqs": MessageMoves(self.clock),
            "sts": Sts(self.iam),
        }
        moto = DomainDispatcherApplication(create_backend_app)
        self._server = WsgiServer(FrontDoor(self.iam, self.iam, services, moto), port)
        self.functions = FunctionService(
            self.endpoint_url,
            data_dir / "functions",
            clock=self.clock,
            fire=self.events.fire,
            credentials=AssumedRoles(partial(assume_for_function, self.iam), self.clock),
            **(function_options or {}),
        )
        services["lambda"] = LambdaApi(self.functions)
        self._registry_servers = {
            registry: WsgiServer(self.ecr.registry_app(*registry)) for registry in dict.fromkeys(registries)
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """What `AWS_ENDPOINT_URL` takes."""
        return self._server.url

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registries with a port, in the order they were asked for."""
        return tuple(Registry(*place, server.host_port) for place, server in self._registry_servers.items())

    def administrator(self, account: str) -> Credentials:
        """Return the credentials of the user of *account* that may do everything."""
        return self._administrators[account]

    def login(self, registry: Registry) -> dict[str, str]:
        """Return `username` and `password` for *registry*, good for 12 hours, with its administrator's rights."""
        caller = self.iam.resolve(self._administrators[registry.account].access_key, registry.region)
        _, _, body = self.ecr.json_api(caller, "GetAuthorizationToken", b"{}")
        token = json.loads(body)["authorizationData"][0]["authorizationToken"]
        username, _, password = base64.b64decode(token).decode().partition(":")
        return {"username": username, "password": password}

    def start(self) -> None:
        """Serve; returns when requests are answered."""
        running = self._running
        running.callback(_forget_everything)
        ending = threading.Event()
        running.enter_context(patches.installed(self.clock, self._notifier, self.events, ending))
        running.enter_context(self._server)
        running.callback(ending.set)
        running.callback(self._cloudformation.close)
        for (account, region), server in self._registry_servers.items():
            self.ecr.set_endpoint(account, region, server.host_port)
            running.enter_context(server)
        self._timer.start()
        running.callback(self._timer.stop)
        self.ecr.start()
        running.callback(self.ecr.stop)
        running.enter_context(functions.installed(self.functions))
        running.enter_context(self.functions)

    def stop(self) -> None:
        """End every thread and process, in the opposite order, and forget all state."""
        self._running.close()

    def _ecr_api(self, request: AwsRequest, caller: Caller) -> Answer:
        status, headers, body = self.ecr.json_api(caller, request.operation, request.body)
        answer = Answer(status, body)
        answer.headers.update(headers)
        return answer

    def _invoke(self, function_arn: str, payload: str) -> object:
        """Invoke a function asynchronously; InvokeError if Lambda refuses."""
        return self.functions.invoke(function_arn, payload.encode(), "Event")


def _forget_everything() -> None:
    # `BackendDict.reset` would build every backend anew only to drop it; IAM's takes a third of a second.
    for backends in BackendDict._instances:  # type: ignore[misc] # noqa: SLF001
        backends.clear()
    BackendDict._instances.clear()  # type: ignore[misc] # noqa: SLF001
    s3_backends.bucket_accounts.clear()
    reset_model_data()
