"""Converts the parameters of a function to a JSON schema, and JSON to the arguments of a call.

The descriptions of the function and its parameters come from its docstring.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import override

from miniagents.agents import evaluated
from miniagents.values import FrozenMapping, freeze

from ._errors import SchemaError, ToolArgumentsError

_HEADING: Final = re.compile(r"(?P<what>[A-Z][A-Za-z ]*):\s*\Z")
_PARAMETERS: Final = frozenset(  # headings, and fields in the style of Sphinx
    {
        *("Args", "Arguments", "Parameters", "Params"),
        *("param", "parameter", "arg", "argument", "key", "keyword"),
    }
)
_SECTIONS: Final = _PARAMETERS | {
    *("Attributes", "Example", "Examples", "Keyword Args", "Keyword Arguments", "Note", "Notes", "Raises"),
    *("References", "Return", "Returns", "See Also", "Todo", "Warning", "Warnings", "Yield", "Yields"),
    *("Methods", "Other Parameters", "Receives", "Warns"),
    *("cvar", "except", "exception", "ivar", "raise", "raises", "return", "returns", "rtype", "type", "var"),
    *("vartype", "yield", "yields"),
}
_ENTRY: Final = re.compile(r"(?P<name>\w+)\s*(?:\([^)]*\))?\s*:\s*(?P<text>.*)\Z")
_UNDERLINE: Final = re.compile(r"-{3,}\s*\Z")  # of a heading in the style of NumPy
_NUMPY_ENTRY: Final = re.compile(r"(?P<name>\w+)\s*(?P<text>)(?::.*)?\Z")
_FIELD: Final = re.compile(r":(?P<what>[a-z]+)(?:\s[^:]*?)??(?:\s(?P<name>\w+))?\s*:(?:\s+(?P<text>.*))?\Z")


@dataclass(frozen=True, slots=True)
class Described:
    """A parsed docstring in the style of Google, NumPy or Sphinx.

    Attributes:
        text: everything before the first section.
        parameters: the description of each parameter, on one line.
    """

    text: str
    parameters: Mapping[str, str]

    @classmethod
    def by(cls, docstring: str | None) -> "Described":
        r"""Parse a docstring; one without sections is only text."""
        lines = inspect.cleandoc(docstring or "").splitlines()
        sections = {at: name for at in range(len(lines)) if (name := _section(lines[at : at + 2]))}
        ends = [*sections, len(lines)]
        parameters: dict[str, str] = {}
        for (head, name), end in zip(sections.items(), ends[1:], strict=True):
            if name in _PARAMETERS:
                parameters |= _entries(lines[head:end])
        return cls("\n".join(lines[: ends[0]]).strip(), MappingProxyType(parameters))


def _section(lines: list[str]) -> str | None:
    """Return the name of the section that begins in the first of two lines."""
    underlined = _UNDERLINE.match(lines[-1])
    found = _FIELD.match(lines[0]) or _HEADING.match(f"{lines[0].strip()}:" if underlined else lines[0])
    return found["what"] if found and found["what"] in _SECTIONS else None


def _entries(lines: list[str]) -> dict[str, str]:
    field, pattern, body = _FIELD.match(lines[0]), _ENTRY, lines[1:]
    if field:
        body = [f"{field['name']}: {field['text'] or ''}", *(f"    {line}" for line in body)]
    elif _UNDERLINE.match("".join(body[:1])):
        pattern, body = _NUMPY_ENTRY, body[1:]
    filled = [line for line in body if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    entries: dict[str, list[str]] = {}
    last: list[str] = []
    for line in filled:
        entry = pattern.match(line[margin:])
        if entry is not None:
            last = entries.setdefault(entry["name"], [])
            last.append(entry["text"])
        else:
            last.append(line.strip())
    return {name: " ".join(" ".join(texts).split()) for name, texts in entries.items()}


_EMPTY: Final = inspect.Parameter.empty
_MANY: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_NO_NAME: Final = inspect.Parameter.POSITIONAL_ONLY


class SchemaGenerator(GenerateJsonSchema):
    """A schema without titles, which only repeat the names of fields, and cost tokens."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as in its base

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    @override
    def encode_default(self, dft: object) -> object:
        # JSON has no infinity and no NaN: an object is refused, and the schema has no default then.
        fits = not isinstance(dft, float) or math.isfinite(dft)
        return cast("object", super().encode_default(dft if fits else object()))


