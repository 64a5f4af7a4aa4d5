"""What a test may not leave behind, compared before and after it.

A `Snapshot` is taken before the test's fixtures are set up, and `leaks_since` names what is there after they
are torn down and was not there before: open sockets, living threads, pending tasks, open event loops, context
variables.
"""

import asyncio
import gc
import os
import stat
import threading
import time
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TypeGuard

__all__ = ["Snapshot", "leaks_since"]

# Only a test that leaks waits this long: a thread that was told to end may still be on its way out.
_SECONDS_OF_GRACE = 1.0

# Set by the interpreter itself (decimal's default context, 3.14's warning filters), not by a test.
_CONTEXT_OF_PYTHON = frozenset({"decimal_context", "warnings_context", "_warnings_context"})


def _open_sockets() -> frozenset[tuple[int, int]]:
    """Return device and inode of every open socket of this process; none where there is no `/dev/fd`."""
    try:
        descriptors = os.listdir("/dev/fd")  # noqa: PTH208 - names only, no Path objects after every test
    except OSError:
        return frozenset()
    found: set[tuple[int, int]] = set()
    for descriptor in descriptors:
        try:
            status = os.fstat(int(descriptor))
        except OSError:  # the descriptor of the listing itself is closed by now
            continue
        if stat.S_ISSOCK(status.st_mode):
            found.add((status.st_dev, status.st_ino))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was there before a test.

    Everything alive is moved out of the garbage collector's sight first (`gc.freeze`). So a later
    `gc.collect()` and `gc.get_objects()` look only at what the test itself made, and are quick however much
    is imported.
    """

    sockets: frozenset[tuple[int, int]] = field(default_factory=_open_sockets)
    threads: frozenset[threading.Thread] = field(default_factory=lambda: frozenset(threading.enumerate()))
    context: Context = field(default_factory=copy_context)

    def __post_init__(self) -> None:
        """Freeze what is alive."""
        gc.freeze()


def leaks_since(before: Snapshot) -> list[str]:
    """Return a sentence for each thing that is there now and was not there `before`.

    It collects garbage, so that a socket, a coroutine or a task that only a cycle kept alive gives its
    warning now, to this test.
    """
    gc.collect()
    threads = _threads(before)
    deadline = time.monotonic() + _SECONDS_OF_GRACE
    while threads and time.monotonic() < deadline:
        time.sleep(0.01)
        threads = _threads(before)
    return [*threads, *_sockets(before), *_unfinished(), *_context(before)]


def _sockets(before: Snapshot) -> list[str]:
    return [f"an open socket (inode {inode})" for _, inode in sorted(_open_sockets() - before.sockets)]


def _threads(before: Snapshot) -> list[str]:
    return [
        f"a running thread: {thread!r}" for thread in threading.enumerate() if thread not in before.threads
    ]


def _unfinished() -> list[str]:
    made = gc.get_objects()
    tasks = [f"a pending task: {each!r}" for each in made if _is_task(each) and not each.done()]
    return tasks + [
        f"an open event loop: {each!r}" for each in made if _is_loop(each) and not each.is_closed()
    ]


# `isinstance` would ask an object's `__class__`, which proxies answer in ways of their own.
def _is_task(each: object) -> TypeGuard[asyncio.Task[object]]:
    return issubclass(type(each), asyncio.Task)


def _is_loop(each: object) -> TypeGuard[asyncio.AbstractEventLoop]:
    return issubclass(type(each), asyncio.AbstractEventLoop)


def _context(before: Snapshot) -> list[str]:
    now = copy_context()
    changed = [each for each in now if each not in before.context or before.context[each] is not now[each]]
    return [f"a changed context variable: {each!r}" for each in changed if not _of_python(each)]


def _of_python(variable: ContextVar[object]) -> bool:
    return variable.name in _CONTEXT_OF_PYTHON
