"""One local AWS per test module that asks for it, and boto3 clients of its administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import boto3
import pytest
from botocore.config import Config

from tests.local.aws.wiring import Wiring
from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Clients(Protocol):
    """Makes a boto3 client of an account's administrator."""

    def __call__(self, service: str, *, account: str = SOURCE_ACCOUNT, region: str = "us-east-1") -> Any: ...


@pytest.fixture(name="new_aws", scope="module")
def _new_aws() -> Callable[[Path], LocalAws]:
    return LocalAws


@pytest.fixture(name="aws", scope="module")
def _aws(new_aws: Callable[[Path], LocalAws], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with new_aws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture(name="clients", scope="module")
def _clients(aws: LocalAws) -> Iterator[Clients]:
    made: dict[tuple[str, ...], Any] = {}
    session = boto3.Session()

    def client(service: str, *, account: str = SOURCE_ACCOUNT, region: str = "us-east-1") -> Any:
        key = (service, account, region)
        if key not in made:
            made[key] = session.client(
                service,
                region_name=region,
                endpoint_url=aws.endpoint_url,
                config=Config(retries={"max_attempts": 1}, read_timeout=20),
                **aws.administrator(account).for_boto3(),
            )
        return made[key]

    yield client
    for used in made.values():
        used.close()


@pytest.fixture(name="wiring")
def _wiring(clients: Clients, request: pytest.FixtureRequest) -> Wiring:
    return Wiring(clients, f"{request.node.originalname[5:60]}{abs(hash(request.node.name)) % 9999}")
