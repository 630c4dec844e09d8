"""What the local AWS lets callers do, through real boto3 clients, by whichever kind of policy decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT, Credentials
from transship.local.caller import AccessDenied, AccessRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.iam.conftest import World

REPOSITORY = f"arn:aws:ecr:eu-west-1:{SOURCE_ACCOUNT}:repository/app"


def refusal(call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response: Any = refused.value.response
    return {**response["Error"], "Status": response["ResponseMetadata"]["HTTPStatusCode"]}


JSON, REST_JSON, XML = ("AccessDeniedException", 400), ("AccessDeniedException", 403), ("AccessDenied", 403)


@pytest.mark.parametrize(
    ("call", "action", "form"),
    [
        ("ecr.describe_registry", "ecr:DescribeRegistry", JSON),
        ("dynamodb.list_tables", "dynamodb:ListTables", JSON),
        ("events.list_event_buses", "events:ListEventBuses", JSON),
        ("lambda.list_functions", "lambda:ListFunctions", REST_JSON),
        ("sqs.list_queues", "sqs:ListQueues", XML),
        ("iam.list_roles", "iam:ListRoles", XML),
        ("cloudformation.list_stacks", "cloudformation:ListStacks", XML),
        ("s3.list_buckets", "s3:ListAllMyBuckets", XML),
    ],
)
def test_user_without_policies_is_denied_in_the_services_own_form(
    world: World, call: str, action: str, form: tuple[str, int]
) -> None:
    service, _, method = call.partition(".")
    client = world.client(service, world.user("nobody"))

    error = refusal(getattr(client, method))

    assert (error["Code"], error["Status"]) == form
    assert error["Message"].replace('"', "") == (
        f"User: arn:aws:iam::{SOURCE_ACCOUNT}:user/nobody is not authorized to perform: {action} on resource: * "
        f"because no identity-based policy allows the {action} action"
    )


def test_resource_of_an_inline_policy_is_kept(world: World) -> None:
    world.create_repository("app")
    world.create_repository("other")
    ecr = world.client("ecr", world.user("user", world.allow("ecr:ListImages", REPOSITORY)))

    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    assert refusal(ecr.list_images, repositoryName="other")["Code"] == "AccessDeniedException"


def test_explicit_deny_wins_and_is_named(world: World) -> None:
    world.create_repository("app")
    ecr = world.client("ecr", world.user("user", world.allow("ecr:*"), world.deny("ecr:ListImages", REPOSITORY)))

    error = refusal(ecr.list_images, repositoryName="app")

    assert error["Message"].endswith("with an explicit deny in an identity-based policy")


def test_condition_of_an_identity_policy_is_kept(world: World) -> None:
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}
    user = world.user("user", world.allow("ecr:DescribeRegistry", Condition=condition))

    world.client("ecr", user, region="eu-central-1").describe_registry()
    assert refusal(world.client("ecr", user).describe_registry)["Code"] == "AccessDeniedException"


def test_tags_of_principal_and_repository_are_compared(world: World) -> None:
    world.create_repository("blue", tags=[{"Key": "team", "Value": "blue"}])
    world.create_repository("red", tags=[{"Key": "team", "Value": "red"}])
    condition = {"StringEquals": {"ecr:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    user = world.user("user", world.allow("ecr:ListImages", Condition=condition))
    world.client("iam").tag_user(UserName="user", Tags=[{"Key": "team", "Value": "blue"}])
    ecr = world.client("ecr", user)

    ecr.list_images(repositoryName="blue")
    assert refusal(ecr.list_images, repositoryName="red")["Code"] == "AccessDeniedException"


def test_variable_in_a_resource_is_filled(world: World) -> None:
    world.create_repository("home/user")
    world.create_repository("home/other")
    arn = f"arn:aws:ecr:*:{SOURCE_ACCOUNT}:repository/home/${{aws:username}}"
    ecr = world.client("ecr", world.user("user", world.allow("ecr:ListImages", arn)))

    ecr.list_images(repositoryName="home/user")
    assert refusal(ecr.list_images, repositoryName="home/other")["Code"] == "AccessDeniedException"


def test_iam_itself_is_judged_by_the_true_path_of_a_role(world: World) -> None:
    world.role("pusher", world.trust({"AWS": SOURCE_ACCOUNT}), Path="/teams/")
    place = f"arn:aws:iam::{SOURCE_ACCOUNT}:role"
    knows = world.client("iam", world.user("knows", world.allow("iam:GetRole", f"{place}/teams/*")))
    guesses = world.client("iam", world.user("guesses", world.allow("iam:GetRole", f"{place}/pusher")))

    assert knows.get_role(RoleName="pusher")["Role"]["Arn"] == f"{place}/teams/pusher"
    assert refusal(guesses.get_role, RoleName="pusher")["Code"] == "AccessDenied"


def test_managed_policy_counts_in_its_default_version(world: World) -> None:
    iam = world.client("iam")
    user = world.user("user")
    policy = iam.create_policy(PolicyName="p", PolicyDocument=world.document(world.allow("ecr:DescribeRegistry")))
    arn = policy["Policy"]["Arn"]
    iam.attach_user_policy(UserName="user", PolicyArn=arn)
    ecr = world.client("ecr", user)

    ecr.describe_registry()
    nothing = world.document(world.allow("sqs:ListQueues"))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=nothing, SetAsDefault=True)
    assert refusal(ecr.describe_registry)["Code"] == "AccessDeniedException"


def test_aws_managed_policy_is_known(world: World) -> None:
    world.create_repository("app")
    user = world.user("user")
    world.client("iam").attach_user_policy(
        UserName="user", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"
    )
    ecr = world.client("ecr", user)

    ecr.initiate_layer_upload(repositoryName="app")
    # PowerUser may push, and may not see where the image goes (ecr.md 6.1).
    assert refusal(ecr.describe_registry)["Code"] == "AccessDeniedException"


def test_policies_of_groups_count(world: World) -> None:
    iam = world.client("iam")
    user = world.user("user")
    iam.create_group(GroupName="team")
    iam.put_group_policy(
        GroupName="team", PolicyName="p", PolicyDocument=world.document(world.allow("ecr:DescribeRegistry"))
    )
    ecr = world.client("ecr", user)
    refusal(ecr.describe_registry)

    iam.add_user_to_group(GroupName="team", UserName="user")
    ecr.describe_registry()


def test_permissions_boundary_limits_a_role(world: World) -> None:
    iam = world.client("iam")
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=world.document(world.allow("sqs:*")))["Policy"]["Arn"]
    trust = world.trust({"AWS": SOURCE_ACCOUNT})
    role = world.role("role", trust, world.allow(["ecr:*", "sqs:*"]), PermissionsBoundary=boundary)
    session = world.assume(role)

    world.client("sqs", session).list_queues()
    error = refusal(world.client("ecr", session).describe_registry)

    assert error["Message"].endswith("because no permissions boundary allows the ecr:DescribeRegistry action")


def test_session_policy_limits_a_session(world: World) -> None:
    role = world.role("role", world.trust({"AWS": SOURCE_ACCOUNT}), world.allow(["ecr:*", "sqs:*"]))
    session = world.assume(role, Policy=world.document(world.allow("sqs:*")))

    world.client("sqs", session).list_queues()
    error = refusal(world.client("ecr", session).describe_registry)

    assert error["Message"].endswith("because no session policy allows the ecr:DescribeRegistry action")


def test_policy_change_shows_in_a_running_session(world: World) -> None:
    role = world.role("role", world.trust({"AWS": SOURCE_ACCOUNT}), world.allow("ecr:*"))
    ecr = world.client("ecr", world.assume(role))
    ecr.describe_registry()

    world.client("iam").delete_role_policy(RoleName="role", PolicyName="inline")
    assert refusal(ecr.describe_registry)["Code"] == "AccessDeniedException"


def _foreign_pusher(world: World, *, identity: bool) -> Any:
    statements = [world.allow("ecr:ListImages", REPOSITORY)] if identity else []
    return world.client("ecr", world.user("foreign", *statements, account=OTHER_ACCOUNT))


def _let_other_account_list(world: World) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER_ACCOUNT}, "Action": "ecr:ListImages"}
    world.client("ecr").set_repository_policy(repositoryName="app", policyText=world.document(statement))


@pytest.mark.parametrize(
    ("identity", "repository", "lacking"),
    [
        (True, True, None),
        (True, False, "resource-based"),
        (False, True, "identity-based"),
        (False, False, "resource-based"),
    ],
    ids=["both sides", "caller's side only", "repository's side only", "neither side"],
)
def test_other_account_needs_both_sides(world: World, identity: bool, repository: bool, lacking: str | None) -> None:
    world.create_repository("app")
    if repository:
        _let_other_account_list(world)
    ecr = _foreign_pusher(world, identity=identity)

    if lacking is None:
        assert ecr.list_images(registryId=SOURCE_ACCOUNT, repositoryName="app")["imageIds"] == []
    else:
        error = refusal(ecr.list_images, registryId=SOURCE_ACCOUNT, repositoryName="app")
        assert f"because no {lacking} policy allows" in error["Message"]


def test_repository_policy_alone_suffices_within_the_account(world: World) -> None:
    world.create_repository("app")
    user = world.user("user")
    principal = {"AWS": f"arn:aws:iam::{SOURCE_ACCOUNT}:user/user"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "ecr:ListImages"}
    world.client("ecr").set_repository_policy(repositoryName="app", policyText=world.document(statement))

    assert world.client("ecr", user).list_images(repositoryName="app")["imageIds"] == []


def test_registry_policy_denies_a_push(world: World) -> None:
    world.create_repository("app")
    user = world.user("user", world.allow("ecr:*"))
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::{SOURCE_ACCOUNT}:user/user"},
        "Action": "ecr:InitiateLayerUpload",
        "Resource": REPOSITORY,
    }
    world.client("ecr").put_registry_policy(policyText=world.document(statement))

    error = refusal(world.client("ecr", user).initiate_layer_upload, repositoryName="app")

    assert error["Message"].endswith("with an explicit deny in a resource-based policy")


def test_bucket_policy_lets_another_account_write_below_a_prefix(world: World) -> None:
    s3 = world.client("s3", region="us-east-1")
    s3.create_bucket(Bucket="drop")
    below = "arn:aws:s3:::drop/theirs/*"
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER_ACCOUNT}, "Action": "s3:PutObject", "Resource": below}
    s3.put_bucket_policy(Bucket="drop", Policy=world.document(statement))
    foreign = world.client(
        "s3", world.user("foreign", world.allow("s3:PutObject"), account=OTHER_ACCOUNT), region="us-east-1"
    )

    foreign.put_object(Bucket="drop", Key="theirs/a.tar", Body=b"x")
    assert refusal(foreign.put_object, Bucket="drop", Key="ours/a.tar", Body=b"x")["Code"] == "AccessDenied"


@pytest.mark.parametrize("organization", ["o-a1b2c3d4e5", "o-other", ""], ids=["of ours", "of another", "of none"])
@pytest.mark.parametrize("key", ["aws:PrincipalOrgID", "aws:ResourceOrgID"])
def test_organization_of_an_account_is_kept(world: World, key: str, organization: str) -> None:
    """The resource is the source account's, who asks for it is of the other one."""
    condition = {"StringEquals": {key: "o-a1b2c3d4e5"}}
    everyone = world.allow("ecr:ListImages", Principal={"AWS": "*"}, Condition=condition)
    del everyone["Resource"]
    world.create_repository()
    world.client("ecr").set_repository_policy(repositoryName="app", policyText=world.document(everyone))
    caller = world.user("alice", world.allow("ecr:ListImages"), account=OTHER_ACCOUNT)
    account = OTHER_ACCOUNT if key == "aws:PrincipalOrgID" else SOURCE_ACCOUNT
    call = world.client("ecr", caller).list_images

    with world.organized({account: organization} if organization else {}):
        if organization == "o-a1b2c3d4e5":
            call(registryId=SOURCE_ACCOUNT, repositoryName="app")
        else:
            assert refusal(call, registryId=SOURCE_ACCOUNT, repositoryName="app")["Code"] == "AccessDeniedException"


