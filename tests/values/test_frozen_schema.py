"""Tests of serializing containers that are declared in typed dicts, which a frozen class may have."""

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


class Columns(TypedDict, total=False):
    """Every way to declare a container."""

    a: list[int]
    b: dict[str, list[int]]
    c: set[str]
    d: list[int] | set[str] | None
    e: list[dict[str, list[set[int]]]]
    f: tuple[list[int], ...]
    g: Sequence[int]
    h: Mapping[str, list[int]]
    i: AbstractSet[int]
    j: OrderedDict[str, int]
    k: defaultdict[str, list[int]]
    m: Counter[str]
    n: Row
    o: list[Row]
    p: Numbers
    q: list["Table"]
    r: Annotated[list[int], PlainSerializer(len)]
    s: object


class Table(Frozen):
    """It has one of each."""

    columns: Columns = Field(default=Columns())


COLUMNS = Columns(
    a=[1],
    b={"x": [1]},
    c={"x"},
    d=[1],
    e=[{"x": [{1}]}],
    f=([1],),
    g=[1],
    h={"x": [1]},
    i={1},
    j=OrderedDict(x=1),
    k=defaultdict(list, x=[1]),
    m=Counter("x"),
    n=Row(cells=[1]),
    o=[Row(cells=[1])],
    p=[1],
    q=[Table(columns=Columns(d={"x"}, s=[{1: [2]}]))],
    r=[1, 2],
    s=None,
)
FULL = Table(columns=COLUMNS)


def held(value: object) -> object:
    """Return the value as what it is at run time: type checkers know the declared type only."""
    return value


def test_values_are_frozen() -> None:
    """Declared containers are frozen after they were validated."""
    assert held(FULL.columns.get("b")) == FrozenMapping(x=(1,))
    assert held(FULL.columns.get("e")) == (FrozenMapping(x=(frozenset({1}),)),)
    assert held(FULL.columns.get("n")) == FrozenMapping(cells=(1,))
    hash(FULL)


def test_they_validate_as_annotated() -> None:
    """A wrong item is found, a convertible one is converted."""
    assert held(Table.model_validate({"columns": {"a": ["5"]}}).columns.get("a")) == (5,)
    with pytest.raises(ValueError, match="valid integer"):
        Table.model_validate({"columns": {"a": ["x"]}})


def test_dumps_as_annotated() -> None:
    """A dump has the declared kinds of containers again, without a warning (which would be an error here)."""
    dumped = FULL.model_dump()["columns"]
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
    assert dumped["q"][0]["columns"]["d"] == {"x"}
    assert dumped["r"] == 2
    assert type(dumped["b"]) is dict


def test_round_trips() -> None:
    """What was dumped validates to the same value, from Python and from JSON."""
    columns = COLUMNS.copy()
    del columns["r"]
    full = Table(columns=columns)
    assert full == Table.model_validate(full.model_dump())
    plain = Table(columns=Columns(a=[1], d=[1]))
    assert plain == Table.model_validate_json(plain.model_dump_json())
    assert plain == Table.model_validate(plain.__dict__)


def test_inside_another_model() -> None:
    """A frozen value inside an ordinary model, and in a type adapter, is written without a warning, too."""

    class Holder(BaseModel):
        table: Table
        more: list[Table]

    holder = Holder(table=FULL, more=[FULL])
    assert holder.model_dump()["more"][0]["columns"]["a"] == [1]
    assert holder.model_dump_json() != ""
    assert TypeAdapter(list[Table]).dump_python([FULL])[0]["columns"]["a"] == [1]


def test_a_foreign_model_keeps_its_own_lists() -> None:
    """A model that is no `Frozen` stays as its class declares it, also in a frozen field."""

    class Foreign(BaseModel):
        items: list[int]

    class Holder(Frozen):
        foreign: Foreign
        many: tuple[Foreign, ...]

    holder = Holder(foreign=Foreign(items=[1]), many=(Foreign(items=[2]),))
    assert type(holder.foreign.items) is list
    assert holder.model_dump() == {"foreign": {"items": [1]}, "many": ({"items": [2]},)}
    assert "serialization" not in str(Foreign.__pydantic_core_schema__)


def test_generic() -> None:
    """A generic class is a frozen one."""

    class Box(Frozen, Generic[T]):
        items: tuple[T, ...]

    box = Box[int](items=(1,))
    assert box.model_dump() == {"items": (1,)}
    assert box.hash_key != Box[str](items=("1",)).hash_key


def test_subclasses_are_written_whole() -> None:
    """A field declared as the base class keeps the fields of the subclass that stands there."""

    class Base(Frozen):
        x: int = 1

    class Derived(Base):
        row: Row = Field(default=Row(cells=[1]))

    class Holder(Frozen):
        one: Base
        many: tuple[Base, ...]

    holder = Holder(one=Derived(), many=(Derived(),))
    derived = {"x": 1, "row": {"cells": [1]}}
    assert holder.model_dump() == {"one": derived, "many": (derived,)}


def test_recursive_definitions() -> None:
    """A type that contains itself is walked once, not for ever."""

    class Forest(Frozen):
        trees: tuple[Tree, ...]

    trees: tuple[Tree, ...] = ({"values": [1], "trees": [{"values": [2], "trees": []}]},)
    assert Forest(trees=trees).model_dump() == {"trees": trees}
    assert Forest(trees=trees) == Forest.model_validate_json(Forest(trees=trees).model_dump_json())


def test_json_schema_is_not_touched() -> None:
    """The serializers are not seen in the JSON schema."""

    class Plain(Frozen):
        row: Row

    as_written = Plain.model_json_schema(mode="serialization")["$defs"]
    assert as_written == Plain.model_json_schema()["$defs"]
    assert as_written["Row"]["properties"]["cells"]["items"] == {"type": "integer"}
