"""The stage of a scenario: its parts, what each of them notes, and what is left when all is over.

A scenario is an async function. It starts its parts (`Stage.play`), and each part notes what happens to it.
What was noted, and what is left behind, is the outcome of one order. A scenario lists every outcome that is
right.
"""

import asyncio
import gc
import logging
import sys
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Final, Protocol, cast
from unittest.mock import patch

from typing_extensions import override

from tests.model.turns import Choices, EndlessError, new_loop
from tests.support.loops import open_generators, watch_generators

__all__ = ["BEGIN", "Outcome", "Play", "Scenario", "Stage", "outcomes", "played"]

Outcome = Mapping[str, str]
"""What each part noted, in its order."""

BEGIN: Final = 1.0
"""Seconds of virtual time at which a scenario's time is 0: by then all parts have started."""
END: Final = 200.0
"""Seconds after which a part that still waits counts as waiting for ever."""


class Stage:
    """Where one scenario is played once."""

    def __init__(self) -> None:
        self.notes: dict[str, list[str]] = {}

    def note(self, who: str, what: object) -> None:
        """Add what happened to a part: the text of a value, or the class of an exception."""
        self.notes.setdefault(who, []).append(
            type(what).__name__ if isinstance(what, BaseException) else str(what)
        )

    async def until(self, moment: float) -> None:
        """Wait until a moment of the scenario's time, in seconds.

        All that wait for one moment go on in one turn of the loop: which of them goes first is a choice.
        """
        await asyncio.sleep(self.seconds_until(moment))

    def seconds_until(self, moment: float) -> float:
        """Return how long it is until a moment of the scenario's time."""
        return BEGIN + moment - asyncio.get_running_loop().time()

    def limit(self, moment: float) -> asyncio.Timeout:
        """Return a block that raises `TimeoutError` at a moment of the scenario's time, in seconds."""
        return asyncio.timeout_at(BEGIN + moment)

    async def play(self, **parts: Coroutine[object, object, object]) -> None:
        """Run all parts as tasks until nothing happens any more, and note how each of them ended.

        They start one after the other, before the scenario's time begins: what they do at first is no choice.
        """
        tasks: list[asyncio.Task[None]] = []
        for who, part in parts.items():
            tasks.append(asyncio.create_task(self._part(who, part), name=who.replace("_", " ")))
            await asyncio.sleep(BEGIN / 64)
        await asyncio.sleep(END)
        for task in tasks:
            if not task.done():
                self.note(task.get_name(), "waits for ever")
                task.cancel()
        await asyncio.wait(tasks)

    async def _part(self, who: str, part: Coroutine[object, object, object]) -> None:
        name = who.replace("_", " ")
        try:
            await part
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what happened
            self.note(name, error)
        else:
            self.note(name, "end")

    def source(self, who: str, *pieces: str | float | Exception) -> Callable[..., AsyncGenerator[str]]:
        """Return a generator function that yields tokens, and notes each one that is taken, and how it ended.

        Args:
            who: its name.
            pieces: a token; a moment until which it waits; an exception that it raises.
        """

        def source(_: object = None) -> AsyncGenerator[str]:
            return self._source(who, pieces)

        source.__name__ = source.__qualname__ = who  # the library names what writes a stream after it
        return source

    async def _source(self, who: str, pieces: tuple[str | float | Exception, ...]) -> AsyncGenerator[str]:
        try:
            for piece in pieces:
                match piece:
                    case str():
                        self.note(who, piece)
                        yield piece
                    case Exception():
                        raise piece  # noqa: TRY301 - as any source does
                    case _:
                        await self.until(piece)
        except BaseException as error:
            self.note(who, "closed" if isinstance(error, GeneratorExit) else error)
            raise
        else:
            self.note(who, "end")


Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A few tasks, and all outcomes that are right.

    Attributes:
        name: what it is called.
        sentence: what holds in every order.
        play: plays it on a stage.
        right: its outcomes.
        defect: why it is red today; empty if it is green.
        slow: whether only the gate explores it.
    """

    name: str
    sentence: str
    play: Play
    right: Sequence[Outcome]
    defect: str = ""
    slow: bool = False


def outcomes(**parts: str | tuple[str, ...]) -> list[Outcome]:
    """Return all outcomes in which each part has one of its texts, whatever the others have."""
    each = [[text] if isinstance(text, str) else [*text] for text in parts.values()]
    names = [name.replace("_", " ") for name in parts]
    return [{name: text for name, text in zip(names, texts, strict=True) if text} for texts in product(*each)]


def played(scenario: Scenario, choices: Choices) -> Outcome:
    """Play a scenario in one order, and return its outcome."""
    stage = Stage()
    with _noting_trouble(stage):
        loop = new_loop(choices)
        try:
            loop.run_until_complete(_to_its_end(scenario, stage))
        except Exception as error:  # noqa: BLE001 - StuckLoopError, EndlessError, what the scenario raises
            stage.note("scenario", error)
        finally:
            _close(loop)
    return {who: " ".join(notes) for who, notes in stage.notes.items()}


async def _to_its_end(scenario: Scenario, stage: Stage) -> None:
    generators = watch_generators()
    await scenario.play(stage)
    await asyncio.sleep(0)  # a source that was abandoned is closed within one turn
    loop = asyncio.get_running_loop()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        stage.note("left", f"task {task.get_name()}")
    for timer in cast("_HasScheduled", loop)._scheduled:
        if not timer.cancelled():
            stage.note("left", "timer")
    for generator in open_generators(generators):
        stage.note("left", f"generator {getattr(generator, '__name__', '')}")


class _HasScheduled(Protocol):
    """What asyncio's loops keep their timers in."""

    _scheduled: list[asyncio.TimerHandle]


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End what an order left behind, so that the next one begins as if it were the first."""
    try:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
    except EndlessError:
        pass  # noted already
    finally:
        loop.close()


@contextmanager
def _noting_trouble(stage: Stage) -> Generator[None]:
    """Note what is logged, warned of, or raised where no code can catch it; collect no garbage meanwhile."""

    def unraisable(what: "sys.UnraisableHookArgs") -> None:
        stage.note("unraisable", what.exc_value)

    handler = _Noting(stage)
    root = logging.getLogger()
    root.addHandler(handler)
    collecting = gc.isenabled()
    gc.disable()  # what is freed must not depend on when there is a collection
    try:
        with warnings.catch_warnings(), patch.object(sys, "unraisablehook", unraisable):
            warnings.simplefilter("error")
            yield
    finally:
        root.removeHandler(handler)
        if collecting:
            gc.enable()


class _Noting(logging.Handler):
    """Notes the level of each record from a warning on, and the class of its error or its first words."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(logging.WARNING)
        self._stage = stage

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Note one record."""
        error = record.exc_info[1] if record.exc_info else None
        what = " ".join(record.getMessage().split()[:6]) if error is None else type(error).__name__
        self._stage.note("log", f"{record.levelname} {what}")
