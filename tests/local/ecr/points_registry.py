"""Points of repositories, of the registry, and of replication backfills."""

from __future__ import annotations

from tests.local.ecr.points import cannot, raises
from tests.local.ecr.points_common import POLICY, call
from tests.local.ecr.world import ACCOUNT, OTHER, World

FIFTY_ONE_TAGS = [{"Key": f"key{number}", "Value": "v"} for number in range(51)]
LONG_KEY = [{"Key": 129 * "k", "Value": "v"}]


def _arn(world: World) -> str:
    return f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{world.repository()}"


@raises("CreateRepository", "RepositoryAlreadyExistsException")
def repository_twice(world: World) -> None:
    world.repository()
    world.repository()


@raises("CreateRepository", "LimitExceededException", repositories_per_registry=1)
def repository_too_many(world: World) -> None:
    world.repository("one")
    world.repository("two")


@raises("CreateRepository", "InvalidTagParameterException")
def repository_with_a_long_tag_key(world: World) -> None:
    world.repository(tags=LONG_KEY)


@raises("CreateRepository", "TooManyTagsException")
def repository_with_51_tags(world: World) -> None:
    world.repository(tags=FIFTY_ONE_TAGS)


@raises("CreateRepository", "KmsException")
def repository_with_a_key_of_another_region(world: World) -> None:
    key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd"
    world.repository(encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key})


@raises("DeleteRepository", "RepositoryNotEmptyException")
def deletion_of_a_repository_with_images(world: World) -> None:
    repository = world.repository()
    world.push(repository, "1")
    world.ecr.delete_repository(repositoryName=repository)


@raises("TagResource", "InvalidTagParameterException")
def long_tag_key(world: World) -> None:
    world.ecr.tag_resource(resourceArn=_arn(world), tags=LONG_KEY)


@raises("TagResource", "TooManyTagsException")
def fifty_first_tag(world: World) -> None:
    arn = _arn(world)
    world.ecr.tag_resource(resourceArn=arn, tags=FIFTY_ONE_TAGS[:50])
    world.ecr.tag_resource(resourceArn=arn, tags=FIFTY_ONE_TAGS[50:])


@raises("UntagResource", "InvalidTagParameterException")
def removal_of_a_long_tag_key(world: World) -> None:
    world.ecr.untag_resource(resourceArn=_arn(world), tagKeys=[129 * "k"])


@raises("GetRepositoryPolicy", "RepositoryPolicyNotFoundException")
def absent_repository_policy(world: World) -> None:
    world.ecr.get_repository_policy(repositoryName=world.repository())


@raises("DeleteRepositoryPolicy", "RepositoryPolicyNotFoundException")
def repository_policy_deleted_twice(world: World) -> None:
    repository = world.repository()
    world.ecr.set_repository_policy(repositoryName=repository, policyText=POLICY)
    for _ in range(2):
        world.ecr.delete_repository_policy(repositoryName=repository)


@raises("GetLifecyclePolicy", "LifecyclePolicyNotFoundException")
def absent_lifecycle_policy(world: World) -> None:
    world.ecr.get_lifecycle_policy(repositoryName=world.repository())


@raises("DeleteLifecyclePolicy", "LifecyclePolicyNotFoundException")
def absent_lifecycle_policy_deleted(world: World) -> None:
    world.ecr.delete_lifecycle_policy(repositoryName=world.repository())


@raises("GetRegistryPolicy", "RegistryPolicyNotFoundException")
def absent_registry_policy(world: World) -> None:
    call(world, "GetRegistryPolicy")


@raises("DeleteRegistryPolicy", "RegistryPolicyNotFoundException")
def registry_policy_deleted_twice(world: World) -> None:
    call(world, "PutRegistryPolicy")
    for _ in range(2):
        call(world, "DeleteRegistryPolicy")


@raises("PutAccountSetting", "ValidationException")
def unknown_value_of_a_setting(world: World) -> None:
    call(world, "PutAccountSetting", value="PERHAPS")


@raises("RegisterPullTimeUpdateExclusion", "ExclusionAlreadyExistsException")
def exclusion_twice(world: World) -> None:
    for _ in range(2):
        call(world, "RegisterPullTimeUpdateExclusion")


@raises("DeregisterPullTimeUpdateExclusion", "ExclusionNotFoundException")
def absent_exclusion(world: World) -> None:
    call(world, "DeregisterPullTimeUpdateExclusion")


@raises("CreateRepositoryCreationTemplate", "TemplateAlreadyExistsException")
def template_twice(world: World) -> None:
    for _ in range(2):
        call(world, "CreateRepositoryCreationTemplate")


@raises("CreateRepositoryCreationTemplate", "LimitExceededException", templates_per_registry=1)
def template_too_many(world: World) -> None:
    for prefix in ("one", "two"):
        call(world, "CreateRepositoryCreationTemplate", prefix=prefix)


@raises("UpdateRepositoryCreationTemplate", "TemplateNotFoundException")
def absent_template_updated(world: World) -> None:
    call(world, "UpdateRepositoryCreationTemplate")


@raises("DeleteRepositoryCreationTemplate", "TemplateNotFoundException")
def absent_template_deleted(world: World) -> None:
    call(world, "DeleteRepositoryCreationTemplate")


def start_backfill(world: World, region: str = "eu-west-1", account: str = ACCOUNT) -> str:
    """Start a backfill to a destination, and return its id."""
    destination = {"region": region, "registryId": account}
    return str(world.ecr.start_replication_backfill(destination=destination)["replicationBackfillId"])


@raises("StartReplicationBackfill", "ReplicationBackfillInProgressException")
def second_backfill_to_a_region(world: World) -> None:
    world.replicate_to((ACCOUNT, "eu-west-1"), (OTHER, "eu-west-1"))
    start_backfill(world)
    start_backfill(world, account=OTHER)


@raises("StartReplicationBackfill", "LimitExceededException")
def eleventh_running_backfill(world: World) -> None:
    regions = [f"eu-west-{number}" for number in range(1, 12)]
    world.replicate_to(*((ACCOUNT, region) for region in regions))
    for region in regions:
        start_backfill(world, region)


@raises("StopReplicationBackfill", "ReplicationBackfillNotFoundException")
def absent_backfill_stopped(world: World) -> None:
    call(world, "StopReplicationBackfill")


@raises("StopReplicationBackfill", "ReplicationBackfillInvalidStatusException")
def ended_backfill_stopped(world: World) -> None:
    world.replicate_to((ACCOUNT, "eu-west-1"))
    backfill = start_backfill(world)
    world.settle()
    world.ecr.stop_replication_backfill(replicationBackfillId=backfill)


@raises("DescribeReplicationBackfillResults", "ReplicationBackfillNotFoundException")
def absent_backfill_described(world: World) -> None:
    call(world, "DescribeReplicationBackfillResults")


cannot("KmsException", "there is no KMS; a key can be wrong only when a repository is created")
cannot("ValidationException", "what it means beside InvalidParameterException, which is raised, is documented nowhere")
cannot(
    "LimitExceededException",
    "no limit is documented",
    "PutAccountSetting",
    "RegisterPullTimeUpdateExclusion",
    "DeregisterPullTimeUpdateExclusion",
    "ListPullTimeUpdateExclusions",
)
cannot("TooManyTagsException", "removing tags cannot exceed a number", "UntagResource")
