"""`Frozen`: its metaclass, what is known of a class, and its values."""

import copy
import inspect
import json
import pickle
import re
import warnings
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cached_property
from pathlib import Path
from timeit import timeit
from typing import Annotated, ClassVar, Generic, TypeVar, assert_type
from uuid import UUID

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, computed_field, field_validator
from pydantic.errors import PydanticSchemaGenerationError

from miniagents.values import (
    FreezeError,
    Frozen,
    FrozenMapping,
    FrozenMeta,
    MessageValidationError,
    NestingError,
    made_of,
)
from miniagents.values._class_facts import ClassFacts
from miniagents.values._frozen import is_frozen_error


def test_pydantic_still_has_its_metaclass() -> None:
    """The one private import of pydantic is there, and is what every model is made by."""
    assert issubclass(FrozenMeta, type(BaseModel))
    assert type(Frozen) is FrozenMeta


def test_it_adds_nothing_at_run_time() -> None:
    """A `__new__` of its own would hide the frame in which pydantic looks for local types."""
    assert not [name for name, value in vars(FrozenMeta).items() if inspect.isfunction(value)]


def test_local_types_are_found() -> None:
    """A field may name a class that is local to the function, in quotes."""

    class Local(Frozen):
        z: int

    class Outer(Frozen):
        locals_: "tuple[Local, ...]"

    assert Outer(locals_=(Local(z=1),)).locals_[0].z == 1


def test_the_error_of_pydantic_with_our_sentence() -> None:
    """It is what pydantic's frozen models raise, names the class and field, and says what to do."""
    error = is_frozen_error("Message", "text")
    assert isinstance(error, ValidationError)
    assert [("frozen_instance", ("text",))] == [(each["type"], each["loc"]) for each in error.errors()]
    assert "Message is frozen; make a changed copy with model_copy(update=...)" in str(error)


def test_no_content() -> None:
    """The error tells nothing of the values."""
    assert "input" not in str(is_frozen_error("Message", "text"))


class Talk(Frozen):
    role: ClassVar[str] = "user"
    act: ClassVar[Callable[[], int]] = lambda: 1
    level: Annotated[int, Field(gt=0)] = 1
    names: tuple[str, ...] = Field(default_factory=tuple)

    def speak(self) -> str:
        """Return a text."""
        return self.role


def test_reserved() -> None:
    """Methods and properties of the class and its bases are reserved; fields and plain data are not."""
    facts = Talk.__frozen_facts__
    assert {
        "speak",
        "act",
        "hash_key",
        "model_dump",
        "json",
        "model_config",
        "__class__",
        "_hash_key",
    } <= facts.reserved
    assert not {"role", "level", "names", "text_template", "text"} & facts.reserved
    assert facts.replaceable == {"role"}


def test_the_root_has_facts_too() -> None:
    """`Frozen` itself refuses the names of its methods."""
    assert "hash_key" in Frozen.__frozen_facts__.reserved
    assert not Frozen.__frozen_facts__.replaceable


def test_no_template() -> None:
    """A class need not have a template."""
    assert Talk.__frozen_facts__.template is None


def test_templates_are_checked_when_the_class_is_defined() -> None:
    """A wrong template is an error of the class statement, as class variable and as default of a field."""

    def wrong() -> type[Frozen]:
        class Wrong(Frozen):
            text_template: ClassVar[str] = "{a.b}"

        return Wrong

    def wrong_field() -> type[Frozen]:
        class WrongField(Frozen):
            text_template: str = "{0}"

        return WrongField

    def wrong_type() -> type[Frozen]:
        class WrongType(Frozen):
            text_template: ClassVar[int] = 5

        return WrongType

    with pytest.raises(MessageValidationError, match=r"Wrong has the field \{a\.b\}"):
        wrong()
    with pytest.raises(MessageValidationError, match=r"WrongField has the field \{0\}"):
        wrong_field()
    with pytest.raises(MessageValidationError, match="WrongType is of type int"):
        wrong_type()


def test_templates_that_are_known_later() -> None:
    """A required field and a property are checked when a value is made, not before."""

    class Later(Frozen):
        text_template: str

    class Computed(Frozen):
        @property
        def text_template(self) -> str:
            """Return a template made for each value."""
            return "{x}"

    assert Later.__frozen_facts__.template is None
    assert str(Computed.model_validate({"x": 1})) == "1"


