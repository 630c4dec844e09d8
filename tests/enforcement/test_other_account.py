"""
Pushing into another account's registry under enforcement, both ways, and what is said where either side lacks anything.

    own role    our roles, by the repository's policy there; a role there is assumed only to look
    writer      a role there, which trusts ours and knows the external id

Each thing that is missing rejects the upload before anything is written there; doing what the rejection says, and
nothing else, lets the next one through.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from chalicelib.access import documents
from chalicelib.names import CONFIRM, FUNCTIONS, PUBLISH, PUSH, RECEIVE, role_name
from chalicelib.oci.reference import Registry
from chalicelib.replacing import replace
from chalicelib.settings import Reader
from chalicelib.state.upload import State, Upload
from tests import archives
from tests.enforcement.bench import Bench, furnished_bench
from tests.policies import without
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local_world import HOME

pytestmark = [pytest.mark.check, pytest.mark.timeout(120)]

SOUND: Final = archives.docker_save(archives.image("hello"))
EXTERNAL_ID: Final = "4711"
ANY_REPOSITORY: Final = f"arn:aws:ecr:{HOME}:{OTHER_ACCOUNT}:repository/*"
AWAY: Final = (OTHER_ACCOUNT, "eu-central-1")
LOOKER: Final = f"arn:aws:iam::{OTHER_ACCOUNT}:role/transship-local-read-back-here"
WRITER: Final = f"arn:aws:iam::{OTHER_ACCOUNT}:role/transship-local-push-here"
OURS_BY_NAME: Final = {
    function: f"arn:aws:iam::{SOURCE_ACCOUNT}:role/{role_name('local', function)}"
    for function in (RECEIVE, PUSH, PUBLISH, CONFIRM)
}
OURS: Final = list(OURS_BY_NAME.values())


class Neighbours:
    """Our deployment on the *bench*, and the other account as its own administrator furnishes it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.plain = bench.settings

    def there(self, service: str) -> Any:
        return self.bench.admin(service, OTHER_ACCOUNT)

    def furnish(self) -> None:
        """Let the other account's registry replicate, within its account, and make both of its roles."""
        destination = {"registryId": OTHER_ACCOUNT, "region": AWAY[1]}
        self.there("ecr").put_replication_configuration(
            replicationConfiguration={"rules": [{"destinations": [destination]}]}
        )
        for role in (LOOKER, WRITER):
            trust = documents.trust_policy(OURS, EXTERNAL_ID)
            self.there("iam").create_role(RoleName=name_of(role), AssumeRolePolicyDocument=json.dumps(trust))
        self.restore()

    def restore(self) -> None:
        """Give both sides exactly what `transship policy` prints."""
        away = ANY_REPOSITORY.replace(HOME, AWAY[1])
        reading = documents.read_back_policy([ANY_REPOSITORY, away], role=LOOKER)
        self.give(LOOKER, documents.looker_policy([ANY_REPOSITORY]), "look")
        self.give(LOOKER, reading, "read-back")
        self.give(WRITER, documents.writer_policy(WRITER, [ANY_REPOSITORY], create=True), "write")
        for role in (LOOKER, WRITER):
            self.trust(role, documents.trust_policy(OURS, EXTERNAL_ID))
        for function in FUNCTIONS:
            self.bench.put_policy(function, self.bench.policy(function))

    def give(self, role: str, document: dict[str, Any], name: str) -> None:
        self.there("iam").put_role_policy(RoleName=name_of(role), PolicyName=name, PolicyDocument=json.dumps(document))

    def trust(self, role: str, document: dict[str, Any]) -> None:
        self.there("iam").update_assume_role_policy(RoleName=name_of(role), PolicyDocument=json.dumps(document))

    def use(self, *, writer: bool) -> None:
        """Let the deployment push there as its own roles, or through the writer."""
        self.bench.settings = replace(
            self.plain,
            target_account=OTHER_ACCOUNT,
            create_repositories=writer,
            readers={OTHER_ACCOUNT: Reader(LOOKER, EXTERNAL_ID)},
            writers={OTHER_ACCOUNT: Reader(WRITER, EXTERNAL_ID)} if writer else {},
        )
        self.restore()

    def open_repository(self, name: str, policy: dict[str, Any] | None) -> None:
        ecr = self.there("ecr")
        ecr.create_repository(repositoryName=f"vendor/{name}")
        if policy:
            ecr.set_repository_policy(repositoryName=f"vendor/{name}", policyText=json.dumps(policy))

    def images(self, name: str, region: str = HOME) -> list[str]:
        ecr = self.bench.admin("ecr", OTHER_ACCOUNT, region)
        try:
            return [one["imageTag"] for one in ecr.list_images(repositoryName=f"vendor/{name}")["imageIds"]]
        except ecr.exceptions.RepositoryNotFoundException:
            return []

    def run(self, name: str) -> Upload:
        record = self.bench.run(self.bench.upload(SOUND, name))
        assert record
        return record

    def mend(self, told: list[dict[str, Any]]) -> None:
        """Do what a rejection says, and nothing else."""
        assert told
        for number, addition in enumerate(told):
            statement = addition["statement"]
            document = {"Version": "2012-10-17", "Statement": [statement]}
            match addition["attach_to"]:
                case "repository policy":
                    self._add_to_repository(addition["repository"].partition(":repository/")[2], statement)
                case "trust policy":
                    self.trust(addition["role"], document)
                case "identity-based policy":
                    account = addition["role"].split(":")[4]
                    self.bench.admin("iam", account).put_role_policy(
                        RoleName=name_of(addition["role"]),
                        PolicyName=f"mended-{number}",
                        PolicyDocument=json.dumps(document),
                    )

    def _add_to_repository(self, repository: str, statement: dict[str, Any]) -> None:
        ecr = self.there("ecr")
        try:
            policy = json.loads(ecr.get_repository_policy(repositoryName=repository)["policyText"])
        except ecr.exceptions.RepositoryPolicyNotFoundException:
            policy = {"Version": "2012-10-17", "Statement": []}
        policy["Statement"].append(statement)
        ecr.set_repository_policy(repositoryName=repository, policyText=json.dumps(policy))


