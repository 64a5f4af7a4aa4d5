"""Fields of the JSON of a wire are read without trust."""

import pytest

from miniagents.ext.llm import Identity, WireError
from miniagents.ext.llm._fields import arguments_of, identifier, identity_of, list_of, object_of, text_of


def test_says_nothing() -> None:
    """What is missing or null says nothing."""
    assert ("", "", None, []) == (text_of(None), arguments_of(None), identifier(None), list_of(None))
    assert Identity(None, None) == identity_of({"id": None})


def test_other_types() -> None:
    """Names may be numbers, arguments an object; what is no name or list says nothing."""
    assert ("7", None, None) == (identifier(7), identifier(1.5), identifier([]))
    assert '{"a": 1}' == arguments_of({"a": 1})
    assert [] == list_of({"a": 1})
    assert Identity("7", None) == identity_of({"id": 7, "model": 8})


@pytest.mark.parametrize("value", [7, True, ["a"], 1.5])
def test_refused(value: object) -> None:
    """Where text or a call could be, nothing else is taken for nothing."""
    for read in (text_of, arguments_of, object_of):
        with pytest.raises(WireError):
            read(value)
    with pytest.raises(WireError):
        text_of({})
