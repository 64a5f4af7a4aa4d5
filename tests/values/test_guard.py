"""Tests of the error for a change to a frozen value."""

from pydantic import ValidationError

from miniagents.values._guard import is_frozen_error


def test_the_error_of_pydantic_with_our_sentence() -> None:
    """It is what pydantic's frozen models raise, names the class and field, and says what to do."""
    error = is_frozen_error("Message", "text")
    assert isinstance(error, ValidationError)
    assert [("frozen_instance", ("text",))] == [(each["type"], each["loc"]) for each in error.errors()]
    assert "Message is frozen; make a changed copy with model_copy(update=...)" in str(error)


def test_no_content() -> None:
    """The error tells nothing of the values."""
    assert "input" not in str(is_frozen_error("Message", "text"))
