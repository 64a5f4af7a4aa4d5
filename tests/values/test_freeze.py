"""Freezing: paths, frozen mappings, and what becomes of every kind of data."""

import copy
import json
import pickle
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import NamedTuple, cast
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, PrivateAttr, SecretStr, TypeAdapter, ValidationError
from typing_extensions import override

from miniagents.values import (
    MAX_NESTING,
    FreezeError,
    Frozen,
    FrozenMapping,
    NestingError,
    freeze,
    freeze_data,
)
from miniagents.values._freeze import DataPath, FrozenValue, Index, Member, depth_of, model_data


def path(*steps: object) -> str:
    here = None
    for step in steps:
        here = DataPath(here, step)
    return str(here)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("Message",), "Message"),
        (("Message", "meta", "items", Index(3)), "Message.meta.items[3]"),
        (("Message", "meta", "no identifier"), "Message.meta['no identifier']"),
        (("Message", "meta", 5, None), "Message.meta[5][None]"),
        (("Message", "tags", Member("an element")), "Message.tags[an element]"),
        (("Message", "meta", (1, 2)), "Message.meta[a tuple key]"),
        (("Outer.<locals>.Message", "x"), "Outer.<locals>.Message.x"),
    ],
)
def test_reads_like_python(steps: tuple[object, ...], expected: str) -> None:
    """A path is written as one would write it in Python."""
    assert expected == path(*steps)


def test_every_frozen_model_is_a_frozen_value() -> None:
    """`freeze` and the hash keys know a frozen model by its base class."""
    assert issubclass(Frozen, FrozenValue)


def test_a_frozen_value_must_answer() -> None:
    """A class that extends `FrozenValue` must define both methods."""
    with pytest.raises(NotImplementedError):
        FrozenValue().__frozen_depth__()
    with pytest.raises(NotImplementedError):
        FrozenValue().__hash_key_of__(DataPath(None, "x"))


DICTS = st.dictionaries(st.text() | st.integers(), st.text() | st.none() | st.integers())


@given(DICTS)
def test_equal_to_the_dict(items: dict[str | int, object]) -> None:
    """A frozen mapping is equal to the dict with the same items, both ways round."""
    frozen = FrozenMapping(items)
    assert frozen == items
    assert items == frozen
    assert list(items.items()) == list(frozen.items())
    assert isinstance(frozen, Mapping)


@given(DICTS)
def test_equal_ones_have_equal_hashes(items: dict[str | int, object]) -> None:
    """The hash does not depend on the order of the items."""
    backwards = FrozenMapping(dict(reversed(items.items())))
    assert FrozenMapping(items) == backwards
    assert hash(FrozenMapping(items)) == hash(backwards)


CHANGES: tuple[Callable[[MutableMapping[str, int]], object], ...] = (
    lambda mapping: mapping.__setitem__("a", 2),
    lambda mapping: mapping.__delitem__("a"),
    lambda mapping: mapping.clear(),
    lambda mapping: mapping.pop("a"),
    lambda mapping: mapping.pop("b", 1),
    lambda mapping: mapping.popitem(),
    lambda mapping: mapping.setdefault("b", 1),
    lambda mapping: mapping.setdefault("a", 1),
    lambda mapping: mapping.update(a=2),
    lambda mapping: mapping.update({"b": 2}),
    lambda mapping: mapping.__ior__({"b": 2}) if isinstance(mapping, dict) else None,
)


@pytest.mark.parametrize("change", CHANGES)
def test_no_change(change: Callable[[MutableMapping[str, int]], object]) -> None:
    """Every attempt to change it is refused with a sentence, and nothing has changed."""
    frozen: FrozenMapping[str, int] = FrozenMapping(a=1)
    with pytest.raises(TypeError, match="frozen and cannot be changed; make a changed copy"):
        change(frozen)
    assert dict(frozen) == {"a": 1}


def test_every_change_of_a_dict_is_known_here() -> None:
    """A future Python that adds a method to dict which changes it must be looked at."""
    reading = {"copy", "fromkeys", "get", "items", "keys", "values"}
    changing = {"clear", "pop", "popitem", "setdefault", "update"}
    assert {name for name in vars(dict) if not name.startswith("_")} == reading | changing


