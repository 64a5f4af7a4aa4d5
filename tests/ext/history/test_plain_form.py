"""Old files and turns typed by hand."""

import pytest

from miniagents.ext._history._plain_form import read_plain


def _turns(text: str) -> list[tuple[str, object, str | None]]:
    return [(record.role, record.data.get("model"), record.text) for record in read_plain(text).records]


def test_an_old_file() -> None:
    """A role over a line of `=`, perhaps with a model; the text up to the next."""
    text = "\nuser\n========\nHi!\n\n# Title\n\nassistant / gpt-4o\n====\n\nHello.\n\nsystem\n===\nBe nice.\n"
    expected = [
        ("user", None, "Hi!\n\n# Title"),
        ("assistant", "gpt-4o", "Hello."),
        ("system", None, "Be nice."),
    ]
    assert expected == _turns(text)
    assert expected == _turns(text.replace("\n", "\r\n"))
    assert "" == read_plain(text).stray


@pytest.mark.parametrize(
    "line", ["assistant / m", "Assistant/m", "assistant · m", "assistant (m)", "assistant: m"]
)
def test_models_in_old_headings(line: str) -> None:
    """The model may stand behind the role in several ways."""
    assert [("assistant", "m", "x")] == _turns(f"{line}\n======\n\nx")


def test_classes_follow_the_roles() -> None:
    """The message class of a plain turn is the one of its role."""
    names = [record.class_name for record in read_plain("user\n===\na\n\nassistant\n===\nb\n").records]
    assert ["UserMessage", "AssistantMessage"] == names


def test_a_text_keeps_its_inside() -> None:
    """Only the blank lines around a text are taken off."""
    assert [("user", None, "  a\n\n\n b  ")] == _turns("user\n===\n\n\n  a\n\n\n b  \n\n\n")


@pytest.mark.parametrize(
    "text",
    [
        "a user\n====\n",
        "user\n==\n",
        "user\n\n====\n",
        "    user\n====\n",
        "user and more\n====\n",
        "users\n====",
    ],
)
def test_what_is_no_heading(text: str) -> None:
    """Other lines over `=` are text."""
    assert [("user", None, f"x\n\n{text}".strip())] == _turns(f"user\n====\nx\n\n{text}")


def test_fences_protect() -> None:
    """A heading inside a code block is code; a block that is never closed protects nothing."""
    block = "```\nassistant\n====\nx\n```"
    assert [("user", None, block)] == _turns(f"user\n====\n{block}\n")
    cut = _turns("user\n====\n```python\ncode\n\nassistant\n====\nx\n")
    assert [("user", None, "```python\ncode"), ("assistant", None, "x")] == cut


def test_headings_typed_by_hand() -> None:
    """The heading of this library works without its comment lines, for the roles it knows."""
    text = "## user\n\nHi!\n\n## Note\n\n## Assistant · gpt-x\nHello.\n"
    assert [("user", None, "Hi!\n\n## Note"), ("assistant", "gpt-x", "Hello.")] == _turns(text)


def test_the_first_heading_decides_the_form() -> None:
    """A `## user` in an old text stays text, and so does an old heading in a typed one."""
    assert [("user", None, "## assistant\n\nx")] == _turns("user\n====\n## assistant\n\nx")
    assert [("user", None, "assistant\n====\nx")] == _turns("## user\n\nassistant\n====\nx")


def test_empty_turns_and_strays() -> None:
    """A heading with nothing below it is no turn; text before the first belongs to nobody."""
    turns = read_plain("notes\n\nuser\n====\n\n")
    assert ((), "notes") == (turns.records, turns.stray)
    assert ((), "notes") == (read_plain("notes").records, read_plain("notes\n").stray)