def test_the_template_of_the_class_is_parsed_once() -> None:
    """One value after the other uses the same checked template."""

    class Greeting(Frozen):
        text_template: ClassVar[str] = "Hello!"

    facts = Greeting.__frozen_facts__
    assert facts.template is facts.template_for("Hello!")
    assert facts.template is not facts.template_for("Bye!")


def test_updates_are_validated_as_annotated() -> None:
    """Any part of the fields is checked by its annotations, and nothing is asked of the others."""
    updates = ClassFacts(Talk, Frozen).updates
    assert updates.validate_python({"level": "2"}) == {"level": 2}
    assert updates.validate_python({"names": ["a"]}) == {"names": ("a",)}
    with pytest.raises(ValidationError, match=r"for Talk\nlevel\n .*greater than 0"):
        updates.validate_python({"level": 0})


def test_updates_follow_the_configuration_of_the_class() -> None:
    """What the class says of all its fields holds for updates, too."""

    class Stripped(Frozen, str_strip_whitespace=True):
        name: str

    assert Stripped.__frozen_facts__.updates.validate_python({"name": " x "}) == {"name": "x"}


class Message(Frozen):
    """What the messages of the library look like."""

    role: ClassVar[str] = "user"
    text: str | None = Field(default=None, kw_only=False)

    def __init__(self, /, text: str | None = None, **fields: object) -> None:
        super().__init__(text=text, **fields)

    def promise(self) -> None:
        """Stand for any method."""


class CustomMessage(Message):
    custom_field: str


class Greeting(Message):
    text_template: ClassVar[str] = "Hello, {name}!"

    def __init__(self, /, text: str | None = None, **fields: object) -> None:
        super().__init__(text, **fields)


class Mood(Enum):
    GOOD = "good"


class Foreign(BaseModel):
    items: list[int]


def pickled(message: Message) -> Message:
    loaded = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own bytes
    assert isinstance(loaded, Message)
    return loaded


def held(value: object) -> object:
    """Return the value as what it is at run time: type checkers know the declared type only."""
    return value


def test_typed_constructors() -> None:
    """The documented call forms run, and have their types."""
    assert_type(Message("hi"), Message)
    assert_type(CustomMessage("hi", custom_field="x"), CustomMessage)
    assert_type(CustomMessage(text="hi", custom_field="x").custom_field, str)
    assert_type(Message("hi").text, str | None)
    assert Message("hi") == Message(text="hi")
    assert Message(text="hi", custom_field="x") == Message("hi", custom_field="x")
    assert CustomMessage("hi", custom_field="x").custom_field == "x"


def test_wrong_types_are_seen_by_checkers_and_at_run_time() -> None:
    """A wrong or missing field is an error to the type checkers and to pydantic."""
    with pytest.raises(ValidationError, match="custom_field"):
        CustomMessage("hi")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="valid string"):
        CustomMessage("hi", custom_field=5)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="valid string"):
        Message(5)  # type: ignore[arg-type]


def test_any_further_keyword_is_data() -> None:
    """It is an attribute, in the dump, and frozen; also `self` and names that are no identifiers."""
    message = Message.model_validate({"text": "hi", "meta": {"a": [1]}, "self": 1, "no name": 2})
    assert message.model_extra == {"meta": {"a": (1,)}, "self": 1, "no name": 2}
    assert message.meta["a"] == (1,)  # type: ignore[attr-defined]
    assert message.model_dump() == {"text": "hi", "meta": {"a": (1,)}, "self": 1, "no name": 2}
    with pytest.raises(AttributeError):
        _ = message.other  # type: ignore[attr-defined]


ALLOWED: dict[str, object] = {
    "none": None,
    "bytes": b"\xff\x00",
    "when": datetime(2020, 1, 2, tzinfo=UTC),
    "id": UUID(int=1),
    "path": Path("a/b"),
    "mood": Mood.GOOD,
    "message": Message("inner"),
    "foreign": Foreign(items=[1]),
    "deep": {"a": [{"b": {1, 2}}, (3,)]},
}


@pytest.mark.parametrize("name", ALLOWED)
def test_every_allowed_type_works_everywhere(name: str) -> None:
    """It can be hashed, keyed, shown, dumped, copied and pickled."""
    message = Message(None, **{name: ALLOWED[name]})
    assert isinstance(hash(message), int)
    assert len(message.hash_key) == 40
    assert name in str(message)
    assert name in repr(message)
    assert json.loads(message.model_dump_json()).keys() == {"text", name}
    for other in (copy.copy(message), copy.deepcopy(message), pickled(message), message.model_copy()):
        assert message == other
        assert message.hash_key == other.hash_key
        assert type(message) is type(other)