COPIES: tuple[Callable[[FrozenMapping[str, object]], FrozenMapping[str, object]], ...] = (
    copy.copy,
    copy.deepcopy,
    lambda one: pickle.loads(pickle.dumps(one)),  # noqa: S301 - our own bytes
)


@pytest.mark.parametrize("again", COPIES)
def test_copies_and_pickles(
    again: Callable[[FrozenMapping[str, object]], FrozenMapping[str, object]],
) -> None:
    """A copy and a pickle are frozen mappings too."""
    frozen: FrozenMapping[str, object] = FrozenMapping(a=FrozenMapping({"b": (1, 2)}))
    other = again(frozen)
    assert type(other) is FrozenMapping
    assert frozen == other
    assert type(other["a"]) is FrozenMapping


def test_a_changed_copy() -> None:
    """Unpacking, `|` and `copy` give ordinary dicts, to be changed."""
    frozen: FrozenMapping[str, int] = FrozenMapping(a=1)
    for changed in ({**frozen, "b": 2}, frozen | {"b": 2}, {"b": 2} | frozen):
        assert changed == {"a": 1, "b": 2}
    assert type(frozen.copy()) is dict


def test_json() -> None:
    """The standard library and pydantic write it like a dict."""
    frozen: FrozenMapping[str, object] = FrozenMapping(a=FrozenMapping({"b": 1}))
    assert json.dumps(frozen) == '{"a": {"b": 1}}'
    assert TypeAdapter(dict[str, object]).dump_json({"x": frozen}) == b'{"x":{"a":{"b":1}}}'


def test_repr() -> None:
    """It shows what it is."""
    assert repr(FrozenMapping({"a": 1})) == "FrozenMapping({'a': 1})"


class Holder(BaseModel):
    scores: FrozenMapping[str, int]
    anything: FrozenMapping[str, object] = FrozenMapping()


def test_as_the_type_of_a_field() -> None:
    """A model may declare a field as a frozen mapping: it is validated and frozen."""
    holder = Holder.model_validate({"scores": {"a": "1"}})
    assert holder.scores == FrozenMapping(a=1)
    assert type(holder.scores) is FrozenMapping
    assert holder == Holder.model_validate_json(holder.model_dump_json())
    with pytest.raises(ValidationError, match="valid integer"):
        Holder.model_validate({"scores": {"a": "x"}})


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Spot(NamedTuple):
    x: int
    tags: list[str]


class Loud(str):
    """A str with a mutable attribute and a method that lies."""

    __slots__ = ("notes",)

    @override
    def __str__(self) -> str:
        return "LIE"


class Counted(int):
    @override
    def __int__(self) -> int:
        return -1


class Foreign(BaseModel):
    """A pydantic model that is no `Frozen`."""

    items: list[int]
    other: object = None


class Point(Frozen):
    x: int


ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.sampled_from([Colour.RED, Level.LOW, Path("a/b"), PureWindowsPath("c:/d"), Point(x=1)]),
)
DATA = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(ATOMS)
        | st.lists(inner).map(tuple)
    ),
    max_leaves=12,
)


def is_frozen(value: object) -> bool:
    """A plain second opinion: is this one of the frozen types, all the way down?"""
    if isinstance(value, tuple | frozenset):
        return all(map(is_frozen, cast("Iterable[object]", value)))
    if isinstance(value, FrozenMapping):
        items = cast("Mapping[object, object]", value).items()
        return all(is_frozen(key) and is_frozen(item) for key, item in items)
    return not isinstance(value, list | dict | set)


def thawed(value: object) -> object:
    """What a frozen value was made from, up to the kinds of containers that cannot be told any more."""
    if isinstance(value, tuple | list):
        return [thawed(each) for each in cast("Iterable[object]", value)]
    if isinstance(value, dict):
        return {key: thawed(item) for key, item in cast("Mapping[object, object]", value).items()}
    return set(cast("Iterable[object]", value)) if isinstance(value, set | frozenset) else value


@given(DATA)
def test_all_the_way_down(data: object) -> None:
    """Whatever is given, the result is frozen, hashable, and says the same."""
    frozen = freeze(data)
    assert is_frozen(frozen)
    assert thawed(data) == thawed(frozen)
    hash(frozen)


