"""Every import line of the documentation works."""

import importlib
from types import ModuleType

import pytest

from tests.architecture.documented import LINES, OUTSIDE_EXT, try_line


@pytest.mark.parametrize("line", LINES)
def test_line(line: str) -> None:
    """The line binds each name it has, and a name is never the module of that name."""
    bound = try_line(line)
    assert sorted(bound) == sorted(line.split(" import ")[1].split(", "))
    assert [name for name, value in bound.items() if isinstance(value, ModuleType)] == []


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in OUTSIDE_EXT.items() for name in names]
)
def test_top_level(module: str, name: str) -> None:
    """The name can be imported from `miniagents` itself, and is the same thing there."""
    front = importlib.import_module("miniagents")
    assert getattr(front, name) is getattr(importlib.import_module(module), name)


def test_no_module_is_hidden() -> None:
    """`miniagents.ext.console_user_agent` is a module, though a function in it has the same name."""
    for name in ("miniagents.miniagents", "miniagents.ext.console_user_agent"):
        parent, _, child = name.rpartition(".")
        module = importlib.import_module(name)
        assert getattr(importlib.import_module(parent), child) is module


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("from miniagents import no_such_name", ImportError),
        ("from miniagents.no_such_module import Message", ModuleNotFoundError),
    ],
)
def test_lines_can_fail(line: str, error: type[Exception]) -> None:
    """A line that does not hold raises."""
    with pytest.raises(error):
        try_line(line)
