"""The parts of an answer are values."""

import dataclasses

import pytest

from miniagents import Usage
from miniagents.ext.llm import Count, Identity, Progress


@pytest.mark.parametrize("part", [Identity("a", "b"), Progress(), Count(Usage(1, 2))])
def test_parts_are_values(part: object) -> None:
    """A part is equal to its copy, can be a key, and holds nothing but its fields."""
    assert dataclasses.is_dataclass(part)
    assert not isinstance(part, type)
    copy = dataclasses.replace(part)
    assert {part: 1}[copy] == 1
    assert not hasattr(part, "__dict__")
