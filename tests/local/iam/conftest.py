"""The local AWS with IAM enforced, and boto3 clients of whoever a test makes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.iam.models import iam_backends

from transship.local.accounts import ACCOUNTS, SOURCE_ACCOUNT, Credentials
from transship.local.stack import LocalAws

REGION = "eu-west-1"


@dataclass
class World:
    """Two accounts, each with an administrator, and whatever a test adds."""

    aws: LocalAws
    _session: boto3.Session = field(default_factory=boto3.Session)
    _made: dict[Any, Any] = field(default_factory=dict)

    @staticmethod
    def document(*statements: dict[str, Any]) -> str:
        """Write a policy document."""
        return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})

    @staticmethod
    def allow(action: Any, resource: Any = "*", **elements: Any) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": action, "Resource": resource, **elements}

    @staticmethod
    def deny(action: Any, resource: Any = "*", **elements: Any) -> dict[str, Any]:
        return {"Effect": "Deny", "Action": action, "Resource": resource, **elements}

    @classmethod
    def trust(cls, principal: dict[str, Any], *actions: str, **elements: Any) -> str:
        statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions or ["sts:AssumeRole"])}
        return cls.document(statement | elements)

    def client(self, service: str, who: Credentials | None = None, region: str = REGION) -> Any:
        """Return a client of *who*; of the source account's administrator if None."""
        who = who or self.aws.administrator(SOURCE_ACCOUNT)
        key = (service, who, region)
        if key not in self._made:
            self._made[key] = self._session.client(  # type: ignore[call-overload] # any service
                service,
                region_name=region,
                endpoint_url=self.aws.endpoint_url,
                config=Config(retries={"max_attempts": 1}, parameter_validation=False),
                **who.for_boto3(),
            )
        return self._made[key]

    def user(self, name: str, *statements: dict[str, Any], account: str = SOURCE_ACCOUNT) -> Credentials:
        """Make a user whose inline policy has *statements*."""
        iam = self.client("iam", self.aws.administrator(account))
        iam.create_user(UserName=name)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=self.document(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def role(
        self, name: str, trusted: str, *statements: dict[str, Any], account: str = SOURCE_ACCOUNT, **options: Any
    ) -> str:
        """Make a role whose inline policy has *statements*; return its ARN."""
        iam = self.client("iam", self.aws.administrator(account))
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted, **options)["Role"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=self.document(*statements))
        return str(role["Arn"])

    def assume(self, role: str, who: Credentials | None = None, /, **options: Any) -> Credentials:
        """Assume *role*; return the session's credentials."""
        options = {"RoleSessionName": "session", **options}
        answer = self.client("sts", who).assume_role(RoleArn=role, **options)["Credentials"]
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    @contextmanager
    def organized(self, organizations: Mapping[str, str]) -> Iterator[None]:
        """Let accounts be in *organizations*."""
        self.aws.iam.organizations.update(organizations)
        try:
            yield
        finally:
            self.aws.iam.organizations.clear()

    def create_repository(self, name: str = "app", **options: Any) -> str:
        """Make an ECR repository in the source account; return its ARN."""
        answer = self.client("ecr").create_repository(repositoryName=name, **options)
        return str(answer["repository"]["repositoryArn"])

    def close(self) -> None:
        for client in self._made.values():
            client.close()


@pytest.fixture(name="shared_world", scope="module")
def _shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as aws:
        world = World(aws)
        yield world
        world.close()


@pytest.fixture(name="world")
def _world(shared_world: World) -> Iterator[World]:
    # Starting and stopping takes over a second, so that tests share one local AWS and leave it as they found it.
    yield shared_world
    _forget_identities()
    ecr = shared_world.client("ecr")
    for repository in ecr.describe_repositories()["repositories"]:
        ecr.delete_repository(repositoryName=repository["repositoryName"], force=True)
    with suppress(ecr.exceptions.RegistryPolicyNotFoundException):
        ecr.delete_registry_policy()


def _forget_identities() -> None:
    for account in ACCOUNTS:
        iam = iam_backends[account]["aws"]
        for name in [name for name in iam.users if name != "administrator"]:
            del iam.users[name]
        iam.roles.clear()
        iam.groups.clear()
        for arn in [arn for arn in iam.managed_policies if ":iam::aws:" not in arn]:
            del iam.managed_policies[arn]
