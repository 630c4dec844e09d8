"""
Clients of AWS: made on first use, once for each service, Region and role, for any thread.

boto3's own module is left alone: botocore's clients are the same objects and start faster.
Endpoints, Region and credentials come from the environment as everywhere (`AWS_ENDPOINT_URL` included).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final, Literal

import botocore
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.hooks import HierarchicalEmitter
from botocore.loaders import Loader, create_loader
from botocore.session import Session as BotocoreSession
from msgspec import Struct

from chalicelib.aws.tls import read_roots_once

Service = Literal["dynamodb", "ecr", "events", "iam", "s3", "sqs", "sts"]
"""The services that functions call; their calls are in `operations`."""

# Four attempts in all: botocore repeats throttled, failed and unanswered calls with a growing wait; what still fails
# then is a TemporaryError, and the message comes again later. Checksums are ours: sha256 over every blob.
_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=32,
    tcp_keepalive=True,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    # In one piece: botocore puts its own together twice for each call, a tenth of what a small one takes.
    user_agent=f"Transship Botocore/{botocore.__version__}",
)
_UNKNOWN_SESSION: Final = frozenset({"InvalidClientTokenId", "UnrecognizedClientException"})
"""How AWS answers the session of a role that was deleted, for the hour that it would last, were it made anew or not."""
_SESSION_NAME: Final = "transship"


class Role(Struct, frozen=True):
    """A role to assume, and the external id that its trust policy asks for ("" for none)."""

    arn: str
    external_id: str = ""


class Session:
    """
    Clients with the credentials of this process, or of a role that it assumes.

    Args:
        config: Laid over the defaults; tests shorten timeouts with it.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._session = _botocore_session()
        self._config = _CONFIG.merge(config) if config else _CONFIG
        self._clients: dict[tuple[Service, str | None, Role | None], Any] = {}
        self._roles: dict[Role, BotocoreSession] = {}
        self._lock = threading.Lock()

    def client(
        self,
        service: Service,
        region: str | None = None,
        *,
        role: Role | None = None,
        prepare: Callable[[Any], None] | None = None,
    ) -> Any:
        """Return the client for *service* in *region*; *prepare* sees it once, when it is made."""
        key = (service, region, role)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._create(service, region, role)
                if prepare is not None:
                    prepare(self._clients[key])
            return self._clients[key]

    @property
    def region(self) -> str:
        """The Region of every client that is asked for without one."""
        region: str = self._session.get_config_variable("region")
        return region

    def partition(self, region: str) -> str:
        """Return the partition of *region*; makes no call."""
        partition: str = self._session.get_partition_for_region(region)
        return partition

    def close(self) -> None:
        """Close every connection; the clients are not to be used any more."""
        with self._lock:
            for client in self._clients.values():
                client.close()

    def _create(self, service: Service, region: str | None, role: Role | None) -> Any:
        session = self._session_of(role) if role else self._session
        client = session.create_client(service, region_name=region, config=self._config)
        if role:
            client.meta.events.register("after-call", partial(self._forget_if_unknown, role))
        return client

    def _forget_if_unknown(self, role: Role, parsed: Mapping[str, Any], **_: object) -> None:
        """Let go of the session of *role* once AWS does not know it: whoever asks next assumes the role again."""
        if parsed.get("Error", {}).get("Code") not in _UNKNOWN_SESSION:
            return
        with self._lock:
            self._roles.pop(role, None)
            self._clients = {key: client for key, client in self._clients.items() if key[2] != role}

    def _session_of(self, role: Role) -> BotocoreSession:
        """Return the session of *role*, which all its clients share: it is assumed once for all of them."""
        if role not in self._roles:
            self._roles[role] = self._assumed(role)
        return self._roles[role]

    def _assumed(self, role: Role) -> BotocoreSession:
        """Return a session whose credentials renew themselves; a chained session lasts an hour (ecr.md 6.4)."""
        arguments = {"RoleSessionName": _SESSION_NAME} | ({"ExternalId": role.external_id} if role.external_id else {})
        fetcher = AssumeRoleCredentialFetcher(
            self._session.create_client,
            self._session.get_credentials(),
            role.arn,
            extra_args=arguments,
        )
        session = _botocore_session()
        session.register_component("credential_provider", _Assumed(fetcher))
        return session


def _botocore_session() -> BotocoreSession:
    """Return a session whose clients take events by their present names only."""
    read_roots_once()
    hooks = HierarchicalEmitter()
    session = BotocoreSession(event_hooks=hooks)
    # Otherwise each client looks for each event among 65 former names: 15 ms of CPU time at a cold start.
    session.register_component("event_emitter", hooks)
    session.register_component("data_loader", _models(session.get_config_variable("data_path")))
    return session


@cache
def _models(path: str | None) -> Loader:
    """Return what reads botocore's models and keeps what it has read, one for all sessions of the process."""
    loader: Loader = create_loader(path)
    return loader


class _Assumed(Struct, frozen=True):
    """What botocore asks for credentials: these are fetched on first use and again before they expire."""

    fetcher: AssumeRoleCredentialFetcher

    def load_credentials(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(method="assume-role", refresh_using=self.fetcher.fetch_credentials)
