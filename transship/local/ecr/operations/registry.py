"""The registry itself: replication configuration, account settings, pull time exclusions, authorization tokens."""

from __future__ import annotations

import base64
from typing import Any

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.errors import EcrError, invalid_parameter
from transship.local.ecr.names import RegistryId
from transship.local.ecr.paging import page
from transship.local.ecr.registry import ACCOUNT_SETTINGS
from transship.local.ecr.replication import destinations
from transship.local.ecr.tokens import USERNAME


def describe_registry(call: Call) -> JSON:
    """Return the replication configuration; it is always present (ecr.md 1.7)."""
    registry = call.registry
    return {"registryId": registry.id.account, "replicationConfiguration": {"rules": registry.replication_rules}}


def put_replication_configuration(call: Call) -> JSON:
    """Replace the whole replication configuration."""
    configuration = call.parameters["replicationConfiguration"]
    _check_rules(call, configuration["rules"])
    call.registry.replication_rules = configuration["rules"]
    return {"replicationConfiguration": configuration}


def _check_rules(call: Call, rules: list[dict[str, Any]]) -> None:
    where, options = "replicationConfiguration", call.options
    named = destinations(rules)
    if len(rules) > options.replication_rules:
        raise invalid_parameter(where, f"The number of rules must not exceed {options.replication_rules}")
    if len(named) > options.replication_destinations:
        most = options.replication_destinations
        raise invalid_parameter(where, f"The number of unique replication destinations must not exceed {most}")
    if call.registry.id in named:
        raise invalid_parameter(where, "Replication destination cannot be the same as the source registry")


def get_account_setting(call: Call) -> JSON:
    """Return one setting."""
    name = call.parameters["name"]
    _setting_values(name)
    return {"name": name, "value": call.registry.account_settings[name]}


def put_account_setting(call: Call) -> JSON:
    """Change one setting."""
    name, value = call.parameters["name"], call.parameters["value"]
    if value not in _setting_values(name):
        raise EcrError("ValidationException", f"Invalid value '{value}' for the account setting '{name}'")
    call.registry.account_settings[name] = value
    return {"name": name, "value": value}


def _setting_values(name: str) -> tuple[str, ...]:
    if name not in ACCOUNT_SETTINGS:
        raise invalid_parameter("name", f"must be one of {', '.join(ACCOUNT_SETTINGS)}")
    return ACCOUNT_SETTINGS[name]


def register_pull_time_update_exclusion(call: Call) -> JSON:
    """Let a principal's pulls leave lastRecordedPullTime alone."""
    arn, exclusions = call.parameters["principalArn"], call.registry.pull_time_exclusions
    with call.registry.lock:
        if arn in exclusions:
            raise EcrError("ExclusionAlreadyExistsException", f"The exclusion for '{arn}' already exists")
        exclusions[arn] = call.now
    return {"principalArn": arn, "createdAt": exclusions[arn]}


def deregister_pull_time_update_exclusion(call: Call) -> JSON:
    """Undo a registration."""
    arn = call.parameters["principalArn"]
    if call.registry.pull_time_exclusions.pop(arn, None) is None:
        raise EcrError("ExclusionNotFoundException", f"There is no exclusion for '{arn}'")
    return {"principalArn": arn}


def list_pull_time_update_exclusions(call: Call) -> JSON:
    """Return the registered principals."""
    chosen, more = page(tuple(call.registry.pull_time_exclusions), str, call.parameters, 100)
    return {"pullTimeUpdateExclusions": chosen} | more


def get_authorization_token(call: Call) -> JSON:
    """Give a password for the registry API, for the own registry or each one asked for."""
    accounts = call.parameters.get("registryIds", [call.registry.id.account])
    password, expires_at = call.engine.tokens.issue(call.caller)
    token = base64.b64encode(f"{USERNAME}:{password}".encode()).decode()
    registries = [call.engine.registry(RegistryId(account, call.registry.id.region)) for account in accounts]
    return {
        "authorizationData": [
            {"authorizationToken": token, "expiresAt": expires_at, "proxyEndpoint": registry.url}
            for registry in registries
        ]
    }
