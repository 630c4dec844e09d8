"""
The ARN templates that the simulator puts at the top of a result (Service Authorization Reference, "Resource types").

Left out: services that Transship does not use; their actions, and those without a resource type, have `*`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_TEMPLATES = (
    ("ecr:getauthorizationtoken", "*"),
    ("ecr:*registry*", "*"),
    ("ecr:*replicationconfiguration", "*"),
    ("ecr:*repositorycreationtemplate*", "*"),
    ("ecr:*accountsetting", "*"),
    ("ecr:*", "arn:${Partition}:ecr:${Region}:${Account}:repository/${RepositoryName}"),
    ("s3:*object*", "arn:${Partition}:s3:::${BucketName}/${KeyName}"),
    ("s3:abortmultipartupload", "arn:${Partition}:s3:::${BucketName}/${KeyName}"),
    ("s3:listmultipartuploadparts", "arn:${Partition}:s3:::${BucketName}/${KeyName}"),
    ("s3:listallmybuckets", "*"),
    ("s3:*", "arn:${Partition}:s3:::${BucketName}"),
    ("sqs:listqueues", "*"),
    ("sqs:*", "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}"),
    ("dynamodb:list*", "*"),
    ("dynamodb:*", "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}"),
    ("events:putevents", "arn:${Partition}:events:${Region}:${Account}:event-bus/${EventBusName}"),
    ("events:*rule*", "arn:${Partition}:events:${Region}:${Account}:rule/[${EventBusName}/]${RuleName}"),
    ("lambda:list*", "*"),
    ("lambda:*", "arn:${Partition}:lambda:${Region}:${Account}:function:${FunctionName}"),
    ("sts:assumerole", "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"),
    ("iam:*role*", "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"),
    ("kms:listaliases", "*"),
    ("kms:*", "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}"),
)


def arn_template(action: str) -> str:
    """Return the template of *action*'s resource type; the first row that fits counts."""
    folded = action.lower()
    return next((template for pattern, template in _TEMPLATES if fnmatchcase(folded, pattern)), "*")
