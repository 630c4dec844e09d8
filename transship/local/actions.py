"""
What each API call needs: IAM actions on resources, and the policies attached to those resources.

The tables below follow the Service Authorization Reference, service by service.
An operation that no table names needs `service:Operation` on the resource that the service's own rule gives.

Left out: sts:AssumeRole and iam:Simulate*, which `iam/` judges where it answers them, the keys of DeleteObjects, which
`s3/deletion.py` judges one by one, and ECR, which judges itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from transship.local.caller import AccessRequest
from transship.local.iam.moto_iam import find_named
from transship.local.message_moves import destinations, source_of_task
from transship.local.resources import bucket_owner, bucket_policies, bus_policies, creator_of, queue_policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from werkzeug.datastructures import Headers

    from transship.local.caller import Caller, ContextValue
    from transship.local.protocol import AwsRequest


@dataclass(frozen=True, slots=True)
class _Call:
    """A request as the rules below see it."""

    operation: str
    params: Mapping[str, Any]
    headers: Headers
    caller: Caller

    def arn(self, service: str, resource: str, *, account: str | None = None, regional: bool = True) -> str:
        region = self.caller.region if regional else ""
        return f"arn:aws:{service}:{region}:{self.caller.account if account is None else account}:{resource}"

    def need(
        self,
        action: str,
        resource: str,
        *,
        account: str | None = None,
        policies: Sequence[Mapping[str, Any]] = (),
        context: Mapping[str, ContextValue] | None = None,
    ) -> AccessRequest:
        owner = account or _account_of(resource) or self.caller.account
        return AccessRequest(action, resource, owner, context or {}, policies)


def _account_of(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


# --- S3 ---------------------------------------------------------------------------------------------------------

_OBJECT_ACTIONS = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObject": "DeleteObject",
    "DeleteObjectTagging": "DeleteObjectTagging",
    "GetObject": "GetObject",
    "GetObjectAcl": "GetObjectAcl",
    "GetObjectAttributes": "GetObject",
    "GetObjectTagging": "GetObjectTagging",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "PutObject": "PutObject",
    "PutObjectAcl": "PutObjectAcl",
    "PutObjectTagging": "PutObjectTagging",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
_VERSIONED = {"GetObject", "DeleteObject", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"}
"""Actions whose name ends in `Version` when the call names one."""

_BUCKET_ACTIONS = {
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}


def _s3(call: _Call) -> Iterator[AccessRequest]:
    bucket = call.params.get("Bucket")
    if bucket is None:
        yield call.need("s3:ListAllMyBuckets", "*")
        return
    if call.operation == "DeleteObjects":
        return
    if call.operation in _OBJECT_ACTIONS:
        yield from _on_object_and_source(call, bucket)
    else:
        yield _on_bucket(call, _BUCKET_ACTIONS.get(call.operation, call.operation), bucket)


def _on_object_and_source(call: _Call, bucket: str) -> Iterator[AccessRequest]:
    if source := call.headers.get("x-amz-copy-source"):
        path, _, version = source.lstrip("/").partition("?versionId=")
        source_bucket, _, key = unquote(path).partition("/")
        yield _on_object(call, "GetObjectVersion" if version else "GetObject", source_bucket, key)
    action = _OBJECT_ACTIONS[call.operation]
    if "versionId" in call.params and action in _VERSIONED:
        action = action.replace("Tagging", "VersionTagging") if action.endswith("Tagging") else action + "Version"
    yield _on_object(call, action, bucket, call.params["Key"])


def _on_object(call: _Call, action: str, bucket: str, key: str) -> AccessRequest:
    return call.need(
        f"s3:{action}",
        f"arn:aws:s3:::{bucket}/{key}",
        account=bucket_owner(bucket) or call.caller.account,
        policies=bucket_policies(bucket),
    )


def _on_bucket(call: _Call, action: str, bucket: str) -> AccessRequest:
    listed = {"s3:prefix": call.params.get("prefix", "")} if action.startswith("ListBucket") else None
    return call.need(
        f"s3:{action}",
        f"arn:aws:s3:::{bucket}",
        account=bucket_owner(bucket) or call.caller.account,
        policies=bucket_policies(bucket),
        context=listed,
    )


# --- SQS --------------------------------------------------------------------------------------------------------


def _sqs(call: _Call) -> Iterator[AccessRequest]:
    action = "sqs:" + call.operation.removesuffix("Batch")
    if call.operation.endswith(("MessageMoveTask", "MessageMoveTasks")):
        yield from _moved(call, action)
        return
    if call.operation == "ListQueues":
        yield call.need(action, "*")
        return
    account, name = call.caller.account, call.params.get("QueueName")
    if url := call.params.get("QueueUrl"):
        account, _, name = url.rpartition("/")
        account = account.rpartition("/")[2] or call.caller.account
    account = call.params.get("QueueOwnerAWSAccountId") or account
    arn = call.arn("sqs", str(name), account=account)
    yield call.need(action, arn, policies=queue_policies(arn))


# The rights of a move: "Amazon SQS API permissions" and "Configuring permissions for a dead-letter queue redrive".
_MOVER = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def _moved(call: _Call, action: str) -> Iterator[AccessRequest]:
    source = call.params.get("SourceArn") or source_of_task(call.params.get("TaskHandle", ""))
    starts = call.operation == "StartMessageMoveTask"
    for needed in (action, *(_MOVER if starts else ())):
        yield call.need(needed, source, policies=_policies_of(source))
    for target in destinations(source, call.params.get("DestinationArn")) if starts else ():
        yield call.need("sqs:SendMessage", target, policies=_policies_of(target))


def _policies_of(arn: str) -> Sequence[Mapping[str, Any]]:
    return queue_policies(arn) if arn.count(":") == 5 else ()


# --- DynamoDB ---------------------------------------------------------------------------------------------------

_TRANSACT = {"ConditionCheck": "ConditionCheckItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
_NO_TABLE = {"ListTables", "DescribeLimits", "DescribeEndpoints", "ListBackups", "ListGlobalTables"}


def _dynamodb(call: _Call) -> Iterator[AccessRequest]:
    if call.operation in _NO_TABLE:
        yield call.need(f"dynamodb:{call.operation}", "*")
    elif "TransactItems" in call.params:
        yield from _transacted(call)
    elif "RequestItems" in call.params:
        for table in call.params["RequestItems"]:
            yield _on_table(call, call.operation, table)
    elif index := call.params.get("IndexName"):
        table = _on_table(call, call.operation, call.params["TableName"])
        yield call.need(table.action, f"{table.resource}/index/{index}")
    else:
        yield _on_table(call, call.operation, call.params.get("TableName") or call.params.get("ResourceArn") or "*")


def _transacted(call: _Call) -> Iterator[AccessRequest]:
    for item in call.params["TransactItems"]:
        for kind, change in item.items():
            yield _on_table(call, _TRANSACT.get(kind, "GetItem"), change["TableName"])


def _on_table(call: _Call, operation: str, table: str) -> AccessRequest:
    return call.need(
        f"dynamodb:{operation}", table if table.startswith("arn:") else call.arn("dynamodb", f"table/{table}")
    )


# --- EventBridge ------------------------------------------------------------------------------------------------


def _events(call: _Call) -> Iterator[AccessRequest]:
    if call.operation == "PutEvents":
        for entry in call.params.get("Entries", ()):
            arn = _bus_arn(call, entry.get("EventBusName"))
            context = {"events:source": entry.get("Source", ""), "events:detail-type": entry.get("DetailType", "")}
            yield call.need("events:PutEvents", arn, policies=bus_policies(arn), context=context)
    elif call.operation in {"ListEventBuses", "ListRules", "ListRuleNamesByTarget", "TestEventPattern"}:
        yield call.need(f"events:{call.operation}", "*")
    elif tagged := call.params.get("ResourceARN"):
        yield _on_tagged(call, tagged)
    elif "Rule" in call.operation or "Targets" in call.operation:
        yield _on_rule(call)
        yield from _passed(call, [target.get("RoleArn") for target in call.params.get("Targets", ())])
    else:
        name = call.params.get("Name") or call.params.get("EventBusName")
        yield call.need(f"events:{call.operation}", _bus_arn(call, name))


def _on_rule(call: _Call) -> AccessRequest:
    bus_arn = _bus_arn(call, call.params.get("EventBusName"))
    account, bus = bus_arn.split(":")[4], bus_arn.rpartition("/")[2]
    name = call.params.get("Rule") or call.params.get("Name")
    arn = call.arn("events", f"rule/{name}" if bus == "default" else f"rule/{bus}/{name}", account=account)
    return call.need(f"events:{call.operation}", arn, policies=bus_policies(bus_arn), context=_creator(arn))


def _creator(rule_arn: str) -> dict[str, str]:
    """Return the key that says whose a rule is; a rule that is not there yet has none."""
    account = creator_of(rule_arn)
    return {"events:creatorAccount": account} if account else {}


def _on_tagged(call: _Call, arn: str) -> AccessRequest:
    """Tags are of a rule or a bus; `rule/<bus>/<name>` tells on which bus a rule is."""
    head, _, path = arn.partition(":rule/")
    bus_arn = f"{head}:event-bus/{path.partition('/')[0] if '/' in path else 'default'}" if path else arn
    context = _creator(arn) if path else {}
    return call.need(f"events:{call.operation}", arn, policies=bus_policies(bus_arn), context=context)


def _bus_arn(call: _Call, name: str | None) -> str:
    return name if name and name.startswith("arn:") else call.arn("events", f"event-bus/{name or 'default'}")


# --- Lambda -----------------------------------------------------------------------------------------------------

_LAMBDA_ANYWHERE = {
    "CreateEventSourceMapping", "DeleteEventSourceMapping", "GetAccountSettings", "GetEventSourceMapping",
    "ListEventSourceMappings", "ListFunctions", "ListLayers", "UpdateEventSourceMapping",
}  # fmt: skip


def _lambda(call: _Call) -> Iterator[AccessRequest]:
    action = "lambda:" + {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"}.get(
        call.operation, call.operation
    )
    name = call.params.get("FunctionName") or call.params.get("Resource") or "*"
    if call.operation in _LAMBDA_ANYWHERE:
        yield call.need(action, "*")
    else:
        yield call.need(action, name if name.startswith("arn:") else call.arn("lambda", f"function:{name}"))
    yield from _passed(call, [call.params.get("Role")])


# --- IAM, STS, CloudFormation -----------------------------------------------------------------------------------


def _iam(call: _Call) -> Iterator[AccessRequest]:
    if call.operation.startswith("Simulate"):
        return
    for param, kind in (("RoleName", "role"), ("UserName", "user"), ("GroupName", "group"), ("PolicyName", "policy")):
        if name := call.params.get(param):
            yield call.need(f"iam:{call.operation}", _iam_arn(call, kind, str(name)))
            return
    yield call.need(f"iam:{call.operation}", str(call.params.get("PolicyArn") or "*"))


def _iam_arn(call: _Call, kind: str, name: str) -> str:
    if found := find_named(call.caller.account, kind, name):
        return found.arn
    path = str(call.params.get("Path") or "/")
    return call.arn("iam", f"{kind}{path}{name}", regional=False)


def _sts(call: _Call) -> Iterator[AccessRequest]:
    if call.operation not in {"GetCallerIdentity", "AssumeRole"}:  # the first cannot be denied
        yield call.need(f"sts:{call.operation}", "*")


def _cloudformation(call: _Call) -> Iterator[AccessRequest]:
    name = str(call.params.get("StackName") or "")
    arn = name if name.startswith("arn:") else call.arn("cloudformation", f"stack/{name}/*")
    yield call.need(f"cloudformation:{call.operation}", arn if name else "*")


def _passed(call: _Call, roles: Sequence[str | None]) -> Iterator[AccessRequest]:
    for role in dict.fromkeys(filter(None, roles)):
        yield call.need("iam:PassRole", role)


# --- Logs, CloudWatch and whatever else moto answers -------------------------------------------------------------


def _logs(call: _Call) -> Iterator[AccessRequest]:
    group = call.params.get("logGroupName")
    yield call.need(f"logs:{call.operation}", call.arn("logs", f"log-group:{group}:*") if group else "*")


@dataclass(frozen=True, slots=True)
class _Anything:
    """Services without a rule of their own: the action, on any resource."""

    prefix: str

    def __call__(self, call: _Call) -> Iterator[AccessRequest]:
        yield call.need(f"{self.prefix}:{call.operation}", "*")


_RULES: dict[str, Callable[[_Call], Iterator[AccessRequest]]] = {
    "cloudformation": _cloudformation,
    "dynamodb": _dynamodb,
    "events": _events,
    "iam": _iam,
    "lambda": _lambda,
    "logs": _logs,
    "s3": _s3,
    "sqs": _sqs,
    "sts": _sts,
}


def required_access(request: AwsRequest, caller: Caller) -> Iterator[AccessRequest]:
    """Return every access that *request* needs; all of them must be allowed."""
    if request.service == "ecr":  # judges itself, once it has read the body as no one else can: parts are large
        return iter(())
    call = _Call(request.operation, request.params, request.headers, caller)
    return _RULES.get(request.service, _Anything(request.service))(call)
