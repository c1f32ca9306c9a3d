"""What values.dataclass makes is what the standard library makes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from pytest_exposed import values


class Plain:
    name: str
    size: int = 3
    tags: list[str] = field(default_factory=list, compare=False)
    secret: str = field(default="", repr=False)


class Counted:
    name: str
    double: str = field(init=False)
    _seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.double = self.name * 2


class Own:
    number: int

    def __init__(self, number: object) -> None:
        object.__setattr__(self, "number", int(str(number)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) or other == "own"

    def __hash__(self) -> int:
        return 5

    def __repr__(self) -> str:
        return "<own>"


BOTH = pytest.mark.parametrize("make", [dataclasses.dataclass, values.dataclass])


@pytest.fixture
def made(make: Callable[..., Any]) -> Callable[..., Any]:
    def define(body: type, **options: bool) -> Any:
        return make(slots=True, **options)(type(body.__name__, (), dict(body.__dict__)))

    return define


@BOTH
def test_fields_are_given_by_place_or_name_or_by_default(made: Callable[..., Any]) -> None:
    kind = made(Plain)
    one, other = kind("a", size=4), kind("a", 3)
    assert (one.name, one.size, one.tags, one.secret) == ("a", 4, [], "")
    assert other.tags == []
    assert other.tags is not one.tags
    one.size = 3
    one.tags.append("x")
    assert one == other
    assert repr(one) == "Plain(name='a', size=3, tags=['x'])"
    with pytest.raises(TypeError):
        hash(one)


@BOTH
@pytest.mark.parametrize("wrong", [((), {}), (("a", 1, [], "", 5), {}), (("a",), {"other": 1})])
def test_what_no_field_is_given_by_is_refused(
    made: Callable[..., Any], wrong: tuple[tuple[Any, ...], dict[str, Any]]
) -> None:
    with pytest.raises(TypeError):
        made(Plain)(*wrong[0], **wrong[1])
    with pytest.raises(TypeError):
        made(Plain)("a", name="b")
    with pytest.raises(TypeError):
        made(Counted)()


@BOTH
def test_frozen_ones_stay_as_they_are_and_can_be_keys(made: Callable[..., Any]) -> None:
    kind = made(Plain, frozen=True)
    one = kind("a", 2)
    for change in (lambda: setattr(one, "size", 5), lambda: delattr(one, "size")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert {one: 1} == {kind("a", 2, ["x"]): 1}
    assert one != kind("a", 2, secret="x")  # noqa: S106
    assert one != ("a", 2, [], "")
    assert not hasattr(one, "__dict__")
    assert dataclasses.replace(one, size=7) == kind("a", 7)
    assert [x.name for x in dataclasses.fields(one)] == ["name", "size", "tags", "secret"]
    assert copy.deepcopy(one) == one


@BOTH
def test_ordered_ones_are_sorted_by_their_fields(made: Callable[..., Any]) -> None:
    kind = made(Plain, frozen=True, order=True)
    less, more = kind("a", 9), kind("b", 1)
    assert sorted([more, less]) == [less, more]
    same = kind("a", 9)
    assert less < more > same >= less <= same
    with pytest.raises(TypeError):
        _ = less < "a"
    with pytest.raises(TypeError):
        _ = made(Plain)("a") < made(Plain)("b")


@BOTH
def test_what_a_class_has_of_its_own_is_kept(made: Callable[..., Any]) -> None:
    assert made(Counted)("ab").double == "abab"
    assert made(Counted)("ab")._seen == 0
    own = made(Own, frozen=True)("7")
    assert (own.number, repr(own), hash(own), own == "own") == (7, "<own>", 5, True)


@values.dataclass(frozen=True, slots=True)
class Kept:
    name: str


def test_values_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept("a"))) == Kept("a")  # noqa: S301  # it is ours
