"""Our data classes are like those of the standard library: each beside its twin, and what all have in common."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import field, fields, replace
from itertools import product
from typing import Any

import pytest

import chalicelib
from chalicelib.dataclass import _written_init, dataclass
from tests.unit.architecture.test_arrows import ROOT


def all_classes() -> list[type]:
    """Return every data class of the functions."""
    names = [each.name for each in pkgutil.walk_packages(chalicelib.__path__, "chalicelib.")]
    values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    made = {value for value in values if isinstance(value, type) and dataclasses.is_dataclass(value)}
    return sorted(made, key=lambda each: (each.__module__, each.__qualname__))


def twin(ours: Any) -> Any:
    """Return the standard library's class of the same fields."""
    about: dict[str, Any] = {each.name: _again(each) for each in fields(ours)}
    names: dict[str, Any] = {"__annotations__": {each.name: "object" for each in fields(ours)}, **about}
    if "__post_init__" in vars(ours):
        names["__post_init__"] = ours.__post_init__
    frozen = "__setattr__" in vars(ours)
    order = "__lt__" in vars(ours)
    return dataclasses.dataclass(frozen=frozen, order=order)(type(ours.__name__, (), names))


def _again(each: dataclasses.Field[Any]) -> Any:
    default = {} if each.default is dataclasses.MISSING else {"default": each.default}
    made = {} if each.default_factory is dataclasses.MISSING else {"default_factory": each.default_factory}
    return field(repr=each.repr, compare=each.compare, kw_only=each.kw_only, **default, **made)  # type: ignore[call-overload]


def parameters(method: Any) -> list[tuple[str, Any, Any]]:
    """Return the name and kind of what *method* takes, and whether it must be given."""
    found = inspect.signature(method).parameters.values()
    return [(each.name, each.kind, each.default is inspect.Parameter.empty) for each in found]


@pytest.mark.parametrize("ours", all_classes())
def test_a_class_takes_what_its_twin_takes(ours: Any) -> None:
    assert parameters(_written_init(ours)) == parameters(twin(ours).__init__)


def test_there_are_many_of_them() -> None:
    assert len(all_classes()) > 100


def test_every_class_of_ours_is_one() -> None:
    """One that the standard library makes takes its 0.4 ms again."""
    others = [
        path
        for path in (ROOT / "chalicelib").rglob("*.py")
        if path.name != "dataclass.py" and "from dataclasses import dataclass" in path.read_text()
    ]

    assert others == []


def point(decorate: Callable[..., Any]) -> Any:
    @decorate(frozen=True, slots=True, order=True)
    class Point:
        """A place."""

        x: int
        y: int = 2
        label: str = field(default="", compare=False)
        hidden: bytes = field(default=b"", repr=False)
        more: list[int] = field(default_factory=list, compare=False)

    return Point


OURS, THEIRS = point(dataclass), point(dataclasses.dataclass)


def test_it_looks_like_the_other() -> None:
    assert repr(OURS(1, label="a")) == repr(THEIRS(1, label="a"))
    assert (OURS.__slots__, OURS.__match_args__, OURS.__doc__) == (
        THEIRS.__slots__,
        THEIRS.__match_args__,
        THEIRS.__doc__,
    )
    assert [each.name for each in fields(OURS)] == [each.name for each in fields(THEIRS)]
    assert dataclasses.asdict(OURS(1)) == dataclasses.asdict(THEIRS(1))


@pytest.mark.parametrize("compare", ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_it_compares_like_the_other(compare: str) -> None:
    for one, other in product([(1, 2), (1, 3), (2, 1)], repeat=2):
        mine, theirs = (getattr(made(*one, "a"), compare)(made(*other, "b")) for made in (OURS, THEIRS))
        assert mine == theirs
    assert getattr(OURS(1), compare)(THEIRS(1)) is NotImplemented


def test_equal_ones_have_one_hash() -> None:
    assert len({OURS(1, label="a"), OURS(1, label="b"), OURS(2)}) == 2


def test_what_is_made_is_made_for_each() -> None:
    one, other = OURS(1), OURS(1)
    one.more.append(3)

    assert other.more == []
    assert OURS(1, more=[4]).more == [4]


def test_frozen_is_frozen() -> None:
    place = OURS(1)

    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        place.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del place.x
    assert replace(place, x=2) == OURS(2)


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), ((1, 2, "", b"", [], 6), {}), ((1,), {"x": 1}), ((1,), {"z": 1})]
)
def test_wrong_arguments_are_refused_at_the_first_call_and_later(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    made = point(dataclass)

    for _ in range(2):
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            made(*given, **named)


def test_what_may_change_has_no_hash() -> None:
    @dataclass(slots=True)
    class Counter:
        count: int = 0

    counter = Counter()
    counter.count += 1

    assert counter == Counter(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


def test_methods_that_a_class_has_stay() -> None:
    @dataclass(frozen=True, slots=True)
    class Named:
        name: str

        def __post_init__(self) -> None:
            if not self.name:
                raise ValueError("no name")

        def __repr__(self) -> str:
            return f"<{self.name}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Named)

        def __hash__(self) -> int:
            return 7

    assert repr(Named("a")) == "<a>"
    assert Named("a") == Named("b")
    assert hash(Named("a")) == 7
    with pytest.raises(ValueError, match="no name"):
        Named("")


def test_nothing_or_one_thing_can_be_compared() -> None:
    @dataclass(frozen=True)
    class Nothing:
        pass

    @dataclass(frozen=True)
    class One:
        only: int

    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing()}) == 1
    assert One(1) == One(1) != One(2)
    assert len({One(1), One(1), One(2)}) == 2


def test_a_subclass_takes_what_both_name() -> None:
    @dataclass(frozen=True)
    class Below:
        first: int

    @dataclass(frozen=True, kw_only=True)
    class Above(Below):
        second: int = 2

    assert repr(Above(1, second=3)).endswith("Above(first=1, second=3)")
    assert Below(1) != Above(1)


def test_a_subclass_that_is_none_itself_takes_what_is_inherited() -> None:
    @dataclass(frozen=True)
    class Below:
        first: int

    class Above(Below):
        pass

    assert Above(1).first == 1
    assert Below(2).first == 2
