"""`Frozen`: a pydantic model whose values are frozen on all levels.

Its metaclass only tells type checkers that fields are frozen and keyword-only. pydantic's own metaclass is a
private import; pyproject pins the range of pydantic, and `test_frozen.py` proves that it can be imported. Our
metaclass must stay empty: with a `__new__` of our own, pydantic would look for local types in the wrong
frame.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import CoreSchema, PydanticCustomError, PydanticSerializationError
from typing_extensions import Unpack, dataclass_transform, override

from ._class_facts import CONFIG, TEMPLATE_FIELD, ClassFacts, refusal_of
from ._declared import refuse_changeable
from ._errors import FreezeError
from ._freeze import ATOMS, DataPath, FrozenMapping, FrozenValue, depth_of, freeze_at, model_data
from ._frozen_schema import thaw_in_serializers
from ._hash_key import HashWalk, class_name_of


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
class FrozenMeta(ModelMetaclass):
    """Pydantic's metaclass, for classes whose fields are frozen, and keyword-only unless declared otherwise.

    Subclasses of `Frozen` inherit it. Type checkers read it to check calls of the constructor.

    Example:
        >>> from miniagents import Frozen
        >>> class Point(Frozen):
        ...     x: int
        >>> isinstance(Point, FrozenMeta), Point(x=1).x
        (True, 1)
    """


def is_frozen_error(owner: str, name: str) -> ValidationError:
    """Return the error that pydantic's own frozen models raise, with a sentence that says what to do.

    Args:
        owner: The name of the class.
        name: The attribute that was to be set or deleted.
    """
    problem = PydanticCustomError(
        "frozen_instance",
        "{owner} is frozen; make a changed copy with model_copy(update=...)",
        {"owner": owner},
    )
    return refusal_of(owner, name, problem)


_EMPTY: Final[FrozenMapping[str, object]] = FrozenMapping()
_set = object.__setattr__  # bypasses `Frozen.__setattr__`


class Frozen(BaseModel, FrozenValue, metaclass=FrozenMeta):
    """An immutable value: declared fields and any further keywords, frozen on all levels.

    The constructor copies its data: dicts become `FrozenMapping`, lists tuples, sets frozensets. Declare a
    field as what it holds: `tuple[int, ...]`, `Mapping[str, int]`, `frozenset[int]`; a field that is a list,
    a dict or a set is an error. A pydantic model that is not a `Frozen` is kept as a deep copy. `str(value)`
    is its `text` if it has one, else its filled `text_template`, else its JSON.

    A subclass that takes its text by position declares the field and the constructor, for type checkers::

        class Message(Frozen):
            text: str | None = Field(default=None, kw_only=False)

            def __init__(self, /, text: str | None = None, **fields: object) -> None:
                super().__init__(text=text, **fields)

    Raises:
        FreezeError: If a value is not of the allowed types, or a keyword is the name of a method.
        NestingError: If values are nested more than 64 levels deep.
        pydantic.ValidationError: If a declared field does not validate, or the template is wrong.

    Example:
        >>> class Point(Frozen):
        ...     x: int
        >>> point = Point.model_validate({"x": 1, "tags": ["a"]})
        >>> point.tags, len(point.hash_key)
        (('a',), 40)
    """

    # The caches are slots: pydantic copies `__dict__` but not the slots, so no copy has a stale cache.
    __slots__ = ("__weakref__", "_depth", "_hash_key")

    model_config: ClassVar[ConfigDict] = CONFIG

    __frozen_facts__: ClassVar[ClassFacts]
    # Fields that are newer than the first stored keys: a key contains them only if they are not None.
    __newer_fields__: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:

        def __init__(self, /, **fields: object) -> None: ...

    else:  # pydantic's mypy plugin has a signature of its own for every model, and takes no other

        @classmethod
        def model_construct(cls, _fields_set: set[str] | None = None, **values: object) -> Self:
            """Make a value without validating declared fields; it is frozen and checked for allowed types."""
            made = super().model_construct(_fields_set, **values)
            made._freeze_all()  # noqa: SLF001 - of its own class
            return made

    @override
    def __init_subclass__(cls, *, deferred: bool = False, **kwargs: Unpack[ConfigDict]) -> None:
        """Take the keywords of a class.

        Args:
            deferred: pydantic builds the validator at its first use, and reports errors in the fields then;
                this makes an import cheap.
            **kwargs: pydantic's configuration.
        """
        del deferred  # `__pydantic_init_subclass__` uses it, when the fields are known
        super().__init_subclass__(**kwargs)

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, *, deferred: bool = False, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not deferred:
            cls.model_rebuild(raise_errors=False, _parent_namespace_depth=0)
        cls.__frozen_facts__ = ClassFacts(cls, Frozen)

    @classmethod
    @override
    def __pydantic_on_complete__(cls) -> None:
        fields = cls.__pydantic_fields__
        refuse_changeable(cls.__qualname__, {name: field.annotation for name, field in fields.items()})

    @classmethod
    @override
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        return thaw_in_serializers(handler(source), handler)

    @model_validator(mode="after")
    def _freeze_when_validated(self) -> Self:
        self._freeze_all()
        return self

    def _freeze_all(self) -> None:
        fields = cast("dict[str, object]", self.__dict__)
        for name, value in fields.items():
            if type(value) not in ATOMS:
                fields[name] = freeze_at(value, self._path(name))
        extra = self.__pydantic_extra__
        if extra:
            self._set_extra(extra)
            if TEMPLATE_FIELD in extra:
                self._check_template()
        else:
            _set(self, "__pydantic_extra__", _EMPTY)
        if TEMPLATE_FIELD in fields:
            self._check_template()

    def _path(self, name: str) -> DataPath:
        return DataPath(DataPath(None, type(self).__qualname__), name)

    def _set_extra(self, extra: Mapping[str, object]) -> None:
        cls = type(self)
        facts = cls.__frozen_facts__
        if not facts.computed.isdisjoint(extra):  # the JSON of a value has them; they are computed anew
            extra = {name: value for name, value in extra.items() if name not in facts.computed}
        if not facts.reserved.isdisjoint(extra):
            name = next(each for each in extra if each in facts.reserved)
            raise FreezeError(
                f"{cls.__qualname__} has a method or attribute named {name!r}, so no data can be kept "
                "under that name; choose another keyword"
            )
        frozen = FrozenMapping(
            {
                name: value if type(value) in ATOMS else freeze_at(value, self._path(name))
                for name, value in extra.items()
            }
        )
        _set(self, "__pydantic_extra__", frozen)
        # The attribute must be the data of this value, not the class variable of that name.
        if not facts.replaceable.isdisjoint(frozen):
            own = cast("dict[str, object]", self.__dict__)
            own.update((name, frozen[name]) for name in facts.replaceable.intersection(frozen))

    def _check_template(self) -> None:
        source: object = getattr(self, TEMPLATE_FIELD, None)
        if source is not None:
            type(self).__frozen_facts__.template_for(source)

    @property
    def hash_key(self) -> str:
        """The first 40 hex digits of sha256 over the class's name and the data, the same in every process.

        Raises:
            MessageValidationError: If a number in the data is NaN or infinite.
        """
        return self.__hash_key_of__(DataPath(None, type(self).__qualname__))[0]

    @override
    def __hash_key_of__(self, path: DataPath) -> tuple[str, bool]:
        kept: object = getattr(self, "_hash_key", None)
        if isinstance(kept, str):
            return kept, True
        walk, data = HashWalk(), model_data(self)
        for name in self.__newer_fields__:
            if data[name] is None:
                del data[name]
        key = walk.key(class_name_of(type(self)), data, path)
        if walk.lasting:
            _set(self, "_hash_key", key)
        return key, walk.lasting

    @override
    def __frozen_depth__(self) -> int:
        kept: object = getattr(self, "_depth", None)
        if isinstance(kept, int):
            return kept
        depth = 1 + max(map(depth_of, model_data(self).values()), default=0)
        _set(self, "_depth", depth)
        return depth

    @override
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Frozen):
            return NotImplemented
        return type(self) is type(other) and model_data(self) == model_data(other)

    @override
    def __hash__(self) -> int:
        data = model_data(self)
        try:
            return hash((type(self), frozenset(data.items())))
        except (
            TypeError
        ):  # a pydantic model that is not a `Frozen` has no hash; equal values still have equal names
            return hash((type(self), frozenset(data)))

    @override
    def __str__(self) -> str:
        text: object = getattr(self, "text", None)
        if text is not None and not callable(text):
            return str(text)
        source: object = getattr(self, TEMPLATE_FIELD, None)
        if source is None:
            try:
                return self.model_dump_json(exclude={"text"})
            except PydanticSerializationError:  # it contains half a surrogate pair, which UTF-8 cannot encode
                data = self.model_dump(mode="json", exclude={"text"})
                return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        data = model_data(self)
        values = {name: item for name, item in data.items() if name not in {"text", TEMPLATE_FIELD}}
        return type(self).__frozen_facts__.template_for(source).fill(values)

    @override
    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @override
    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed, or with more data; the new values are checked and frozen.

        Args:
            update: The fields to change or to add; declared fields are validated as their annotations say.
            deep: Whether nested values are copied too.

        Raises:
            FreezeError: As at construction.
            pydantic.ValidationError: As at construction.
        """
        copied = super().model_copy(deep=deep)
        if not update:
            return copied
        cls = type(self)
        declared = {name: value for name, value in update.items() if name in cls.__pydantic_fields__}
        if declared:
            declared = cls.__frozen_facts__.updates.validate_python(declared)
        # Only the data: anything else that the old value caches in its `__dict__` would be stale.
        data = {**model_data(copied), **update, **declared}
        extra = {name: value for name, value in data.items() if name not in cls.__pydantic_fields__}
        _set(copied, "__dict__", {name: value for name, value in data.items() if name not in extra})
        _set(copied, "__pydantic_extra__", extra)
        copied.__pydantic_fields_set__.update(update)
        copied._freeze_all()  # noqa: SLF001 - of its own class
        return copied

    @override
    def __reduce__(self) -> tuple[object, ...]:
        # A generic class with parameters (`Box[int]`) is pickled as class and parameters: it has no name to
        # import.
        generic = type(self).__pydantic_generic_metadata__
        return _blank, (generic["origin"] or type(self), generic["args"]), self.__getstate__()

    @override
    def __setattr__(self, name: str, value: object) -> None:
        if name not in type(self).__private_attributes__:
            raise is_frozen_error(type(self).__qualname__, name)
        super().__setattr__(name, value)

    @override
    def __delattr__(self, name: str) -> None:
        if name not in type(self).__private_attributes__:
            raise is_frozen_error(type(self).__qualname__, name)
        super().__delattr__(name)