T = TypeVar("T")


class Boxed(Message, Generic[T]):
    """A message of a class with a parameter."""

    content: T


def test_a_class_with_a_parameter_is_pickled() -> None:
    """A pickle finds a class that was made by a parameter, in a function as well, by what it was made of."""
    for made in (Boxed[int](content=1), Boxed[Mapping[str, int]](content={"a": 1})):
        assert (made, type(made)) == (pickled(made), type(pickled(made)))


def test_half_a_surrogate_pair_is_shown() -> None:
    """A value is shown as JSON with whatever text is in it, also one that no file can be given."""
    assert '{"child":{"text":"\ud800ä"},"when":"2020-01-02"}' == str(
        Message(child=Message("\ud800ä"), when=date(2020, 1, 2))
    )


def test_frozen_as_at_construction() -> None:
    """What happens later to what was given does not matter."""
    items, foreign = [1], Foreign(items=[1])
    message = Message(None, items=items, foreign=foreign)
    key = message.hash_key
    items.append(2)
    foreign.items.append(2)
    assert message.model_dump() == {"text": None, "items": (1,), "foreign": {"items": [1]}}
    assert key == message.hash_key


def test_refused_with_the_path() -> None:
    """What cannot be frozen is a TypeError of ours that names the path, in declared and further fields."""

    class Declared(Frozen):
        anything: object

    with pytest.raises(
        FreezeError, match=r"^Message\.meta\.items\[3\] is of type object, which cannot be frozen"
    ):
        Message("hi", meta={"items": [0, 1, 2, object()]})
    with pytest.raises(FreezeError, match=r"Declared\.anything\[0\] is of type complex"):
        Declared(anything=[1j])
    with pytest.raises(FreezeError, match=r"Message\.x is of type object"):
        Message.model_construct(text="hi", x=object())
    with pytest.raises(FreezeError, match=r"Message\.x is of type object"):
        Message("hi").model_copy(update={"x": object()})


def test_circles() -> None:
    """Data in a circle is refused, not a RecursionError."""
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(FreezeError, match=r"^Message\.x\[0\] contains itself"):
        Message(None, x=circle)


def test_nesting() -> None:
    """Messages can be nested 64 deep, containers counted; one more is refused where it is made."""
    message = Message("core")
    for _ in range(63):
        message = Message(None, inner=message)
    assert len(message.hash_key) == 40
    assert len(str(message)) > 64
    with pytest.raises(NestingError, match=r"^Message\.inner is nested more than 64 levels deep"):
        Message(None, inner=message)
    with pytest.raises(NestingError):
        message.model_copy(update={"inner": copy.deepcopy(message)})
    pair = Message(None, inner=[Message("core")])
    for _ in range(30):
        pair = Message(None, inner=[pair])
    with pytest.raises(NestingError, match=r"Message\.inner\[0\] is nested"):
        Message(None, inner=[pair])


NAMES = (
    "hash_key",
    "promise",
    "model_dump",
    "model_config",
    "json",
    "copy",
    "__class__",
    "__dict__",
    "_hash_key",
    "__slots__",
)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_methods_are_refused(name: str) -> None:
    """Data cannot hide behind, or hide, an attribute of the class."""
    expected = (
        f"Message has a method or attribute named '{name}', so no data can be kept under that name; choose"
    )
    ways: tuple[Callable[[], object], ...] = (
        lambda: Message(None, **{name: 1}),
        lambda: Message.model_validate({name: 1}),
        lambda: Message("hi").model_copy(update={name: 1}),
    )
    for make in ways:
        with pytest.raises(FreezeError) as caught:
            make()
        assert str(caught.value).startswith(expected)


def test_a_class_variable_with_data_can_be_given_per_value() -> None:
    """The attribute shows what the value has, through every kind of copy; it is data like any other."""
    plain, tool = Message("hi"), Message("hi", role="tool")
    assert [plain.role, tool.role, Message.role] == ["user", "tool", "user"]
    assert plain != tool
    assert tool.model_dump() == {"text": "hi", "role": "tool"}
    assert pickled(tool).role == "tool"
    assert tool.model_copy(update={"text": "x"}).role == "tool"
    assert tool.model_copy(update={"role": "system"}).role == "system"
    assert plain.model_copy(update={"role": "system"}).role == "system"
    assert tool.hash_key != tool.model_copy(update={"role": "system"}).hash_key


