"""
The least that each role and resource needs, as policy documents ready for `json.dumps`.

    push_policy          a role that pushes, to named repositories or to all, as the ECR User Guide shows both
    push_across_accounts the repository policy that lets another account push
    writer_policy        the role in another account through which Transship pushes there
    looker_policy        the role in another account through which it looks there, where its own roles push
    accept_replicas      the destination's registry policy, one per Region
    trust_policy         who may become a role of ours, always with an ExternalId
    read_back_policy     the role in a destination by which images are read back
    heal_policy          the role in a destination by which missing images are pushed there
    upload_policy        the bucket policy for uploaders
    subscribe_policy     the bus policy for subscribers
    missing_statement    the statement that a denial asks for

Sources: ecr.md 6.1 and 6.2, and the pages named below. `Resource: "*"` stands only where ECR knows no resource.
What it leaves out: the policies of Transship's own functions, which are `.chalice/policy-*.json`.
Nothing here knows a partition; it comes in ARNs or as a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chalicelib.oci.reference import Registry

Statement = dict[str, Any]
Document = dict[str, Any]

PUSH_ACTIONS: Final = (
    "ecr:CompleteLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:InitiateLayerUpload",
    "ecr:BatchCheckLayerAvailability",
    "ecr:PutImage",
    "ecr:BatchGetImage",
)
"""What a push needs of a repository, in the order of the guide's page "IAM permissions for pushing an image"."""

AUTHENTICATE: Final = "ecr:GetAuthorizationToken"
"""What the guide asks of every pusher besides; it cannot be scoped to a repository."""

FOLLOW_ACTIONS: Final = ("ecr:DescribeImageReplicationStatus",)
"""What following the replicas of what was pushed needs of the repository besides."""

LOOK_ACTIONS: Final = ("ecr:DescribeRepositories", "ecr:GetRepositoryPolicy", "ecr:ListTagsForResource")
REGISTRY_LOOK_ACTIONS: Final = ("ecr:DescribeRegistry", "ecr:GetRegistryPolicy")
"""What judging a push needs to know of its repositories, and of the registry, which knows no resource."""

READ_BACK_ACTIONS: Final = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage")
SIMULATE: Final = "iam:SimulatePrincipalPolicy"
DIAGNOSIS_ACTIONS: Final = ("ecr:DescribeRepositories", "ecr:GetLifecyclePolicy")
REGISTRY_DIAGNOSIS_ACTIONS: Final = ("ecr:DescribeRepositoryCreationTemplates", "ecr:GetRegistryPolicy")
"""What a destination may let us read besides, to say why an image does not arrive; it knows no resource."""

REPLICATION_ACTIONS: Final = ("ecr:CreateRepository", "ecr:ReplicateImage")
UPLOAD_ACTIONS: Final = ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject")

SUBSCRIBER_ACTIONS: Final = (
    "events:DeleteRule",
    "events:DescribeRule",
    "events:DisableRule",
    "events:EnableRule",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "events:TagResource",
    "events:UntagResource",
)
"""What an account may do with its own rules on our bus; `.chalice/foundation.json` grants the same."""


def missing_statement(actions: Sequence[str], resource: str) -> Statement:
    """Return the statement that allows *actions* on *resource*, an ARN or `*`, ready to paste."""
    return {"Effect": "Allow", "Action": _one_or_many(actions), "Resource": resource}


def push_policy(repositories: Sequence[str] = ()) -> Document:
    """
    Return the identity policy of a role that pushes.

    Args:
        repositories: ARNs, wildcards allowed; without any, the guide's policy for all repositories.
    """
    if not repositories:
        first, *others = PUSH_ACTIONS
        return _document(missing_statement([first, AUTHENTICATE, *others], "*"))
    return _document(_on(PUSH_ACTIONS, repositories), missing_statement([AUTHENTICATE], "*"))


def push_across_accounts(principals: Sequence[str], *, chosen: Sequence[str] = ()) -> Document:
    """
    Return the repository policy that lets *principals* of other accounts push.

    It has no `Resource`: a repository policy speaks of its repository. The principals need `push_policy` in their own
    account as well (ecr.md 6.2). They may follow the replicas of what they push.

    Args:
        principals: ARNs of roles or users; an account's root ARN lets that account decide.
        chosen: Actions that the settings ask for besides.
    """
    return _document(
        {
            "Sid": "PushFromOtherAccounts",
            "Effect": "Allow",
            "Principal": {"AWS": _one_or_many(principals)},
            "Action": [*PUSH_ACTIONS, *FOLLOW_ACTIONS, *chosen],
        }
    )


def accept_replicas(
    destination: Registry, source_account: str, *, partition: str, prefixes: Sequence[str] = ("",), create: bool = True
) -> Document:
    """
    Return the registry policy by which *destination* accepts replicas from *source_account*.

    Args:
        destination: The registry that the policy is put on; each Region has its own (ecr.md section 4).
        source_account: 12 digits.
        partition: `aws`, `aws-cn`, `aws-us-gov` …
        prefixes: Beginnings of repository names, as replication filters compare them; `""` is every name.
        create: Whether replication may create repositories; else they must exist.
    """
    place = f"arn:{partition}:ecr:{destination.region}:{destination.account}:repository"
    return _document(
        {
            "Sid": "ReplicationAccessCrossAccount",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition}:iam::{source_account}:root"},
            "Action": list(REPLICATION_ACTIONS if create else REPLICATION_ACTIONS[1:]),
            "Resource": [f"{place}/{prefix}*" for prefix in prefixes],
        }
    )


