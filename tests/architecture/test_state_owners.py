"""The state of a stream's life, of a task's, and of its demand is written in one module each."""

from pathlib import Path

import pytest

from tests.architecture.owners import written_elsewhere
from tests.architecture.project import SHARED_STATE_NAMES, STATE_OWNERS
from tests.architecture.source import ROOT, no_breach, plant

OWNER = "miniagents/core/_lifetime.py"
OWNED = {OWNER: ("Lifetime",)}
LIFE = 'class Lifetime:\n    __slots__ = ("__weakref__", "closed", "error", "was_read")\n'


@pytest.mark.gate("reads all of the source")
def test_state_is_written_by_its_owner() -> None:
    """No module but `_lifetime` ends a stream or counts its readers, and none but `_flow` its demand."""
    no_breach(written_elsewhere(ROOT, STATE_OWNERS, SHARED_STATE_NAMES))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("def f(buffer):\n    buffer.was_read = True\n", 1),
        ("def f(buffer):\n    buffer.was_read |= True\n", 1),
        ("def f(buffer):\n    buffer.was_read, x = True, 1\n", 1),
        ("def f(buffer):\n    del buffer.was_read\n", 1),
        ("def f(buffer):\n    buffer.was_read: bool = True\n", 1),
        ("class A(Lifetime):\n    def f(self):\n        self.closed = True\n", 1),
        ("class A(m.Lifetime[int]):\n    pass\nclass B(A):\n    def f(self):\n        self.error = 1\n", 1),
        ("class A:\n    def f(self):\n        self.closed = True\n", 0),
        ("def f(call):\n    call.error = 1\n", 0),
        ("def f(buffer):\n    return buffer.was_read\n", 0),
    ],
)
def test_it_can_fail(tmp_path: Path, text: str, count: int) -> None:
    """An assignment from outside is found, also in a subclass; a class's own state is not."""
    plant(tmp_path, {OWNER: LIFE, "miniagents/core/_a.py": text})
    assert count == len(written_elsewhere(tmp_path, OWNED, frozenset({"error"})))
