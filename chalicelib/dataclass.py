"""
Data classes like those of the standard library, made in a tenth of the time.

The standard library writes six methods of each class as text and compiles them when a module is imported: 0.4 ms of
CPU time, for 130 classes of a function's start. Here all classes share `__repr__`, comparisons, `__hash__` and what
keeps a frozen one as it is, and `__init__` is written when it is called first; many never are. All else is the
standard library's: `fields`, `replace`, `asdict`, slots, matching by position. A test compares with its classes.

What it leaves out: copying and pickling of what is frozen, `InitVar`, and `field(init=False)`; nothing here needs them.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, kw_only: bool = False, order: bool = False
    ) -> Callable[[type], type]:
        """Return what makes a data class of a class, as `dataclasses.dataclass` does."""

        def make(described: type) -> type:
            # Without a text a signature would be made and written into it.
            described.__doc__ = described.__doc__ or described.__name__
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(described)
            return _furnish(made, frozen=frozen, order=order)

        return make


_ABSENT: Final = object()


def _furnish(made: Any, *, frozen: bool, order: bool) -> Any:
    compared = [each.name for each in dataclasses.fields(made) if each.compare]
    made.__compared__ = operator.attrgetter(*compared) if compared else staticmethod(lambda _: ())
    methods = _SHARED | (_FROZEN if frozen else _CHANGING) | (_ORDERED if order else {})
    made.__init__ = _first_init(made)
    for name, method in methods.items():
        if name not in made.__dict__:
            setattr(made, name, method)
    return made


def _first_init(made: Any) -> Callable[..., None]:
    def __init__(self: Any, *arguments: Any, **named: Any) -> None:  # noqa: N807 - it is one
        made.__init__ = _written_init(made)
        made.__init__(self, *arguments, **named)

    return __init__


def _written_init(made: Any) -> Callable[..., None]:
    names: dict[str, Any] = {"_set": object.__setattr__, "_ABSENT": _ABSENT}
    positional, named, body = ["self"], list[str](), list[str]()
    for each in dataclasses.fields(made):
        name, parameter, value = each.name, each.name, each.name
        if each.default is not dataclasses.MISSING:
            names[f"_{name}"], parameter = each.default, f"{name}=_{name}"
        elif each.default_factory is not dataclasses.MISSING:
            names[f"_{name}"], parameter = each.default_factory, f"{name}=_ABSENT"
            value = f"_{name}() if {name} is _ABSENT else {name}"
        (named if each.kw_only else positional).append(parameter)
        body.append(f" _set(self, {name!r}, {value})")
    if hasattr(made, "__post_init__"):
        body.append(" self.__post_init__()")
    parameters = ", ".join([*positional, *(["*", *named] if named else [])])
    exec(f"def __init__({parameters}):\n" + "\n".join(body or [" pass"]), names)  # noqa: S102 - names of our own fields
    written: Callable[..., None] = names["__init__"]
    return written


def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compare(self.__compared__(self), self.__compared__(other))

    return method


def _hash(self: Any) -> int:
    return hash(self.__compared__(self))


def _refuse_to_set(self: Any, name: str, value: object) -> None:  # noqa: ARG001
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:  # noqa: ARG001
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


_SHARED: Final = {"__repr__": _repr, "__eq__": _comparison(operator.eq)}
_CHANGING: Final = {"__hash__": None}
_FROZEN: Final = {"__hash__": _hash, "__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
_ORDERED: Final = {f"__{name}__": _comparison(getattr(operator, name)) for name in ("lt", "le", "gt", "ge")}
