"""No module of the package imports itself, through any chain."""

from pathlib import Path

import pytest

from tests.architecture.cycles import import_cycles
from tests.architecture.source import ROOT, no_breach, plant


def test_no_cycles() -> None:
    """Every file of the package can be read after those it imports."""
    no_breach(import_cycles(ROOT))


@pytest.mark.parametrize(
    ("files", "cycle"),
    [
        (
            {"values/_a.py": "from ._b import b\n", "values/_b.py": "from ._a import a\n"},
            "miniagents.values._a -> miniagents.values._b -> miniagents.values._a",
        ),
        (
            {
                "values/__init__.py": "from ._a import a\n",
                "values/_a.py": "from miniagents.values import b\n",
            },
            "miniagents.values -> miniagents.values._a -> miniagents.values",
        ),
        (
            {"values/_a.py": "from . import _b\n", "values/_b.py": "import miniagents.values._a\n"},
            "miniagents.values._a -> miniagents.values._b -> miniagents.values._a",
        ),
        (
            {"__init__.py": "from miniagents.values import a\n", "values/__init__.py": "import miniagents\n"},
            "miniagents -> miniagents.values -> miniagents",
        ),
    ],
)
def test_cycles_can_fail(tmp_path: Path, files: dict[str, str], cycle: str) -> None:
    """A cycle between modules, or through a public module, is found."""
    plant(tmp_path, {f"miniagents/{name}": text for name, text in files.items()})
    assert import_cycles(tmp_path) == [cycle]


def test_types_may_come_from_anywhere(tmp_path: Path) -> None:
    """An import for types alone closes no cycle: nothing is imported when the program runs."""
    files = {
        "miniagents/values/_a.py": "if TYPE_CHECKING:\n    from ._b import b\n",
        "miniagents/values/_b.py": "from ._a import a\n",
    }
    assert import_cycles(plant(tmp_path, files)) == []


def test_a_chain_passes(tmp_path: Path) -> None:
    """Two modules may import a third, and the public module both."""
    files = {
        "miniagents/values/__init__.py": "from ._a import a\nfrom ._b import b\n",
        "miniagents/values/_a.py": "from ._c import c\n",
        "miniagents/values/_b.py": "from ._a import a\nfrom ._c import c\n",
        "miniagents/values/_c.py": "",
    }
    assert import_cycles(plant(tmp_path, files)) == []
