"""Signatures and docstrings as JSON schemas, and JSON as arguments."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Literal, cast

import pytest
from pydantic import BaseModel, Field

from miniagents.models import SchemaError, ToolArgumentsError
from miniagents.models._parameters import Described, Parameters

FULL = """Look up the weather.

    It may be cold: in the north
    it is.

    Args:
        city: where, by its name
            in English
        day (datetime.date, optional): which day
        *rest: not a name

    Returns:
        degrees: in Celsius
    """


def test_a_docstring_is_taken_apart() -> None:
    """The text ends before the first section; each parameter is described on one line."""
    found = Described.by(FULL)
    assert found.text == "Look up the weather.\n\nIt may be cold: in the north\nit is."
    assert dict(found.parameters) == {
        "city": "where, by its name in English",
        "day": "which day *rest: not a name",
    }


NUMPY = """Look up the weather.

    Parameters
    ----------
    city : str
        where, by its name
        in English: "Oslo"
    day : datetime.date, optional
        which day

    Returns
    -------
    degrees : float
        in Celsius
    """
SPHINX = """Look up the weather.

    :param city: where, by its name
        in English: "Oslo"
    :type city: str
    :param datetime.date day: which day
    :returns: degrees
    """


@pytest.mark.parametrize("docstring", [NUMPY, SPHINX])
def test_other_styles(docstring: str) -> None:
    """A docstring may be in the style of NumPy or Sphinx."""
    found = Described.by(docstring)
    assert "Look up the weather." == found.text
    assert {"city": 'where, by its name in English: "Oslo"', "day": "which day"} == dict(found.parameters)


@pytest.mark.parametrize("heading", ["Args", "Arguments", "Parameters"])
def test_names_of_the_section(heading: str) -> None:
    """The section of the parameters may have any of its usual names."""
    assert dict(Described.by(f"Do it.\n\n{heading}:\n    a: b: c").parameters) == {"a": "b: c"}


@pytest.mark.parametrize(
    ("docstring", "text"),
    [
        (None, ""),
        ("", ""),
        ("Only text.", "Only text."),
        ("Be careful:\nit bites.", "Be careful:\nit bites."),
        ("Args:\n    a: b", ""),
        (
            "Do it.\n\nHow\n---\n:meth:`do` does it.\n:note: not now",
            "Do it.\n\nHow\n---\n:meth:`do` does it.\n:note: not now",
        ),
        ("Do it.\n\nArgs:\n", "Do it."),
    ],
)
def test_other_docstrings(docstring: str | None, text: str) -> None:
    """A docstring without sections is only text; one that begins with a section has no text."""
    assert Described.by(docstring).text == text


class Place(BaseModel):
    """A place on earth."""

    city: str
    country: str | None = None


def forecast(
    place: Place,
    day: date,
    *,
    json: Annotated[Literal["long", "short"], Field(description="how much")] = "short",
    days: Annotated[int, Field(gt=0)] = 1,
    self: list[str] | None = None,
) -> str:
    """Tells the weather."""
    return f"{place.city} {day} {json} {days} {self}"


def of(function: Callable[..., object], **descriptions: str) -> Parameters:
    return Parameters.of(function, "forecast", descriptions)


def plain(value: object) -> object:
    """Frozen data as JSON would be read."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [plain(item) for item in value] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def test_schema() -> None:
    """The schema has every parameter with its type, default and description, and nothing else is taken."""
    assert plain(of(forecast, place="where", json="never used", unknown="x").schema) == {
        "$defs": {
            "Place": {
                "description": "A place on earth.",
                "properties": {
                    "city": {"type": "string"},
                    "country": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                },
                "required": ["city"],
                "title": "Place",
                "type": "object",
            }
        },
        "additionalProperties": False,
        "properties": {
            "place": {"$ref": "#/$defs/Place", "description": "where"},
            "day": {"format": "date", "type": "string"},
            "json": {
                "default": "short",
                "description": "how much",
                "enum": ["long", "short"],
                "type": "string",
            },
            "days": {"default": 1, "exclusiveMinimum": 0, "type": "integer"},
            "self": {
                "anyOf": [{"items": {"type": "string"}, "type": "array"}, {"type": "null"}],
                "default": None,
            },
        },
        "required": ["place", "day"],
        "type": "object",
    }


