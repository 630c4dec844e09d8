"""
Roles with policies, repositories with policies, and preflight's own code asked about them.

    scene = Scene()                       # every role has exactly what the plan needs
    scene.take("push", "ecr:PutImage")    # change something
    verdict = scene.judge()
    scene.mend(verdict)                   # do what the verdict says

The simulator is the local AWS's, reached through the pipeline's own adapter and answering in pages of one result.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from chalicelib.access.authorise import wanted
from chalicelib.access.documents import missing_statement
from chalicelib.access.evaluate import Principal
from chalicelib.access.judgement import Verdict
from chalicelib.access.needs import Wanted, needs
from chalicelib.access.preflight import judge
from chalicelib.at_once import Each, in_turn
from chalicelib.aws.sts_iam import AwsIdentity
from chalicelib.names import Deployment
from chalicelib.oci.reference import Registry, RepositoryName
from chalicelib.outside import Memory, Outside
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.registry import ReplicationRule
from chalicelib.settings import Reader, Settings
from tests.fakes.registry import Call, FakeEcr
from tests.fakes.small import FakeLog
from tests.world import ManualClock
from transship.local.iam.moto_iam import AttachedPolicy
from transship.local.iam.simulation import Simulation

HOME: Final = "111122223333"
AWAY: Final = "444455556666"
SOURCE: Final = Registry(HOME, "us-east-1")
NEAR: Final = Registry(HOME, "eu-west-1")
APP: Final = RepositoryName("team/app")
APP_ARN: Final = f"arn:aws:ecr:us-east-1:{HOME}:repository/team/app"
NEAR_ARN: Final = f"arn:aws:ecr:eu-west-1:{HOME}:repository/team/app"
READER: Final = f"arn:aws:iam::{AWAY}:role/read-back"
HEALER: Final = f"arn:aws:iam::{AWAY}:role/heal"
KEY: Final = f"arn:aws:kms:us-east-1:{HOME}:key/uploads"
ARCHIVE: Final = ObjectVersion(bucket="drop", key="uploads/team/app/app-1.tar", version_id="v", etag="e", size=1)
EVERYTHING: Final = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": copy.deepcopy(list(statements))}


@dataclass
class Role:
    """One role's policies; *organization* is the account's, by level."""

    identity: dict[str, Any]
    boundary: dict[str, Any] | None = None
    organization: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Scene:
    """
    A plan and all that decides about it.

    Attributes:
        path: Of every role's ARN.
        refusing: Raised by every simulation.
        unreadable: Operations of ECR that are denied.
    """

    settings: Settings = field(
        default_factory=lambda: Settings(stage="test", bucket_kms_key=KEY, readers={AWAY: Reader(READER, "x")})
    )
    path: str = "/service/"
    tags: dict[str, str] = field(default_factory=dict)
    create: bool = False
    policies: dict[str, dict[str, Any] | str] = field(default_factory=dict)
    refusing: Callable[[], Exception] | None = None
    unreadable: dict[str, Exception] = field(default_factory=dict)
    target: str = ""
    each: Each = in_turn
    roles: dict[str, Role] = field(init=False)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Give every role exactly what the plan needs."""
        self.roles = {}
        for need in needs(self.wanted()):
            name = need.through or need.function
            role = self.roles.setdefault(name, Role(document()))
            role.identity["Statement"].append(missing_statement(list(need.actions), "*"))
            role.identity["Statement"][-1]["Resource"] = list(need.resources)

    # --- changes ---

    def take(self, function: str, action: str) -> None:
        """Take an action out of every statement of a role."""
        kept = []
        for statement in self.roles[function].identity["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if rest := [one for one in actions if one != action]:
                kept.append({**statement, "Action": rest})
        self.roles[function].identity["Statement"] = kept

    def give(self, function: str, *statements: Mapping[str, Any]) -> None:
        self.roles[function].identity["Statement"] += copy.deepcopy(list(statements))

    def only(self, function: str, *statements: Mapping[str, Any]) -> None:
        """Give a role these statements, besides those that speak of no repository."""
        kept = [
            s for s in self.roles[function].identity["Statement"] if not str(s["Resource"]).startswith("['arn:aws:ecr")
        ]
        self.roles[function].identity = document(*kept, *statements)

    def mend(self, verdict: Verdict) -> None:
        """Add every statement of *verdict* where it says that it belongs."""
        for addition in verdict.statements():
            place, statement = addition["attach_to"], addition["statement"]
            if place == "repository policy":
                self._mend_repository(addition["repository"], statement)
                continue
            role = self.roles[self._name(addition["role"])]
            attached: dict[str, list[dict[str, Any]]] = {
                "identity-based policy": [role.identity],
                "permissions boundary": [role.boundary or {}],
                "service control policy": role.organization,
            }
            for one in attached[place]:
                one["Statement"].append(statement)

    def _mend_repository(self, arn: str, statement: Mapping[str, Any]) -> None:
        _, _, _, region, account, path = arn.split(":")
        key = f"{account}/{region}/{path.removeprefix('repository/')}"
        policy = self.policies.setdefault(key, document())
        assert isinstance(policy, dict)
        policy["Statement"].append(dict(statement))

    # --- the question ---

    @property
    def deployment(self) -> Deployment:
        return Deployment("test", "aws", "us-east-1", HOME, "transship-test-receive", self.target)

    def wanted(self) -> Wanted:
        outside = self._outside(FakeEcr(ManualClock()))
        rules = [ReplicationRule((NEAR, Registry(AWAY, "eu-central-1")))]
        return wanted(outside, {APP: self.tags}, rules, ARCHIVE, [APP] if self.create else [])

    def judge(self) -> Verdict:
        ecr = FakeEcr(ManualClock(), home=HOME)
        ecr.policies = {key: text if isinstance(text, str) else json.dumps(text) for key, text in self.policies.items()}
        for registry in (self.deployment.registry, NEAR):
            ecr.create(registry, APP)
        ecr.on_call = self._refuse
        return judge(self._outside(ecr), self.wanted())

    def _refuse(self, call: Call) -> None:
        if call.operation in self.unreadable:
            raise self.unreadable[call.operation]

    def _outside(self, ecr: FakeEcr) -> Outside:
        nothing: Any = None
        return Outside(
            deployment=self.deployment, settings=self.settings, bucket=nothing, registries=ecr,
            identity=AwsIdentity(_Iam(self)),  # type: ignore[arg-type]
            table=nothing, queue=nothing, bus=nothing, clock=ManualClock(), log=FakeLog(), metrics=nothing,
            meter=nothing, remaining=nothing, extend=nothing, alive=nothing, each=self.each, memory=Memory(),
        )  # fmt: skip

    def _name(self, arn: str) -> str:
        return arn if arn in self.roles else arn.rpartition("-")[2]

    def simulate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer SimulatePrincipalPolicy, one action a page."""
        if self.refusing:
            raise self.refusing()
        arn = request["PolicySourceArn"]
        role = self.roles[self._name(arn)]
        given = {entry["ContextKeyName"]: entry["ContextKeyValues"] for entry in request["ContextEntries"]}
        simulation = Simulation(
            principal=Principal.from_arn(arn),
            identity=[AttachedPolicy("role", "role", json.dumps(role.identity))] if role.identity["Statement"] else [],
            boundary=AttachedPolicy("boundary", "managed", json.dumps(role.boundary)) if role.boundary else None,
            organization=[
                [AttachedPolicy(f"level-{n}", "none", json.dumps(scp))] for n, scp in enumerate(role.organization)
            ],
            context={"aws:PrincipalAccount": arn.split(":")[4], **given},
        )
        page = int(request.get("Marker", 0))
        results = [simulation.result(request["ActionNames"][page], request["ResourceArns"])]
        more = page + 1 < len(request["ActionNames"])
        return {"EvaluationResults": results, "IsTruncated": more, **({"Marker": str(page + 1)} if more else {})}


@dataclass(frozen=True)
class _Iam:
    """What `AwsIdentity` takes for its session and for IAM's client."""

    scene: Scene

    def client(self, service: str, *, role: Any = None) -> _Iam:
        assert (service, role) == ("iam", None)
        return self

    def get_role(self, *, RoleName: str) -> dict[str, Any]:  # noqa: N803 - botocore's name
        return {"Role": {"Arn": f"arn:aws:iam::{HOME}:role{self.scene.path}{RoleName}"}}

    def simulate_principal_policy(self, **request: Any) -> dict[str, Any]:
        return self.scene.simulate(request)


def refused(code: str, operation: str = "SimulatePrincipalPolicy", status: int = 403) -> ClientError:
    """Return an error of AWS's."""
    answer: Any = {"Error": {"Code": code, "Message": "words of AWS"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
