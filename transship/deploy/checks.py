"""
What must hold of a deployment: each check says what it looked at, whether it holds, and how it is mended.

Everything here only reads. `transship deploy` ends with it, and it finds what was changed by hand afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError, WaiterError

from chalicelib.access.evaluate import Principal
from chalicelib.names import (
    CONFIRM,
    FUNCTIONS,
    PUBLISH,
    PUSH,
    RECEIVE,
    SWEEP,
    UPLOADS,
    Deployment,
    function_name,
    queue_name,
)
from chalicelib.rates import CONCURRENCY
from transship.deploy.invocations import invocation_policy
from transship.deploy.lookup import mappings_of
from transship.finding import Finding
from transship.resource_policy import Ask, ResourcePolicy

CONSUMERS: Final = {UPLOADS: RECEIVE, PUSH: PUSH, PUBLISH: PUBLISH, CONFIRM: CONFIRM}
"""Which function consumes a queue."""
SELF_QUEUEING: Final = (PUSH, PUBLISH, CONFIRM)
"""Functions that send messages to their own queue: Lambda stops such a chain after 16 rounds unless it is allowed."""
HINTS: Final = "transship-{stage}-replication-hints"
"""Name of the rule that tells confirm of replicas."""
_ANOTHER_ACCOUNT: Final = "000000000000"
_VISIBILITY_TIMES: Final = 6  # the function's timeout, as AWS advises (ecr.md section 7)
_POLL: Final = {"Delay": 1, "MaxAttempts": 60}
_FOUNDATION: Final = "Deploy again: the foundation stack was changed by hand or is incomplete."


def check(deployment: Deployment, session: boto3.Session) -> list[Finding]:
    """Look at everything and return a finding for each."""
    return [
        *_functions(deployment.stage, session.client("lambda")),
        *_queues(deployment, session.client("sqs"), session.client("lambda")),
        _notification(deployment, session.client("s3")),
        _schedule(deployment.stage, session.client("events")),
        _invoked(deployment, session.client("lambda")),
    ]


def _functions(stage: str, client: Any) -> Iterator[Finding]:
    for function in FUNCTIONS:
        name = function_name(stage, function)
        remedy = f"See LastUpdateStatusReason of {name}." if _configuration(client, name) else "Deploy again."
        yield Finding(f"function {name} is ready", _ready(client, name), remedy)
    for function in SELF_QUEUEING:
        name = function_name(stage, function)
        yield Finding(f"function {name} may queue for itself", _recursive(client, name))


def _ready(client: Any, name: str) -> bool:
    try:
        for waiter in ("function_active_v2", "function_updated_v2"):
            client.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=_POLL)
    except WaiterError:
        return False
    return True


def _recursive(client: Any, name: str) -> bool:
    try:
        return bool(client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow")
    except client.exceptions.ResourceNotFoundException:
        return False


def _queues(deployment: Deployment, sqs: Any, functions: Any) -> Iterator[Finding]:
    stage, senders = deployment.stage, _senders(deployment)
    for queue, function in CONSUMERS.items():
        name = queue_name(stage, queue)
        attributes = _attributes(sqs, name)
        yield Finding(f"queue {name} exists", attributes is not None, _FOUNDATION)
        if attributes is None:
            continue
        if consumer := _configuration(functions, function_name(stage, function)):
            yield Finding(
                f"queue {name} is consumed by {function}", _consumed(functions, consumer["FunctionArn"], name)
            )
            yield _visibility(name, int(attributes["VisibilityTimeout"]), consumer["Timeout"])
            yield _rate(functions, consumer["FunctionArn"], name, function)
        yield Finding(f"queue {name} has a dead-letter queue", "RedrivePolicy" in attributes, _FOUNDATION)
        if queue in senders:
            service, source = senders[queue]
            policy = ResourcePolicy(attributes.get("Policy", ""))
            yield from _admits(deployment, policy, attributes["QueueArn"], service, source)


def _attributes(sqs: Any, name: str) -> dict[str, str] | None:
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        return None
    attributes: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return attributes


def _visibility(queue: str, seconds: int, timeout: int) -> Finding:
    return Finding(
        f"queue {queue} hides a message for {_VISIBILITY_TIMES} times its function's timeout",
        seconds >= _VISIBILITY_TIMES * timeout,
        f"Set VisibilityTimeout in .chalice/foundation.json to {_VISIBILITY_TIMES * timeout} or more; it is {seconds}.",
    )


def _configuration(functions: Any, name: str) -> dict[str, Any] | None:
    try:
        configuration: dict[str, Any] = functions.get_function_configuration(FunctionName=name)
    except functions.exceptions.ResourceNotFoundException:
        return None
    return configuration


def _consumed(functions: Any, function_arn: str, queue: str) -> bool:
    """Return whether the mapping is enabled, once Lambda has made up its mind."""
    for _ in range(_POLL["MaxAttempts"]):
        mappings = mappings_of(functions, function_arn)
        states = {mapping["State"] for mapping in mappings if mapping["EventSourceArn"].endswith(f":{queue}")}
        if not states & {"Creating", "Enabling", "Updating"}:
            return states == {"Enabled"}
        time.sleep(_POLL["Delay"])
    return False


def _rate(functions: Any, function_arn: str, queue: str, function: str) -> Finding:
    """Tell whether as few functions run at once as the quotas of ECR allow: see `chalicelib.rates`."""
    most = CONCURRENCY[function]
    mappings = mappings_of(functions, function_arn)
    found = [
        mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        for mapping in mappings
        if mapping["EventSourceArn"].endswith(f":{queue}")
    ]
    return Finding(
        f"queue {queue} is consumed by at most {most} functions at once",
        all(number is not None and number <= most for number in found),
        f"Deploy again, or raise CONCURRENCY in chalicelib/rates.py together with ECR's quotas; it is {found}.",
    )


def _senders(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """Return for each queue that a service sends to which service that is, and on behalf of what."""
    partition, region, account = deployment.partition, deployment.region, deployment.account
    rule = f"arn:{partition}:events:{region}:{account}:rule/{HINTS.format(stage=deployment.stage)}"
    return {
        UPLOADS: ("s3.amazonaws.com", f"arn:{partition}:s3:::{deployment.bucket}"),
        CONFIRM: ("events.amazonaws.com", rule),
    }


def _admits(deployment: Deployment, policy: ResourcePolicy, queue: str, service: str, source: str) -> Iterator[Finding]:
    """Tell whether *service* may send on behalf of *source*, and of nothing else: it is anybody's deputy."""
    name = queue.rpartition(":")[2]

    def lets(source_arn: str, account: str) -> bool:
        context = {"aws:SourceArn": source_arn, "aws:SourceAccount": account, "aws:SecureTransport": "true"}
        return policy.allows(Ask(Principal.service(service), "sqs:SendMessage", queue, context))

    yield Finding(f"queue {name} takes messages of {service}", lets(source, deployment.account), _FOUNDATION)
    others = lets(source, _ANOTHER_ACCOUNT) or lets(f"{source}-of-another", deployment.account)
    yield Finding(f"queue {name} takes them for {source} alone", not others, _FOUNDATION)