def test_without_parameters() -> None:
    """A function without parameters takes an empty object, or nothing at all."""

    def now() -> str:
        return "now"

    parameters = of(now)
    assert plain(parameters.schema) == {"additionalProperties": False, "properties": {}, "type": "object"}
    assert [parameters.arguments(text) for text in ("{}", "", "  ")] == [{}, {}, {}]


def test_arguments_are_validated() -> None:
    """JSON becomes what the types say, and what was not given is left to the function."""
    assert of(forecast).arguments('{"place": {"city": "Oslo"}, "day": "2024-02-29", "json": "long"}') == {
        "place": Place(city="Oslo"),
        "day": date(2024, 2, 29),
        "json": "long",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"place": {"city": "Oslo"}}', "day: Field required"),
        (
            '{"place": {"city": 1}, "day": "soon"}',
            "place.city: Input should be a valid string; day: Input should be a",
        ),
        ('{"place": {"city": "a"}, "day": "2024-01-01", "x": 1}', "x: Extra inputs are not permitted"),
        (
            '{"place": {"city": "a"}, "day": "2024-01-01", "self": ["a", 1]}',
            r"self\[1\]: Input should be a valid",
        ),
        ('{"place": {"city": "a"}, "day": "2024-01-01", "days": 0}', "days: Input should be greater than 0"),
        ("[1]", "Input should be an object"),
        ('{"place": ', "Invalid JSON: EOF while parsing"),
    ],
)
def test_bad_arguments(text: str, sentence: str) -> None:
    """What does not fit is an error that names each field, for the model to correct."""
    with pytest.raises(ToolArgumentsError, match=sentence):
        of(forecast).arguments(text)


def test_errors_keep_what_was_given_to_themselves() -> None:
    """The text of an error does not quote the arguments."""
    with pytest.raises(ToolArgumentsError) as caught:
        of(forecast).arguments('{"place": "geheim"}')
    assert "geheim" not in str(caught.value)


def endless(days: float = float("inf"), least: float = float("nan")) -> None:
    """Has defaults that JSON does not have."""


def test_defaults_without_json() -> None:
    """Infinity and NaN are no JSON, and no server takes them, so the schema has no such default."""
    made = of(endless)
    properties = cast("Mapping[str, Mapping[str, object]]", made.schema["properties"])
    assert [{"type": "number"}] * 2 == [dict(each) for each in properties.values()]
    assert {} == made.arguments("{}")


def untyped(city, day: date) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Has no type."""


def any_number(*cities: str) -> None:
    """Takes any number."""


def any_names(**cities: str) -> None:
    """Takes any names."""


def callback(city: str, call: Callable[[int], str]) -> None:
    """Takes what JSON cannot hold."""


class Opaque:
    """Pydantic does not know it."""


def opaque(city: str, value: Opaque) -> None:
    """Takes what pydantic does not know."""


def described(city: str = Field("Oslo", description="where")) -> None:
    """Has a description in the place of the default."""


def unknown(city: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Is of a type that is nowhere."""


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (untyped, "The parameter 'city' of the tool forecast has no type"),  # pyright: ignore[reportUnknownArgumentType]
        (any_number, r"\*cities stands for any number of arguments"),
        (any_names, r"\*\*cities stands for any number of arguments"),
        (callback, "The parameter 'call' of the tool forecast is of type .*, which JSON cannot hold"),
        (opaque, "The parameter 'value' of the tool forecast is of type .*Opaque"),
        (described, r"write city: Annotated\[type, Field\(\.\.\.\)\] = default"),
        (unknown, "cannot be read .*Nowhere.*annotate them"),
    ],
)
def test_functions_that_are_refused(function: Callable[..., object], sentence: str) -> None:
    """What no model could call is refused with the reason and the parameter."""
    with pytest.raises(SchemaError, match=sentence):
        of(function)
