"""Facts about a class of frozen values: which keywords it takes, and the error for any other keyword."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import UnionType, new_class
from typing import Final, Literal, Union, cast, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypedDict

from ._freeze import ATOMS, DataPath, FrozenValue, freeze_at
from ._template import Template


class _Undecided(str):
    """The value of `extra=` that pydantic gets for a class that does not set `extra=` itself."""

    __slots__ = ()


_UNDECIDED: Final = cast("Literal['allow']", _Undecided("allow"))
CONFIG: Final = ConfigDict(
    frozen=True,
    defer_build=True,  # see `Frozen.__init_subclass__`
    extra=_UNDECIDED,
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="strings",
    polymorphic_serialization=True,  # a field declared as Message keeps the fields of its subclasses
)


def refusal_of(owner: str, name: str, problem: PydanticCustomError) -> ValidationError:
    """Return pydantic's error for one field; the error does not contain the field's value.

    Args:
        owner: The name of the class.
        name: Of the field.
        problem: What is wrong with it.
    """
    details = InitErrorDetails(type=problem, loc=(name,), input=None)
    return ValidationError.from_exception_data(owner, [details], hide_input=True)


TEMPLATE_FIELD: Final = "text_template"


class ClassFacts:
    """The facts of one frozen class.

    Args:
        cls: The class.
        base: The root of all frozen classes; its attributes cannot be given as data.

    Attributes:
        computed: The names of computed fields.
        reserved: The names of other methods and attributes; data cannot have these names.
        replaceable: The names of class variables with plain data; a single value may replace them.
        template: The template of the class, if it has one.

    Raises:
        MessageValidationError: If the template is wrong.
    """

    def __init__(self, cls: type[BaseModel], base: type[BaseModel] | None) -> None:
        self._cls = cls
        own = frozenset[str]().union(*(vars(each) for each in cls.__mro__))
        added = frozenset[str]() if base is None else cls.__class_vars__ - base.__class_vars__
        self.replaceable: frozenset[str] = frozenset(
            name for name in added if not callable(getattr(cls, name, None))
        )
        self.computed: frozenset[str] = frozenset(cls.__pydantic_computed_fields__)
        self.reserved: frozenset[str] = own - self.replaceable - self.computed
        self.template: Template | None = self._template()

    @cached_property
    def names(self) -> frozenset[str]:
        """All keywords of the constructor: fields, by all their names, and replaceable class variables."""
        known = self.special.union(self._cls.__pydantic_fields__)
        for field in self._cls.__pydantic_fields__.values():
            alias = field.validation_alias
            choices = alias.choices if isinstance(alias, AliasChoices) else [field.alias, alias]
            firsts = [each.path[0] if isinstance(each, AliasPath) else each for each in choices]
            known = known.union(each for each in firsts if isinstance(each, str))
        return known

    def refuse_unknown(self, given: Mapping[str, object]) -> None:
        """Refuse a keyword that is not a field, unless the class takes any further data.

        Raises:
            pydantic.ValidationError: If a keyword is unknown; the text suggests the nearest name.
        """
        cls = self._cls
        if cls.model_config.get("extra") is not _UNDECIDED or self.names.issuperset(given):
            return
        name = next(each for each in given if each not in self.names)
        if name in self.reserved and name not in cls.__class_vars__:
            return  # the error of a reserved name says more
        fields = list(cls.__pydantic_fields__)
        from difflib import get_close_matches  # noqa: PLC0415 - only this error needs it

        near = get_close_matches(name, self.names, n=1)
        problem = PydanticCustomError(
            "unknown_field",
            "{owner} has no field {name}{meant}; it has: {fields}. Data of any other name is taken by "
            'Message, and by a subclass that says extra="allow"',
            {
                "owner": cls.__qualname__,
                "name": repr(name),
                "meant": f" (did you mean {near[0]!r}?)" if near else "",
                "fields": ", ".join(fields),
            },
        )
        raise refusal_of(cls.__qualname__, name, problem)

    @cached_property
    def special(self) -> frozenset[str]:
        """The names of data that also change how the value behaves."""
        return self.replaceable | {TEMPLATE_FIELD}

    def _template(self) -> Template | None:
        field = self._cls.__pydantic_fields__.get(TEMPLATE_FIELD)
        if field is None:
            source: object = getattr(self._cls, TEMPLATE_FIELD, None)
            if isinstance(source, property):  # computed for each value, and checked then
                return None
        else:
            source = None if field.is_required() else field.default
        return None if source is None else Template(source, self._cls.__qualname__)

    def template_for(self, source: object) -> Template:
        """Return the checked template of one value; nearly always it is the one of the class.

        Raises:
            MessageValidationError: If the template is wrong.
        """
        if self.template is not None and self.template.source == source:
            return self.template
        return Template(source, self._cls.__qualname__)

    @cached_property
    def plain(self) -> "PlainFields | None":
        """The facts of a class that only checks the types of its fields; None for any other class."""
        return PlainFields.of(self._cls)

    @cached_property
    def updates(self) -> TypeAdapter[dict[str, object]]:
        """The validator for new values of some declared fields; it follows their annotations."""
        cls = self._cls
        namespace: dict[str, object] = {
            "__annotations__": {
                name: field.rebuild_annotation() for name, field in cls.__pydantic_fields__.items()
            },
            "__pydantic_config__": cls.model_config,
            "__module__": cls.__module__,
        }
        part = new_class(
            cls.__qualname__, (TypedDict,), {"total": False}, lambda body: body.update(namespace)
        )
        return TypeAdapter(cast("type[dict[str, object]]", part))


_NONE_TYPE: Final = type(None)
_UNIONS: Final = (Union, UnionType)


@dataclass(frozen=True, slots=True)
class PlainFields:
    """The fields of a class whose validator only checks the types of their values.

    Values of exactly these types are valid as they are, so the class does not need to run its validator for
    them.

    Args:
        types: For each field the types whose values need no validation.
        blank: The fields in their order with their defaults; None for a field without a default.
        required: The fields that must be given: those without a default, or with one that is not plain data.
        idle: The fields that must not be given, since a validator of the class reads them.
    """

    types: dict[str, frozenset[type]]
    blank: dict[str, object]
    required: frozenset[str]
    idle: frozenset[str]

    @classmethod
    def of(cls, kind: type[BaseModel]) -> "PlainFields | None":
        """Read the declarations of a class; None if it may validate more than types."""
        decorators = kind.__pydantic_decorators__
        reads: Mapping[str, str] = getattr(kind, "__validators_of_one_field__", {})
        more = decorators.model_validators.keys() - reads.keys() - {"_freeze_when_validated"}
        if (
            more
            or decorators.field_validators
            or decorators.validators
            or decorators.root_validators
            or kind.__private_attributes__
            or kind.__pydantic_post_init__ is not None
            or TEMPLATE_FIELD in kind.__pydantic_fields__
            or kind.model_config != CONFIG
        ):
            return None
        types: dict[str, frozenset[type]] = {}
        blank: dict[str, object] = {}
        required: set[str] = set()
        for name, field in kind.__pydantic_fields__.items():
            if field.alias is not None or field.validation_alias is not None:
                return None
            types[name] = frozenset() if field.metadata else _exact_types(field.annotation)
            blank[name] = None
            if not field.is_required() and (type(field.default) in ATOMS or field.default == ()):
                blank[name] = field.default
            else:
                required.add(name)
        idle = frozenset(reads[name] for name in decorators.model_validators if name in reads)
        return cls(types, blank, frozenset(required), idle)

    def filled(
        self, given: Mapping[str, object]
    ) -> tuple[dict[str, object], dict[str, object] | None] | None:
        """Return the frozen fields and the further data; None if the validator must check the values."""
        if not self.required <= given.keys() or not self.idle.isdisjoint(given):
            return None
        types, fields = self.types, self.blank.copy()
        extra: dict[str, object] | None = None
        for name, value in given.items():
            kind = type(value)
            if name not in types:
                if kind not in ATOMS:
                    return None
                if extra is None:
                    extra = {}
                extra[name] = value
            elif kind not in types[name]:
                return None
            else:
                fields[name] = value if kind in ATOMS else freeze_at(value, DataPath(None, name))
        return fields, extra


def _exact_types(annotation: object) -> frozenset[type]:
    """Return the types whose instances are valid as they are; an empty set for other annotations."""
    found: set[type] = set()
    for each in get_args(annotation) if get_origin(annotation) in _UNIONS else (annotation,):
        if each is None or each is _NONE_TYPE:
            found.add(_NONE_TYPE)
        elif not isinstance(each, type):
            return frozenset()
        elif issubclass(each, BaseModel):
            if each.model_config.get("revalidate_instances") not in {None, "never"}:
                return frozenset()
            found.add(each)
        elif each in ATOMS or issubclass(each, FrozenValue):
            found.add(each)  # pyright: ignore[reportUnknownArgumentType]  # of whatever class
        else:
            return frozenset()
    return frozenset(found)