def trust_policy(principals: Sequence[str], external_id: str) -> Document:
    """
    Return the trust policy that lets *principals* assume a role if they know *external_id*.

    Args:
        principals: ARNs of roles, with their paths.
        external_id: 2 to 1,224 characters; keeps others from using us as their deputy ("The confused deputy problem").
    """
    return _document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": _one_or_many(principals)},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
        }
    )


def read_back_policy(repositories: Sequence[str], *, role: str = "", heal_role: str = "") -> Document:
    """
    Return the identity policy of a role that reads images back, and what explains why an image does not arrive.

    Args:
        repositories: ARNs in the destination.
        role: Its own ARN: it is simulated through itself. "" for one of our account.
        heal_role: ARN of the role that heals in the same account, "" for none: it is simulated through this one.
    """
    simulated = [arn for arn in (role, heal_role) if arn]
    return _document(
        _on((*READ_BACK_ACTIONS, *DIAGNOSIS_ACTIONS), repositories),
        missing_statement(REGISTRY_DIAGNOSIS_ACTIONS, "*"),
        *([_on([SIMULATE], simulated)] if simulated else []),
    )


def heal_policy(repositories: Sequence[str], *, create: bool = False) -> Document:
    """
    Return the identity policy of a role that pushes what replication failed to bring.

    Args:
        repositories: ARNs in the destination.
        create: Whether it may create repositories that replication did not.
    """
    create_actions = ("ecr:CreateRepository",) if create else ()
    return _document(_on((*PUSH_ACTIONS, *create_actions), repositories), missing_statement([AUTHENTICATE], "*"))


def writer_policy(
    role: str, repositories: Sequence[str], *, create: bool = False, chosen: Sequence[str] = ()
) -> Document:
    """
    Return the identity policy of the role in another account through which Transship pushes there.

    Args:
        role: Its own ARN: it is simulated through itself.
        repositories: ARNs in its account.
        create: Whether it may create those that are missing.
        chosen: Actions that the settings ask for besides.
    """
    creating = ("ecr:CreateRepository", "ecr:TagResource") if create else ()
    return _document(
        _on((*PUSH_ACTIONS, *FOLLOW_ACTIONS, *LOOK_ACTIONS, *chosen, *creating), repositories),
        missing_statement([AUTHENTICATE, *REGISTRY_LOOK_ACTIONS], "*"),
        missing_statement([SIMULATE], role),
    )


def looker_policy(repositories: Sequence[str]) -> Document:
    """
    Return the identity policy of the role through which Transship looks where its own roles push.

    Args:
        repositories: ARNs in its account.
    """
    return _document(_on(LOOK_ACTIONS, repositories), missing_statement(REGISTRY_LOOK_ACTIONS, "*"))


def upload_policy(bucket: str, uploaders: Mapping[str, Sequence[str]], *, receipts_for: str = "") -> Document:
    """
    Return the bucket policy that lets uploaders write below their prefixes, and nobody without TLS.

    Args:
        bucket: ARN.
        uploaders: For each key prefix the ARNs of who may write below it.
        receipts_for: Prefix of all uploads; given, uploaders may read, not write, the receipts of what they upload.
    """
    allowed = [
        {
            "Sid": f"Uploaders{number}",
            "Effect": "Allow",
            "Principal": {"AWS": _one_or_many(principals)},
            "Action": list(UPLOAD_ACTIONS),
            "Resource": f"{bucket}/{prefix}*",
        }
        for number, (prefix, principals) in enumerate(uploaders.items(), 1)
    ]
    return _document(_refuse_insecure_transport(bucket), *allowed, *_receipts(bucket, uploaders, receipts_for))


def _receipts(bucket: str, uploaders: Mapping[str, Sequence[str]], prefix: str) -> list[Statement]:
    if not prefix:
        return []
    return [
        {
            "Sid": f"Receipts{number}",
            "Effect": "Allow",
            "Principal": {"AWS": _one_or_many(principals)},
            "Action": "s3:GetObject",
            "Resource": f"{bucket}/receipts/{own.removeprefix(prefix)}*",
        }
        for number, (own, principals) in enumerate(uploaders.items(), 1)
    ]


def subscribe_policy(bus: str, accounts: Sequence[str], organization: str = "") -> Document:
    """
    Return the bus policy that lets accounts manage rules of their own on the bus, and no others.

    Args:
        bus: ARN.
        accounts: 12 digits each; none where an organization is given.
        organization: Its id, to let in whichever account it has.
    """
    member = {"StringEquals": {"aws:PrincipalOrgID": organization}} if organization else {}
    return _document(
        {
            "Sid": "OwnRulesOfOrganization" if organization else "OwnRulesOfAccounts",
            "Effect": "Allow",
            "Principal": {"AWS": "*" if organization else _one_or_many(accounts)},
            "Action": list(SUBSCRIBER_ACTIONS),
            "Resource": f"{bus.replace(':event-bus/', ':rule/')}/*",
            # Absent while a rule is created; afterwards it names who did ("Permissions for event buses").
            "Condition": {**member, "StringEqualsIfExists": {"events:creatorAccount": "${aws:PrincipalAccount}"}},
        }
    )


def _refuse_insecure_transport(bucket: str) -> Statement:
    return {
        "Sid": "RefuseInsecureTransport",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, f"{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _on(actions: Sequence[str], resources: Sequence[str]) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": _one_or_many(resources)}


def _one_or_many(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _document(*statements: Statement) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
