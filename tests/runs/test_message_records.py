"""Messages become records, records become JSON, and all of it comes back."""

import enum
import json
import logging
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import ClassVar, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, HttpUrl

from miniagents.ext._history._markdown_format import write_record
from miniagents.ext._history._markdown_reader import Note, scan
from miniagents.messages import AssistantMessage, ErrorMessage, Message, SystemMessage, UserMessage
from miniagents.messages._message import message_of
from miniagents.runs import Json, Record, Registry, decode_data, encode_data
from miniagents.values import FrozenMapping, freeze
from tests.ext.history.samples import TEXTS


def test_a_record_is_a_frozen_value() -> None:
    """Equal fields make equal records, and none can be changed."""
    record = Record("user", text="hi")
    assert Record(role="user", class_name="Message", text="hi", data={}) == record
    with pytest.raises(AttributeError):
        record.text = "other"  # type: ignore[misc]  # what is tested


def test_a_note_is_about_new_damage_unless_it_says_otherwise() -> None:
    """Only damage that a later append has sealed is settled."""
    assert not Note(0, "torn").settled


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


class Colour(enum.Enum):
    """A value that JSON has no word for."""

    RED = "red"


class PointRegistry(BaseModel):
    """A model that is no message."""

    x: int


class Custom(AssistantMessage):
    """A message class of a user."""

    custom_field: str
    due: date = date(2024, 2, 29)
    colour: Colour = Colour.RED
    point: PointRegistry = PointRegistry(x=1)
    tags: tuple[str, ...] = ()
    inner: Message | None = None


class Template(Message):
    """A message without text."""

    text_template: ClassVar[str] = "Hello {name}"
    name: str


def _made(cls: type[Message], text: str | None = None, **data: object) -> Message:
    return message_of(cls, text, data)


def _through_file(message: Message, *classes: type[Message]) -> Message:
    registry = Registry(classes)
    (record,) = scan(write_record(registry.record_of(message))).records
    return Registry(classes).message_of(record)


@pytest.mark.parametrize(
    "message",
    [
        Message("Hello"),
        Message(),
        Message(""),
        Message("Hello", role="tool", model="m", finish_reason="stop", usage={"in": 1, "out": [2, 3]}),
        _made(
            UserMessage,
            "Hi",
            cost=Decimal("1.10"),
            day=date(2024, 2, 29),
            path=Path("a"),
            raw=b"\x00",
            some={1, 2},
        ),
        _made(SystemMessage, "Be nice.", nothing=None, yes=True, ratio=0.1, pairs={1: "a", "$x": "b"}),
        _made(AssistantMessage, "\ud800 \x07", odd="\ud83d\udca9"),
        ErrorMessage("oops", error_type="ValueError", error_text="x", agent_alias="A"),
        Message(
            "outer",
            inner=_made(UserMessage, "inner", deep=(Message(None, n=1), {"k": _made(SystemMessage, "s")})),
        ),
        Message("a set", some={Message("in a set")}),
        _made(
            Custom,
            "Hello",
            custom_field="x",
            tags=["a"],
            inner=_made(Custom, "in", custom_field="y"),
            more=Decimal(1),
        ),
        Template(name="you"),
    ],
    ids=repr,
)
def test_a_message_comes_back(message: Message) -> None:
    """Its class, its text, its fields and any other data, also in nested messages, are the same."""
    back = _through_file(message, Custom, Template)
    assert message == back
    assert (type(message), message.role, message.hash_key) == (type(back), back.role, back.hash_key)


def test_what_has_no_text_is_shown() -> None:
    """A message of data only stands in the file as it reads, and comes back without text."""
    registry = Registry([Template])
    assert b"\n\nHello you\n\n" in write_record(registry.record_of(Template(name="you")))
    assert _through_file(Template(name="you"), Template).text is None


def test_an_unknown_class_is_a_message_of_its_role() -> None:
    """A class that is not in the list is never looked for; its data is kept."""
    back = _through_file(Custom("Hello", custom_field="x"))
    assert (Message, "assistant", "Hello", "x", "red") == (
        type(back),
        back.role,
        back.text,
        back.custom_field,  # type: ignore[attr-defined]  # data
        back.colour,  # type: ignore[attr-defined]  # data
    )
    named = Record("user", "os.system", "rm", data={"x": 1})
    assert Message("rm", x=1) == Registry().message_of(named)


def test_a_foreign_class_of_a_known_name_is_not_mistaken() -> None:
    """A user's own class with the name of another one is written under its full name."""
    own = type("UserMessage", (Message,), {"__module__": "somewhere"})
    back = _through_file(own("Hi"))
    assert (Message, "Hi") == (type(back), back.text)
    assert "somewhere.UserMessage" == Registry().record_of(own("Hi")).class_name


def test_data_that_does_not_fit_its_class(caplog: pytest.LogCaptureFixture) -> None:
    """A file that was edited by hand, or a class that has changed, gives a plain message, and a warning."""
    registry = Registry([Custom])
    with caplog.at_level(logging.WARNING):
        back = registry.message_of(Record("assistant", "Custom", "Hi", data={"due": "never", "text": "no"}))
        bare = registry.message_of(Record("user", "Message", "Hi", data={"hash_key": "no"}))
    assert Message("Hi", role="assistant", due="never") == back
    assert Message("Hi", role="user") == bare
    assert 3 == len(caplog.records)


def test_a_nested_message_that_makes_no_sense_is_data() -> None:
    """What only looks like a nested message stays a mapping."""
    back = Registry().message_of(Record("user", data={"a": {"$message": {"role": 1}}}))
    assert {"$message": {"role": 1}} == back.a  # type: ignore[attr-defined]  # data


def test_what_the_list_takes() -> None:
    """Subclasses of `Message`, no two of one name; the same one twice is one."""
    with pytest.raises(TypeError, match="takes subclasses of Message; <class 'int'> is not one"):
        Registry([int])  # type: ignore[list-item]  # what is tested
    with pytest.raises(ValueError, match="two message classes are called Custom"):
        Registry([Custom, type("Custom", (Message,), {})])
    Registry([Custom, Custom, Message])


@dataclass(frozen=True)
class Corner:
    x: Fraction
    y: int = 0


class Drawing(Message):
    first: Corner
    link: HttpUrl
    hosts: tuple[IPv4Address, ...]


def test_dataclasses_and_urls() -> None:
    """A history or a journal keeps a message whose fields are dataclasses, URLs or IP addresses."""
    hosts = (IPv4Address("10.0.0.1"),)
    drawing = Drawing(first=Corner(Fraction(1, 2)), link=HttpUrl("http://example.org/a"), hosts=hosts)
    form = Registry([Drawing])
    assert drawing == form.message_of(form.record_of(drawing))
