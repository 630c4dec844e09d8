"""
Intrinsic functions: values of a template once parameters, conditions and resources are known.

"Intrinsic function reference", AWS CloudFormation User Guide: Ref, Fn::GetAtt, Fn::Sub, Fn::Join, Fn::Select,
Fn::Split, Fn::If, and in conditions Fn::Equals, Fn::Not, Fn::And, Fn::Or, Condition.
Any other function is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transship.local.cloudformation.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NO_VALUE = object()
"""What `AWS::NoValue` is: the property that has it is left out."""

_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")


class Scope:
    """Everything that a value can refer to."""

    def __init__(
        self,
        values: Mapping[str, Any],
        conditions: Mapping[str, Any],
        reference: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
    ) -> None:
        """
        Open a scope.

        Args:
            values: Parameters and pseudo parameters, by name.
            conditions: The template's conditions, as written.
            reference: Value of Ref for a resource.
            attribute: Value of Fn::GetAtt for a resource.
        """
        self._values, self._conditions = values, conditions
        self._reference, self._attribute = reference, attribute

    def resolve(self, node: Any) -> Any:
        """
        Return *node* with every function replaced by its value.

        Raises:
            TemplateError: A function is unknown or misused, or a name is.
        """
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        function = function_of(node)
        if function is None:
            resolved = {key: self.resolve(value) for key, value in node.items()}
            return {key: value for key, value in resolved.items() if value is not NO_VALUE}
        call = getattr(self, "_" + function.removeprefix("Fn::").lower(), None)
        if call is None:
            raise TemplateError(f"Template format error: unsupported function {function}")
        return call(node[function])

    def holds(self, name: str) -> bool:
        """
        Return whether the condition *name* holds.

        Raises:
            TemplateError: There is no such condition.
        """
        if name not in self._conditions:
            raise TemplateError(f"Template format error: Unresolved condition {name}")
        return bool(self.resolve(self._conditions[name]))

    def _ref(self, name: str) -> Any:
        return self._values[name] if name in self._values else self._reference(name)

    def _getatt(self, argument: str | list[str]) -> Any:
        path = ".".join(argument) if isinstance(argument, list) else argument
        name, _, attribute = path.partition(".")
        return self._attribute(name, attribute)

    def _sub(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def value(match: re.Match[str]) -> str:
            literal, name = match[1], match[2]
            if literal:
                return f"${{{name}}}"
            if name in own:
                return str(self.resolve(own[name]))
            return str(self._getatt(name) if "." in name else self._ref(name))

        return _PLACEHOLDER.sub(value, text)

    def _join(self, argument: list[Any]) -> str:
        separator, values = argument
        return str(separator).join(str(value) for value in self.resolve(values))

    def _select(self, argument: list[Any]) -> Any:
        index, values = argument
        return self.resolve(values)[int(self.resolve(index))]

    def _split(self, argument: list[Any]) -> list[str]:
        separator, text = argument
        return str(self.resolve(text)).split(separator)

    def _if(self, argument: list[Any]) -> Any:
        name, then, otherwise = argument
        return self.resolve(then if self.holds(name) else otherwise)

    def _equals(self, argument: list[Any]) -> bool:
        left, right = (self.resolve(value) for value in argument)
        return bool(left == right)

    def _not(self, argument: list[Any]) -> bool:
        return not self.resolve(argument[0])

    def _and(self, argument: list[Any]) -> bool:
        return all(self.resolve(value) for value in argument)

    def _or(self, argument: list[Any]) -> bool:
        return any(self.resolve(value) for value in argument)

    def _condition(self, name: str) -> bool:
        return self.holds(name)


def function_of(node: Mapping[str, Any]) -> str | None:
    """
    Return the function that *node* calls; None if it is an ordinary object.

    `Condition` is a function only where it names one: policy statements have a member of that name.
    """
    if len(node) != 1:
        return None
    [(name, argument)] = node.items()
    is_function = name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(argument, str))
    return name if is_function else None


def references(node: Any, scope: Scope) -> Iterator[str]:
    """Yield the names that *node* refers to, in the branches that its conditions choose."""
    if isinstance(node, list):
        for value in node:
            yield from references(value, scope)
    elif isinstance(node, dict):
        function = function_of(node)
        if function == "Fn::If":
            name, then, otherwise = node[function]
            yield from references(then if scope.holds(name) else otherwise, scope)
        elif function is not None:
            yield from _named(function, node[function], scope)
        else:
            for value in node.values():
                yield from references(value, scope)


def _named(function: str, argument: Any, scope: Scope) -> Iterator[str]:
    if function == "Ref":
        yield argument
    elif function == "Fn::GetAtt":
        yield argument[0] if isinstance(argument, list) else argument.partition(".")[0]
    elif function == "Fn::Sub":
        text, own = argument if isinstance(argument, list) else (argument, {})
        names = (match[2] for match in _PLACEHOLDER.finditer(text) if not match[1])
        yield from (name.partition(".")[0] for name in names if name not in own)
        yield from references(list(own.values()), scope)
    else:
        yield from references(argument, scope)
