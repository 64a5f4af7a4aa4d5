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


class InterruptedCells:
    """Cancels what a cell has begun in a context when the cell is interrupted.

    Args:
        context: an app-wide context.
        shell: the shell of IPython that runs the cells.
    """

    def __init__(self, context: "Context", shell: _Shell) -> None:
        self._context = context
        self._events = shell.events
        self._before: dict[OwnedTask, None] = dict(context.tasks)
        self._events.register("pre_run_cell", self._begins)
        self._events.register("post_run_cell", self._ended)
        context.on_close(self.stop)

    async def stop(self) -> None:
        """Watch no more cells."""
        self._events.unregister("pre_run_cell", self._begins)
        self._events.unregister("post_run_cell", self._ended)

    def _begins(self, *_: object) -> None:
        self._before = dict(self._context.tasks)

    def _ended(self, result: _Result | None) -> None:
        error = KeyboardInterrupt() if result is None else result.error_in_exec
        if isinstance(error, KeyboardInterrupt | CancelledError):
            for task in tuple(self._context.tasks):
                if task not in self._before:
                    task.cancel()
        self._before = {}


def watch_cells(context: "Context") -> None:
    """Have interrupted cells stop what they have begun, if this program runs in IPython.

    IPython is not imported: a program that runs in it has it.

    Args:
        context: an app-wide context.
    """
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_shell is None else cast("_Shell | None", get_shell())
    if shell is not None:
        InterruptedCells(context, shell)