CHANGES: tuple[Callable[[Message], object], ...] = (
    lambda message: setattr(message, "text", "x"),
    lambda message: setattr(message, "new", "x"),
    lambda message: setattr(message, "extra", "x"),
    lambda message: setattr(message, "role", "x"),
    lambda message: setattr(message, "hash_key", "x"),
    lambda message: delattr(message, "text"),
    lambda message: delattr(message, "extra"),
)


@pytest.mark.parametrize("change", CHANGES)
def test_attributes_cannot_be_set_or_deleted(change: Callable[[Message], object]) -> None:
    """Every attempt is pydantic's error with a sentence that says what to do, and nothing has changed."""
    message = Message("hi", extra=1)
    with pytest.raises(ValidationError, match="Message is frozen; make a changed copy with model_copy"):
        change(message)
    assert message == Message("hi", extra=1)


def test_no_way_in_through_the_extra_data() -> None:
    """The mapping of the further data is frozen, also an empty one."""
    for message in (Message("hi"), Message("hi", a=1)):
        extra = message.model_extra
        assert isinstance(extra, FrozenMapping)
        with pytest.raises(TypeError, match="frozen"):
            extra["a"] = 2  # type: ignore[index, assignment]  # type checkers refuse it too


def test_private_attributes_are_no_data() -> None:
    """A subclass may have private attributes, which can be set, and count for nothing."""

    class Counting(Message):
        _count: int = PrivateAttr(default=0)

        def counted(self) -> int:
            """Count one more, and return the count."""
            self._count += 1  # type: ignore[misc]  # to mypy all of a frozen class is read-only
            return self._count

    one, two = Counting("hi"), Counting("hi")
    assert [one.counted(), one.counted()] == [1, 2]
    assert one == two
    assert one.hash_key == two.hash_key