def name_of(role: str) -> str:
    return role.rpartition("/")[2]


@pytest.fixture(name="furnished", scope="module")
def _furnished() -> Iterator[Neighbours]:
    with furnished_bench() as bench:
        neighbours = Neighbours(bench)
        neighbours.furnish()
        yield neighbours


@pytest.fixture(name="neighbours")
def _neighbours(furnished: Neighbours) -> Iterator[Neighbours]:
    furnished.bench.forget()
    yield furnished
    for role, account in [*((arn, SOURCE_ACCOUNT) for arn in OURS), (LOOKER, OTHER_ACCOUNT), (WRITER, OTHER_ACCOUNT)]:
        iam = furnished.bench.admin("iam", account)
        for name in iam.list_role_policies(RoleName=name_of(role))["PolicyNames"]:
            if name.startswith("mended-"):
                iam.delete_role_policy(RoleName=name_of(role), PolicyName=name)


def test_our_own_roles_push_by_the_policy_of_the_repository(neighbours: Neighbours) -> None:
    neighbours.use(writer=False)
    neighbours.open_repository("ours", documents.push_across_accounts(OURS))
    record = neighbours.run("ours")

    assert (record.state, neighbours.bench.denials) == (State.AVAILABLE, []), record
    assert neighbours.images("ours") == neighbours.images("ours", AWAY[1]) == ["1.0"]


def test_a_role_there_is_assumed_and_pushes(neighbours: Neighbours) -> None:
    neighbours.use(writer=True)
    record = neighbours.run("theirs")

    assert (record.state, neighbours.bench.denials) == (State.AVAILABLE, []), record
    assert neighbours.images("theirs") == neighbours.images("theirs", AWAY[1]) == ["1.0"]


UNREADABLE: Final = {"ecr:GetRepositoryPolicy", "ecr:GetRegistryPolicy", "iam:SimulatePrincipalPolicy"}
"""Without these nobody knows what the policies say."""


