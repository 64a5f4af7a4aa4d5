"""`Frozen`: a pydantic model whose every value is frozen all the way down."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from typing_extensions import Self, override

from ._errors import FreezeError, TemplateError
from ._freeze import ATOMS, freeze
from ._frozen_mapping import FrozenMapping
from ._hashing import HashWalk, class_name_of
from ._meta import FrozenMeta
from ._path import Path
from ._schema import thaw_in_serializers
from ._template import Template

_EMPTY: Final[FrozenMapping[str, object]] = FrozenMapping()
_set = object.__setattr__


class Frozen(BaseModel, metaclass=FrozenMeta):
    """A value that nobody can change: declared fields and any further keyword, frozen all the way down.

    Dicts become `FrozenMapping`, lists tuples, sets frozensets, as they are at the moment of construction. `str(value)`
    is its `text` if it has one, else its `text_template` filled in, else its JSON.

    A subclass that takes its text by position writes the field and the constructor out, so that type checkers know both::

        class Message(Frozen):
            text: str | None = Field(default=None, kw_only=False)

            def __init__(self, /, text: str | None = None, **fields: object) -> None:
                super().__init__(text=text, **fields)

    Raises:
        FreezeError: If a value is not of the allowed types, or a keyword is the name of a method of the class.
        pydantic.ValidationError: If a declared field does not validate, or its template is wrong.

    Example:
        >>> class Point(Frozen):
        ...     x: int
        >>> point = Point(x=1, tags=["a"])
        >>> point.tags, point == Point(x=1, tags=("a",)), len(point.hash_key)
        (('a',), True, 40)
    """

    # The caches live in slots: pydantic copies `__dict__` but never these, so a copy cannot have a stale one.
    __slots__ = ("__weakref__", "_depth", "_hash_key")

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        ser_json_inf_nan="strings",
        polymorphic_serialization=True,
    )

    __frozen_reserved__: ClassVar[frozenset[str]] = frozenset()
    __frozen_template__: ClassVar[Template | None] = None

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        names = frozenset[str]().union(*(vars(each) for each in cls.__mro__))
        data = {name for name in cls.__class_vars__ if name in names and not hasattr(Frozen, name)}
        cls.__frozen_reserved__ = names - data
        source: object = getattr(cls, "text_template", None)
        field = cls.__pydantic_fields__.get("text_template")
        source = field.default if field is not None else source
        cls.__frozen_template__ = Template(source, cls.__qualname__) if isinstance(source, str) else None

    @classmethod
    @override
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        return thaw_in_serializers(handler(source))

    @model_validator(mode="after")
    def _freeze_fields(self) -> Self:
        fields = self.__dict__
        for name, value in fields.items():
            if type(value) not in ATOMS:
                fields[name] = freeze(value, Path(Path(None, type(self).__qualname__), name))
        extra = self.__pydantic_extra__
        if extra:
            self._set_extra(extra)
        else:
            _set(self, "__pydantic_extra__", _EMPTY)
        if "text_template" in fields or (extra and "text_template" in extra):
            self._template()
        return self

    def _set_extra(self, extra: Mapping[str, object]) -> None:
        cls = type(self)
        if not cls.__frozen_reserved__.isdisjoint(extra):
            name = next(each for each in extra if each in cls.__frozen_reserved__)
            raise FreezeError(
                f"{cls.__qualname__} has a method or attribute named {name!r}, so no data can be kept under that name; "
                "choose another keyword"
            )
        root = Path(None, cls.__qualname__)
        frozen = {
            name: value if type(value) in ATOMS else freeze(value, Path(root, name))
            for name, value in extra.items()
        }
        _set(self, "__pydantic_extra__", FrozenMapping(frozen))
        for name in frozen.keys() & cls.__class_vars__:
            self.__dict__[name] = frozen[name]  # so that the attribute shows the data, not the class's own value

    def _data(self) -> dict[str, object]:
        declared = type(self).__pydantic_fields__
        data = {name: value for name, value in self.__dict__.items() if name in declared}
        data.update(self.__pydantic_extra__ or _EMPTY)
        return data

    def _template(self) -> Template | None:
        source: object = getattr(self, "text_template", None)
        if source is None:
            return None
        cls = type(self)
        if not isinstance(source, str):
            raise TemplateError(f"{cls.__qualname__}.text_template is of type {type(source).__name__}; give a str")
        return Template(source, cls.__qualname__)

    @property
    def hash_key(self) -> str:
        """The first 40 hex digits of sha256 over the class's name and the data, the same in every process.

        Raises:
            HashKeyError: If a number in the data is NaN or infinite.
        """
        return self.__hash_key_of__(Path(None, type(self).__qualname__))[0]

    def __hash_key_of__(self, path: Path) -> tuple[str, bool]:
        try:
            return cast("str", self._hash_key), True
        except AttributeError:
            walk = HashWalk()
            key = walk.key(class_name_of(type(self)), self._data(), path)
            if walk.lasting:
                _set(self, "_hash_key", key)
            return key, walk.lasting

    def __frozen_depth__(self) -> int:
        return 1

    @override
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Frozen):
            return NotImplemented
        return type(self) is type(other) and self._data() == other._data()

    @override
    def __hash__(self) -> int:
        return hash((type(self), frozenset(self._data().items())))

    @override
    def __str__(self) -> str:
        text: object = getattr(self, "text", None)
        if text is not None:
            return str(text)
        template = self._template()
        if template is None:
            return self.model_dump_json(exclude={"text"})
        data = self._data()
        known = [name for name in data if name not in {"text", "text_template"}]
        return template.fill(data.__getitem__, known)

    @override
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed; what is new is frozen and checked like at construction.

        Args:
            update: The fields to change or to add.
            deep: Whether nested values are copied too.
        """
        copied = super().model_copy(deep=deep)
        if update:
            declared = type(self).__pydantic_fields__
            root = Path(None, type(self).__qualname__)
            extra = dict(self.__pydantic_extra__ or _EMPTY)
            for name, value in update.items():
                if name in declared:
                    copied.__dict__[name] = freeze(value, Path(root, name))
                else:
                    extra[name] = value
            if extra:
                copied._set_extra(extra)
            copied.__pydantic_fields_set__.update(update)
            copied._template()
        return copied

    @override
    def __setattr__(self, name: str, value: object) -> None:
        if name in type(self).__private_attributes__:
            super().__setattr__(name, value)
        else:
            raise self._frozen_error(name)

    @override
    def __delattr__(self, name: str) -> None:
        if name in type(self).__private_attributes__:
            super().__delattr__(name)
        else:
            raise self._frozen_error(name)

    def _frozen_error(self, name: str) -> ValidationError:
        # The type that pydantic's own frozen models raise, with a sentence that says what to do.
        sentence = f"{type(self).__qualname__} is frozen; make a changed copy with model_copy(update={{...}})"
        details = InitErrorDetails(type=PydanticCustomError("frozen_instance", "{sentence}", {"sentence": sentence}), loc=(name,), input=None)
        return ValidationError.from_exception_data(type(self).__qualname__, [details], hide_input=True)
