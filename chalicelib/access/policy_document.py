"""
Policy documents: JSON text in, statements ready to be asked out.

Rules ("Grammar of the IAM JSON policy language"): unknown elements, missing elements and wrong types are errors that
name the element; `Principal` belongs to resource-based policies alone; a resource-based statement may leave out
`Resource`, which then is the resource that the policy is attached to (ECR repository policies are written that way);
a document without `Version` is of 2008-10-17, in which variables are ordinary text.
What it leaves out: size limits, and whether actions and resources exist.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NoReturn

from msgspec import Struct

from chalicelib.access.conditions import Condition, parse_conditions
from chalicelib.access.matching import ActionElement, ResourceElement
from chalicelib.access.principals import PrincipalElement

_VERSIONS = {"2012-10-17": True, "2008-10-17": False}
_ELEMENTS = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_PRINCIPAL_TYPES = {"AWS", "Service", "Federated", "CanonicalUser"}
_ACTION = re.compile(r"\*|[A-Za-z0-9*?-]+:[A-Za-z0-9*?_-]+")
_SID = re.compile(r"[A-Za-z0-9]*")


class PolicyGrammarError(ValueError):
    """
    A document is not a policy.

    Attributes:
        element: The element at fault, such as `Statement[0].Effect`.
    """

    def __init__(self, element: str, message: str) -> None:
        super().__init__(f"{element}: {message}")
        self.element = element


class PolicyKind(StrEnum):
    """What a policy is attached to, in the words that AWS's messages use."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    ORGANIZATION = "service control policy"


class Statement(Struct, frozen=True):
    """
    One statement.

    Attributes:
        sid: Its `Sid`, if it has one.
        index: Its place in the document, from 0.
        denies: Whether its `Effect` is `Deny`.
        principal: Whom it speaks of; None where whom is clear from what the policy is attached to.
        action: What it speaks of.
        resource: On what; None where it is what the policy is attached to.
        conditions: When; all must hold.
    """

    sid: str | None
    index: int
    denies: bool
    principal: PrincipalElement | None
    action: ActionElement
    resource: ResourceElement | None
    conditions: tuple[Condition, ...]

    @property
    def context_keys(self) -> Iterator[str]:
        """Every condition key that it asks for, in conditions and in variables."""
        if self.resource is not None:
            yield from self.resource.keys
        for condition in self.conditions:
            yield from condition.keys


class Policy(Struct, frozen=True):
    """A policy document with the name it goes by: an ARN, or the name of an inline policy."""

    name: str
    kind: PolicyKind
    statements: tuple[Statement, ...]


def parse_policy(document: str | Mapping[str, Any], *, name: str, kind: PolicyKind) -> Policy:
    """
    Read a policy document.

    Args:
        document: JSON text, or what it decodes to.
        name: What to call the policy in verdicts.
        kind: What it is attached to; decides which elements it must have.

    Raises:
        PolicyGrammarError: It does not follow the grammar.
    """
    body = _body(document)
    _refuse_unknown(body, _ELEMENTS, "")
    version = body.get("Version", "2008-10-17")
    if not isinstance(version, str) or version not in _VERSIONS:
        raise PolicyGrammarError("Version", f"must be 2012-10-17 or 2008-10-17, not {version!r}")
    reader = _StatementReader(kind, variables=_VERSIONS[version])
    statements = tuple(reader.read(item, index) for index, item in enumerate(_statements(body)))
    _refuse_repeated_sids(statements)
    return Policy(name, kind, statements)