def rejected(neighbours: Neighbours, name: str, action: str, places: set[str]) -> list[dict[str, Any]]:
    """Upload, see it rejected for *action* before anything is written, and return the statements that it names."""
    neighbours.bench.taken.clear()
    record = neighbours.run(name)

    # The writer is asked whether it may read the registry policy; a looker is not, for no push goes through it.
    blind = UNREADABLE - ({"ecr:GetRegistryPolicy"} if neighbours.bench.settings.writers else set())
    code = "PREFLIGHT_UNKNOWN" if action in blind else "PERMISSION_MISSING"
    assert (record.state, record.code) == (State.REJECTED, code), record.detail
    denied = [one["action"] for one in record.facts["denied"] if one["decision"] != "unknown"]
    assert set(denied) == {action}
    assert {addition["attach_to"] for addition in record.facts["statements"]} == places
    assert PUSH not in neighbours.bench.taken
    statements: list[dict[str, Any]] = record.facts["statements"]
    return statements


def rejected_then_mended(neighbours: Neighbours, name: str, action: str, places: set[str]) -> None:
    neighbours.mend(rejected(neighbours, name, action, places))
    neighbours.bench.forget()
    neighbours.bench.forget_sessions()
    mended = neighbours.run(name)

    assert mended.state is State.AVAILABLE, (mended.code, mended.detail, neighbours.bench.denials)


OF_THE_REPOSITORY: Final = (*documents.PUSH_ACTIONS, *documents.FOLLOW_ACTIONS)


@pytest.mark.parametrize("action", OF_THE_REPOSITORY)
def test_an_action_that_the_repository_lacks_is_named(neighbours: Neighbours, action: str) -> None:
    neighbours.use(writer=False)
    name = f"repository-{action.partition(':')[2].lower()}"
    neighbours.open_repository(name, without(documents.push_across_accounts(OURS), action))

    rejected(neighbours, name, action, {"repository policy"})


def test_a_repository_without_a_policy_is_mended_by_the_statements_alone(neighbours: Neighbours) -> None:
    neighbours.use(writer=False)
    neighbours.open_repository("closed", None)
    record = neighbours.run("closed")

    assert {one["action"] for one in record.facts["denied"]} == set(OF_THE_REPOSITORY)
    neighbours.mend(record.facts["statements"])
    neighbours.bench.forget()
    mended = neighbours.run("closed")
    assert mended.state is State.AVAILABLE, (mended.code, mended.detail, neighbours.bench.denials)


@pytest.mark.parametrize(("function", "action"), [(PUSH, "ecr:UploadLayerPart"), (PUBLISH, "ecr:PutImage")])
def test_an_action_that_our_own_side_lacks_is_named(neighbours: Neighbours, function: str, action: str) -> None:
    neighbours.use(writer=False)
    name = f"own-{action.partition(':')[2].lower()}"
    neighbours.open_repository(name, documents.push_across_accounts(OURS))
    neighbours.bench.put_policy(function, without(neighbours.bench.policy(function), action))

    rejected(neighbours, name, action, {"identity-based policy"})


def test_both_sides_are_named_where_both_lack_it(neighbours: Neighbours) -> None:
    neighbours.use(writer=False)
    neighbours.open_repository("both", without(documents.push_across_accounts(OURS), "ecr:PutImage"))
    neighbours.bench.put_policy(PUBLISH, without(neighbours.bench.policy(PUBLISH), "ecr:PutImage"))

    rejected_then_mended(neighbours, "both", "ecr:PutImage", {"identity-based policy", "repository policy"})


@pytest.mark.parametrize("action", [*documents.LOOK_ACTIONS, *documents.REGISTRY_LOOK_ACTIONS])
def test_what_the_looking_role_lacks_is_named(neighbours: Neighbours, action: str) -> None:
    neighbours.use(writer=False)
    name = f"looker-{action.partition(':')[2].lower()}"
    neighbours.open_repository(name, documents.push_across_accounts(OURS))
    for policy in ("look", "read-back"):
        kept = {
            "look": documents.looker_policy([ANY_REPOSITORY]),
            "read-back": documents.read_back_policy(
                [ANY_REPOSITORY, ANY_REPOSITORY.replace(HOME, AWAY[1])], role=LOOKER
            ),
        }[policy]
        neighbours.give(LOOKER, without(kept, action), policy)

    rejected(neighbours, name, action, {"identity-based policy"})


