"""Tests of the errors around tools."""

import pytest

from miniagents import LLMError, MaxTurnsError, MiniAgentsError, SchemaError, ToolArgumentsError


@pytest.mark.parametrize(
    ("kind", "base"),
    [(SchemaError, TypeError), (ToolArgumentsError, ValueError), (MaxTurnsError, LLMError)],
)
def test_errors_are_of_the_family(kind: type[Exception], base: type[Exception]) -> None:
    """Each is one of ours, and what Python calls such an error."""
    assert issubclass(kind, MiniAgentsError)
    assert issubclass(kind, base)
