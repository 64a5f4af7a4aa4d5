"""Data as JSON and back."""

import enum
import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from miniagents.ext._history._data_json import decode_data, encode_data
from miniagents.ext._history._record import Json
from miniagents.values import FrozenMapping, freeze
from tests.ext.history.samples import TEXTS


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


_BERLIN = ZoneInfo("Europe/Berlin")
_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.sampled_from([None, UTC, _BERLIN, timezone(timedelta(hours=-3, minutes=-7))]))
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.sampled_from([Path("a/b"), PurePosixPath("/x"), PureWindowsPath("C:\\x")])
)
_HASHABLE = st.recursive(_ATOMS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
_KEYS = _HASHABLE | st.sampled_from(["$date", "$map", "$", "model"])
_VALUES = st.recursive(
    _HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(_HASHABLE, max_size=3)
        | st.dictionaries(_KEYS, inner, max_size=3)
    ),
    max_leaves=6,
)


def _through_json(value: object) -> object:
    return decode_data(json.loads(json.dumps(encode_data(value))))


def _typed(value: object) -> object:
    """The value with the types that `==` does not tell apart (1, True, 1.0)."""
    if isinstance(value, dict):
        return [(_typed(key), _typed(item)) for key, item in cast("dict[object, object]", value).items()]
    if isinstance(value, tuple):
        return [_typed(item) for item in cast("tuple[object, ...]", value)]
    return type(value), repr(value) if isinstance(value, float) else value


@given(_VALUES.map(freeze))
def test_data_comes_back(value: object) -> None:
    """Whatever a message may hold comes back equal and of the same types."""
    back = _through_json(value)
    assert value == back
    assert _typed(value) == _typed(back)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2024, 10, 27, 2, 30, tzinfo=_BERLIN, fold=0),
        datetime(2024, 10, 27, 2, 30, tzinfo=_BERLIN, fold=1),
        datetime(2024, 3, 31, 2, 30, tzinfo=_BERLIN),
        datetime(2024, 2, 29, tzinfo=UTC),
    ],
)
def test_moments_keep_their_zone(value: datetime) -> None:
    """Also in the hour that comes twice and the one that never comes."""
    back = _through_json(value)
    assert isinstance(back, datetime)
    assert (value.isoformat(), value.fold, value.tzinfo) == (back.isoformat(), back.fold, back.tzinfo)


def test_numbers_json_does_not_know() -> None:
    """Infinities, NaN and the negative zero come back."""
    assert (math.inf, -math.inf) == _through_json((math.inf, -math.inf))
    assert math.isnan(_through_json({"a": math.nan})["a"])  # type: ignore[index]  # a mapping
    assert "-0.0" == repr(_through_json(-0.0))


@pytest.mark.parametrize("value", [{"$date": "2024-02-29"}, {"$map": ()}, {"$set": (1,)}, {"$new": 1}])
def test_a_mapping_that_looks_like_a_tag(value: dict[str, object]) -> None:
    """Data of a user whose key begins with `$` is not taken for one of our tags."""
    assert value == _through_json(value)


def test_the_lossy_rules() -> None:
    """A list and a named tuple become a tuple, a set a frozenset, an Enum its value."""
    colour = enum.Enum("colour", {"RED": "red"})
    empty = list[object]()
    value: list[object] = [[1], {2}, colour.RED, Point(1, 2), {"a": empty}]
    assert ((1,), frozenset({2}), "red", (1, 2), FrozenMapping(a=())) == _through_json(value)


def test_what_cannot_be_kept_is_refused() -> None:
    """An object that is no data is an error that names its type."""
    with pytest.raises(TypeError, match="cannot keep a value of type object;"):
        encode_data({"a": [object()]})


def test_others_are_asked_for_what_is_unknown() -> None:
    """The caller may know more types, by tags of its own."""

    def encode(value: object) -> Json:
        return {"$complex": str(value)}

    def decode(tag: str, content: object) -> complex:
        assert "$complex" == tag
        return complex(str(content))

    assert (1j,) == decode_data(encode_data([1j], encode), decode)


@pytest.mark.parametrize(
    "json_value",
    [
        {"$date": "no date"},
        {"$unknown": 1},
        {"$bytes": "***"},
        {"$decimal": "x"},
        {"$map": [[1]]},
        {"$uuid": 5},
        {"$set": [{"$map": [[{"$set": 0}, 1]]}, 1], "more": 1},
    ],
)
def test_nonsense_stays_what_it_is(json_value: dict[str, object]) -> None:
    """A tag with nonsense in it, or of a later version, stays a mapping."""
    assert isinstance(decode_data(json_value), FrozenMapping)  # type: ignore[arg-type]  # JSON


def test_an_unknown_zone_keeps_the_moment() -> None:
    """Where the zone is not known the moment comes with its fixed offset."""
    back = decode_data({"$datetime": ["2024-01-01T00:00:00+01:00", "Nowhere/Town"]})
    assert datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1))) == back


def test_it_reads_well() -> None:
    """The JSON is what one would write by hand."""
    value = {"day": date(2024, 2, 29), "at": time(9), "id": UUID(int=1), "cost": Decimal("1.10"), "n": (1,)}
    assert {
        "day": {"$date": "2024-02-29"},
        "at": {"$time": "09:00:00"},
        "id": {"$uuid": "00000000-0000-0000-0000-000000000001"},
        "cost": {"$decimal": "1.10"},
        "n": [1],
    } == encode_data(value)
