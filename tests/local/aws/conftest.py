"""One local AWS per test module that asks for it, and boto3 clients of its administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import boto3
import pytest
from botocore.config import Config
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.caller import AccessRequest, Caller
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class AllowAll:
    """An authorizer that notes what was asked and allows it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def authorize(self, caller: Caller, request: AccessRequest) -> None:
        del caller
        self.asked.append((request.action, request.resource))


class MotoIdentities:
    """Users and assumed roles as moto keeps them."""

    def resolve(self, access_key: str, region: str) -> Caller:
        for account, backends in list(iam_backends.items()):
            if access_key in backends["aws"].access_keys:
                user_id, arn, _ = sts_backends[account]["aws"].get_caller_identity(access_key, region)
                return Caller(account=account, region=region, arn=arn, user_id=user_id, access_key=access_key)
        raise LookupError(access_key)


class Clients(Protocol):
    """Makes a boto3 client of an account's administrator."""

    def __call__(self, service: str, *, account: str = SOURCE_ACCOUNT, region: str = "us-east-1") -> Any: ...


@pytest.fixture(name="authorizer", scope="module")
def _authorizer() -> AllowAll:
    return AllowAll()


@pytest.fixture(name="new_aws", scope="module")
def _new_aws(authorizer: AllowAll) -> Callable[[Path], LocalAws]:
    return lambda data_dir: LocalAws(data_dir, identities=MotoIdentities(), authorizer=authorizer)


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
