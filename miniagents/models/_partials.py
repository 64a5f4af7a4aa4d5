"""Partials: a pydantic model of which only the beginning has come.

**A partial is a prefix, and has the right types.** A text that has not ended contains what has come; a text
or a list that has not begun is empty; a field with a default has its default until it comes. A number, a
date, or any other type that cannot be cut must be complete: as long as a required one is missing, there is no
partial. A complete value is validated once, even if many partials contain it. A `Plan` says how a type comes
in pieces.

The cost of a partial, in time and in memory, grows with the length of the containers that are still open,
since the stream keeps all partials. So each character that comes adds to a budget, and a partial that would
cost more than the budget is skipped: all partials of a document together take linear time and memory.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Final, Generic, TypeGuard, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from typing_extensions import override

from miniagents.values import Frozen, JsonError, JsonFrame, JsonParser, freeze


class MissingType:
    """The type of `MISSING`."""


MISSING: Final = MissingType()
"""There is no such value yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a type comes in pieces; a value with this plan must be complete.

    Attributes:
        adapter: validates complete values; None for a field that the model does not have.
    """

    adapter: TypeAdapter[object] | None

    def validated(self, raw: object) -> object:
        """Return the value of complete JSON.

        Args:
            raw: as `json.loads` returns it.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        return raw if self.adapter is None else self.adapter.validate_json(json.dumps(raw))

    def empty(self) -> object:
        """Return the value before it has begun; `MISSING` if there is none."""
        return MISSING


@dataclass(frozen=True, slots=True)
class Text(Plan):
    """The plan of a text: each prefix of a text is a text."""

    @override
    def empty(self) -> object:
        return ""


@dataclass(frozen=True, slots=True)
class Items(Plan):
    """The plan of a list: each prefix of a list is a list.

    Attributes:
        item: the plan of its items.
        make: makes the list or tuple.
    """

    item: Plan
    make: Callable[[Iterable[object]], object]

    @override
    def empty(self) -> object:
        return self.make(())


@dataclass(frozen=True, slots=True)
class ObjectField:
    """A field of a model.

    Attributes:
        name: in the model; the JSON may have another key.
        plan: how it comes in pieces.
        required: True if it has no default.
    """

    name: str
    plan: Plan
    required: bool


@dataclass(frozen=True, slots=True)
class Object(Plan):
    """The plan of a model: its fields come one after the other.

    Attributes:
        model: its class.
        fields: by their keys in the JSON.
    """

    model: type[BaseModel]
    fields: dict[str, ObjectField]

    @override
    def empty(self) -> object:
        return self.beginning({})

    def beginning(self, found: Mapping[str, object]) -> object:
        """Return the model with the values that have come; `MISSING` if a required one is missing.

        Args:
            found: values by their keys.
        """
        values: dict[str, object] = {}
        for key, each in self.fields.items():
            if key in found:
                values[each.name] = found[key]
            elif each.required:
                values[each.name] = each.plan.empty()
        if MISSING in values.values():
            return MISSING
        if issubclass(self.model, Frozen):
            values = {name: freeze(value) for name, value in values.items()}
        with suppress(Exception):  # code of the model, such as `model_post_init`, may need what has not come
            return self.model.model_construct(None, **values)
        return MISSING


def plan_of(model: type[BaseModel]) -> Plan:
    """Return the plan of a model.

    Args:
        model: the class; it may contain itself.
    """
    return _object(model, {})


def item_type(annotation: object) -> object:
    """Return the type of the items of a list type; `MISSING` if it is not a list type."""
    inner = _without_none(annotation)
    arguments = get_args(inner)
    if get_origin(inner) in {list, Sequence} and len(arguments) == 1:
        return arguments[0]
    if get_origin(inner) is tuple and arguments[1:] == (...,):
        return arguments[0]
    return MISSING


def adapter_of(annotation: object, model: type[BaseModel]) -> TypeAdapter[object]:
    """Return what validates a value of a model as the model does.

    Args:
        annotation: of the value.
        model: its configuration holds for values that have none of their own.
    """
    kind = cast("type[object]", annotation)
    try:
        return TypeAdapter(kind, config=model.model_config)
    except PydanticUserError:  # it has one of its own
        return TypeAdapter(kind)


def _plan(annotation: object, model: type[BaseModel], known: dict[type[BaseModel], Object]) -> Plan:
    adapter = adapter_of(annotation, model)
    bare = annotation
    while get_origin(bare) is Annotated:
        bare = get_args(bare)[0]
    bare = _without_none(bare)
    if bare is str:
        return Text(adapter)
    if _is_model(bare):
        return replace(_object(bare, known), adapter=adapter)  # which may take None, too
    item = item_type(bare)
    if item is MISSING:
        return Plan(adapter)
    return Items(adapter, _plan(item, model, known), tuple if get_origin(bare) is tuple else list)


