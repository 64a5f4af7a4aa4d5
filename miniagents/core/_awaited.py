"""Who awaits whom among asyncio's own tasks, as far as asyncio knows.

Rule of this room: **what it does not know it does not claim.** ``await task``, ``gather``, ``wait`` for all,
``wait_for``, ``shield`` and ``TaskGroup`` are known: asyncio's own callbacks on a task tell what goes on when
it is done. What a program builds of events and queues is not.
"""

import asyncio
from asyncio import Future, Task
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from types import FunctionType
from typing import TypeAlias, cast

AnyFuture: TypeAlias = "Future[object]"


def awaits(task: "Task[object]", other: "Task[object]") -> bool:
    """Whether ``task`` cannot go on before ``other`` is done.

    Args:
        task: one that is not running right now.
        other: any task.
    """
    seen: set[AnyFuture] = set()
    left: list[AnyFuture] = [other]
    while left:
        future = left.pop()
        if future is task:
            return True
        if future not in seen:
            seen.add(future)
            left += _after(future)
    return False


def leaves(task: "Task[object]") -> list[AnyFuture] | None:
    """What ``task`` awaits in the end, through other tasks; None if one of them is about to go on.

    Args:
        task: any task.
    """
    found: list[AnyFuture] = []
    left: list[AnyFuture] = [task]
    seen: set[AnyFuture] = set()
    while left:
        future = left.pop()
        if future in seen:
            continue
        seen.add(future)
        children = _look(future, "_children")
        if isinstance(future, Task):
            awaited = _look(future, "_fut_waiter")
            if not isinstance(awaited, Future) or awaited.done():
                return None
            left.append(cast("AnyFuture", awaited))
        elif children:
            left += [child for child in cast("Iterable[AnyFuture]", children) if not child.done()]
        else:
            found.append(future)
    return found


def _look(of: object, name: str) -> object:
    # What asyncio knows has no other name; the same in every version from 3.11 on.
    return getattr(of, name, None)


def _after(future: AnyFuture) -> Iterator[AnyFuture]:
    """What goes on, or is done, as soon as ``future`` is done."""
    callbacks = cast("Iterable[tuple[Callable[..., object], object]] | None", _look(future, "_callbacks"))
    for callback, _ in callbacks or ():
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, Task):
            woken = cast("AnyFuture", owner)
            if _look(woken, "_fut_waiter") is future:
                yield woken
        elif isinstance(owner, asyncio.TaskGroup):  # its task waits in the end of the block, once it is there
            ended = _look(owner, "_on_completed_fut")
            if isinstance(ended, Future):
                yield cast("AnyFuture", ended)
        elif isinstance(callback, partial):
            yield from _futures(cast("partial[object]", callback).func, callback.args)
        elif isinstance(callback, FunctionType):
            yield from _futures(callback, _cells(callback).values())


def _futures(function: object, values: Iterable[object]) -> list[AnyFuture]:
    # Of asyncio's own functions alone: what others do with a future is not known.
    if getattr(function, "__module__", None) != "asyncio.tasks":
        return []
    return [cast("AnyFuture", value) for value in values if isinstance(value, Future)]


def _cells(function: FunctionType) -> dict[str, object]:
    cells: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # nothing is in it yet
            cells[name] = cell.cell_contents
    if cells.get("return_when", asyncio.ALL_COMPLETED) != asyncio.ALL_COMPLETED and cells.get("counter") != 1:
        return {}  # `asyncio.wait` for any of several: the others may let it go on
    return cells
