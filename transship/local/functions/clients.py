"""
AWS clients that act as a function's role.

Lambda receives and deletes messages and delivers to destinations with the function's own permissions, so that a
policy without `sqs:ReceiveMessage` shows here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from transship.local.functions.configuration import FunctionConfiguration
    from transship.local.functions.credentials import CredentialSource

_CONFIG = Config(retries={"total_max_attempts": 1}, max_pool_connections=50)


class RoleClients:
    """Makes clients and keeps them as long as their credentials last."""

    def __init__(self, endpoint_url: str, credentials: CredentialSource) -> None:
        self._endpoint_url = endpoint_url
        self._credentials = credentials
        self._session: Any = boto3.Session()  # one, because it keeps the service models that it has read
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], tuple[str, Any]] = {}

    def client(self, service: str, function: FunctionConfiguration, region: str | None = None) -> Any:
        """Return a client of *service* with the role of *function*, in its Region unless another is named."""
        credentials = self._credentials.for_function(function)
        key = (service, str(function.arn), region or function.arn.region)
        with self._lock:  # botocore sessions are not thread-safe while they create clients
            issued_for, client = self._clients.get(key, ("", None))
            if issued_for != credentials.access_key_id:
                client = self._session.client(
                    service,
                    region_name=key[2],
                    endpoint_url=self._endpoint_url,
                    config=_CONFIG,
                    aws_access_key_id=credentials.access_key_id,
                    aws_secret_access_key=credentials.secret_access_key,
                    aws_session_token=credentials.session_token,
                )
                self._clients[key] = (credentials.access_key_id, client)
        return client
