"""No module of the package holds anything that can be changed."""

from pathlib import Path

import pytest

from tests.architecture.source import ROOT, no_breach, plant
from tests.architecture.state import mutable_globals


@pytest.mark.gate("reads all of the source")
def test_no_global_state() -> None:
    """Two contexts, two tests, two users share nothing."""
    no_breach(mutable_globals(ROOT))


@pytest.mark.parametrize(
    "line",
    [
        "cache = {}",
        "cache: dict[str, int] = {}",
        "HISTORY = []",
        "HISTORY: Final = []",
        "seen = {1, 2}",
        "squares = [n * n for n in range(3)]",
        "cache = dict()",
        "cache = dict[str, int]()",
        "clients = weakref.WeakValueDictionary()",
        "numbers = itertools.count()",
        "LOCK = threading.Lock()",
        "pair = (1, [])",
        "if True:\n    cache = {}",
        "try:\n    import fast\nexcept ImportError:\n    cache = {}",
        "def f():\n    global count\n    count = 1",
    ],
)
def test_state_can_fail(tmp_path: Path, line: str) -> None:
    """A changeable thing at module level is found, however it is written."""
    assert len(mutable_globals(plant(tmp_path, {"miniagents/values/_module.py": line + "\n"}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        '__all__ = ["freeze"]',
        'NAMES = ("a", "b")',
        'NAMES = frozenset({"a", "b"})',
        'LIMITS = MappingProxyType({"a": 1})',
        "logger = logging.getLogger(__name__)",
        'T = TypeVar("T")',
        'current = ContextVar("current", default=None)',
        "def f():\n    cache = {}",
    ],
)
def test_constants_pass(tmp_path: Path, line: str) -> None:
    """Constants, loggers, type variables, context variables and local state are free."""
    assert mutable_globals(plant(tmp_path, {"miniagents/values/_module.py": line + "\n"})) == []


def test_the_contexts_of_loops(tmp_path: Path) -> None:
    """The dictionary of app-wide contexts is free in its own module, and nothing else is there."""
    held = "_APP_WIDE: Final[WeakKeyDictionary[Loop, Context]] = WeakKeyDictionary()\n"
    place = "miniagents/streams/_context.py"
    more = held + "_OTHER = WeakKeyDictionary()\n"
    assert mutable_globals(plant(tmp_path / "own", {place: held})) == []
    assert len(mutable_globals(plant(tmp_path / "more", {place: more}))) == 1
    assert len(mutable_globals(plant(tmp_path / "else", {"miniagents/streams/_promise.py": held}))) == 1
