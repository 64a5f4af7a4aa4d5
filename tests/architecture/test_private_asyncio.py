"""Nothing private is read: no attribute of asyncio with an underscore, no reference counts.

What is private changes with another Python, another event loop, or a debugger.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "miniagents"
PRIVATE = {
    *("_asyncgen_shutdown_called", "_callbacks", "_coro", "_fut_waiter", "_loop_reader", "_must_cancel"),
    *("_ready", "_scheduled", "cr_await", "cr_frame", "ag_await", "ag_frame", "gi_frame"),
}
"""Of tasks, futures, event loops and coroutines."""
HERE = {
    # Whether an event loop waits for a lock of this thread; documented as the way to find such a deadlock.
    "streams/_pump.py": {"sys._current_frames"},
    # To guess how long a source waits for a reader (rule 7 of demand), and for an error of virtual time.
    "values/_frames.py": {
        f"awaited.{name}" for name in ("cr_await", "cr_frame", "ag_await", "ag_frame", "gi_frame")
    },
}
"""What one module may read, for the reason given; `inspect` documents these."""
COUNTS = {"getrefcount", "getsizeof", "_getframe", "_current_frames"}
"""Of `sys`."""
COLLECTOR = "gc"


def found_in(source: str) -> list[str]:
    """What a module reads that is private, as text, in order of its lines."""
    tree = ast.parse(source)
    return [name for node in ast.walk(tree) for name in _private(node)]


def _private(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (each.name for each in names if each.name == COLLECTOR or _is_private(each.name))
        case ast.ImportFrom(module=module, names=names) if module is not None:
            yield from (f"{module}.{each.name}" for each in names if _is_private(f"{module}.{each.name}"))
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if _is_private(f"{owner}.{name}"):
            yield f"{owner}.{name}"
        case ast.Attribute(value=value, attr=name):
            path = f"{ast.unparse(value)}.{name}"
            if name in PRIVATE or _is_private(path):
                yield path
        case ast.Constant(value=str(name)) if name in PRIVATE:  # for `getattr`, also out of a tuple of names
            yield name
        case _:
            pass


def _is_private(path: str) -> bool:
    first, *rest = path.split(".")
    if first == "asyncio":
        return any(name.startswith("_") for name in rest)
    return first == COLLECTOR or (first == "sys" and bool(COUNTS & {*rest})) or first == "_asyncio"


@pytest.mark.gate("reads every module")
def test_nothing_private_is_read() -> None:
    """A module reads no private attribute of asyncio, no reference count, and not the garbage collector."""
    found = {
        path.relative_to(PACKAGE).as_posix(): {*found_in(path.read_text(encoding="utf-8"))}
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert HERE == {path: names for path, names in found.items() if names}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import asyncio\nasyncio._enter_task(1)", ["asyncio._enter_task"]),
        ("import asyncio.tasks\nasyncio.tasks._all_tasks", ["asyncio.tasks._all_tasks"]),
        ("from asyncio import _enter_task", ["asyncio._enter_task"]),
        ("from asyncio.tasks import _GatheringFuture", ["asyncio.tasks._GatheringFuture"]),
        ("import _asyncio", ["_asyncio"]),
        ("from _asyncio import Task", ["_asyncio.Task"]),
        ("task._fut_waiter", ["task._fut_waiter"]),
        ("self.task._fut_waiter", ["self.task._fut_waiter"]),
        ("getattr(future, '_callbacks', None)", ["_callbacks"]),
        ("future()._callbacks", ["future()._callbacks"]),
        ("asyncio._get_running_loop()", ["asyncio._get_running_loop"]),
        ("coroutine.cr_await", ["coroutine.cr_await"]),
        ("import sys\nsys.getrefcount(one)", ["sys.getrefcount"]),
        ("from sys import getrefcount", ["sys.getrefcount"]),
        ("import gc", ["gc"]),
        ("from gc import get_referrers", ["gc.get_referrers"]),
        ("gc.collect()", ["gc.collect"]),
    ],
)
def test_it_can_fail(source: str, found: list[str]) -> None:
    """Each way to read something private is found."""
    assert found == found_in(source)


def test_what_is_public_is_let_be() -> None:
    """What asyncio and sys show, and what is private of our own, is not found."""
    public = "import asyncio, sys\nasyncio.get_running_loop()\nself._children\nsys.maxsize\ntask.get_name()"
    assert [] == found_in(public)


def test_all_modules_are_looked_at() -> None:
    """The package has modules, and the core is among them."""
    assert {"_deadlocks.py", "_lifetime.py"} <= {path.name for path in PACKAGE.rglob("*.py")}