def json_schema(
    model: type[BaseModel], generator: type[SchemaGenerator] = SchemaGenerator
) -> dict[str, object]:
    """Return the JSON schema of a model, for a language model to read.

    Raises:
        pydantic.errors.PydanticUserError: there is no JSON schema for one of its types.
    """
    schema: dict[str, object] = model.model_json_schema(schema_generator=generator)
    schema.pop("title", None)
    return schema


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a function.

    Attributes:
        schema: the JSON schema of an object with the arguments, frozen.
        fields: the names of the parameters, by the name of their field in the model.
        model: the pydantic model that validates arguments.
        unbound: the leading parameters that are positional-only, or of types that JSON cannot hold: the
            program has to bind them.
        needed: the names of the fields whose parameters have no default, though a `Field` may have one.
    """

    schema: Mapping[str, object]
    fields: Mapping[str, str]
    model: type[BaseModel]
    unbound: tuple[str, ...] = ()
    needed: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        function: Callable[..., object],
        name: str,
        descriptions: Mapping[str, str],
        bound: Collection[str] = (),
    ) -> "Parameters":
        """Read the signature of a function.

        Args:
            function: the function.
            name: of the tool, for errors.
            descriptions: of the parameters; those of `pydantic.Field` come first.
            bound: names of parameters that have a value already, or get the context of the call.

        Raises:
            SchemaError: a parameter has no type, stands for several, or is of a type that has no JSON schema;
                the text names it.
        """
        free = [each for each in _parameters(function, name) if each.name not in bound]
        # A model gives its arguments by name, so it cannot give these.
        unbound = [each.name for each in free if each.kind is _NO_NAME and each.default is _EMPTY]
        parameters = [each for each in free if each.kind is not _NO_NAME]
        while True:
            try:
                made = cls._of(parameters, name, descriptions)
            except SchemaError:
                if not parameters or _has_schema(parameters[0]):
                    raise
                unbound.append(parameters.pop(0).name)
            else:
                return replace(made, unbound=tuple(unbound))

    @classmethod
    def _of(
        cls, parameters: list[inspect.Parameter], name: str, descriptions: Mapping[str, str]
    ) -> "Parameters":
        # The fields get other names: a parameter may have the name of a method of pydantic's models.
        fields = {f"argument_{at}": parameter for at, parameter in enumerate(parameters)}
        try:
            model = _model(name, {field: _field(each) for field, each in fields.items()})
            schema = json_schema(model)
        except (PydanticUserError, TypeError) as error:
            raise SchemaError(_no_schema(parameters, name)) from error
        schema.pop("description", None)
        properties = cast("dict[str, dict[str, object]]", schema.setdefault("properties", {}))
        for parameter, text in descriptions.items():
            if parameter in properties:
                properties[parameter].setdefault("description", text)
        frozen = cast("Mapping[str, object]", freeze(schema))
        needed = frozenset(field for field, each in fields.items() if each.default is _EMPTY)
        names = FrozenMapping({field: each.name for field, each in fields.items()})
        return cls(frozen, names, model, needed=needed)

    def arguments(self, text: str) -> dict[str, object]:
        """Check the JSON of arguments against the parameters.

        Args:
            text: a JSON object; an empty text means no arguments.

        Returns:
            The validated arguments by name; only those that were given or that the function needs, so that it
            uses its defaults.

        Raises:
            ToolArgumentsError: it is not a JSON object, or does not fit; the text names each field.
        """
        try:
            checked = self.model.model_validate_json(text if text.strip() else "{}")
        except ValidationError as error:
            raise ToolArgumentsError(sentence_of(error)) from error
        given = checked.model_fields_set | self.needed
        return {self.fields[field]: cast("object", getattr(checked, field)) for field in given}

    def bound(self, function: Callable[..., object], text: str) -> Callable[[], object]:
        """Return the function with its arguments.

        Args:
            function: takes the parameters by name.
            text: as of `arguments`.

        Raises:
            ToolArgumentsError: as of `arguments`.
        """
        return partial(function, **self.arguments(text))

    def check_bound(self, name: str) -> None:
        """Check that a model can give all arguments.

        Args:
            name: of the tool.

        Raises:
            SchemaError: a leading parameter that a model cannot give has no value yet.
        """
        if self.unbound:
            names = ", ".join(map(repr, self.unbound))
            raise SchemaError(
                f"The tool {name} has parameters that a model cannot give, being positional-only or of types "
                f"that JSON cannot hold: {names}. Give their values first: {name}.bind(...)."
            )


_OBJECT: Final = TypeAdapter(dict[str, object], config=ConfigDict(defer_build=True))


def json_object(text: str) -> dict[str, object]:
    """Return the arguments of a call as the model wrote them, without a check against the tool.

    Args:
        text: a JSON object; an empty text means no arguments.

    Raises:
        ToolArgumentsError: it is not a JSON object; the text says where the JSON is wrong.
    """
    try:
        arguments = _OBJECT.validate_json(text if text.strip() else "{}")
    except ValidationError as error:
        raise ToolArgumentsError(sentence_of(error)) from error
    check_numbers(arguments)
    return arguments


def check_numbers(arguments: object) -> None:
    """Refuse numbers that JSON does not have: to others, such as the server of a tool, they would be null.

    Raises:
        ToolArgumentsError: there is one.
    """
    try:
        json.dumps(arguments, allow_nan=False)
    except ValueError:
        raise ToolArgumentsError("a number is infinite or NaN, which JSON does not have") from None


def sentence_of(error: ValidationError) -> str:
    """Return what is wrong with JSON, field by field, for the model that wrote it."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(sentence_at(each["loc"], each["msg"]) for each in found)


