"""
The condition operators: how one value of the request compares with one value of the policy.

Source: "IAM JSON policy elements: Condition operators", which also says that ArnEquals and ArnLike are the same, that
a date may be ISO 8601 or seconds since the epoch, and that an address without a prefix length is one address.
A value of the request that is not of the operator's type matches nothing.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from chalicelib.access.matching import Template, arn_glob, glob, literal_text

_ARN = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:.*", re.DOTALL)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq,
    "lessthan": operator.lt,
    "lessthanequals": operator.le,
    "greaterthan": operator.gt,
    "greaterthanequals": operator.ge,
}


class Operator(Struct, frozen=True):
    """
    One row of the guide's tables.

    Attributes:
        parse: Reads a value of the policy; its second argument says whether variables are known. The result is a
            `Template`, filled before `compare` sees it, or a value ready to compare.
        compare: Takes the request's text and the policy's value.
        negated: Whether the answer is turned round, after the values of the policy were joined by *or*.
    """

    parse: Callable[[str, bool], Any]
    compare: Callable[[str, Any], bool]
    negated: bool = False


def _template(text: str, variables: bool) -> Template:
    return Template.parse(text, variables=variables)


def _string(compare: Callable[[str, Any], bool], *, negated: bool) -> Operator:
    return Operator(_template, compare, negated)


def _equals(text: str, tokens: Any) -> bool:
    return text == literal_text(tokens)


def _equals_ignore_case(text: str, tokens: Any) -> bool:
    return text.lower() == literal_text(tokens).lower()


def _like(text: str, tokens: Any) -> bool:
    return glob(tokens).fullmatch(text) is not None


def _arn_like(text: str, tokens: Any) -> bool:
    return _ARN.fullmatch(text) is not None and arn_glob(tokens).fullmatch(text) is not None


def _typed(read: Callable[[str], Any], compare: Callable[[Any, Any], bool], *, negated: bool = False) -> Operator:
    def compare_text(text: str, wanted: Any) -> bool:
        try:
            value = read(text)
        except ValueError:
            return False
        return compare(value, wanted)

    return Operator(lambda text, _variables: read(text), compare_text, negated)


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not a number: {text!r}") from None
    if not value.is_finite():
        raise ValueError(f"not a number: {text!r}")
    return value


def _date(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"not a boolean: {text!r}")
    return text.lower() == "true"


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"not base64: {text!r}") from None


def _network(text: str) -> Any:
    return ipaddress.ip_network(text, strict=False)


def _in_network(address: Any, network: Any) -> bool:
    return address.version == network.version and bool(address.subnet_of(network))


def _ordered(prefix: str, read: Callable[[str], Any]) -> dict[str, Operator]:
    table = {prefix + name: _typed(read, compare) for name, compare in _ORDERS.items()}
    table[prefix + "notequals"] = _typed(read, operator.eq, negated=True)
    return table


OPERATORS: dict[str, Operator] = {
    "stringequals": _string(_equals, negated=False),
    "stringnotequals": _string(_equals, negated=True),
    "stringequalsignorecase": _string(_equals_ignore_case, negated=False),
    "stringnotequalsignorecase": _string(_equals_ignore_case, negated=True),
    "stringlike": _string(_like, negated=False),
    "stringnotlike": _string(_like, negated=True),
    "arnequals": _string(_arn_like, negated=False),
    "arnlike": _string(_arn_like, negated=False),
    "arnnotequals": _string(_arn_like, negated=True),
    "arnnotlike": _string(_arn_like, negated=True),
    **_ordered("numeric", _number),
    **_ordered("date", _date),
    "bool": _typed(_boolean, operator.eq),
    "binaryequals": _typed(_bytes, operator.eq),
    "ipaddress": _typed(_network, _in_network),
    "notipaddress": _typed(_network, _in_network, negated=True),
}
"""Every operator but `Null`, by its name in lower case."""
