"""
The `Condition` element: what a statement asks of the request's context.

Rules ("Condition operators", "Conditions with multiple context keys or values" and "Multivalued context keys" in the
IAM User Guide):

* All operators and all keys must hold; of several values one must match, or none where the operator is negated.
* A key that the request lacks fails a positive operator and satisfies a negated one and every `...IfExists`.
* `ForAllValues` holds for a key that is absent or empty, `ForAnyValue` does not.
* Variables are filled in only for string and ARN operators.
* A value whose variable cannot be filled makes its condition fail, negated or not ("Variables and tags": the
  statement may become invalid).

What it leaves out: which key exists for which service. A key with several values under an operator without
`ForAllValues` or `ForAnyValue`, for which AWS documents nothing, is read as if any one value could match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Self

from msgspec import Struct

from chalicelib.access.matching import Context, Template
from chalicelib.access.operators import OPERATORS, Operator

_NULL = "null"


class Quantifier(Enum):
    """How a condition treats a key with several values."""

    ALL = "forallvalues"
    ANY = "foranyvalue"
    SINGLE = ""


class Condition(Struct, frozen=True):
    """
    One operator applied to one key.

    Attributes:
        key: Name of the condition key, in lower case.
        spelling: The same as the document spells it.
        operator: The comparison; None for `Null`, which asks only whether the key is there.
        quantifier: `ForAllValues`, `ForAnyValue` or neither.
        if_exists: Whether an absent key satisfies it.
        values: What the operator made of the document's values; for `Null` the strings `true` and `false`.
    """

    key: str
    spelling: str
    operator: Operator | None
    quantifier: Quantifier
    if_exists: bool
    values: tuple[Any, ...]

    @classmethod
    def parse(cls, operator: str, key: str, values: Sequence[str], *, variables: bool) -> Self:
        """
        Read one condition.

        Raises:
            ValueError: The operator is unknown, or a value is not of the operator's type.
        """
        quantifier, name, if_exists = _split(operator)
        if name == _NULL:
            if if_exists or quantifier is not Quantifier.SINGLE:
                raise ValueError(f"Null takes neither IfExists nor a set operator: {operator}")
            return cls(key.lower(), key, None, quantifier, if_exists, tuple(_null_value(text) for text in values))
        found = OPERATORS.get(name)
        if found is None:
            raise ValueError(f"unknown condition operator: {operator}")
        parsed = tuple(found.parse(text, variables) for text in values)
        return cls(key.lower(), key, found, quantifier, if_exists, parsed)

    def holds(self, context: Context) -> bool:
        """Return whether *context* satisfies it."""
        present = context.get(self.key, ())
        if self.operator is None:
            return ("false" if present else "true") in self.values
        if not present or (self.quantifier is Quantifier.ALL and present == ("",)):
            return self._holds_without_key(self.operator)
        wanted = [_fill(value, context) for value in self.values]
        if None in wanted:
            return False
        return self._compare(self.operator, present, wanted)

    def _holds_without_key(self, operator: Operator) -> bool:
        if self.quantifier is Quantifier.ALL or self.if_exists:
            return True
        return operator.negated and self.quantifier is not Quantifier.ANY

    def _compare(self, operator: Operator, present: Sequence[str], wanted: Sequence[Any]) -> bool:
        matches = (any(operator.compare(value, one) for one in wanted) for value in present)
        if self.quantifier is Quantifier.ALL:
            return all(match != operator.negated for match in matches)
        if self.quantifier is Quantifier.ANY:
            return any(match != operator.negated for match in matches)
        return any(matches) != operator.negated

    @property
    def keys(self) -> Iterator[str]:
        """Every condition key that it asks for, its variables' included, as the document spells them."""
        yield self.spelling
        for value in self.values:
            if isinstance(value, Template):
                yield from (variable.key for variable in value.variables if variable.default is None)


def parse_conditions(element: Mapping[str, Mapping[str, Any]], *, variables: bool) -> tuple[Condition, ...]:
    """
    Read a `Condition` element whose values are strings, numbers, booleans or lists of them.

    Raises:
        ValueError: It does not follow the grammar.
    """
    return tuple(
        Condition.parse(operator, key, _texts(value), variables=variables)
        for operator, block in element.items()
        for key, value in block.items()
    )


def _split(operator: str) -> tuple[Quantifier, str, bool]:
    # IAM accepts any case in names of operators.
    prefix, separator, rest = operator.lower().partition(":")
    if not separator:
        prefix, rest = "", prefix
    name = rest.removesuffix("ifexists")
    try:
        return Quantifier(prefix), name, name != rest
    except ValueError:
        raise ValueError(f"unknown condition operator: {operator}") from None


def _null_value(text: str) -> str:
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"Null compares with true or false, not {text!r}")
    return text.lower()


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_text(one) for one in values]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"a condition compares with strings, numbers and booleans, not {value!r}")


def _fill(value: Any, context: Context) -> Any:
    return value.fill(context) if isinstance(value, Template) else value