@given(DATA)
def test_what_is_frozen_stays_the_same_object(data: object) -> None:
    """Freezing again costs no copy."""
    frozen = freeze(data)
    again = freeze(frozen)
    assert frozen == again
    assert frozen is again


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            True,
            1,
            1.5,
            "x",
            b"x",
            date(2020, 1, 2),
            datetime(2020, 1, 2, tzinfo=UTC),
            time(1),
            timedelta(1),
        ),
        *(
            UUID(int=1),
            Decimal("1.0"),
            Path("a"),
            PurePosixPath("a"),
            PureWindowsPath("a"),
            Colour.RED,
            Level.LOW,
        ),
        *(Point(x=1), (), (1, (2,)), FrozenMapping({"a": FrozenMapping({"b": 1})})),
    ],
)
def test_allowed_as_they_are(value: object) -> None:
    """Immutable values of the allowed types are kept as they are."""
    assert value is freeze(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, [2]], (1, (2,))),
        ({1, 2}, frozenset({1, 2})),
        (OrderedDict(a=[1]), FrozenMapping(a=(1,))),
        (defaultdict(list, a=[1]), FrozenMapping(a=(1,))),
        (MappingProxyType({"a": [1]}), FrozenMapping(a=(1,))),
        ({(1, 2): {"b": {3}}}, FrozenMapping({(1, 2): FrozenMapping({"b": frozenset({3})})})),
        (Spot(1, ["a"]), Spot(1, ("a",))),  # type: ignore[arg-type]  # what a frozen one holds
    ],
)
def test_containers(value: object, expected: object) -> None:
    """Each kind of container becomes its frozen kind."""
    frozen = freeze(value)
    assert expected == frozen
    assert type(expected) is type(frozen)


@pytest.mark.parametrize(
    ("value", "expected"), [(Loud("x"), "x"), (Counted(5), 5), (type("F", (float,), {})(1.5), 1.5)]
)
def test_subclasses_become_plain(value: object, expected: object) -> None:
    """A subclass of a plain type is kept as its plain value, whatever its methods say."""
    frozen = freeze(value)
    assert expected == frozen
    assert type(expected) is type(frozen)


def test_bytes_subclass_becomes_plain() -> None:
    """The same for bytes."""
    frozen = freeze(type("B", (bytes,), {})(b"xy"))
    assert frozen == b"xy"
    assert type(frozen) is bytes


def test_frozen_as_they_are_at_the_moment() -> None:
    """What happens to the original later does not matter."""
    inner = [1]
    outer = {"a": inner}
    frozen = freeze(outer)
    inner.append(2)
    outer["b"] = []
    assert frozen == {"a": (1,)}


def test_a_foreign_model_is_copied_deep() -> None:
    """A pydantic model stays one, of its own class, and is out of reach of its giver."""
    original = Foreign(items=[1])
    kept = freeze(original)
    original.items.append(2)
    assert kept == Foreign(items=[1])
    assert type(kept) is Foreign


WRAPS: tuple[tuple[Callable[[object], object], str], ...] = (
    (lambda value: value, "value"),
    (lambda value: {"items": [0, 1, 2, value]}, "value.items[3]"),
    (lambda value: {"no name": ({1: value},)}, "value['no name'][0][1]"),
    (lambda value: Foreign(items=[], other=[value]), "value.other[0]"),
)


IN_MODELS = ("complex", "bytearray", "collections.deque", "pydantic.types.SecretStr")  # pydantic writes them


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (1j, "complex"),
        (object(), "object"),
        (bytearray(b"x"), "bytearray"),
        (deque([1]), "collections.deque"),
        (range(3), "range"),
        ((each for each in "x"), "generator"),
        (len, "builtin_function_or_method"),
        (int, "type"),
        (SecretStr("x"), "pydantic.types.SecretStr"),
        (threading.Lock(), "_thread.lock"),
        (ValueError("x"), "ValueError"),
    ],
)
def test_anything_else_is_refused(value: object, type_name: str) -> None:
    """The error is a TypeError that names the path, the type and what is allowed, and no content."""
    for wrap, path in WRAPS[:-1] if type_name in IN_MODELS else WRAPS:
        with pytest.raises(FreezeError) as caught:
            freeze(wrap(value))
        assert str(caught.value).startswith(
            f"{path} is of type {type_name}, which cannot be frozen; allowed are None, bool, int"
        )
        assert isinstance(caught.value, TypeError)


