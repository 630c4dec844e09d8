"""
The roles in other accounts that read images back and heal, judged before the first byte moves, through the reader.

What the reader lacks rejects the upload, and the statement that is named mends it; what the heal role lacks is noted,
for no upload needs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from chalicelib.access import documents
from chalicelib.access.needs import HEAL, LOOKERS
from chalicelib.names import CONFIRM, PUSH, role_name
from chalicelib.replacing import replace
from chalicelib.settings import Reader
from chalicelib.state.upload import State, Upload
from tests import archives
from tests.enforcement.bench import Bench, furnished_bench
from tests.policies import without
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local_world import EXTERNAL_ID, OTHER_REPLICAS, READ_BACK_ROLE

pytestmark = [pytest.mark.check, pytest.mark.timeout(120)]

SOUND: Final = archives.docker_save(archives.image("hello"))
PLACES: Final = [f"arn:aws:ecr:{region}:{account}:repository/*" for account, region in OTHER_REPLICAS]
READER: Final = f"arn:aws:iam::{OTHER_ACCOUNT}:role/{READ_BACK_ROLE}"
HEALER: Final = f"arn:aws:iam::{OTHER_ACCOUNT}:role/transship-local-heal"
OURS: Final = {one: f"arn:aws:iam::{SOURCE_ACCOUNT}:role/{role_name('local', one)}" for one in LOOKERS}
READING: Final = documents.read_back_policy(PLACES, role=READER, heal_role=HEALER)
HEALING: Final = documents.heal_policy(PLACES)


class Elsewhere:
    """The other account, whose roles anybody may change here."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._iam = bench.admin("iam", OTHER_ACCOUNT)
        bench.settings = replace(bench.settings, healers={OTHER_ACCOUNT: Reader(HEALER, "of the operator")})
        trust = documents.trust_policy([f"arn:aws:iam::{SOURCE_ACCOUNT}:root"], "of the operator")
        self._iam.create_role(RoleName="transship-local-heal", AssumeRolePolicyDocument=json.dumps(trust))

    def restore(self) -> None:
        """Give both roles exactly what `transship policy` prints."""
        for name in self._iam.list_role_policies(RoleName=READ_BACK_ROLE)["PolicyNames"]:
            self._iam.delete_role_policy(RoleName=READ_BACK_ROLE, PolicyName=name)
        self.give(READER, READING)
        self.give(HEALER, HEALING)
        self.trust([*OURS.values()])
        self.bench.forget()

    def give(self, role: str, document: dict[str, Any], name: str = "own") -> None:
        self._iam.put_role_policy(
            RoleName=role.rpartition("/")[2], PolicyName=name, PolicyDocument=json.dumps(document)
        )

    def trust(self, principals: list[str]) -> None:
        document = documents.trust_policy(principals, EXTERNAL_ID)
        self._iam.update_assume_role_policy(RoleName=READ_BACK_ROLE, PolicyDocument=json.dumps(document))
        self.bench.forget_sessions()

    def run(self, name: str) -> Upload:
        self.bench.taken.clear()
        record = self.bench.run(self.bench.upload(SOUND, name))
        assert record
        return record


@pytest.fixture(name="furnished", scope="module")
def _furnished() -> Iterator[Elsewhere]:
    with furnished_bench() as bench:
        yield Elsewhere(bench)


@pytest.fixture(name="there")
def _there(furnished: Elsewhere) -> Elsewhere:
    furnished.restore()
    return furnished


def test_with_what_is_printed_nothing_is_lacking(there: Elsewhere) -> None:
    record = there.run("printed")

    assert (record.state, record.preflight.get("noted"), there.bench.denials) == (State.AVAILABLE, None, [])


@pytest.mark.parametrize("action", documents.READ_BACK_ACTIONS)
def test_what_the_reader_lacks_is_named_before_anything_is_pushed_and_its_statement_mends_it(
    there: Elsewhere, action: str
) -> None:
    name = f"reader-{action.partition(':')[2].lower()}"
    there.run(name)  # where no repository is, nobody is denied its policy
    there.bench.forget()
    there.give(READER, without(READING, action))
    grown = there.bench.upload(archives.docker_save(archives.image("grown")), name)
    there.bench.taken.clear()
    record = there.bench.run(grown)

    assert record
    assert record.state is State.REJECTED
    assert PUSH not in there.bench.taken
    denied = [one for one in record.facts["denied"] if one["decision"] != "unknown"]
    assert {(one["role"], one["action"]) for one in denied} == {(READER, action)}
    told = record.facts["statements"]
    assert {(one["attach_to"], one["role"]) for one in told} == {("identity-based policy", READER)}
    for number, addition in enumerate(told):
        there.give(READER, {"Version": "2012-10-17", "Statement": [addition["statement"]]}, f"mended-{number}")
    there.bench.forget()
    assert there.run(name).state is State.AVAILABLE


def test_a_reader_that_may_not_be_asked_about_is_named_with_the_statement_that_mends_it(there: Elsewhere) -> None:
    there.give(READER, without(READING, documents.SIMULATE))
    record = there.run("unasked")

    assert (record.state, record.code) == (State.REJECTED, "PREFLIGHT_UNKNOWN")
    (addition,) = record.facts["statements"]
    assert (addition["role"], addition["statement"]) == (
        READER,
        {"Effect": "Allow", "Action": documents.SIMULATE, "Resource": READER},
    )
    there.give(READER, {"Version": "2012-10-17", "Statement": [addition["statement"]]}, "mended")
    there.bench.forget()
    assert there.run("unasked").state is State.AVAILABLE


def test_a_reader_that_does_not_trust_receive_is_named_with_all_whom_it_must_trust(there: Elsewhere) -> None:
    there.trust([OURS[CONFIRM]])
    record = there.run("untrusted")

    assert record.state is State.REJECTED
    trust = next(one for one in record.facts["statements"] if one["attach_to"] == "trust policy")
    assert (trust["role"], trust["statement"]["Principal"]["AWS"]) == (READER, [*OURS.values()])
    assert trust["statement"]["Condition"] == {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}


@pytest.mark.parametrize("action", [*documents.PUSH_ACTIONS, documents.AUTHENTICATE])
def test_what_the_heal_role_lacks_is_noted_with_its_statement_and_refuses_nothing(
    there: Elsewhere, action: str
) -> None:
    there.give(HEALER, without(HEALING, action))
    record = there.run(f"healer-{action.partition(':')[2].lower()}")

    assert record.state is State.AVAILABLE, (record.code, record.detail)
    noted = record.preflight["noted"]
    assert {(one["function"], one["role"], one["action"]) for one in noted} == {(HEAL, HEALER, action)}
    assert {one["role"] for one in record.preflight["statements"]} == {HEALER}


def test_a_heal_role_that_may_not_be_asked_about_is_noted_and_refuses_nothing(there: Elsewhere) -> None:
    there.give(READER, documents.read_back_policy(PLACES, role=READER))
    record = there.run("unasked-healer")

    assert record.state is State.AVAILABLE, (record.code, record.detail)
    assert {(one["function"], one["decision"]) for one in record.preflight["noted"]} == {(HEAL, "unknown")}
    assert all("iam:SimulatePrincipalPolicy" in one["reason"] for one in record.preflight["noted"])
