"""Checks arguments against a JSON schema that is known only at run time.

Needs ``pip install 'miniagents[schema]'``.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Final, Protocol, TypeAlias, cast

from miniagents.values import FreezeError, NestingError, freeze

from ._errors import SchemaError, ToolArgumentsError
from ._parameters import json_object, sentence_at

_MOST_ERRORS: Final = 10
_MOST_CHARACTERS: Final = 300  # of one error: it may quote the schema and the arguments
_MOST_SCHEMA: Final = 1_000_000  # characters
_MOST_CHECKS: Final = 50_000  # of single keywords: about a second, in which the event loop stands still

_Found: TypeAlias = Iterable[object] | None
_Check: TypeAlias = Callable[..., _Found]


class _Error(Protocol):
    message: str
    absolute_path: Iterable[str | int]


class _Validator(Protocol):
    def iter_errors(self, instance: object, /) -> Iterator[_Error]:
        """Yield an error for each value that does not fit."""
        ...


class _ValidatorClass(Protocol):
    VALIDATORS: Mapping[str, _Check]

    def __call__(self, schema: Mapping[str, object], *, registry: object) -> _Validator:
        """Make a validator of a schema."""
        ...

    def check_schema(self, schema: Mapping[str, object], /, *, format_checker: object) -> None:
        """Check the schema itself."""
        ...


@dataclass(slots=True)
class _Checks:
    """Counts the checks of keywords: some schemas need twice as many for each level of nesting.

    Attributes:
        left: how many may follow for the arguments that are checked now.
    """

    left: int = 0

    def counted(self, check: _Check, *given: object) -> _Found:
        """Check one keyword.

        Raises:
            ToolArgumentsError: there were too many.
        """
        self.left -= 1
        if self.left < 0:
            raise ToolArgumentsError(
                "the arguments take too long to check against the schema of the tool; "
                "give fewer of them, and nest them less"
            )
        return check(*given)


@dataclass(frozen=True, slots=True)
class SchemaParameters:
    """The parameters of a tool, described by a JSON schema.

    Attributes:
        schema: the JSON schema of an object, frozen, as models get it.
        validator: checks arguments.
        name: of the tool, for errors.
        checks: counts what the validator does.
    """

    schema: Mapping[str, object]
    validator: _Validator
    name: str
    checks: _Checks

    @classmethod
    def of(cls, schema: Mapping[str, object], name: str) -> "SchemaParameters":
        """Check a schema.

        Args:
            schema: of an object; ``type`` and ``properties`` may be missing.
            name: of the tool, for errors.

        Raises:
            SchemaError: it is not a JSON schema, or not one of an object.
            ModuleNotFoundError: ``jsonschema`` is not installed.
        """
        plain = _plain(schema, name)
        kind = plain.get("type", "object")
        if kind != "object" and not (isinstance(kind, list) and "object" in kind):
            raise SchemaError(
                f"The schema of the tool {name} has the type {json.dumps(kind)}, but arguments are an "
                'object; give a schema with "type": "object".'
            )
        # Providers require both. They do not change which arguments fit.
        plain["type"] = "object"
        plain.setdefault("properties", {})
        checks = _Checks()
        validator = _validator(plain, name, checks)
        try:
            return cls(cast("Mapping[str, object]", freeze(plain)), validator, name, checks)
        except (FreezeError, NestingError) as error:
            raise SchemaError(f"The schema of the tool {name} cannot be kept: {error}") from error

    def bound(self, function: Callable[..., object], text: str) -> Callable[[], object]:
        """Return the function with its arguments, as one dict.

        Args:
            function: takes the dict.
            text: a JSON object; an empty text means no arguments.

        Raises:
            ToolArgumentsError: it is not a JSON object, or does not fit; the text names each field. Or the
                check takes too long.
            SchemaError: the schema has a reference that it does not define, or that never ends.
        """
        given = json_object(text)
        self.checks.left = _MOST_CHECKS
        try:
            found = list(islice(self.validator.iter_errors(given), _MOST_ERRORS))
        except RecursionError as error:
            raise SchemaError(
                f"The schema of the tool {self.name} refers to itself without end; correct its $ref."
            ) from error
        except _unresolvable() as error:
            raise SchemaError(
                f"The schema of the tool {self.name} has a reference that it does not define "
                f"({_short(str(error))}); add the definition to its $defs."
            ) from error
        if found:
            raise ToolArgumentsError("; ".join(map(_sentence, found)))
        return partial(function, given)


def _plain(schema: Mapping[str, object], name: str) -> dict[str, object]:
    """Return a copy of a schema that contains only JSON values."""
    try:
        text = json.dumps(schema, allow_nan=False, default=_mapping)
        plain = cast("object", json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"The schema of the tool {name} is not JSON: {error}") from error
    if not isinstance(plain, dict):
        raise SchemaError(
            f"The schema of the tool {name} is a {type(schema).__name__}; give a JSON schema as a dict."
        )
    if len(text) > _MOST_SCHEMA:
        raise SchemaError(
            f"The schema of the tool {name} has {len(text):,} characters; at most {_MOST_SCHEMA:,} are read."
        )
    return cast("dict[str, object]", plain)


def _mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    raise TypeError(f"it contains an object of type {type(value).__name__}")


def _validator(schema: Mapping[str, object], name: str, checks: _Checks) -> _Validator:
    validators = _imported("jsonschema.validators")
    default = validators.Draft202012Validator
    no_formats = cast("Callable[..., object]", _imported("jsonschema").FormatChecker)
    dialect = cast("Callable[..., _ValidatorClass]", validators.validator_for)(schema, default=default)
    try:
        # Formats are not checked: a regular expression in a JSON schema need not be valid in Python.
        dialect.check_schema(schema, format_checker=no_formats(formats=()))
    except (cast("type[Exception]", _imported("jsonschema").SchemaError), RecursionError) as error:
        shown = getattr(error, "message", "it is nested too deep")
        raise SchemaError(
            f"The schema of the tool {name} is not a JSON schema: {_short(str(shown))}"
        ) from error
    extend = cast("Callable[..., _ValidatorClass]", validators.extend)
    keywords: dict[str, _Check] = {
        **dialect.VALIDATORS,
        "pattern": _anything,
        "patternProperties": _anything,
        "unevaluatedProperties": _anything,
        "additionalProperties": partial(_additional, dialect.VALIDATORS["additionalProperties"]),
        "uniqueItems": partial(_unique, dialect.VALIDATORS["uniqueItems"]),
    }
    checked = extend(dialect, {key: partial(checks.counted, check) for key, check in keywords.items()})
    # An empty registry: references are never fetched from the network.
    return checked(schema, registry=cast("Callable[[], object]", _imported("referencing").Registry)())


def _anything(_validator: object, _value: object, _instance: object, _schema: object) -> None:
    """Accept every value: regular expressions are not matched."""


def _additional(check: _Check, *given: object) -> _Found:
    """Check additional properties, unless patterns, which are not matched, may allow them."""
    *_, schema = given
    return None if "patternProperties" in cast("Mapping[str, object]", schema) else check(*given)


def _unique(check: _Check, validator: object, value: object, instance: object, schema: object) -> _Found:
    """Check that no item comes twice; the check of ``jsonschema`` compares each one with each other one."""
    seen: set[object] = set()
    for each in cast("list[object]", instance) if isinstance(instance, list) else ():
        key = _hashable(each)
        if key in seen:
            return check(validator, value, [each, each], schema)
        seen.add(key)
    return None


def _hashable(value: object) -> object:
    """Return a value that is equal for equal JSON; true is not 1, which it is in Python."""
    match value:
        case dict():
            items = cast("dict[str, object]", value).items()
            return frozenset((name, _hashable(each)) for name, each in items)
        case list():
            return tuple(map(_hashable, cast("list[object]", value)))
        case bool():
            return bool, value
        case _:
            return value


def _sentence(error: _Error) -> str:
    return sentence_at(error.absolute_path, _short(error.message))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


class _Module(Protocol):
    """A module of ``jsonschema`` or ``referencing``, which have no types."""

    def __getattr__(self, name: str, /) -> object:
        """Return a name of the module."""
        ...


def _imported(name: str) -> _Module:
    try:
        return cast("_Module", import_module(name))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "A tool with a JSON schema needs the package jsonschema: pip install 'miniagents[schema]'"
        ) from error


def _unresolvable() -> type[Exception]:
    return cast("type[Exception]", _imported("referencing.exceptions").Unresolvable)
