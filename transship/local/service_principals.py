"""
Whether a resource's policy lets an AWS service act on it: S3 and EventBridge sending to queues, invoking functions.

A service has no identity policies; only the resource's own policy speaks ("AWS services that work with IAM").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.access.evaluate import Policies, PolicyKind, Principal, Request, evaluate, parse_policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def service_may(
    service: str,
    action: str,
    resource: str,
    policies: Sequence[Mapping[str, Any]],
    *,
    source_arn: str,
    source_account: str,
) -> bool:
    """
    Return whether *policies* of *resource* allow *service* to do *action*.

    Args:
        service: `events.amazonaws.com`, `s3.amazonaws.com` …
        action: `sqs:SendMessage`, `lambda:InvokeFunction` …
        resource: ARN.
        policies: Documents attached to it.
        source_arn: On whose behalf: a rule, a bucket.
        source_account: Owner of that.
    """
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": source_account, "aws:PrincipalIsAWSService": "true"}
    request = Request(Principal.service(service), action, resource, resource.split(":")[4], context)
    parsed = [parse_policy(document, name="resource policy", kind=PolicyKind.RESOURCE) for document in policies]
    return evaluate(request, Policies(resource=parsed)).allowed
