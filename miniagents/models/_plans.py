"""How the types of a pydantic model come in pieces: which have a beginning, and which must be whole."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Final, TypeGuard, Union, cast, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from typing_extensions import override

from miniagents.values import Frozen, freeze

__all__ = ["MISSING", "Items", "MissingType", "Object", "ObjectField", "Plan", "Text", "item_type", "plan_of"]


class MissingType:
    """The type of `MISSING`."""


MISSING: Final = MissingType()
"""There is no such value yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a type comes; this one must be whole.

    Attributes:
        adapter: validates what is complete; None for what the model does not know.
    """

    adapter: TypeAdapter[object] | None

    def validated(self, raw: object) -> object:
        """Return the value of complete JSON.

        Args:
            raw: what `json.loads` makes of it.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        return raw if self.adapter is None else self.adapter.validate_json(json.dumps(raw))

    def empty(self) -> object:
        """Return what it is before it has begun."""
        return MISSING


@dataclass(frozen=True, slots=True)
class Text(Plan):
    """A text: any beginning of it is one."""

    @override
    def empty(self) -> object:
        return ""


@dataclass(frozen=True, slots=True)
class Items(Plan):
    """A list: any beginning of it is one.

    Attributes:
        item: how its items come.
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
        name: in the model; in the JSON it is the key.
        plan: how it comes.
        required: there is no default.
    """

    name: str
    plan: Plan
    required: bool


@dataclass(frozen=True, slots=True)
class Object(Plan):
    """A model, whose fields come one after the other.

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
        """Return the model with what has come; `MISSING` if that cannot be.

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
        return self.model.model_construct(None, **values)


def plan_of(model: type[BaseModel]) -> Plan:
    """Return how a model comes.

    Args:
        model: the class; it may contain itself.

    Example:
        >>> class City(BaseModel):
        ...     name: str
        ...     people: int
        ...     sights: list[str] = []
        >>> [type(field.plan).__name__ for field in plan_of(City).fields.values()]
        ['Text', 'Plan', 'Items']
    """
    return _object(model, {})


def item_type(annotation: object) -> object:
    """Return the type of the items of a list type; `MISSING` if it is none.

    Example:
        >>> item_type(list[int] | None), item_type(int) is MISSING
        (<class 'int'>, True)
    """
    inner = _without_none(annotation)
    arguments = get_args(inner)
    if get_origin(inner) in {list, Sequence} and len(arguments) == 1:
        return arguments[0]
    if get_origin(inner) is tuple and arguments[1:] == (...,):
        return arguments[0]
    return MISSING


def _plan(annotation: object, known: dict[type[BaseModel], Object]) -> Plan:
    adapter = TypeAdapter(cast("type[object]", annotation))
    bare = annotation
    while get_origin(bare) is Annotated:
        bare = get_args(bare)[0]
    bare = _without_none(bare)
    if bare is str:
        return Text(adapter)
    if _is_model(bare):
        return _object(bare, known)
    item = item_type(bare)
    if item is MISSING:
        return Plan(adapter)
    return Items(adapter, _plan(item, known), tuple if get_origin(bare) is tuple else list)


def _object(model: type[BaseModel], known: dict[type[BaseModel], Object]) -> Plan:
    if model in known:
        return known[model]
    keys = {name: _key(name, info) for name, info in model.__pydantic_fields__.items()}
    adapter = cast("TypeAdapter[object]", TypeAdapter(model))
    if None in keys.values() or model.__pydantic_root_model__:
        return Plan(adapter)
    made = known[model] = Object(adapter, model, {})
    for name, info in model.__pydantic_fields__.items():
        annotation: object = info.annotation
        if info.metadata:
            annotation = Annotated[(annotation, *info.metadata)]
        made.fields[str(keys[name])] = ObjectField(name, _plan(annotation, known), info.is_required())
    return made


def _key(name: str, info: FieldInfo) -> str | None:
    """The key of a field in JSON; None if it is found by a path or under several keys."""
    alias = info.validation_alias or info.alias or name
    return alias if isinstance(alias, str) else None


def _without_none(annotation: object) -> object:
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [each for each in get_args(annotation) if each is not NoneType]
        return kinds[0] if len(kinds) == 1 else annotation
    return annotation


def _is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
