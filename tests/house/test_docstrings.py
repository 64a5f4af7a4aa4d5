"""What a docstring shows, runs."""

import importlib
from types import ModuleType

import pytest

from tests.house.docstrings import broken_examples
from tests.house.source import ROOT, modules

WITH_EXAMPLES = [module.name for module in modules(ROOT) if ">>> " in module.text]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name: str) -> None:
    """Each example of the module gives what it says."""
    if report := broken_examples(importlib.import_module(name)):
        pytest.fail(report, pytrace=False)


def test_examples_can_fail() -> None:
    """An example that gives something else is found; one that is true is not."""
    module = ModuleType("example", ">>> 1 + 1\n3\n")
    assert "Expected:\n    3\nGot:\n    2\n" in broken_examples(module)
    assert broken_examples(ModuleType("example", ">>> 1 + 1\n2\n")) == ""
