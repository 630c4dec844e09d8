"""
What of the application is deployed already, read from AWS in the form of Chalice's own notes.

Chalice keeps `.chalice/deployed/<stage>.json` and fails without it where a queue is already mapped to a function.
Such a file is on one machine only, and it lies as soon as another one deploys; on this machine's AWS nothing it names
outlives the process. So the notes are made anew for each deployment: whatever carries the stage's names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3

from chalicelib.names import Deployment, function_name
from transship.deploy.lookup import functions_of, mappings_of

Resource = dict[str, str]


def read_deployed(deployment: Deployment, session: boto3.Session) -> dict[str, Any]:
    """Return Chalice's notes about *deployment*."""
    client: Any = session.client("lambda")
    prefix = function_name(deployment.stage, "")
    resources = [*_layer(client, deployment.stage)]
    for configuration in functions_of(client, prefix):
        resources += _function(client, prefix, configuration)
    resources += _rules(session.client("events"), prefix)
    return {"schema_version": "2.0", "backend": "api", "resources": resources}


def _layer(client: Any, stage: str) -> Iterator[Resource]:
    versions = client.list_layer_versions(LayerName=f"transship-{stage}-managed-layer")["LayerVersions"]
    for newest in versions[:1]:
        yield {
            "name": "managed-layer",
            "resource_type": "lambda_layer",
            "layer_version_arn": newest["LayerVersionArn"],
        }


def _function(client: Any, prefix: str, configuration: dict[str, Any]) -> Iterator[Resource]:
    full_name, arn, role_arn = (configuration[key] for key in ("FunctionName", "FunctionArn", "Role"))
    name = full_name.removeprefix(prefix)
    yield {
        "name": f"{name}-log-group",
        "resource_type": "log_group",
        "log_group_name": f"/aws/lambda/{full_name}",
    }
    yield {
        "name": f"{name}_role",
        "resource_type": "iam_role",
        "role_arn": role_arn,
        "role_name": role_arn.rpartition("/")[2],
    }
    yield {"name": name, "resource_type": "lambda_function", "lambda_arn": arn}
    for mapping in mappings_of(client, arn):
        queue_arn = mapping["EventSourceArn"]
        yield {
            "name": f"{name}-sqs-event-source",
            "resource_type": "sqs_event",
            "queue_arn": queue_arn,
            "event_uuid": mapping["UUID"],
            "queue": queue_arn.rpartition(":")[2],
            "lambda_arn": arn,
        }


def _rules(client: Any, prefix: str) -> Iterator[Resource]:
    for page in client.get_paginator("list_rules").paginate(NamePrefix=prefix):
        for rule in page["Rules"]:
            name = rule["Name"]
            if name.endswith("-event"):
                yield {
                    "name": name.removeprefix(prefix),
                    "resource_type": "cloudwatch_event",
                    "rule_name": name,
                }
