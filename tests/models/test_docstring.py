"""Tests of what a docstring says."""

import pytest

from miniagents.models._docstring import Described

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
        ("Do it.\n\nArgs:\n", "Do it."),
    ],
)
def test_other_docstrings(docstring: str | None, text: str) -> None:
    """A docstring without sections is only text; one that begins with a section has no text."""
    assert Described.by(docstring).text == text
