"""Tests of hash keys."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from itertools import combinations
from pathlib import PurePosixPath, PureWindowsPath
from textwrap import dedent
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel

from miniagents.values import Frozen, MessageValidationError
from miniagents.values._freeze import DataPath
from miniagents.values._hash_key import HashWalk, class_name_of


class Data(Frozen):
    """Any data."""


class Other(Frozen):
    """The same data under another name."""


class Mood(Enum):
    GOOD = "good"


@dataclass(frozen=True)
class Size:
    meters: int


class Sizes(Size, Enum):
    SMALL = 1


class Foreign(BaseModel):
    x: object


def test_an_enum_of_dataclasses() -> None:
    """A member of an Enum whose members are dataclasses is a member of an Enum."""
    canonical = HashWalk().json_of(Sizes.SMALL, DataPath(None, "x"))
    assert {"$enum": f"{__name__}.Sizes.SMALL"} == canonical


def data(value: object) -> Data:
    return Data.model_validate({"value": value})


def key(value: object) -> str:
    return data(value).hash_key


DAY, NAIVE = date(2020, 1, 2), datetime(2020, 1, 2)  # noqa: DTZ001 - a naive one has a key, too
DIFFERENT: tuple[object, ...] = (
    *(None, True, False, 0, 1, 0.0, 1.0, -1, "", "1", "None", "null", "true", b"", b"1", "MQ=="),
    *([], [1], [[1]], [1, 1], {1}, set[int](), {}, {"a": 1}, {1: 1}, {"1": 1}, {True: 1, "a": 1}, {(1,): 1}),
    *({"$set": [1]}, {"$bytes": "31"}, {"$$set": [1]}, {"$map": [[1, 1]]}, {"$int": "0x1"}, {"$set": []}),
    *(Decimal("1.0"), Decimal(1), "1.0", UUID(int=1), UUID(int=1).hex, str(UUID(int=1))),
    *(DAY, NAIVE, NAIVE.replace(tzinfo=UTC), NAIVE.replace(fold=1), "2020-01-02", time(1), "01:00:00"),
    *(timedelta(1), timedelta(seconds=1), 86400, PurePosixPath("a/b"), PureWindowsPath("a/b"), "a/b"),
    *(Mood.GOOD, "good", 10**5000, 10**5000 + 1, hex(10**5000), "é", "e\u0301", "\ud800"),
    *(Data(), Other(), data(1), Foreign(x=1), Foreign(x=2), {"x": 1}, [["a", 1]], [None]),
)


def test_different_values_have_different_keys() -> None:
    """No two kinds of values are confused, also where JSON would."""
    keys = [key(each) for each in DIFFERENT]
    same = [(a, b) for (a, i), (b, j) in combinations(zip(DIFFERENT, keys, strict=True), 2) if i == j]
    assert same == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("$abc"), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_equal_exactly_if_the_same_json(one: object, two: object) -> None:
    """For plain JSON data the key tells apart what canonical JSON tells apart, and nothing else."""
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert same == (key(one) == key(two))
    assert key(one) == key(json.loads(json.dumps(one)))


@given(st.dictionaries(st.text() | st.integers(), st.integers()))
def test_order_does_not_matter(items: dict[str | int, int]) -> None:
    """The order of a mapping and of a set is not part of the data; that of a list is."""
    assert key(items) == key(dict(reversed(items.items())))
    assert key(set(items)) == key(frozenset(list(items)[::-1]))


def test_lists_and_tuples_are_the_same() -> None:
    """They are, once frozen."""
    assert key([1, [2]]) == key((1, (2,)))


def test_form() -> None:
    """40 hex digits, of sha256 over canonical JSON with the qualified class name."""
    assert len(data(1).hash_key) == 40
    assert int(data(1).hash_key, 16) > 0
    name = class_name_of(Data)
    assert name.endswith("test_hash_key.Data")
    assert key(1) == HashWalk().key(name, {"value": 1}, DataPath(None, "x"))
    # Written out, so that a change of the form, which would orphan everything persisted, is seen.
    written = rb'{"class":"a.B","fields":{"$$y":[1,{"$bytes":"00"}],"x":"\u00e9"}}'
    expected = sha256(written).hexdigest()[:40]
    assert expected == HashWalk().key("a.B", {"x": "\u00e9", "$y": (1, b"\x00")}, DataPath(None, "B"))


def test_the_class_counts() -> None:
    """Equal data of two classes have two keys."""
    assert data(1).hash_key != Other.model_validate({"value": 1}).hash_key


def test_declared_or_extra_does_not_matter() -> None:
    """The name counts, not how the class came to know it."""
    fields = {"a": 1, "b": "x"}
    walk = HashWalk()
    assert walk.key("C", fields, DataPath(None, "C")) == walk.key(
        "C", dict(reversed(fields.items())), DataPath(None, "C")
    )


def test_a_merkle_tree() -> None:
    """A nested message is known by its own key only."""
    inner = data([1, 2])
    walk = HashWalk()
    assert data(inner).hash_key == walk.key(class_name_of(Data), {"value": inner}, DataPath(None, "x"))
    imitation = data({"$frozen": inner.hash_key})
    assert data(inner).hash_key != imitation.hash_key
    assert data(inner).hash_key == data(data((1, 2))).hash_key
    assert data(inner).hash_key != data(data((2, 1))).hash_key


@pytest.mark.gate("starts interpreters")
def test_the_same_in_every_process() -> None:
    """Hash randomization, another process, another order of making: the same key."""
    program = """
        from miniagents.values import Frozen
        from miniagents.values._hash_key import HashWalk
        from miniagents.values._freeze import DataPath
        fields = {"a": frozenset("abcdef"), "b": {"x": 1, 2: (b"z", None)}}
        print(HashWalk().key("m.C", fields, DataPath(None, "C")))
    """
    run = [
        subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", dedent(program)],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert run[0] == run[1]
    assert len(run[0].strip()) == 40


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity")])
def test_nan_and_infinity(number: object) -> None:
    """A message may hold them, but has no key then; the error is a ValueError with the path."""
    message = data({"scores": [1.0, number]})
    with pytest.raises(
        MessageValidationError, match=r"^Data\.value\.scores\[1\] is NaN or infinite"
    ) as caught:
        _ = message.hash_key
    assert isinstance(caught.value, ValueError)


def test_nan_in_a_nested_message() -> None:
    """The path goes through nested messages."""
    with pytest.raises(MessageValidationError, match=r"^Data\.value\[0\]\.value is NaN"):
        _ = data([data(math.nan)]).hash_key


def test_kept_only_if_lasting() -> None:
    """What holds a model that can still be changed does not keep its key, at any depth."""
    payload = Foreign(x=1)
    message = data([data(payload)])
    before = message.hash_key
    held = message.value[0].value  # type: ignore[attr-defined]
    held.x = 2
    assert before != message.hash_key
    held.x = 1
    assert before == message.hash_key


def test_not_a_canonical_value() -> None:
    """What `freeze` would not have let in is refused here, too."""
    with pytest.raises(
        MessageValidationError, match=r"^C\.x is of type builtins\.object, which has no canonical form"
    ):
        HashWalk().key("C", {"x": object()}, DataPath(None, "C"))