@pytest.mark.parametrize(
    "action",
    [
        documents.AUTHENTICATE,
        *documents.PUSH_ACTIONS,
        *documents.FOLLOW_ACTIONS,
        *documents.LOOK_ACTIONS,
        *documents.REGISTRY_LOOK_ACTIONS,
        "ecr:CreateRepository",
        "ecr:TagResource",
        "iam:SimulatePrincipalPolicy",
    ],
)
def test_what_the_writing_role_lacks_is_named(neighbours: Neighbours, action: str) -> None:
    neighbours.use(writer=True)
    if action == "ecr:TagResource":
        neighbours.bench.settings = replace(neighbours.bench.settings, repository_tags={"team": "vendor"})
    whole = documents.writer_policy(WRITER, [ANY_REPOSITORY], create=True)
    neighbours.give(WRITER, without(whole, action), "write")
    name = f"writer-{action.partition(':')[2].lower()}"
    if action not in {"ecr:CreateRepository", "ecr:TagResource"}:
        neighbours.open_repository(name, None)

    rejected(neighbours, name, action, {"identity-based policy"})


@pytest.mark.parametrize("writer", [True, False], ids=["writer", "looker"])
@pytest.mark.parametrize("side", ["ours", "theirs", "external id"])
def test_a_role_that_cannot_be_assumed_is_named_with_both_sides(
    neighbours: Neighbours, side: str, writer: bool
) -> None:
    neighbours.use(writer=writer)
    name = f"assume-{'writer' if writer else 'looker'}-{side.replace(' ', '-')}"
    neighbours.open_repository(name, documents.push_across_accounts(OURS))
    role = WRITER if writer else LOOKER
    if side == "ours":
        own = neighbours.bench.policy(RECEIVE)
        kept = [one for one in own["Statement"] if one["Sid"] != ("PushElsewhere" if writer else "ReadBackElsewhere")]
        neighbours.bench.put_policy(RECEIVE, {**own, "Statement": kept})
    else:
        stranger = f"arn:aws:iam::{OTHER_ACCOUNT}:root"
        known = documents.trust_policy(OURS if side == "external id" else [stranger], "another")
        neighbours.trust(role, known)
    neighbours.bench.forget_sessions()

    rejected_then_mended(neighbours, name, "sts:AssumeRole", {"identity-based policy", "trust policy"})


@pytest.mark.parametrize("function", [PUSH, PUBLISH, CONFIRM])
def test_a_function_that_may_not_assume_the_writer_is_named_beforehand(neighbours: Neighbours, function: str) -> None:
    neighbours.use(writer=True)
    neighbours.bench.put_policy(function, without(neighbours.bench.policy(function), "sts:AssumeRole"))

    rejected(neighbours, f"assume-{function}", "sts:AssumeRole", {"identity-based policy"})


def test_a_probe_names_the_side_that_lacks_an_action_for_each_function_that_comes_to_it(
    neighbours: Neighbours,
) -> None:
    neighbours.use(writer=False)
    neighbours.bench.settings = replace(neighbours.bench.settings, preflight="probe")
    neighbours.open_repository("probed", without(documents.push_across_accounts(OURS), "ecr:UploadLayerPart"))
    for function in (PUSH, PUBLISH):
        record = neighbours.run("probed")
        assert (record.state, record.code) == (State.REJECTED, "PERMISSION_MISSING"), record.detail
        (addition,) = record.facts["statements"]
        where = (addition["attach_to"], addition["repository"])
        assert where == ("repository policy", ANY_REPOSITORY.replace("*", "vendor/probed"))
        assert addition["statement"]["Principal"] == {"AWS": OURS_BY_NAME[function]}
        neighbours.mend([addition])
        neighbours.bench.forget()
    mended = neighbours.run("probed")

    assert mended.state is State.AVAILABLE, (mended.code, mended.detail)


