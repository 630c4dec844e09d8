"""One session of a role for all of its clients."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import botocore
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import JSONFileLoader

from chalicelib.access.documents import trust_policy
from chalicelib.aws import session as session_module
from chalicelib.aws.session import Role
from chalicelib.oci.reference import Registry
from tests.aws.conftest import HOME, QUICK, NewSession, World
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

NAME = "assumed-once"
ROLE = Role(f"arn:aws:iam::{OTHER_ACCOUNT}:role/{NAME}", "an-external-id")
KEY = re.compile(rb"Credential=([A-Z0-9]+)/")


@pytest.fixture(name="make_role")
def _make_role(world: World) -> Iterator[Callable[[], None]]:
    iam = world.admin("iam", Registry(OTHER_ACCOUNT, HOME.region))
    trust = json.dumps(trust_policy([f"arn:aws:iam::{SOURCE_ACCOUNT}:root"], ROLE.external_id))
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

    def delete() -> None:
        with suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_role_policy(RoleName=NAME, PolicyName="all")
            iam.delete_role(RoleName=NAME)

    def make() -> None:
        delete()
        iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=trust)
        iam.put_role_policy(RoleName=NAME, PolicyName="all", PolicyDocument=json.dumps(rights))

    make()
    yield make
    delete()


def test_aws_is_told_who_calls(new_session: NewSession) -> None:
    told: list[bytes] = []

    def listen(client: Any) -> None:
        client.meta.events.register("before-send", lambda request, **_: told.append(request.headers["User-Agent"]))

    new_session(QUICK).client("ecr", prepare=listen).describe_repositories()

    # Powertools, where it is loaded, adds itself behind that.
    assert [whole.decode().split()[:2] for whole in told] == [["Transship", f"Botocore/{botocore.__version__}"]]


def test_several_sessions_read_a_model_once(new_session: NewSession, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load = JSONFileLoader.load_file

    def listen(loader: JSONFileLoader, path: str) -> Any:
        read.append(path)
        return load(loader, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", listen)
    session_module._models.cache_clear()
    for _ in range(2):
        new_session(QUICK).client("ecr")

    assert len([path for path in read if "/ecr/" in path and path.endswith("service-2")]) == 1


@pytest.mark.usefixtures("make_role")
def test_a_role_is_assumed_once_for_all_regions_and_services(new_session: NewSession) -> None:
    used: list[bytes] = []

    def listen(client: Any) -> None:
        def note(request: Any, **_: Any) -> None:
            used.append(KEY.findall(request.headers["Authorization"])[0])

        client.meta.events.register("before-send", note)

    session = new_session(QUICK)
    for region in ("us-east-1", "eu-central-1"):
        session.client("ecr", region, role=ROLE, prepare=listen).describe_repositories()
    session.client("iam", role=ROLE, prepare=listen).get_role(RoleName=NAME)

    assert len(used) == 3
    assert len(set(used)) == 1


def test_a_role_that_was_made_anew_is_assumed_anew(new_session: NewSession, make_role: Callable[[], None]) -> None:
    session = new_session(QUICK)
    for service, call in (("ecr", "describe_repositories"), ("iam", "list_roles")):
        getattr(session.client(service, role=ROLE), call)()
        make_role()
        with pytest.raises(ClientError, match=r"UnrecognizedClientException|InvalidClientTokenId"):
            getattr(session.client(service, role=ROLE), call)()

        assert getattr(session.client(service, role=ROLE), call)()
