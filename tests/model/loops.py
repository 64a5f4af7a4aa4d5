"""The event loops on which programs run, and what of a program each of them can run."""

import asyncio
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from random import Random
from typing import Final, TypeVar, cast

from miniagents.testing import VirtualClock
from tests.model import programs as p
from tests.support.eager import start_eagerly
from tests.support.shuffled import ShuffledVirtualLoop

__all__ = ["LOOPS", "REAL", "loop_of", "needs_clock", "scaled"]

T = TypeVar("T")

LOOPS: Final = ("asyncio", "eager", "uvloop")

REAL: Final = 0.001
"""What a second of a program takes where time is real, in seconds."""


TURNS: Final = 50_000
"""How many turns of its loop a program may take; it needs some hundreds."""


class BoundedLoop(ShuffledVirtualLoop):
    """A shuffled loop with virtual time that ends what goes round for ever."""

    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > TURNS:
            self.turns = 0
            raise EndlessError
        super()._run_once()  # type: ignore[misc]  # a method that the types do not show


class EndlessError(Exception):
    """The loop of a program never rests."""


def loop_of(loops: str, order: int) -> asyncio.AbstractEventLoop:
    """Return a new event loop.

    Args:
        loops: which one: see `LOOPS`.
        order: decides which of several tasks goes first, where asyncio leaves that open.
    """
    if loops == "uvloop":
        made: asyncio.AbstractEventLoop = import_module("uvloop").new_event_loop()
        return made
    loop = BoundedLoop(Random(order), VirtualClock()._now)  # noqa: S311 - no secret
    if loops == "eager":
        start_eagerly(loop)
    return loop


def needs_clock(value: object) -> bool:
    """Return whether what a program does depends on which of two things is first on the clock."""
    if isinstance(value, p.Race | p.Hedge | p.Timeout):
        return True
    if isinstance(value, p.Leave):
        return value.way != "break"
    if isinstance(value, p.Program) and (value.cancelled is not None or value.ends is not None):
        return True
    if isinstance(value, tuple):
        return any(map(needs_clock, cast("tuple[object, ...]", value)))
    if is_dataclass(value):
        return any(needs_clock(getattr(value, each.name)) for each in fields(value))
    return False


def scaled(value: T, factor: float) -> T:
    """Return the same with all times multiplied."""
    if isinstance(value, float):
        return cast("T", value * factor)
    if isinstance(value, tuple):
        return cast("T", tuple(scaled(each, factor) for each in cast("tuple[object, ...]", value)))
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: scaled(getattr(value, each.name), factor) for each in fields(value)}
        return cast("T", replace(value, **changed))
    return value
