"""A local AWS for the adapters, spoken to as a function would: environment variables and botocore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session as BotocoreSession

from chalicelib.aws.ecr import EcrClient, EcrRegistries
from chalicelib.aws.session import Role, Session
from chalicelib.meter import Meter
from chalicelib.oci.reference import Registry, RepositoryName
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.ecr import EcrOptions, FaultRules
from transship.local.stack import LocalAws

HOME = Registry(SOURCE_ACCOUNT, "us-east-1")
QUICK = Config(connect_timeout=2, read_timeout=5)
PART = 1 << 18
NewSession = Callable[[Config], Session]


@dataclass(frozen=True, slots=True)
class World:
    """The local AWS, the faults of its ECR, and what its administrators may do by hand."""

    aws: LocalAws
    faults: FaultRules
    made: list[Any] = field(default_factory=list)

    def admin(self, service: str, registry: Registry = HOME) -> Any:
        """Return a plain client of an account's administrator."""
        key = self.aws.administrator(registry.account)
        client = BotocoreSession().create_client(
            service,
            region_name=registry.region,
            endpoint_url=self.aws.endpoint_url,
            config=QUICK,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
        )
        self.made.append(client)
        return client

    def close(self) -> None:
        """Close the clients that were made."""
        for client in self.made:
            client.close()


@pytest.fixture(name="environment", scope="module")
def _environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as environment:
        yield environment


@pytest.fixture(name="world", scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch) -> Iterator[World]:
    faults = FaultRules()
    options = EcrOptions(part_size=PART, min_part_size=PART // 2)
    with (
        LocalAws(tmp_path_factory.mktemp("aws"), faults=faults, ecr_options=options) as aws,
        closing(World(aws, faults)) as world,
    ):
        key = aws.administrator(SOURCE_ACCOUNT)
        environment.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
        environment.setenv("AWS_ACCESS_KEY_ID", key.access_key)
        environment.setenv("AWS_SECRET_ACCESS_KEY", key.secret_key)
        environment.setenv("AWS_DEFAULT_REGION", HOME.region)
        yield world


@pytest.fixture(name="faults")
def _faults(world: World) -> Iterator[FaultRules]:
    world.faults.clear()
    yield world.faults
    world.faults.clear()


@pytest.fixture(name="meter", scope="module")
def _meter() -> Meter:
    return Meter()


@pytest.fixture(name="new_session", scope="module")
def _new_session(world: World) -> Iterator[NewSession]:
    """Makes sessions that speak to the local AWS and are closed at the end."""
    assert world.aws.endpoint_url  # the environment names it by now
    with ExitStack() as made:
        yield lambda config: made.enter_context(closing(Session(config)))


@pytest.fixture(name="session", scope="module")
def _session(new_session: NewSession) -> Session:
    return new_session(QUICK)


@pytest.fixture(name="registries", scope="module")
def _registries(session: Session, meter: Meter) -> EcrRegistries:
    reader = Role(f"arn:aws:iam::{OTHER_ACCOUNT}:role/read-back", "an-external-id")
    return EcrRegistries(session, SOURCE_ACCOUNT, {OTHER_ACCOUNT: reader}, meter)


@pytest.fixture(name="client", scope="module")
def _client(registries: EcrRegistries) -> EcrClient:
    return registries.client(HOME)


@pytest.fixture(name="repository")
def _repository(world: World, request: pytest.FixtureRequest) -> RepositoryName:
    """A repository of the test's own."""
    name = RepositoryName("team/" + request.node.name.split("[")[0].replace("_", "-") + f"-{id(request.node)}")
    world.admin("ecr").create_repository(repositoryName=str(name))
    return name