def sentence_at(steps: Iterable[str | int], text: str) -> str:
    """Return a text behind the place in JSON that it is about."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    return f"{path}: {text}" if path else text


def parameters_of(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters of a function with their types.

    Only type checkers have to know the type of what it returns, and of what a model cannot give.

    Raises:
        NameError: a name in another type cannot be found; or, as `inspect.signature`, another error.
    """
    try:
        return [*inspect.signature(function, eval_str=True).parameters.values()]
    except NameError:
        return [
            each
            if each.kind is _NO_NAME
            else each.replace(annotation=evaluated(each.annotation, function, extras=True))
            for each in inspect.signature(function).parameters.values()
        ]


def _parameters(function: Callable[..., object], name: str) -> list[inspect.Parameter]:
    try:
        parameters = parameters_of(function)
    except (NameError, SyntaxError, TypeError, ValueError) as error:
        raise SchemaError(
            f"The parameters of the tool {name} cannot be read ({error}); annotate them with types that are "
            "known where it is defined, and import these outside of `if TYPE_CHECKING:`."
        ) from error
    for parameter in parameters:
        if parameter.kind in _MANY:
            stars = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
            raise SchemaError(
                f"The tool {name} cannot be called by a model: {stars}{parameter.name} stands for any number "
                "of arguments; every parameter of a tool needs a name of its own."
            )
        if parameter.annotation is _EMPTY:
            advice = (
                f"if it is a method, make a tool of the method of an object, tool(object.{name})."
                if parameter.name == "self"
                else "a model needs the type of each parameter, so annotate it."
            )
            raise SchemaError(f"The parameter {parameter.name!r} of the tool {name} has no type; {advice}")
        if isinstance(parameter.default, FieldInfo):  # the function would get it as the value
            raise SchemaError(
                f"The default of the parameter {parameter.name!r} of the tool {name} is a pydantic.Field; "
                f"write {parameter.name}: Annotated[type, Field(...)] = default."
            )
    return parameters


def _model(name: str, fields: Mapping[str, tuple[object, FieldInfo]]) -> type[BaseModel]:
    # `create_model` is typed for names that are written out.
    create = cast("Callable[..., type[BaseModel]]", create_model)
    return create(name, __config__=ConfigDict(extra="forbid"), **fields)


def _field(parameter: inspect.Parameter) -> tuple[object, FieldInfo]:
    default = cast("object", ... if parameter.default is _EMPTY else parameter.default)
    return cast("object", parameter.annotation), cast(
        "FieldInfo", Field(default=default, alias=parameter.name)
    )


def _has_schema(parameter: inspect.Parameter) -> bool:
    try:
        TypeAdapter(cast("type[object]", parameter.annotation)).json_schema()
    except (PydanticUserError, TypeError):
        return False
    return True


def _no_schema(parameters: list[inspect.Parameter], name: str) -> str:
    for parameter in parameters:
        if not _has_schema(parameter):
            return (
                f"The parameter {parameter.name!r} of the tool {name} is of type {parameter.annotation!r}, "
                "which JSON cannot hold; use types that pydantic can read from JSON, or make it the first "
                "parameter and give its value with bind."
            )
    return (
        f"The parameters of the tool {name} have no JSON schema; use types that pydantic can read from JSON."
    )
