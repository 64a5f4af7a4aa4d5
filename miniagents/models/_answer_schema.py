"""Converts the type of an answer to a JSON schema that the schema modes of all providers accept.

These modes support only a part of JSON schema: each object is closed and requires all its fields, and some
modes refuse limits of numbers and lengths. So limits are written into the description, which the model reads;
the answer is checked against all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Never, cast

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from typing_extensions import override

from miniagents.values import freeze

from ._errors import SchemaError
from ._parameters import SchemaGenerator, json_schema

_KEPT: Final = frozenset({"type", "enum", "const", "description", "$ref"})
_FORMATS: Final = frozenset(
    {"date-time", "date", "time", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_DROPPED: Final = frozenset({"title", "default", "discriminator", "examples", "deprecated"})
_MOST_LEVELS: Final = 10
_MOST_PROPERTIES: Final = 5000


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """The type of an answer, as a model gets it.

    Attributes:
        name: of the type.
        description: of the type: its docstring.
        schema: the JSON schema, an object; frozen.
        strict: True if the schema modes of providers accept the schema.

    Example:
        >>> from pydantic import BaseModel
        >>> class City(BaseModel):
        ...     name: str
        ...     people: int = 0
        >>> AnswerSchema.of(City).schema["required"]
        ('name', 'people')
    """

    name: str
    description: str
    schema: Mapping[str, object]
    strict: bool = True

    @property
    def recursive(self) -> bool:
        """Whether the type may contain itself; not every provider accepts that.

        Example:
            >>> from pydantic import BaseModel
            >>> class Part(BaseModel):
            ...     parts: "list[Part]"
            >>> AnswerSchema.of(Part).recursive
            True
        """
        definitions = cast("Mapping[str, object]", self.schema.get("$defs", {}))
        inside = {name: _references(each) for name, each in definitions.items()}
        reached = dict(inside)
        for _ in inside:
            reached = {
                name: found.union(*(inside.get(each, ()) for each in found))
                for name, found in reached.items()
            }
        return "#" in _references(self.schema) or any(name in found for name, found in reached.items())

    @classmethod
    def of(cls, model: type[BaseModel], *, strict: bool = True) -> "AnswerSchema":
        """Make the schema of a pydantic model.

        Args:
            model: the type of the answer.
            strict: True for the schema mode of a provider; False for the schema as pydantic makes it.

        Raises:
            SchemaError: it is not a pydantic model with fields, or a provider would refuse it; the text names
                the field and what to do.

        Example:
            >>> from pydantic import BaseModel
            >>> class Scores(BaseModel):
            ...     by_name: dict[str, int]
            >>> try:
            ...     AnswerSchema.of(Scores)
            ... except SchemaError as error:
            ...     print(str(error).partition(";")[0])
            Scores.by_name has keys of any name, which the schema modes of providers refuse
        """
        if not _is_model(model):
            raise SchemaError(
                f"{model!r} is not a pydantic model; give a subclass of BaseModel as the type of the answer."
            )
        if model is BaseModel or not model.__pydantic_fields__:
            raise SchemaError(f"{model.__name__} has no fields for an answer; add some.")
        try:
            schema = _with_root(json_schema(model, _OfAnswer), model.__name__)
        except PydanticUserError as error:
            raise SchemaError(
                f"{model.__name__} has no JSON schema ({error.message.splitlines()[0]}); "
                "use types that pydantic can read from JSON."
            ) from error
        made = _Strict(model.__name__, schema).whole() if strict else schema
        description = made.pop("description", None)
        frozen = cast("Mapping[str, object]", freeze(made))
        return cls(model.__name__[:64], str(description or ""), frozen, strict)


def _with_root(schema: dict[str, object], name: str) -> dict[str, object]:
    """Return a schema that is written out at its root: no provider accepts a reference or a union there."""
    reference = schema.pop("$ref", None)  # a type that contains itself has one
    if reference is not None:
        definitions = cast("Mapping[str, Mapping[str, object]]", schema["$defs"])
        schema = {**definitions[_defined(reference)], **schema}
    if schema.get("type") != "object":
        raise SchemaError(f"{name} is not an object with fields; use a model that has it as a field.")
    return schema


def _defined(reference: object) -> str:
    return str(reference).removeprefix("#/$defs/")


class _OfAnswer(SchemaGenerator):
    """Refuses what cannot be kept as a value."""

    @override
    def generator_schema(self, schema: object) -> Never:
        raise PydanticInvalidForJsonSchema("an Iterable can be read only once: declare a list")


class _Strict:
    """Rewrites one schema to the part of JSON schema that all providers accept."""

    def __init__(self, name: str, schema: Mapping[str, object]) -> None:
        self._name = name
        self._schema = schema
        self._definitions = cast("Mapping[str, Mapping[str, object]]", schema.get("$defs", {}))
        self._properties = 0

    def whole(self) -> dict[str, object]:
        """Return the rewritten schema."""
        root = {key: value for key, value in self._schema.items() if key != "$defs"}
        made = self._rewritten(root, self._name, 1)
        if self._definitions:
            made["$defs"] = {name: self._rewritten(each, name, 1) for name, each in self._definitions.items()}
        return made

    def _rewritten(self, schema: Mapping[str, object], path: str, level: int) -> dict[str, object]:
        if level > _MOST_LEVELS:
            raise SchemaError(
                f"{path} is nested more than {_MOST_LEVELS} levels deep; make the answer flatter."
            )
        made: dict[str, object] = {}
        limits: list[str] = []
        for key, value in schema.items():
            if key in _KEPT or (key == "format" and value in _FORMATS):
                made[key] = value
            elif key in {"properties", "items", "anyOf", "oneOf", "allOf"}:
                made |= self._inner(key, value, path, level)
            elif key == "additionalProperties" and (
                isinstance(value, Mapping) or (value is True and "properties" not in schema)
            ):
                raise _refused(path, "has keys of any name", "a list of pairs")
            elif key in {"prefixItems", "patternProperties"}:
                raise _refused(path, "has values of a type for each place", "a model with a field for each")
            elif key not in _DROPPED and key not in {"required", "additionalProperties"}:
                limits.append(f"{key}: {value}")
        if limits:
            made["description"] = " ".join(
                [*([str(made["description"])] if "description" in made else []), f"({', '.join(limits)})"]
            )
        if not made.keys() & {"type", "enum", "const", "anyOf", "$ref"}:
            raise _refused(path, "may be anything", "a type")
        return self._without_siblings(made, path, level)

    def _inner(self, key: str, value: object, path: str, level: int) -> dict[str, object]:
        if key == "properties":
            properties = cast("Mapping[str, Mapping[str, object]]", value)
            self._properties += len(properties)
            if self._properties > _MOST_PROPERTIES:
                raise SchemaError(
                    f"{self._name} has more than {_MOST_PROPERTIES} fields in all; ask for less at once."
                )
            made = {
                name: self._rewritten(each, f"{path}.{name}", level + 1) for name, each in properties.items()
            }
            return {"properties": made, "required": list(made), "additionalProperties": False}
        if key == "items":
            return {"items": self._rewritten(cast("Mapping[str, object]", value), f"{path}[]", level + 1)}
        each = [self._rewritten(one, path, level) for one in cast("list[Mapping[str, object]]", value)]
        return {"anyOf": each}

    def _without_siblings(self, made: dict[str, object], path: str, level: int) -> dict[str, object]:
        """Replace a reference with other keys beside it by its definition: providers refuse such keys."""
        if "$ref" not in made or len(made) == 1:
            return made
        definition = self._rewritten(self._definitions[_defined(made.pop("$ref"))], path, level)
        return {**definition, **made}


def _references(schema: object) -> frozenset[str]:
    """Return the names of the definitions to which a schema refers, at any depth."""
    if isinstance(schema, Mapping):
        items = cast("Mapping[str, object]", schema).items()
        named = {_defined(value) for key, value in items if key == "$ref"}
        return frozenset(named).union(*(_references(value) for _, value in items))
    if isinstance(schema, tuple):
        return frozenset[str]().union(*map(_references, cast("tuple[object, ...]", schema)))
    return frozenset()


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _refused(path: str, what: str, instead: str) -> SchemaError:
    return SchemaError(
        f"{path} {what}, which the schema modes of providers refuse; "
        f"use {instead}, or as_type(..., mode='tool'), which takes any schema."
    )