def test_elements_and_keys_have_a_path() -> None:
    """Also what has no index is found."""
    with pytest.raises(FreezeError, match=r"^value\.tags\[an element\]\[0\] is of type object"):
        freeze({"tags": {(object(),)}})
    with pytest.raises(FreezeError, match=r"^value\[a key\] is of type object"):
        freeze({object(): 1})


def test_circles_are_refused() -> None:
    """A container in itself is an error that says where, through any kinds of containers."""
    circle: list[object] = [1]
    circle.append({"back": circle})
    with pytest.raises(FreezeError, match=r"^value\[1\]\.back contains itself"):
        freeze(circle)
    mapping: dict[str, object] = {}
    mapping["self"] = mapping
    with pytest.raises(FreezeError, match=r"^value\.self contains itself"):
        freeze(mapping)
    model = Foreign(items=[])
    model.other = model
    with pytest.raises(FreezeError, match=r"^value\.other contains itself"):
        freeze(model)


def test_the_same_object_twice_is_no_circle() -> None:
    """A container may stand in two places."""
    twice = [1]
    assert freeze([twice, twice, {"a": twice}]) == ((1,), (1,), {"a": (1,)})


def nested(levels: int, wrap: Callable[[object], object], core: object = 1) -> object:
    for _ in range(levels):
        core = wrap(core)
    return core


class Bare(BaseModel):
    other: object


CONTAINERS: tuple[Callable[[object], object], ...] = (
    lambda inner: [inner],
    lambda inner: (inner,),
    lambda inner: {"a": inner},
    lambda inner: frozenset([inner]),
    lambda inner: Bare(other=inner),
)


@pytest.mark.parametrize("wrap", CONTAINERS)
def test_nesting_is_capped(wrap: Callable[[object], object]) -> None:
    """With the message around it data may be 64 levels deep; one more is a typed error, no RecursionError."""
    assert MAX_NESTING == 64
    assert depth_of(freeze(nested(63, wrap))) == 63
    for levels in (64, 200):
        with pytest.raises(NestingError, match="nested more than 64 levels deep"):
            freeze(nested(levels, wrap))


def test_far_too_deep_is_no_recursion_error() -> None:
    """The cap comes before the interpreter's own."""
    with pytest.raises(NestingError):
        freeze(nested(100_000, lambda inner: [inner]))


def test_a_model_that_cannot_be_copied() -> None:
    """A pydantic model that hides a lock is refused with a sentence."""

    class Locked(Foreign):
        _lock: object = PrivateAttr(default_factory=threading.Lock)

    with pytest.raises(
        FreezeError, match=r"^value\[0\] is a .*Locked that cannot be copied \(.*lock.*\); give its data"
    ):
        freeze([Locked(items=[])])


def test_depth() -> None:
    """The depth counts containers and models, not atoms."""
    assert [depth_of(freeze(each)) for each in (1, [], [1], {"a": [{1}]}, Point(x=1), Foreign(items=[]))] == [
        *(0, 1, 1, 3, 1, 2)
    ]


def test_model_data() -> None:
    """The data of a model are its fields and its extra, nothing else."""

    class Open(BaseModel, extra="allow"):
        a: int
        _p: int = 5

    assert model_data(Open.model_validate({"a": 1, "b": 2})) == {"a": 1, "b": 2}


def test_the_name_in_an_error() -> None:
    """Who freezes something says what it is called."""
    with pytest.raises(FreezeError, match=r"^agent\.fork\.tools\[0\] is of type object"):
        freeze([object()], "agent.fork.tools")


def test_what_is_no_data_stays_as_it_is() -> None:
    """`freeze_data` freezes each value that is data, and keeps clients, functions and circles as they are."""
    circle: list[object] = []
    circle.append(circle)
    client, data = object(), {"a": [1]}
    kept = freeze_data({"client": client, "function": len, "circle": circle, "data": data, "key": None})
    data["a"].append(2)
    assert {"client": client, "function": len, "circle": circle, "data": {"a": (1,)}, "key": None} == kept
    assert kept["circle"] is circle
    assert isinstance(kept["data"], FrozenMapping)