Frozen.__frozen_facts__ = ClassFacts(Frozen, None)


F = TypeVar("F", bound=Frozen)


def _blank(kind: type[F], parameters: tuple[type, ...]) -> F:
    """Return a value of ``kind``, or of ``kind[parameters]``, without fields: a pickle is loaded into it."""
    made = cast("type[F]", kind.__class_getitem__(parameters)) if parameters else kind
    return made.__new__(made)


def fill_with_atoms(made: Frozen, fields: dict[str, object]) -> None:
    """Give a value its fields, which need neither validation nor freezing, in a quarter of the time.

    Args:
        made: a value without fields.
        fields: every declared field, each a string, a number or None, of the declared type; kept as it is.

    Example:
        >>> class Point(Frozen):
        ...     x: int
        >>> point = object.__new__(Point)
        >>> fill_with_atoms(point, {"x": 1})
        >>> point
        Point(x=1)
    """
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", set(fields))
    _set(made, "__pydantic_extra__", _EMPTY)
    _set(made, "__pydantic_private__", None)


def made_of(kind: type[F], given: Mapping[str, object]) -> F:
    """Make ``kind(**given)`` with any further data; fast if every value has exactly the declared type.

    Args:
        kind: The class of the value; it has no constructor of its own.
        given: The values by name; or by alias, as the constructor takes them.

    Raises:
        FreezeError: As the constructor.
        pydantic.ValidationError: As the constructor.

    Example:
        >>> from miniagents.values import Frozen, made_of
        >>> class Point(Frozen):
        ...     x: int
        >>> made_of(Point, {"x": 1, "color": "red"})
        Point(x=1, color='red')
    """
    facts = kind.__frozen_facts__
    plain = facts.plain
    filled = None if plain is None else plain.filled(given)
    if filled is None:
        return kind.model_validate(dict(given), by_name=True)
    fields, more = filled
    extra: FrozenMapping[str, object] = _EMPTY
    if more is not None:
        if not facts.reserved.isdisjoint(more) or not facts.special.isdisjoint(more):
            return kind.model_validate(dict(given), by_name=True)
        extra = FrozenMapping(more)
    made = kind.__new__(kind)
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", set(given))
    _set(made, "__pydantic_extra__", extra)
    _set(made, "__pydantic_private__", None)
    return made
