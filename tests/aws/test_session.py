"""One session of a role for all of its clients."""

from __future__ import annotations

import json
import re
from typing import Any

from chalicelib.access.documents import trust_policy
from chalicelib.aws.session import Role
from chalicelib.oci.reference import Registry
from tests.aws.conftest import HOME, QUICK, NewSession, World
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

NAME = "assumed-once"
ROLE = Role(f"arn:aws:iam::{OTHER_ACCOUNT}:role/{NAME}", "an-external-id")
KEY = re.compile(rb"Credential=([A-Z0-9]+)/")


def test_a_role_is_assumed_once_for_all_regions_and_services(world: World, new_session: NewSession) -> None:
    trust = trust_policy([f"arn:aws:iam::{SOURCE_ACCOUNT}:root"], ROLE.external_id)
    rights = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam = world.admin("iam", Registry(OTHER_ACCOUNT, HOME.region))
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trust))
    policy = {"Version": "2012-10-17", "Statement": [rights]}
    iam.put_role_policy(RoleName=NAME, PolicyName="all", PolicyDocument=json.dumps(policy))
    used: list[bytes] = []

    def listen(client: Any) -> None:
        def note(request: Any, **_: Any) -> None:
            authorization = request.headers["Authorization"]
            used.append(KEY.findall(authorization)[0])

        client.meta.events.register("before-send", note)

    session = new_session(QUICK)
    for region in ("us-east-1", "eu-central-1"):
        session.client("ecr", region, role=ROLE, prepare=listen).describe_repositories()
    session.client("iam", role=ROLE, prepare=listen).get_role(RoleName=NAME)

    assert len(used) == 3
    assert len(set(used)) == 1
