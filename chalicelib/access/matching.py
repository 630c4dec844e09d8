"""
The texts of a policy that match other texts: wildcards, policy variables, actions and resource ARNs.

Rules, as the IAM User Guide states them:

* `*` stands for any run of characters and `?` for one; in an ARN neither leaves its segment, and only the sixth
  segment may hold colons ("Resource" element, "Specifying a resource").
* An ARN with fewer than six segments is completed with `*` ("Resource" element, "Incomplete ARNs").
* Actions ignore case, resources do not.
* A resource's variables stand after the fifth colon; elsewhere they make its ARN match nothing ("Variables and tags").
* `${key}` and `${key, 'default'}` are replaced by the request's value, `${*}`, `${?}` and `${$}` stand for the
  characters themselves, and all this only under Version 2012-10-17 ("Variables and tags").
* A value put in by a variable is taken literally: a tag whose value is `*` widens nothing.

What it leaves out: whether an action or a resource exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Self

from msgspec import Struct

Context = Mapping[str, tuple[str, ...]]
"""A request's condition keys, in lower case, each with its values."""

_VARIABLES = re.compile(r"\$\{([^}]*)\}")
_WILDCARDS = re.compile(r"([*?])")
_VARIABLE = re.compile(r"\s*(?P<key>[^\s,']+)\s*(?:,\s*'(?P<default>[^']*)'\s*)?")
_ARN_SEGMENTS = 6


class Wildcard(Struct, frozen=True):
    """A `*` or a `?`."""

    character: str


class Variable(Struct, frozen=True):
    """A `${key}`, with the text that replaces it where the request lacks the key."""

    key: str
    default: str | None = None


Token = str | Wildcard | Variable


def fold_context(context: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return *context* with lower-case keys, since names of condition keys ignore case, and tuples of values."""
    return {key.lower(): (value,) if isinstance(value, str) else tuple(value) for key, value in context.items()}


class Template(Struct, frozen=True):
    """A text of a policy, cut into literal text, wildcards and variables."""

    tokens: tuple[Token, ...]

    @classmethod
    def parse(cls, text: str, *, variables: bool) -> Self:
        """Cut *text*; without *variables* (Version 2008-10-17) `${...}` is ordinary text."""
        return cls(tuple(_tokens(text, variables=variables)))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables in it."""
        return tuple(token for token in self.tokens if isinstance(token, Variable))

    @property
    def variables_are_last(self) -> bool:
        """Whether all its variables stand in the sixth segment of the ARN that it is."""
        colons = 0
        for token in self.tokens:
            if isinstance(token, Variable):
                return colons >= _ARN_SEGMENTS - 1
            colons += token.count(":") if isinstance(token, str) else 0
        return True

    def fill(self, context: Context) -> tuple[str | Wildcard, ...] | None:
        """Return the tokens with every variable replaced, or None where one has neither a value nor a default."""
        filled: list[str | Wildcard] = []
        for token in self.tokens:
            value = _value(token, context) if isinstance(token, Variable) else token
            if value is None:
                return None
            filled.append(value)
        return tuple(filled)


def _tokens(text: str, *, variables: bool) -> Iterator[Token]:
    if not variables:
        yield from _plain(text)
        return
    # The pattern has one group, so names of variables stand at the odd places.
    for place, piece in enumerate(_VARIABLES.split(text)):
        if place % 2:
            yield _variable(piece)
        else:
            yield from _plain(piece)


def _plain(text: str) -> Iterator[str | Wildcard]:
    for piece in _WILDCARDS.split(text):
        if piece in {"*", "?"}:
            yield Wildcard(piece)
        elif piece:
            yield piece


def _variable(name: str) -> Token:
    if name in {"*", "?", "$"}:
        return name
    match = _VARIABLE.fullmatch(name)
    return Variable(match["key"].lower(), match["default"]) if match else Variable(name.lower())


def _value(variable: Variable, context: Context) -> str | None:
    values = context.get(variable.key, ())
    # A key with several values cannot be a policy variable ("Single-valued vs. multivalued context keys").
    return values[0] if len(values) == 1 else variable.default


def literal_text(tokens: tuple[str | Wildcard, ...]) -> str:
    """Return *tokens* as text in which wildcards are ordinary characters, as `StringEquals` reads them."""
    return "".join(token if isinstance(token, str) else token.character for token in tokens)


@lru_cache(maxsize=4096)
def glob(tokens: tuple[str | Wildcard, ...], *, ignore_case: bool = False) -> re.Pattern[str]:
    """Return the pattern for a text without segments."""
    body = _expression((token, ".") for token in tokens)
    return re.compile(body, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


@lru_cache(maxsize=4096)
def arn_glob(tokens: tuple[str | Wildcard, ...]) -> re.Pattern[str]:
    """Return the pattern for an ARN: wildcards keep to their segment, missing segments are `*`."""
    segment, placed = 1, []
    for token in tokens:
        placed.append((token, "." if segment >= _ARN_SEGMENTS else "[^:]"))
        segment += token.count(":") if isinstance(token, str) else 0
    absent = [":[^:]*"] * (_ARN_SEGMENTS - 1) + [":.*"]
    return re.compile(_expression(placed) + "".join(absent[segment:]), re.DOTALL)


def _expression(tokens: Iterable[tuple[str | Wildcard, str]]) -> str:
    """
    Return the regular expression of tokens, each with the class of characters that a wildcard stands for there.

    What stands between two stars is taken where it first fits, for good (an atomic group): it leaves the most to the
    rest, and trying the other places too would take a time that grows with the power of the number of stars.
    """
    done, star, piece = "", "", ""
    for token, anything in tokens:
        if isinstance(token, str):
            piece += re.escape(token)
        elif token.character == "?":
            piece += anything
        else:
            done += f"(?>{star}*?{piece})" if star else piece
            star, piece = anything, ""
    return done + (f"{star}*{piece}" if star else piece)


class ActionElement(Struct, frozen=True):
    """`Action`, or `NotAction` where *negated*."""

    negated: bool
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, actions: Sequence[str], *, negated: bool) -> Self:
        """Read the patterns in *actions*; variables are not allowed in this element."""
        patterns = (glob(tuple(_plain(action)), ignore_case=True).pattern for action in actions)
        return cls(negated, re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE))

    def matches(self, action: str) -> bool:
        """Return whether the element speaks of *action*."""
        return (self.pattern.fullmatch(action) is not None) != self.negated


class ResourceElement(Struct, frozen=True):
    """`Resource`, or `NotResource` where *negated*."""

    negated: bool
    everything: bool
    templates: tuple[Template, ...]

    @classmethod
    def parse(cls, resources: Sequence[str], *, negated: bool, variables: bool) -> Self:
        """Read the ARN patterns in *resources*."""
        templates = (Template.parse(text, variables=variables) for text in resources if text != "*")
        return cls(negated, "*" in resources, tuple(templates))

    @property
    def keys(self) -> Iterator[str]:
        """The condition keys that its variables need, in lower case."""
        for template in self.templates:
            yield from (variable.key for variable in template.variables if variable.default is None)

    def matches(self, resource: str, context: Context) -> bool:
        """
        Return whether the element speaks of *resource*, an ARN or `*` for an action without a resource type.

        A pattern with a variable that cannot be filled matches nothing; negated, the whole element then does not.
        """
        if self.everything:
            return not self.negated
        for template in self.templates:
            tokens = template.fill(context) if template.variables_are_last else None
            if tokens is None:
                if self.negated:
                    return False
            elif arn_glob(tokens).fullmatch(resource):
                return not self.negated
        return self.negated
