"""`transship heal` in the local AWS repairs what can be repaired, and the deployed read-back says that it did."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.access.documents import heal_policy, trust_policy
from chalicelib.replacing import replace
from chalicelib.settings import Reader
from chalicelib.state.upload import State
from tests.acceptance.scene import HOUR, SOUND, Scene, destination
from tests.acceptance.situations import FAR, OWN, faults, options, without_policy, without_read_back
from tests.acceptance.test_replicas import OTHER, counts, failure, held, index
from transship import workstation
from transship.commands.heal import command as heal_command
from transship.errors import CommandError
from transship.local.accounts import OTHER_ACCOUNT
from transship.local_stage import STAGE
from transship.local_world import EXTERNAL_ID
from transship.observation import Observation

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]


def healed(seen: Observation, *arguments: str) -> int:
    """Run `transship heal` as an operator does, and return its exit status."""
    command = [seen.upload.id, "--stage", STAGE, "--yes", "--timeout", "250", *arguments]
    try:
        heal_command.main(command, standalone_mode=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture(name="heal_role", scope="session")
def role_that_heals(scene: Scene) -> str:
    """The role in the other account that `transship policy` describes."""
    iam = scene.stage.client("iam", OTHER_ACCOUNT)
    caller = scene.stage.client("sts").get_caller_identity()["Arn"]
    trust = trust_policy([caller], EXTERNAL_ID)
    role = iam.create_role(RoleName="transship-local-heal", AssumeRolePolicyDocument=json.dumps(trust))
    rights = heal_policy([f"arn:aws:ecr:*:{OTHER_ACCOUNT}:repository/*"], create=True)
    iam.put_role_policy(RoleName="transship-local-heal", PolicyName="heal", PolicyDocument=json.dumps(rights))
    arn: str = role["Role"]["Arn"]
    return arn


def test_heals_by_pushing_straight_into_another_account(scene: Scene, heal_role: str) -> None:
    with faults(scene.stage, f"ReplicateImage:region={FAR.region}:code=Broken:fail"):
        seen, _ = scene.fails(scene.put("uploads/team/straight/x.tar", index()), FAR)

    assert healed(seen, "--way", "push", "--create", "--role-arn", heal_role, "--external-id", EXTERNAL_ID) == 0
    after = scene.look(seen.upload.id)
    assert after
    assert (after.upload.state, after.upload.attempt) == (State.AVAILABLE, 2)
    assert destination(scene.heard(after)["Image Available"][0], FAR)["status"] == "verified"


def test_heals_through_the_role_that_the_settings_name(
    scene: Scene, heal_role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faults(scene.stage, f"ReplicateImage:region={FAR.region}:code=Broken:fail"):
        seen, _ = scene.fails(scene.put("uploads/team/straight-by-settings/x.tar", SOUND), FAR)
    usual = workstation.deployed_settings
    named = {OTHER_ACCOUNT: Reader(heal_role, EXTERNAL_ID)}
    monkeypatch.setattr(workstation, "deployed_settings", lambda *found: replace(usual(*found), healers=named))

    assert healed(seen, "--way", "push", "--create") == 0


def test_a_role_that_does_not_trust_the_caller_is_told_with_what_it_lacks(scene: Scene, heal_role: str) -> None:
    with faults(scene.stage, f"ReplicateImage:region={FAR.region}:code=Broken:fail"):
        seen, _ = scene.fails(scene.put("uploads/team/untrusted/x.tar", index()), FAR)

    with pytest.raises(CommandError, match=f"sts:AssumeRole on {heal_role}") as refused:
        healed(seen, "--way", "push", "--create", "--role-arn", heal_role, "--external-id", "another")
    caller = scene.stage.client("sts").get_caller_identity()["Arn"]
    assert f"--for trust --principal {caller} --external-id ID` prints what the trust policy" in refused.value.remedy


def test_heals_by_backfill(scene: Scene) -> None:
    with without_policy(scene.stage, FAR):
        seen, _ = scene.fails(scene.put("uploads/team/backfilled/x.tar", SOUND), FAR)

    assert healed(seen, "--way", "backfill") == 0


def test_heals_children_by_a_tag_of_its_own_that_is_removed_again(scene: Scene) -> None:
    """The second child's replication fails, and with it what ECR says of the index; its tag did arrive."""
    rule = f"ReplicateImage:region={FAR.region}:nth=1:code=ChildBroken:fail"
    with options(scene.stage, index_brings_children=False), faults(scene.stage, rule):
        seen, _ = scene.fails(scene.put("uploads/team/retagged/x.tar", index()), FAR)

    assert healed(seen, "--way", "retag") == 0
    source = scene.stage.client("ecr")
    scene.until(lambda: tags(source) == {"1.0"})


