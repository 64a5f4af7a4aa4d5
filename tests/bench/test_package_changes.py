"""Crosses modules: how many packages a call and a token pass through, from `inquire` to the provider."""

from collections.abc import Callable, Iterator
from typing import cast

import pytest

from tests.bench.package_changes import (
    AGENT_FUNCTION,
    BOUNDS,
    PATHS,
    CodePath,
    Frame,
    code_paths,
    entered_frames,
    row,
)


@pytest.mark.loop(debug=False)  # debug mode enters frames of its own
async def test_no_path_changes_package_more_often_than_its_bound() -> None:
    """No path through the packages is longer than what was achieved before."""
    found = await code_paths()
    assert list(PATHS) == list(BOUNDS) == list(found)
    too_long = {name: path.changes for name, path in found.items() if path.changes > BOUNDS[name]}
    assert {} == too_long
    functions = {
        name: [(frame.module, frame.function) for frame in path.frames] for name, path in found.items()
    }
    assert functions["begin"][-1] == AGENT_FUNCTION
    assert functions["begin"] == functions["ask"][: len(functions["begin"])]
    assert functions["inquire"] == functions["ask"][: len(functions["inquire"])]
    assert not {name for name, entered in functions.items() if len(entered) < 5}


def test_what_is_counted() -> None:
    """A change is a frame in another package than the one before; a package is two levels of a name."""
    modules = [
        "miniagents.a._one",
        "miniagents.a._two",
        "miniagents.b.c._x",
        "miniagents.b.d",
        "miniagents.a._one",
    ]
    path = CodePath([Frame(module, "function", 1) for module in modules])
    assert (4, 2) == (path.files, path.changes)
    assert ["   0 miniagents.a", "         miniagents.a._one:1 function"] == list(path.trace)[:2]
    assert 0 == CodePath([]).changes
    assert "| inquire | 5 | 4 | 2 | 4 | holds |" == row("inquire", path)
    long = CodePath([Frame(f"miniagents.{number}", "function", 1) for number in range(20)])
    assert row("inquire", long).endswith("| 19 | 4 | missed |")


def test_only_frames_of_miniagents_are_counted() -> None:
    """Each time that a generator of miniagents is resumed counts; other code does not."""
    code = compile("def numbers():\n    yield 1\n    yield 2\n", "numbers.py", "exec")
    ours: dict[str, object] = {"__name__": "miniagents.a"}
    others: dict[str, object] = {"__name__": "miniagents_of_others"}
    for module in (ours, others):
        exec(code, module)  # noqa: S102 - as an import does
    with entered_frames() as frames:
        for module in (ours, others):
            numbers = cast("Callable[[], Iterator[int]]", module["numbers"])
            assert [1, 2] == list(numbers())
    assert [Frame("miniagents.a", "numbers", 1)] * 3 == frames