def test_a_probe_through_a_role_that_does_not_trust_names_its_trust_policy(neighbours: Neighbours) -> None:
    neighbours.use(writer=True)
    neighbours.bench.settings = replace(neighbours.bench.settings, preflight="probe")
    others = [role for role in OURS if role != OURS_BY_NAME[PUSH]]
    neighbours.trust(WRITER, documents.trust_policy(others, EXTERNAL_ID))
    neighbours.bench.forget_sessions()
    record = neighbours.run("probed-untrusted")

    assert (record.state, record.code) == (State.REJECTED, "PERMISSION_MISSING"), record.detail
    places = {one["attach_to"]: one["role"] for one in record.facts["statements"]}
    assert places == {"identity-based policy": OURS_BY_NAME[PUSH], "trust policy": WRITER}


@pytest.mark.parametrize("function", [PUSH, PUBLISH, CONFIRM])
def test_a_function_that_the_writer_does_not_trust_fails_with_the_statement_to_add(
    neighbours: Neighbours, function: str
) -> None:
    """The trust policy of a role in another account is nobody's to read here, so preflight cannot foresee it."""
    neighbours.use(writer=True)
    others = [role for role in OURS if role != OURS_BY_NAME[function]]
    neighbours.trust(WRITER, documents.trust_policy(others, EXTERNAL_ID))
    neighbours.bench.forget_sessions()
    record = neighbours.run(f"untrusted-{function}")

    assert (record.state, record.code) == (State.FAILED, "ACCESS_DENIED"), record.detail
    (denied,) = record.facts["denied"]
    assert (denied["function"], denied["role"]) == (function, OURS_BY_NAME[function])
    assert (denied["action"], denied["resource"]) == ("sts:AssumeRole", WRITER)
    (trust,) = (one for one in record.facts["statements"] if one["attach_to"] == "trust policy")
    assert trust == {
        "attach_to": "trust policy",
        "role": WRITER,
        "statement": documents.trust_policy(OURS, EXTERNAL_ID)["Statement"][0],
    }
    neighbours.mend([trust])
    neighbours.bench.forget()
    neighbours.bench.forget_sessions()
    mended = neighbours.run(f"untrusted-{function}")
    assert mended.state is State.AVAILABLE, (mended.code, mended.detail)


def test_an_action_that_the_repository_loses_after_the_preflight_is_named_with_its_side(neighbours: Neighbours) -> None:
    neighbours.use(writer=False)
    neighbours.open_repository("lost", documents.push_across_accounts(OURS))
    upload = neighbours.bench.upload(SOUND, "lost")
    neighbours.bench.run(upload, until=State.PUBLISHING)
    policy = without(documents.push_across_accounts(OURS), "ecr:PutImage")
    neighbours.there("ecr").set_repository_policy(repositoryName="vendor/lost", policyText=json.dumps(policy))
    record = neighbours.bench.run(upload)

    assert record
    assert (record.state, record.code) == (State.FAILED, "ACCESS_DENIED"), record.detail
    assert record.facts["statements"] == [
        {
            "attach_to": "repository policy",
            "repository": ANY_REPOSITORY.replace("*", "vendor/lost"),
            "statement": {
                "Effect": "Allow",
                "Principal": {"AWS": OURS_BY_NAME[PUBLISH]},
                "Action": "ecr:PutImage",
            },
        }
    ]


def test_without_any_role_there_the_registry_cannot_be_looked_at_and_the_upload_says_what_to_set(
    neighbours: Neighbours,
) -> None:
    neighbours.use(writer=False)
    neighbours.bench.settings = replace(neighbours.bench.settings, readers={})
    neighbours.open_repository("blind", documents.push_across_accounts(OURS))
    record = neighbours.run("blind")

    assert record.state is State.REJECTED
    assert neighbours.images("blind") == []


def test_the_registry_is_the_other_accounts(neighbours: Neighbours) -> None:
    neighbours.use(writer=True)

    assert neighbours.bench.outside(PUSH).deployment.registry == Registry(OTHER_ACCOUNT, HOME)