def tags(client: object) -> set[str]:
    images = client.list_images(repositoryName="team/retagged")["imageIds"]  # type: ignore[attr-defined]
    return {image["imageTag"] for image in images if "imageTag" in image}


def test_heals_a_repository_that_was_deleted_after_all_was_verified(scene: Scene) -> None:
    seen = scene.push("uploads/team/deleted/x.tar", SOUND)
    assert seen.upload.state is State.AVAILABLE
    scene.stage.client("ecr", OWN.account, OWN.region).delete_repository(repositoryName="team/deleted", force=True)

    assert while_looked_at(scene, seen, lambda: healed(seen, "--way", "look")) == 1
    assert healed(seen, "--way", "push", "--create") == 0


def while_looked_at(scene: Scene, seen: Observation, heal: Callable[[], int]) -> int:
    """Let an upload's time run out while *heal* waits for its end."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(heal)
        scene.until(lambda: failure(scene.look(seen.upload.id), OWN) == "RepositoryAbsent")
        scene.age(seen.upload.id, 2 * HOUR)
        return waiting.result()


def test_looking_again_after_the_read_back_was_granted_is_enough(scene: Scene) -> None:
    upload = held(scene, "uploads/team/granted/x.tar")
    with without_read_back(scene.stage):
        scene.stage.aws.ecr.hurry()
        scene.until(lambda: failure(scene.look(upload), FAR) == "ReadBackDenied")
        scene.age(upload, 2 * HOUR)
        seen, _ = scene.fails(upload, FAR)

    assert healed(seen, "--way", "look") == 0


def test_heals_destinations_of_which_ecr_never_said_anything(scene: Scene) -> None:
    with options(scene.stage, status_appears_after_seconds=86_400.0, replication_lag_seconds=86_400.0):
        upload = scene.put("uploads/team/unsaid/x.tar", SOUND)
        scene.until(lambda: (seen := scene.look(upload)) and seen.upload.polls)
        scene.age(upload, 2 * HOUR)
        seen, _ = scene.fails(upload, FAR)

    assert healed(seen, "--way", "backfill") == 0
    after = scene.look(upload)
    assert after
    assert counts(scene.heard(after)) == {"Image Replicated": 4, "Image Available": 1}


def test_heals_a_tag_that_was_immutable_once_it_may_be_moved(scene: Scene) -> None:
    """Only a push straight into the destination sets a tag there; the digest had arrived."""
    key, name = "uploads/team/unfixed/x.tar", "team/unfixed"
    assert scene.push(key, SOUND).upload.state is State.AVAILABLE
    there = scene.stage.client("ecr", OWN.account, OWN.region)
    there.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    upload = scene.put(key, OTHER)
    scene.until(lambda: failure(scene.look(upload), OWN) == "TagNamesAnotherImage")
    scene.age(upload, 2 * HOUR)
    seen, told = scene.fails(upload, OWN)
    assert told["causes"] == ["TagImmutable"]

    there.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE")
    assert healed(seen, "--way", "push") == 0
    tagged = there.describe_images(repositoryName=name, imageIds=[{"imageTag": "1.0"}])["imageDetails"][0]
    assert tagged["imageDigest"] == str(seen.roots[0].digest)