def _body(document: str | Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        body = (
            json.loads(document, object_pairs_hook=_object, parse_constant=_constant)
            if isinstance(document, str)
            else document
        )
    except RecursionError as error:
        raise PolicyGrammarError("document", "nested too deep") from error
    except PolicyGrammarError:
        raise
    except ValueError as error:
        raise PolicyGrammarError("document", f"not JSON ({error})") from error
    if not isinstance(body, Mapping):
        raise PolicyGrammarError("document", "must be a JSON object")
    return body


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a member that stands twice nobody can know which one AWS heeds, so nobody may rely on either."""
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise PolicyGrammarError(twice, "stands twice in one object")
    return members


def _constant(text: str) -> NoReturn:
    raise PolicyGrammarError("document", f"not JSON ({text})")


def _statements(body: Mapping[str, Any]) -> Sequence[Any]:
    statements = body.get("Statement")
    if isinstance(statements, Mapping):
        return [statements]
    if isinstance(statements, list) and statements:
        return statements
    raise PolicyGrammarError("Statement", "must be a statement or a list of statements")


def _refuse_unknown(element: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(element.keys() - known):
        raise PolicyGrammarError(where + unknown[0], "no such element")


def _refuse_repeated_sids(statements: Sequence[Statement]) -> None:
    counts = Counter(statement.sid for statement in statements if statement.sid)
    for sid, count in counts.items():
        if count > 1:
            raise PolicyGrammarError("Sid", f"{sid!r} is used twice")


class _StatementReader:
    """Reads the statements of one document, which share a kind and a version."""

    def __init__(self, kind: PolicyKind, *, variables: bool) -> None:
        self._kind = kind
        self._variables = variables

    def read(self, item: Any, index: int) -> Statement:
        where = f"Statement[{index}]."
        if not isinstance(item, Mapping):
            raise PolicyGrammarError(f"Statement[{index}]", "must be a JSON object")
        _refuse_unknown(item, _STATEMENT_ELEMENTS, where)
        if item.get("Effect") not in ("Allow", "Deny"):
            raise PolicyGrammarError(where + "Effect", "must be Allow or Deny")
        return Statement(
            sid=self._sid(item, where),
            index=index,
            denies=item["Effect"] == "Deny",
            principal=self._principal(item, where),
            action=_action(item, where),
            resource=self._resource(item, where),
            conditions=self._conditions(item, where),
        )

    def _sid(self, item: Mapping[str, Any], where: str) -> str | None:
        sid = item.get("Sid")
        if sid is not None and not isinstance(sid, str):
            raise PolicyGrammarError(where + "Sid", "must be a string")
        # Resource-based policies of several services allow spaces and more.
        if sid and self._kind is not PolicyKind.RESOURCE and not _SID.fullmatch(sid):
            raise PolicyGrammarError(where + "Sid", "may hold letters and digits only")
        return sid

    def _principal(self, item: Mapping[str, Any], where: str) -> PrincipalElement | None:
        name = _one_of(item, "Principal", "NotPrincipal", where, required=self._kind is PolicyKind.RESOURCE)
        if name is None:
            return None
        if self._kind is not PolicyKind.RESOURCE:
            raise PolicyGrammarError(where + name, f"not allowed in a {self._kind}")
        if name == "NotPrincipal" and item["Effect"] == "Allow":
            raise PolicyGrammarError(where + name, "allowed with Effect Deny only")
        return PrincipalElement.of(_principals(item[name], where + name), negated=name == "NotPrincipal")

    def _resource(self, item: Mapping[str, Any], where: str) -> ResourceElement | None:
        required = self._kind is not PolicyKind.RESOURCE
        name = _one_of(item, "Resource", "NotResource", where, required=required)
        if name is None:
            return None
        resources = _strings(item[name], where + name)
        for resource in resources:
            if resource != "*" and not resource.startswith("arn:"):
                raise PolicyGrammarError(where + name, f"must be an ARN or *, not {resource!r}")
        return ResourceElement.parse(resources, negated=name == "NotResource", variables=self._variables)

    def _conditions(self, item: Mapping[str, Any], where: str) -> tuple[Condition, ...]:
        element = item.get("Condition", {})
        if not isinstance(element, Mapping) or not all(isinstance(block, Mapping) for block in element.values()):
            raise PolicyGrammarError(where + "Condition", "must map operators to maps of keys and values")
        try:
            return parse_conditions(element, variables=self._variables)
        except ValueError as error:
            raise PolicyGrammarError(where + "Condition", str(error)) from error


def _one_of(item: Mapping[str, Any], name: str, other: str, where: str, *, required: bool) -> str | None:
    present = [element for element in (name, other) if element in item]
    if len(present) > 1 or (required and not present):
        raise PolicyGrammarError(where + name, f"a statement has either {name} or {other}")
    return present[0] if present else None


def _action(item: Mapping[str, Any], where: str) -> ActionElement:
    name = _one_of(item, "Action", "NotAction", where, required=True) or "Action"
    actions = _strings(item[name], where + name)
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise PolicyGrammarError(where + name, f"must be service:Action or *, not {action!r}")
    return ActionElement.parse(actions, negated=name == "NotAction")


def _principals(element: Any, where: str) -> Iterator[tuple[str, str]]:
    if element == "*":
        yield "AWS", "*"
        return
    if not isinstance(element, Mapping) or not element:
        raise PolicyGrammarError(where, "must be * or a map of principals")
    _refuse_unknown(element, _PRINCIPAL_TYPES, where + ".")
    for kind, value in element.items():
        for text in _strings(value, f"{where}.{kind}"):
            if text != "*" and "*" in text:
                raise PolicyGrammarError(f"{where}.{kind}", f"a wildcard stands alone, not as in {text!r}")
            yield kind, text


def _strings(value: Any, where: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise PolicyGrammarError(where, "must be a string or a list of strings")
    return texts