def test_key_that_was_made_inactive_is_unknown(world: World) -> None:
    user = world.user("user", world.allow("ecr:*"))
    world.client("iam").update_access_key(UserName="user", AccessKeyId=user.access_key, Status="Inactive")

    assert refusal(world.client("ecr", user).describe_registry)["Code"] == "UnrecognizedClientException"


def test_session_of_a_role_that_was_made_again_is_unknown(world: World) -> None:
    trust = world.trust({"AWS": SOURCE_ACCOUNT})
    session = world.assume(world.role("role", trust, world.allow("sqs:*")))
    iam = world.client("iam")
    iam.delete_role_policy(RoleName="role", PolicyName="inline")
    iam.delete_role(RoleName="role")
    world.role("role", trust, world.allow("sqs:*"))

    assert refusal(world.client("sqs", session).list_queues)["Code"] == "InvalidClientTokenId"


def test_unknown_session_key_is_unknown(world: World) -> None:
    nobody = Credentials("ASIAQQQQQQQQQQQQQQQQ", "secret", "token")

    assert refusal(world.client("sts", nobody).get_caller_identity)["Code"] == "InvalidClientTokenId"


@pytest.mark.parametrize(
    "document",
    [
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecr:*"}]}',
        '{"Version": "2012-10-17", "Statement": [{"Effect": "allow", "Action": "ecr:*", "Resource": "*"}]}',
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecr:*", "Resource": "app"}]}',
        "{",
    ],
    ids=["no resource", "effect in lower case", "resource is no ARN", "no JSON"],
)
def test_malformed_policy_is_refused(world: World, document: str) -> None:
    world.user("user")

    error = refusal(world.client("iam").put_user_policy, UserName="user", PolicyName="p", PolicyDocument=document)

    assert error["Code"] == "MalformedPolicyDocument"


def test_policy_of_a_resource_that_cannot_be_read_denies(world: World) -> None:
    user = world.user("user", world.allow("sqs:*"))
    caller = world.aws.iam.resolve(user.access_key, "eu-west-1")
    broken = json.loads('{"Version": "2012-10-17", "Statement": [{"Effect": "Deny"}]}')

    with pytest.raises(AccessDenied, match=r"a policy cannot be read: Statement\[0\]"):
        world.aws.iam.authorize(
            caller, AccessRequest("sqs:SendMessage", "*", SOURCE_ACCOUNT, resource_policies=[broken])
        )
