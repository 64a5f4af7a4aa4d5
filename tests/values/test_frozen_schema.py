"""Tests of serializing declared containers."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping, Sequence, Set as AbstractSet
from typing import Annotated, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field, PlainSerializer, TypeAdapter
from typing_extensions import TypeAliasType, TypedDict

from miniagents.values import Frozen, FrozenMapping

T = TypeVar("T")
Numbers = TypeAliasType("Numbers", list[int])


class Row(TypedDict):
    cells: list[int]


class Tree(TypedDict):
    values: list[int]
    trees: list["Tree"]


class Table(Frozen):
    """Every way to declare a container."""

    a: list[int] = Field(default=[1])
    b: dict[str, list[int]] = Field(default={"x": [1]})
    c: set[str] = Field(default={"x"})
    d: list[int] | set[str] | None = None
    e: list[dict[str, list[set[int]]]] = Field(default=[{"x": [{1}]}])
    f: tuple[list[int], ...] = ([1],)
    g: Sequence[int] = Field(default=[1])
    h: Mapping[str, list[int]] = Field(default={"x": [1]})
    i: AbstractSet[int] = Field(default={1})
    j: OrderedDict[str, int] = Field(default=OrderedDict(x=1))
    k: defaultdict[str, list[int]] = Field(default=defaultdict(list, x=[1]))
    m: Counter[str] = Field(default=Counter("x"))
    n: Row = Field(default=Row(cells=[1]))
    o: list[Row] = Field(default=[Row(cells=[1])])
    p: Numbers = Field(default=[1])
    q: list["Table"] = Field(default=[])
    r: Annotated[list[int], PlainSerializer(len)] = Field(default=[1, 2])
    s: object = None


FULL = Table(d=[1], q=[Table(d={"x"}, s=[{1: [2]}])])


def held(value: object) -> object:
    """Return the value as what it is at run time: type checkers know the declared type only."""
    return value


def test_values_are_frozen() -> None:
    """Declared containers are frozen after they were validated."""
    assert held(FULL.b) == FrozenMapping(x=(1,))
    assert held(FULL.e) == (FrozenMapping(x=(frozenset({1}),)),)
    assert held(FULL.n) == FrozenMapping(cells=(1,))
    hash(FULL)


def test_they_validate_as_annotated() -> None:
    """A wrong item is found, a convertible one is converted."""
    assert held(Table.model_validate({"a": ["5"]}).a) == (5,)
    with pytest.raises(ValueError, match="valid integer"):
        Table.model_validate({"a": ["x"]})


def test_dumps_as_annotated() -> None:
    """A dump has the declared kinds of containers again, without a warning (which would be an error here)."""
    dumped = FULL.model_dump()
    assert dumped["a"] == [1]
    assert dumped["b"] == {"x": [1]}
    assert dumped["c"] == {"x"}
    assert dumped["d"] == [1]
    assert dumped["e"] == [{"x": [{1}]}]
    assert dumped["f"] == ([1],)
    assert dumped["h"] == {"x": [1]}
    assert dumped["j"] == OrderedDict(x=1)
    assert dumped["m"] == Counter("x")
    assert dumped["n"] == {"cells": [1]}
    assert dumped["o"] == [{"cells": [1]}]
    assert dumped["p"] == [1]
    assert dumped["q"][0]["d"] == {"x"}
    assert dumped["r"] == 2
    assert type(dumped["b"]) is dict


def test_round_trips() -> None:
    """What was dumped validates to the same value, from Python and from JSON."""
    dumped = FULL.model_dump(exclude={"r": True, "q": {"__all__": {"r"}}})
    assert FULL == Table.model_validate(dumped)
    plain = Table(d=[1])
    assert plain == Table.model_validate_json(plain.model_dump_json(exclude={"r"}))
    assert plain == Table.model_validate(plain.__dict__)


def test_inside_another_model() -> None:
    """A frozen value inside an ordinary model, and in a type adapter, is written without a warning, too."""

    class Holder(BaseModel):
        table: Table
        more: list[Table]

    holder = Holder(table=FULL, more=[FULL])
    assert holder.model_dump()["more"][0]["a"] == [1]
    assert holder.model_dump_json() != ""
    assert TypeAdapter(list[Table]).dump_python([FULL])[0]["a"] == [1]


def test_a_foreign_model_keeps_its_own_lists() -> None:
    """A model that is no `Frozen` stays as its class declares it, also in a frozen field."""

    class Foreign(BaseModel):
        items: list[int]

    class Holder(Frozen):
        foreign: Foreign
        many: list[Foreign]

    holder = Holder(foreign=Foreign(items=[1]), many=[Foreign(items=[2])])
    assert type(holder.foreign.items) is list
    assert holder.model_dump() == {"foreign": {"items": [1]}, "many": [{"items": [2]}]}
    assert "serialization" not in str(Foreign.__pydantic_core_schema__)


def test_generic() -> None:
    """A generic class is a frozen one."""

    class Box(Frozen, Generic[T]):
        items: list[T]

    box = Box[int](items=[1])
    assert box.model_dump() == {"items": [1]}
    assert box.hash_key != Box[str](items=["1"]).hash_key


def test_subclasses_are_written_whole() -> None:
    """A field declared as the base class keeps the fields of the subclass that stands there."""

    class Base(Frozen):
        x: int = 1

    class Derived(Base):
        items: list[int] = Field(default=[1])

    class Holder(Frozen):
        one: Base
        many: list[Base]

    holder = Holder(one=Derived(), many=[Derived()])
    assert holder.model_dump() == {"one": {"x": 1, "items": [1]}, "many": [{"x": 1, "items": [1]}]}


def test_recursive_definitions() -> None:
    """A type that contains itself is walked once, not for ever."""

    class Forest(Frozen):
        trees: list[Tree]

    trees: list[Tree] = [{"values": [1], "trees": [{"values": [2], "trees": []}]}]
    assert Forest(trees=trees).model_dump() == {"trees": trees}
    assert Forest(trees=trees) == Forest.model_validate_json(Forest(trees=trees).model_dump_json())


def test_json_schema_is_not_touched() -> None:
    """The serializers are not seen in the JSON schema."""

    class Plain(Frozen):
        a: list[int]
        b: set[str]

    as_written = Plain.model_json_schema(mode="serialization")["properties"]
    assert as_written == Plain.model_json_schema()["properties"]
    assert as_written["a"]["items"] == {"type": "integer"}
