"""
AWS on this machine: one process, one HTTP endpoint, one more port per ECR registry.

`LocalAws` composes moto, our own services and the door in front of them; it owns every thread and every file.
moto keeps its state in module globals, so a process runs one `LocalAws` at a time, and each starts empty.

Left out: persistence. *data_dir* holds the bytes of objects and layers for as long as the stack runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from transship.local import patches
from transship.local.accounts import ACCOUNTS, Credentials, create_administrator
from transship.local.clock import Clock, RealClock
from transship.local.front_door import FrontDoor, Identities, Service
from transship.local.server import WsgiServer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transship.local.caller import Authorizer


class LocalAws:
    """The AWS of this machine; a context manager."""

    def __init__(
        self,
        data_dir: Path,
        *,
        identities: Identities,
        authorizer: Authorizer,
        clock: Clock | None = None,
        accounts: Sequence[str] = ACCOUNTS,
        port: int = 0,
    ) -> None:
        """
        Compose the services; nothing listens before `start`.

        Args:
            data_dir: An empty directory for the bytes of objects and layers.
            identities: Resolves access keys to callers.
            authorizer: Judges every call.
            clock: Time of our own services; moto's is always the machine's.
            accounts: Accounts that exist, 12 digits each.
            port: Of the endpoint; 0 for any free one.
        """
        patches.install()
        _forget_everything()
        self._data_dir, self._clock = data_dir, clock or RealClock()
        self._administrators = {account: create_administrator(account) for account in accounts}
        services: dict[str, Service] = {}
        moto = DomainDispatcherApplication(create_backend_app)
        self._server = WsgiServer(FrontDoor(identities, authorizer, services, moto), port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """What `AWS_ENDPOINT_URL` takes."""
        return self._server.url

    def administrator(self, account: str) -> Credentials:
        """Return the credentials of the user of *account* that may do everything."""
        return self._administrators[account]

    def start(self) -> None:
        """Serve; returns when requests are answered."""
        self._server.start()

    def stop(self) -> None:
        """End every thread and forget all state."""
        self._server.stop()
        _forget_everything()


def _forget_everything() -> None:
    BackendDict.reset()
    reset_model_data()
