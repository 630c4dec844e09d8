"""
The document of access rules: JSON text in, rules out, or an error that names the place.

It is read strictly: a member that nobody knows is an error, since a limit that was misspelled would be no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from chalicelib.access.rules import ANYBODY, Limits, Rule, Rules, is_account
from chalicelib.errors import RefusedError
from chalicelib.oci.reference import Registry
from chalicelib.oci.strict_json import parse_json

MOST_BYTES: Final = 1 << 20
VERSION: Final = 1
_RULE: Final = {
    "name",
    "principals",
    "prefix",
    "repositories",
    "tags",
    "create_repositories",
    "destinations",
    "limits",
    "signature",
}
_LIMITS: Final = ("bytes", "images", "bytes_a_day", "uploads_at_once")
_PRINCIPALS: Final = ({"role_id", "role_arn"}, {"user_id"}, {"account", "ids"})
"""What stands together; two of them in one principal would leave one unheard."""


class RulesError(ValueError):
    """The document is not one; the message names the place."""


def read_rules(content: bytes, version_id: str = "", *, prefix: str = "") -> Rules:
    """
    Read a document.

    Args:
        content: JSON text.
        version_id: Of the object that it is.
        prefix: Of all uploads; every rule's prefix must begin with it.

    Raises:
        RulesError: It does not have the form of `docs/access/rules.schema.json`.
    """
    try:
        body = parse_json(content)
    except RefusedError as error:
        raise RulesError(f"the document: {error.detail}") from error
    if not isinstance(body, dict):
        raise RulesError("the document: must be an object")
    _known(body, {"$schema", "version", "rules"}, "the document")
    if not isinstance(body.get("$schema", ""), str):
        raise RulesError("$schema: must be a text")
    if isinstance(body.get("version"), bool) or body.get("version") != VERSION:
        raise RulesError(f"version: must be {VERSION}")
    rules = tuple(_rule(item, f"rules[{n}]", prefix) for n, item in enumerate(_list(body, "rules", "the document")))
    names = [rule.name for rule in rules]
    if len(set(names)) != len(names):
        raise RulesError("rules: two have one name")
    return Rules(rules, version_id)


def _rule(item: Any, where: str, prefix: str) -> Rule:
    if not isinstance(item, dict):
        raise RulesError(f"{where}: must be an object")
    _known(item, _RULE, where)
    if item.get("signature", "none") != "none":
        raise RulesError(f"{where}.signature: only none is possible yet")
    everybody, ids = _principals(item, where)
    return Rule(
        name=_text(item, "name", where),
        everybody=everybody,
        ids=ids,
        prefix=_prefix(item, where, prefix),
        repositories=_patterns(item, "repositories", where, "**"),
        tags=_patterns(item, "tags", where, "*"),
        create_repositories=_boolean(item, "create_repositories", where),
        destinations=frozenset(
            _registry(text, f"{where}.destinations") for text in _listed(item, "destinations", where)
        ),
        limits=_limits(item.get("limits", {}), f"{where}.limits"),
    )


def _prefix(item: Mapping[str, Any], where: str, prefix: str) -> str:
    text = _text(item, "prefix", where)
    # Without the slash `uploads/team` would speak of `uploads/team-of-others/` too.
    if not text.startswith(prefix) or not text.endswith("/"):
        raise RulesError(f"{where}.prefix: must begin with {prefix or 'the prefix of uploads'} and end with a slash")
    return text


def _principals(item: Mapping[str, Any], where: str) -> tuple[bool, frozenset[str]]:
    everybody, ids = False, set[str]()
    for number, principal in enumerate(_list(item, "principals", where)):
        place = f"{where}.principals[{number}]"
        if principal == ANYBODY:
            everybody = True
        elif isinstance(principal, dict) and principal:
            ids |= _ids(principal, place)
        else:
            raise RulesError(f"{place}: must be any, or name a role_id, user_id, role_arn or account")
    return everybody, frozenset(ids)


def _ids(principal: Mapping[str, Any], where: str) -> set[str]:
    _known(principal, set[str]().union(*_PRINCIPALS), where)
    if not any(principal.keys() <= together for together in _PRINCIPALS):
        raise RulesError(f"{where}: must name one of a role, a user and an account")
    if not isinstance(principal.get("role_arn", ""), str):
        raise RulesError(f"{where}.role_arn: must be a text")
    if "account" in principal:
        account = _text(principal, "account", where)
        if not is_account(account):
            raise RulesError(f"{where}.account: must be 12 digits")
        # S3 names no account but for its root user; the others are listed by the operator's command.
        return {account, *(_plain_id(text, where) for text in _listed(principal, "ids", where))}
    named = [principal[name] for name in ("role_id", "user_id") if name in principal]
    if not named:
        raise RulesError(f"{where}: the role's id is missing; `transship rules put` fills it in")
    return {_plain_id(text, where) for text in named}


def _plain_id(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.isalnum() or not value.isascii():
        raise RulesError(f"{where}: {value!r} is no unique id")
    return value


def _limits(item: Any, where: str) -> Limits:
    if not isinstance(item, dict):
        raise RulesError(f"{where}: must be an object")
    _known(item, set(_LIMITS), where)
    for name, value in item.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RulesError(f"{where}.{name}: must be a whole number above 0")
    return Limits(**item)


def _patterns(item: Mapping[str, Any], name: str, where: str, default: str) -> tuple[str, ...]:
    patterns = item.get(name, [default])
    if not isinstance(patterns, list) or not patterns or not all(isinstance(one, str) and one for one in patterns):
        raise RulesError(f"{where}.{name}: must be a list of patterns")
    return tuple(patterns)


def _registry(text: Any, where: str) -> Registry:
    try:
        return Registry.parse(text)
    except (ValueError, AttributeError) as error:
        raise RulesError(f"{where}: {text!r} is not of the form account/region") from error


def _text(item: Mapping[str, Any], name: str, where: str) -> str:
    return str(_typed(item, name, where, "a text", lambda value: isinstance(value, str) and bool(value)))


def _list(item: Mapping[str, Any], name: str, where: str) -> list[Any]:
    return list(
        _typed(item, name, where, "a list with something in it", lambda value: isinstance(value, list) and bool(value))
    )


def _listed(item: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """Return a list that may be left out or empty."""
    return list(_typed({name: [], **item}, name, where, "a list", lambda value: isinstance(value, list)))


def _boolean(item: Mapping[str, Any], name: str, where: str) -> bool:
    return bool(_typed({name: False, **item}, name, where, "true or false", lambda value: isinstance(value, bool)))


def _typed(item: Mapping[str, Any], name: str, where: str, wanted: str, fits: Callable[[Any], bool]) -> Any:
    if not fits(item.get(name)):
        raise RulesError(f"{where}.{name}: must be {wanted}")
    return item[name]


def _known(item: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(item.keys() - known):
        raise RulesError(f"{where}: nobody knows {unknown[0]}")
