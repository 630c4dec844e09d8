"""
iam:SimulatePrincipalPolicy and iam:SimulateCustomPolicy: their input checked, their answer in pages.

What the simulator fills into the context by itself is ecr.md 6.3's list; everything else must come in ContextEntries.
A page counts results, of which there is one per action.
Left out: PolicyExclusionList, which is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.access.evaluate import PolicyGrammarError, Principal, PrincipalKind
from transship.local.caller import Caller, ContextValue
from transship.local.iam import moto_iam
from transship.local.iam.condition_keys import organization_of
from transship.local.iam.moto_iam import AttachedPolicy, Entity
from transship.local.iam.simulation import Simulation
from transship.local.protocol_error import AwsError

_ENTITY = re.compile(r"arn:[^:]+:iam::(\d{12}):(user|group|role)/.+")
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9_]+")
_RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+")
_DEFAULT_ITEMS, _MOST_ITEMS = 100, 1000


def simulate_principal_policy(params: Mapping[str, Any], organizations: Mapping[str, str]) -> dict[str, Any]:
    """
    Answer SimulatePrincipalPolicy, where accounts are in *organizations*.

    Raises:
        AwsError: NoSuchEntity or InvalidInput.
    """
    entity = _entity(params["PolicySourceArn"])
    if "PolicyExclusionList" in params:
        raise _invalid("PolicyExclusionList is not supported by the local AWS.")
    if entity.kind == "role" and "ResourcePolicy" in params:
        raise _invalid("Simulation of resource-based policies isn't supported for IAM roles.")
    return _answer(
        params,
        identity=[*entity.policies, *_documents(params, "PolicyInputList")],
        boundary=_boundary(params) or entity.boundary,
        caller_arn=params.get("CallerArn", entity.arn),
        organizations=organizations,
    )


def simulate_custom_policy(
    params: Mapping[str, Any], caller: Caller, organizations: Mapping[str, str]
) -> dict[str, Any]:
    """
    Answer SimulateCustomPolicy, asked by *caller*, where accounts are in *organizations*.

    Raises:
        AwsError: InvalidInput.
    """
    if "ResourcePolicy" in params and "CallerArn" not in params:
        raise _invalid("CallerArn is required with ResourcePolicy.")
    return _answer(
        params,
        identity=_documents(params, "PolicyInputList"),
        boundary=_boundary(params),
        caller_arn=params.get("CallerArn"),
        account=caller.account,
        organizations=organizations,
    )


def _answer(
    params: Mapping[str, Any],
    *,
    identity: Sequence[AttachedPolicy],
    boundary: AttachedPolicy | None,
    caller_arn: str | None,
    account: str = "",
    organizations: Mapping[str, str],
) -> dict[str, Any]:
    principal, entity = _principal(caller_arn, account)
    simulation = Simulation(
        principal=principal,
        identity=identity,
        boundary=boundary,
        organization=[
            _documents(level, "ServiceControlPolicyInputList")
            for level in params.get("OrderedOrganizationPolicyInputList", ())
        ],
        resource=_resource_policy(params),
        resource_owner=_owner(params),
        context={**_own_context(principal, entity, organizations), **_given_context(params)},
    )
    actions, resources = _checked(params)
    page, marker = _page(params, actions)
    try:
        results = [simulation.result(action, resources) for action in page]
    except PolicyGrammarError as error:
        raise _invalid(f"A policy is malformed: {error}") from error
    return {"EvaluationResults": results, "IsTruncated": marker is not None} | ({"Marker": marker} if marker else {})


def _entity(arn: str) -> Entity:
    match = _ENTITY.fullmatch(arn)
    if match is None:
        raise _invalid(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    entity = moto_iam.find_entity(arn)
    if entity is None:
        name = arn.rpartition("/")[2]
        raise AwsError("NoSuchEntity", f"The {match[2]} with name {name} cannot be found.", 404)
    return entity


def _principal(arn: str | None, account: str) -> tuple[Principal, Entity | None]:
    if arn is None:
        return Principal(PrincipalKind.USER, "", account), None
    entity = _entity(arn)
    if entity.kind == "group":
        return Principal(PrincipalKind.USER, arn, arn.split(":")[4]), entity
    return Principal.from_arn(arn), entity


def _own_context(
    principal: Principal, entity: Entity | None, organizations: Mapping[str, str]
) -> dict[str, ContextValue]:
    context: dict[str, ContextValue] = {"aws:PrincipalAccount": principal.account or ""}
    context |= organization_of("aws:PrincipalOrgID", principal.account, organizations)
    if entity is None or entity.kind == "group":
        return context
    context["aws:PrincipalType"] = context["aws:Type"] = "User" if entity.kind == "user" else "AssumedRole"
    context["aws:PrincipalId"] = context["aws:userid"] = entity.id
    if entity.kind == "user":
        context["aws:username"] = entity.name
    return context


def _given_context(params: Mapping[str, Any]) -> dict[str, ContextValue]:
    context: dict[str, ContextValue] = {}
    for entry in params.get("ContextEntries", ()):
        if not entry.get("ContextKeyName") or "ContextKeyValues" not in entry or "ContextKeyType" not in entry:
            raise _invalid("A context entry has a name, a type and values.")
        values = entry["ContextKeyValues"]
        if len(values) != 1 and not entry["ContextKeyType"].endswith("List"):
            raise _invalid(f"The type of {entry['ContextKeyName']} takes one value.")
        context[entry["ContextKeyName"]] = values
    return context


def _documents(params: Mapping[str, Any], member: str) -> list[AttachedPolicy]:
    texts: list[Any] = params.get(member, [])
    return [AttachedPolicy(f"{member}.{place}", "none", text) for place, text in enumerate(texts, 1)]


def _boundary(params: Mapping[str, Any]) -> AttachedPolicy | None:
    documents = _documents(params, "PermissionsBoundaryPolicyInputList")
    if len(documents) > 1:
        raise _invalid("Only one permissions boundary can be given.")
    return documents[0] if documents else None


def _resource_policy(params: Mapping[str, Any]) -> AttachedPolicy | None:
    document = params.get("ResourcePolicy")
    return AttachedPolicy("ResourcePolicy", "resource", document) if document else None


def _owner(params: Mapping[str, Any]) -> str | None:
    owner: str = params.get("ResourceOwner", "")
    return (owner.split(":")[4] if owner.startswith("arn:") else owner) or None


def _checked(params: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    actions, resources = list(params["ActionNames"]), list(params.get("ResourceArns") or ["*"])
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise _invalid(f"Invalid action name: {action}.")
    for resource in resources:
        if not _RESOURCE.fullmatch(resource):
            raise _invalid(f"Invalid resource ARN: {resource}.")
    return actions, resources


def _page(params: Mapping[str, Any], actions: Sequence[str]) -> tuple[Sequence[str], str | None]:
    size = params.get("MaxItems", _DEFAULT_ITEMS)
    if not 1 <= size <= _MOST_ITEMS:
        raise _invalid(f"MaxItems must be between 1 and {_MOST_ITEMS}.")
    start = _offset(params["Marker"]) if "Marker" in params else 0
    end = start + size
    marker = base64.b64encode(f"offset={end}".encode()).decode() if end < len(actions) else None
    return actions[start:end], marker


def _offset(marker: str) -> int:
    try:
        return int(base64.b64decode(marker, validate=True).decode().removeprefix("offset="))
    except (binascii.Error, ValueError):
        raise _invalid("Invalid Marker.") from None


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidInput", message)
