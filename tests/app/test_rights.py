"""Doctor's check of each role against its own policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from chalicelib.names import FUNCTIONS, PUSH, Deployment
from chalicelib.ports.identity import CallerIdentity, Decision
from chalicelib.settings import Settings
from transship.doctor.rights import examine_rights

DEPLOYMENT = Deployment("prod", "aws", "us-east-1", "111122223333")
SETTINGS = Settings(stage="prod")


class Judge:
    """An `Identity` that denies some (role, action) pairs and takes no wildcard for a resource."""

    def __init__(self, *denied: tuple[str, str], by: tuple[str, ...] = ()) -> None:
        self.denied = denied
        self.by = by
        self.asked: list[tuple[str, str]] = []

    def whoami(self) -> CallerIdentity:
        raise NotImplementedError

    def role_arn(self, role_name: str) -> str:
        return f"arn:aws:iam::111122223333:role/{role_name}"

    def simulate(
        self,
        role_arn: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, str | Sequence[str]],
    ) -> Sequence[Decision]:
        assert context["aws:RequestedRegion"] == "us-east-1"
        role = role_arn.rpartition("-")[2]
        self.asked += [(role, action) for action in actions]
        assert not [resource for resource in resources if "*" in resource and resource != "*"]
        denial = "explicitDeny" if self.by else "implicitDeny"
        return [
            Decision(action, resource, denial if (role, action) in self.denied else "allowed", self.by)
            for action in actions
            for resource in resources
        ]


def test_every_role_is_asked_about_all_that_its_policy_lists() -> None:
    judge = Judge()
    findings = list(examine_rights(DEPLOYMENT, SETTINGS, judge))

    assert [finding.holds for finding in findings] == [True] * len(FUNCTIONS)
    assert (PUSH, "sqs:SendMessage") in judge.asked
    assert (PUSH, "ecr:UploadLayerPart") in judge.asked


@pytest.mark.parametrize("action", ["dynamodb:Query", "sqs:ReceiveMessage", "s3:GetObjectVersion", "events:PutEvents"])
def test_what_a_role_lacks_is_named_with_the_statement(action: str) -> None:
    findings = list(examine_rights(DEPLOYMENT, SETTINGS, Judge((PUSH, action))))

    (broken,) = [finding for finding in findings if not finding.holds]
    assert "transship-prod-push" in broken.subject
    assert f'"Action": "{action}"' in broken.remedy


def test_a_statement_to_paste_speaks_of_all_that_the_policy_speaks_of() -> None:
    findings = list(examine_rights(DEPLOYMENT, SETTINGS, Judge((PUSH, "ecr:UploadLayerPart"))))

    (broken,) = [finding for finding in findings if not finding.holds]
    assert '"Resource": "arn:aws:ecr:*:111122223333:repository/*"' in broken.remedy


def test_what_a_statement_denies_is_not_mended_by_another_one() -> None:
    findings = list(examine_rights(DEPLOYMENT, SETTINGS, Judge((PUSH, "ecr:UploadLayerPart"), by=("frozen line 3",))))

    (broken,) = [finding for finding in findings if not finding.holds]
    assert "is denied by frozen line 3: take that away" in broken.remedy
    assert "Allow" not in broken.remedy
