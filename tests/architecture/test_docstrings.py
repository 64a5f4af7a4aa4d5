"""What a docstring shows, runs."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from tests.architecture.described import examples_in
from tests.architecture.docstrings import broken_examples, runnable_examples
from tests.architecture.source import ROOT, paths, read

WITH_EXAMPLES = [path for path in paths(ROOT) if ">>> " in (ROOT / path).read_text(encoding="utf-8")]


@pytest.mark.gate("runs hundreds of examples, some in processes of their own")
@pytest.mark.logs("unread items were dropped")  # as the example of `Overflow` says
@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=str)
def test_examples(path: Path) -> None:
    """Each example of the module gives what it says, and none is where it cannot be run."""
    module = read(ROOT, path)
    imported = importlib.import_module(module.name)
    if report := broken_examples(imported):
        pytest.fail(report, pytrace=False)
    assert examples_in(module) == runnable_examples(imported)


def test_examples_can_fail() -> None:
    """An example that gives something else is found; one that is true is not."""
    module = ModuleType("example", ">>> 1 + 1\n3\n")
    assert "Expected:\n    3\nGot:\n    2\n" in broken_examples(module)
    assert broken_examples(ModuleType("example", ">>> 1 + 1\n2\n")) == ""