def test_equality_considers_the_class() -> None:
    """Equal data of two classes are not equal values."""

    class Other(Message):
        """The same fields."""

    assert Message("hi") == Message("hi")
    assert Message("hi") != Other("hi")
    assert Message("hi") != "hi"
    assert Message("hi") != Message("ho")
    assert Message("hi", a=1, b=2) == Message("hi", b=2, a=1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_equal_values_have_equal_hashes(one: object, two: object) -> None:
    """`__hash__` agrees with `__eq__`, and equal data made twice agree in everything."""
    first, second = Message(None, x=one), Message(None, x=two)
    if first == second:
        assert hash(first) == hash(second)
    again = Message(None, x=copy.deepcopy(one))
    assert first == again
    assert hash(first) == hash(again)
    assert first.hash_key == again.hash_key
    assert {first: 1}[again] == 1


def test_round_trip_through_json() -> None:
    """Declared fields come back from JSON as they were, bytes and not-a-number too."""

    class Full(Frozen):
        data: bytes
        when: datetime
        score: float
        path: Path
        mood: Mood

    full = Full(
        data=b"\xff",
        when=datetime(2020, 1, 2, tzinfo=UTC),
        score=float("inf"),
        path=Path("a"),
        mood=Mood.GOOD,
    )
    assert full == Full.model_validate_json(full.model_dump_json())


def test_round_trip_of_a_computed_field() -> None:
    """A computed field is in the JSON, and is computed anew when the JSON is read."""

    class Box(Frozen):
        side: int

        @computed_field  # type: ignore[prop-decorator]  # as pydantic says: mypy knows no decorated properties
        @property
        def area(self) -> int:
            """Side times side."""
            return self.side**2

    box = Box(side=3)
    assert '{"side":3,"area":9}' == box.model_dump_json()
    assert box == Box.model_validate_json(box.model_dump_json())
    assert 4 == Box.model_validate({"side": 2, "area": 9, "colour": "red"}).area


def test_updates_are_frozen_and_checked() -> None:
    """A changed copy is made like a new value: validated, frozen, with its own hash key."""
    message = CustomMessage("hi", custom_field="x")
    before = message.hash_key
    changed = message.model_copy(update={"text": "ho", "items": [1]})
    assert changed.model_extra == {"items": (1,)}
    assert [before, "hi"] == [message.hash_key, message.text]
    assert changed.hash_key != before
    assert changed == CustomMessage.model_validate({"text": "ho", "custom_field": "x", "items": [1]})
    assert changed.hash_key == CustomMessage.model_validate(changed.model_dump()).hash_key
    assert changed.model_fields_set == {"text", "custom_field", "items"}
    with pytest.raises(ValidationError, match="valid string"):
        message.model_copy(update={"text": 5})


def test_updates_of_declared_containers() -> None:
    """They are validated as annotated, then frozen."""

    class Numbers(Frozen):
        items: tuple[int, ...] = ()

    changed = Numbers().model_copy(update={"items": ["5"]})
    assert changed.items == (5,)
    assert changed.model_dump() == {"items": (5,)}


@pytest.mark.parametrize("deep", [False, True])
def test_no_stale_caches_in_copies(deep: bool) -> None:
    """Neither the hash key nor a cached property goes into a changed copy."""

    class Cached(Message):
        @cached_property
        def shout(self) -> str:
            """Return the text in capitals."""
            return (self.text or "").upper()

    message = Cached("hi")
    assert [message.shout, len(message.hash_key)] == ["HI", 40]
    assert message == Cached("hi")
    changed = message.model_copy(update={"text": "ho"}, deep=deep)
    assert changed.shout == "HO"
    assert changed.hash_key == Cached("ho").hash_key
    assert message.model_copy(deep=deep).hash_key == message.hash_key


def test_validators_of_subclasses_run() -> None:
    """A validator may change a value before it is frozen."""

    class Sorted(Frozen):
        items: tuple[int, ...]

        @field_validator("items")
        @classmethod
        def _in_order(cls, items: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(sorted(items))

    assert Sorted(items=(2, 1)).items == (1, 2)


def test_model_construct_freezes() -> None:
    """Without validation, too, data are frozen and checked for allowed types."""
    made = Message.model_construct(text="hi", items=[1])
    assert made == Message("hi", items=(1,))


def test_text() -> None:
    """`str` of a value is its text, also an empty one."""
    assert [str(Message("hi")), str(Message("")), f"{Message('hi')}"] == ["hi", "", "hi"]
    assert str(Frozen(text="free")) == "free"


def test_template() -> None:
    """Without a text it is the template filled in, of the class, of a field or of the value itself."""

    class Declared(Message):
        text_template: str = "{a}-{b}"
        a: int = 1

    assert str(Greeting(name="Ada")) == "Hello, Ada!"
    assert str(Greeting("hi", name="Ada")) == "hi"
    assert str(Message(text_template="{{{a}}} {m}", a=[1], m=Message("inner"))) == "{(1,)} inner"
    assert str(Declared.model_validate({"b": 2})) == "1-2"
    assert str(Greeting(text_template="Bye, {name}!", name="Ada")) == "Bye, Ada!"
    assert str(Message(text_template=None)) == '{"text_template":null}'


def test_a_wrong_template_of_a_value() -> None:
    """It is refused when the value is built, in every way of building."""
    with pytest.raises(ValidationError, match=r"the text_template of Message has the field \{a\.b\}"):
        Message(text_template="{a.b}")
    with pytest.raises(ValidationError, match="is of type int; give a str"):
        Message(text_template=5)
    with pytest.raises(MessageValidationError):
        Message().model_copy(update={"text_template": "{0}"})


def test_a_field_that_the_template_misses() -> None:
    """It is named when the text is asked for, with the fields there are."""
    with pytest.raises(
        MessageValidationError, match=r"names the field 'name', which does not exist; known fields: age, nme$"
    ):
        str(Greeting(nme="Ada", age=3))


def test_json_as_the_last_resort() -> None:
    """Without text and template it is the JSON of the data, without the empty text."""
    assert str(Message(a=[1, {"b": None}])) == '{"a":[1,{"b":null}]}'
    assert str(Message()) == "{}"
    assert str(CustomMessage(custom_field="x")) == '{"custom_field":"x"}'


def test_a_method_named_text_is_no_text() -> None:
    """A subclass that computes its text may do so by a property; a method is not called."""

    class Method(Frozen):
        x: int = 1

        def text(self) -> str:
            """Return a text."""
            return "method"

    class Property(Frozen):
        @property
        def text(self) -> str:
            """Return a text."""
            return "property"

    assert [str(Method()), str(Property())] == ['{"x":1}', "property"]


def test_nan_is_no_hash_key_but_a_message() -> None:
    """A message may hold NaN; its hash key is an error that names the field."""
    message = Message(None, score=float("nan"))
    with pytest.raises(MessageValidationError, match=r"^Message\.score is NaN"):
        _ = message.hash_key
    assert str(message) == '{"score":"NaN"}'


def test_no_warnings() -> None:
    """Defining, making, dumping and copying warn of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Fresh(Message):
            items: tuple[int, ...] = Field(default=(1,))

        fresh = Fresh("hi", items=(2,))
        Fresh.model_validate(fresh.model_copy(update={"items": [3]}).model_dump())
        fresh.model_dump_json()


def test_can_be_referred_to_weakly() -> None:
    """Promises keep messages in weak mappings."""
    frozen = Frozen(a=1)
    assert weakref.ref(frozen)() is frozen


def test_construction_is_fast() -> None:
    """Making a message of one text costs a small multiple of what pydantic itself takes (about the same)."""

    class Plain(BaseModel):
        text: str | None = None

    # In turns and in short rounds: on a busy machine a long round is never undisturbed.
    rounds = [
        (timeit(lambda: Message("hi"), number=50), timeit(lambda: Plain(text="hi"), number=50))
        for _ in range(200)
    ]
    ours, theirs = map(min, zip(*rounds, strict=True))
    assert ours < 4 * theirs


class Unknown:
    """Nothing that pydantic knows."""


def test_a_class_is_checked_where_it_is_defined() -> None:
    """A field of a type that cannot be validated is refused with its class; if deferred, at first use."""
    with pytest.raises(PydanticSchemaGenerationError):

        class Checked(Frozen):  # pyright: ignore[reportUnusedClass]  # it must not come to be
            value: Unknown

    class Deferred(Frozen, deferred=True):
        value: Unknown

    with pytest.raises(PydanticSchemaGenerationError):
        Deferred(value=Unknown())


class Inner(BaseModel):
    """A model that is no frozen value."""

    name: str = ""
    tags: list[str] = []


class Plain(Frozen):
    """A class that only looks at types."""

    text: str | None = None
    number: int = 0
    inner: Inner | None = None


class Upper(Plain):
    """A class with a validator of its own."""

    @field_validator("text")
    @classmethod
    def _upper(cls, text: str | None) -> str | None:
        return None if text is None else text.upper()


class Bounded(Frozen):
    """A class with a constraint."""

    number: Annotated[int, Field(ge=0)]


class Templated(Frozen):
    """A class with a template for each value."""

    text_template: str = "{a}"


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Plain, {}),
        (Plain, {"text": "x", "number": 5, "more": 1.5}),
        (Plain, {"number": "5"}),
        (Plain, {"number": True}),
        (Plain, {"inner": Inner(name="a")}),
        (Plain, {"inner": Inner(name="a", tags=["b"])}),
        (Plain, {"inner": {"name": "a"}}),
        (Plain, {"data": {"a": [1]}}),
        (Plain, {"text_template": "{number}"}),
        (Upper, {"text": "x"}),
        (Bounded, {"number": 5}),
        (Templated, {"a": 1}),
    ],
)
def test_made_of_is_the_constructor(kind: type[Frozen], given: dict[str, object]) -> None:
    """What `made_of` makes is what the constructor makes, to the last attribute; it shares no data."""
    made, called = made_of(kind, given), kind(**given)
    assert made == called
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
        assert getattr(made, name) == getattr(called, name)
    assert list(made.__dict__) == list(called.__dict__)
    assert (made.hash_key, str(made), repr(made)) == (called.hash_key, str(called), repr(called))
    inner: object = getattr(made, "inner", None)
    assert inner is None or inner is not given["inner"]


@pytest.mark.parametrize(
    ("kind", "given"),
    [(Bounded, {"number": -1}), (Bounded, {}), (Plain, {"number": "x"}), (Plain, {"hash_key": "x"})],
)
def test_made_of_refuses_what_the_constructor_refuses(kind: type[Frozen], given: dict[str, object]) -> None:
    """What the constructor refuses `made_of` refuses with the same error."""
    with pytest.raises((ValidationError, FreezeError)) as made:
        made_of(kind, given)
    with pytest.raises(type(made.value), match=re.escape(str(made.value).splitlines()[0])):
        kind(**given)


def test_made_of_does_without_the_validator() -> None:
    """Values of exactly the declared types are not validated, which is what makes it cheap."""
    facts = Plain.__frozen_facts__.plain
    assert facts is not None
    assert facts.filled({"text": "x"}) == ({"text": "x", "number": 0, "inner": None}, None)
    assert facts.filled({"number": "5"}) is None
    assert [each.__frozen_facts__.plain for each in (Upper, Templated)] == [None, None]
