"""Tests of text templates."""

import pytest
from hypothesis import given, strategies as st
from typing_extensions import override

from miniagents.values import MessageValidationError
from miniagents.values._template import Template

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)


class Sly:
    """A value with every hook that formatting could run but `__str__`."""

    secret = "SECRET"  # noqa: S105 - a word to look for

    @override
    def __format__(self, spec: str) -> str:
        raise AssertionError(spec)

    @override
    def __repr__(self) -> str:
        raise AssertionError

    @override
    def __str__(self) -> str:
        return "sly"


@given(st.lists(st.tuples(st.text(), NAMES)), st.dictionaries(NAMES, st.text()))
def test_every_field_is_replaced(parts: list[tuple[str, str]], values: dict[str, str]) -> None:
    """Literal text, with its braces doubled, and fields come out as text and values."""
    values = {**dict.fromkeys((name for _, name in parts), "?"), **values}
    source = "".join(f"{text.replace('{', '{{').replace('}', '}}')}{{{name}}}" for text, name in parts)
    assert Template(source, "T").fill(values) == "".join(text + values[name] for text, name in parts)


@pytest.mark.parametrize(
    "field",
    [
        "{}",
        "{0}",
        "{a.b}",
        "{a.__class__}",
        "{a[0]}",
        "{a[b]}",
        "{a!r}",
        "{a!s}",
        "{a:>10}",
        "{a:{b}}",
        "{a b}",
        "{ a}",
    ],
)
def test_plain_names_only(field: str) -> None:
    """Anything but a plain name is refused when the template is made; the text shows the field."""
    with pytest.raises(MessageValidationError) as caught:
        Template(f"x {field} y", "Greeting")
    assert f"the text_template of Greeting has the field {field}; " in str(caught.value)
    assert "plain field names only, such as {name}; {{ and }} stand for braces" in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("source", ["{", "}", "a {b", "a } b", "{{}", "{a!}", "{a!rr}", "{a[}"])
def test_malformed(source: str) -> None:
    """A brace without a partner is refused with a sentence."""
    with pytest.raises(MessageValidationError, match="the text_template of Greeting"):
        Template(source, "Greeting")


@given(st.text("{}a.[]!:0r "))
def test_made_or_refused(source: str) -> None:
    """Whatever stands in a template, it is made, or refused with this one error."""
    try:
        template = Template(source, "T")
    except MessageValidationError:
        return
    pieces = {source[start:end] for start in range(len(source)) for end in range(start, len(source) + 1)}
    template.fill(dict.fromkeys(pieces, ""))


def test_a_missing_field() -> None:
    """The error names the field that is not there, and those that are."""
    with pytest.raises(
        MessageValidationError,
        match=r"of Greeting names the field 'nme', which does not exist; known fields: age, name$",
    ):
        Template("Hello, {nme}!", "Greeting").fill({"name": "Ada", "age": 3})
    with pytest.raises(MessageValidationError, match=r"known fields: none$"):
        Template("{x}", "Greeting").fill({})


def test_only_str_of_a_value_is_run() -> None:
    """No `__format__`, no `__repr__`, no attribute of a value is looked at."""
    assert Template("{a} {{a.secret}}", "T").fill({"a": Sly()}) == "sly {a.secret}"


def test_values_are_not_filled_again() -> None:
    """A value that looks like a field is text."""
    assert Template("{a}", "T").fill({"a": "{b}", "b": "x"}) == "{b}"


@pytest.mark.parametrize("source", [5, b"x", ["x"]])
def test_a_template_is_a_str(source: object) -> None:
    """Anything but a str is refused."""
    with pytest.raises(
        MessageValidationError, match=f"of Greeting is of type {type(source).__name__}; give a str"
    ):
        Template(source, "Greeting")