def _notification(deployment: Deployment, s3: Any) -> Finding:
    suffix = f":{queue_name(deployment.stage, UPLOADS)}"
    try:
        found = s3.get_bucket_notification_configuration(
            Bucket=deployment.bucket, ExpectedBucketOwner=deployment.account
        )
    except ClientError:
        found = {}
    told = any(
        entry["QueueArn"].endswith(suffix) and "s3:ObjectCreated:*" in entry["Events"]
        for entry in found.get("QueueConfigurations", ())
    )
    return Finding(f"bucket {deployment.bucket} tells of new objects", told, _FOUNDATION)


def _schedule(stage: str, events: Any) -> Finding:
    name = function_name(stage, SWEEP)
    rules = events.list_rules(NamePrefix=name)["Rules"]
    holds = any(
        rule["State"] == "ENABLED" and events.list_targets_by_rule(Rule=rule["Name"])["Targets"] for rule in rules
    )
    return Finding(f"function {name} runs on its schedule", holds)


def _invoked(deployment: Deployment, functions: Any) -> Finding:
    """Tell whether EventBridge may invoke the sweep for its rule, and for nobody else's."""
    name = function_name(deployment.stage, SWEEP)
    place = f"{deployment.partition}:events:{deployment.region}:{deployment.account}"
    rule = f"arn:{place}:rule/{name}-event"
    arn = f"arn:{deployment.partition}:lambda:{deployment.region}:{deployment.account}:function:{name}"
    policy = ResourcePolicy(invocation_policy(functions, name))

    def lets(source_arn: str, account: str) -> bool:
        context = {"aws:SourceArn": source_arn, "aws:SourceAccount": account}
        return policy.allows(Ask(Principal.service("events.amazonaws.com"), "lambda:InvokeFunction", arn, context))

    others = lets(rule, _ANOTHER_ACCOUNT) or lets(f"{rule}-of-another", deployment.account)
    return Finding(f"function {name} is invoked for its rule alone", lets(rule, deployment.account) and not others)
