"""AWS::IAM::Role and AWS::IAM::Policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from transship.local.cloudformation.resources.base import Place, Properties, document, tags, undone_on_failure
from transship.local.cloudformation.schema import ANY, TAGS, TEXT, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_POLICIES: Schema = [{"PolicyName!": TEXT, "PolicyDocument!": ANY}]


_PASSED_ON = frozenset({"Description", "Path", "PermissionsBoundary"})


class Role:
    """AWS::IAM::Role."""

    schema: ClassVar[Schema] = {
        "RoleName": TEXT,
        "AssumeRolePolicyDocument!": ANY,
        "Description": TEXT,
        "Path": TEXT,
        "MaxSessionDuration": TEXT,
        "PermissionsBoundary": TEXT,
        "ManagedPolicyArns": [TEXT],
        "Policies": _POLICIES,
        "Tags": TAGS,
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"RoleName", "Path"})

    def create(self, place: Place, properties: Properties) -> str:
        """Create the role with its policies."""
        name = place.name(properties.get("RoleName"))
        arguments = {key: properties[key] for key in properties if key in _PASSED_ON}
        if "MaxSessionDuration" in properties:
            arguments["MaxSessionDuration"] = int(properties["MaxSessionDuration"])
        place.client("iam").create_role(
            RoleName=name,
            AssumeRolePolicyDocument=document(properties["AssumeRolePolicyDocument"]),
            Tags=tags(properties),
            **arguments,
        )
        with undone_on_failure(lambda: place.client("iam").delete_role(RoleName=name)):
            _set_policies(place, name, properties, {})
        return name

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Update trust, description, duration, boundary and policies."""
        iam = place.client("iam")
        trust = document(properties["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(RoleName=physical_id, PolicyDocument=trust)
        iam.update_role(
            RoleName=physical_id,
            Description=properties.get("Description", ""),
            MaxSessionDuration=int(properties.get("MaxSessionDuration", 3600)),
        )
        boundary = properties.get("PermissionsBoundary")
        if boundary and boundary != old.get("PermissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=physical_id, PermissionsBoundary=boundary)
        elif not boundary and old.get("PermissionsBoundary"):
            iam.delete_role_permissions_boundary(RoleName=physical_id)
        _set_policies(place, physical_id, properties, old)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Remove the policies, then the role."""
        _set_policies(place, physical_id, {}, properties)
        place.client("iam").delete_role(RoleName=physical_id)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return ARN and id."""
        role = place.client("iam").get_role(RoleName=physical_id)["Role"]
        return {"Arn": role["Arn"], "RoleId": role["RoleId"]}


class Policy:
    """AWS::IAM::Policy: an inline policy of roles, users and groups."""

    schema: ClassVar[Schema] = {
        "PolicyName!": TEXT,
        "PolicyDocument!": ANY,
        "Roles": [TEXT],
        "Users": [TEXT],
        "Groups": [TEXT],
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"PolicyName"})

    def create(self, place: Place, properties: Properties) -> str:
        """Put the policy on everybody named."""
        self.update(place, properties["PolicyName"], properties, {})
        return str(properties["PolicyName"])

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Put the policy again, and remove it from those no longer named."""
        policy = document(properties["PolicyDocument"])
        for kind, holders in _holders(properties):
            put = getattr(place.client("iam"), f"put_{kind}_policy")
            for holder in holders:
                put(PolicyName=physical_id, PolicyDocument=policy, **{f"{kind.title()}Name": holder})
        self.delete(place, physical_id, {name: _dropped(name, properties, old) for name in _PLURALS})

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Remove the policy from everybody named."""
        for kind, holders in _holders(properties):
            remove = getattr(place.client("iam"), f"delete_{kind}_policy")
            for holder in holders:
                remove(PolicyName=physical_id, **{f"{kind.title()}Name": holder})

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return the id."""
        del place
        return {"Id": physical_id}


_PLURALS = ("Roles", "Users", "Groups")


def _dropped(plural: str, properties: Properties, old: Properties) -> list[str]:
    return [holder for holder in old.get(plural, []) if holder not in properties.get(plural, [])]


def _holders(properties: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    return [(plural[:-1].lower(), properties.get(plural, [])) for plural in _PLURALS]


def _set_policies(place: Place, role: str, new: Properties, old: Properties) -> None:
    iam = place.client("iam")
    names = {policy["PolicyName"] for policy in new.get("Policies", [])}
    for policy in new.get("Policies", []):
        iam.put_role_policy(
            RoleName=role, PolicyName=policy["PolicyName"], PolicyDocument=document(policy["PolicyDocument"])
        )
    for policy in old.get("Policies", []):
        if policy["PolicyName"] not in names:
            iam.delete_role_policy(RoleName=role, PolicyName=policy["PolicyName"])
    attached = new.get("ManagedPolicyArns", [])
    for arn in attached:
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    for arn in old.get("ManagedPolicyArns", []):
        if arn not in attached:
            iam.detach_role_policy(RoleName=role, PolicyArn=arn)
