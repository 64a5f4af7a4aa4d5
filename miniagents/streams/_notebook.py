"""Notebooks: a cell that is interrupted stops what it has begun.

IPython keeps the traceback of an interrupted cell, and with it every promise that the cell was reading. So
nothing is dropped, and a model would write on to its end.
"""

import sys
from asyncio import CancelledError
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from ._context import Context, OwnedTask


class _Result(Protocol):
    """What IPython says of a cell that it has run."""

    error_in_exec: BaseException | None


class _Events(Protocol):
    """The events of IPython."""

    def register(self, event: str, function: Callable[..., object], /) -> None: ...

    def unregister(self, event: str, function: Callable[..., object], /) -> None: ...


class _Shell(Protocol):
    """The part of IPython's shell that is used here."""

    events: _Events


def watch_cells(context: "Context") -> None:
    """Have interrupted cells stop what they have begun, if this program runs in IPython.

    IPython is not imported: a program that runs in it has it.

    Args:
        context: an app-wide context.
    """
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_shell is None else cast("_Shell | None", get_shell())
    if shell is None:
        return
    events = shell.events
    before: dict[OwnedTask, None] = dict(context.tasks)

    def begins(*_: object) -> None:
        nonlocal before
        before = dict(context.tasks)

    def ended(result: _Result | None) -> None:
        nonlocal before
        error = KeyboardInterrupt() if result is None else result.error_in_exec
        if isinstance(error, KeyboardInterrupt | CancelledError):
            for task in tuple(context.tasks):
                if task not in before:
                    task.cancel()
        before = {}

    async def stop() -> None:
        events.unregister("pre_run_cell", begins)
        events.unregister("post_run_cell", ended)

    events.register("pre_run_cell", begins)
    events.register("post_run_cell", ended)
    context.on_close(stop)