def _object(model: type[BaseModel], known: dict[type[BaseModel], Object]) -> Plan:
    if model in known:
        return known[model]
    keys = {name: key_of(name, info) for name, info in model.__pydantic_fields__.items()}
    adapter = cast("TypeAdapter[object]", TypeAdapter(model))
    if None in keys.values() or model.__pydantic_root_model__:
        return Plan(adapter)
    made = known[model] = Object(adapter, model, {})
    for name, info in model.__pydantic_fields__.items():
        annotation: object = info.annotation
        if info.metadata:
            annotation = Annotated[(annotation, *info.metadata)]
        made.fields[str(keys[name])] = ObjectField(name, _plan(annotation, model, known), info.is_required())
    return made


def key_of(name: str, info: FieldInfo) -> str | None:
    """Return the key of a field in JSON; None if its alias is a path or several keys.

    Args:
        name: of the field.
        info: about it.
    """
    alias = info.validation_alias or info.alias or name
    return alias if isinstance(alias, str) else None


def _without_none(annotation: object) -> object:
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [each for each in get_args(annotation) if each is not NoneType]
        return kinds[0] if len(kinds) == 1 else annotation
    return annotation


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


T = TypeVar("T", bound=BaseModel)

# The unit is an item of a list that is copied and compared, of 8 bytes; `_CHARACTERS` of a text cost as much
# as one item. The budget begins with 2 MB (enough for a partial at each token of a text of 4,000 characters),
# and each character adds 64 bytes.
_AT_FIRST: Final = 1 << 18
_PER_CHARACTER: Final = 8
_CHARACTERS: Final = 8


@dataclass(slots=True)
class _Open:
    """An open container, with its complete values as the model has them."""

    frame: JsonFrame
    plan: Plan
    items: list[object] = field(default_factory=list[object])
    fields: dict[str, object] = field(default_factory=dict[str, object])
    keys: int = 0

    def take(self) -> None:
        """Validate the new values."""
        value = self.frame.value
        if isinstance(value, list) and isinstance(self.plan, Items):
            self.items += [self.plan.item.validated(each) for each in value[len(self.items) :]]
        elif isinstance(value, dict) and isinstance(self.plan, Object):
            new = islice(reversed(value.items()), len(value) - self.keys)  # not all: there may be many
            for key, each in reversed(list(new)):
                if key in self.plan.fields:
                    self.fields[key] = self.plan.fields[key].plan.validated(each)
            self.keys = len(value)

    def plan_inside(self) -> Plan:
        """Return the plan of the value inside that is still open."""
        if isinstance(self.plan, Items):
            return self.plan.item
        if isinstance(self.plan, Object) and self.frame.key in self.plan.fields:
            return self.plan.fields[self.frame.key].plan
        return Plan(None)


class Partials(Generic[T]):
    """Takes the JSON of a model piece by piece.

    Args:
        model: the type.
    """

    def __init__(self, model: type[T]) -> None:
        self._model = model
        self._plan = plan_of(model)
        self._machine = JsonParser(depth=0, ignore_rest=True)
        self._open: list[_Open] = []
        self._last: T | None = None
        self._allowed = _AT_FIRST
        self._broken = False

    def feed(self, text: str) -> T | None:
        """Take the next piece of text.

        Args:
            text: of any length.

        Returns:
            The model as far as it has come, if this is a new partial; else None. It is always None after text
            that is not JSON or does not fit the model.
        """
        if self._broken:
            return None
        self._allowed += _PER_CHARACTER * len(text)
        try:
            self._machine.feed(text)
            partial = self._partial()
        except (JsonError, ValidationError):
            self._broken = True
            return None
        if partial is None or partial == self._last:
            return None
        self._last = partial
        return partial

    def _partial(self) -> T | None:
        if self._machine.closed:
            self._broken = True  # nothing can follow
            return self._model.model_validate_json(json.dumps(self._machine.finish()))
        self._align()
        items = sum(len(each.items) + len(each.fields) + 1 for each in self._open)
        cost = items + self._machine.open_length // _CHARACTERS
        if not self._open or cost > self._allowed:
            return None
        self._allowed -= cost
        made = self._value(0)
        return made if isinstance(made, self._model) else None

    def _align(self) -> None:
        """Update `_open` to the containers that are open in the parser now."""
        frames = self._machine.frames
        same = 0
        while same < min(len(frames), len(self._open)) and self._open[same].frame is frames[same]:
            same += 1
        del self._open[same:]
        for frame in frames[same:]:
            self._open.append(_Open(frame, self._open[-1].plan_inside() if self._open else self._plan))
        for each in self._open:
            each.take()

    def _value(self, level: int) -> object:
        """Return the value of an open container as far as it has come."""
        this = self._open[level]
        inside: object = MISSING
        if level + 1 < len(self._open):
            inside = self._value(level + 1)
        elif isinstance(this.plan_inside(), Text):
            text = self._machine.open_text
            inside = MISSING if text is None else text
        match this.plan:
            case Items(make=make):
                return make([*this.items, *([] if inside is MISSING else [inside])])
            case Object() as plan:
                key = this.frame.key
                found = this.fields if inside is MISSING or key is None else {**this.fields, key: inside}
                return plan.beginning(found)
            case _:
                return MISSING
