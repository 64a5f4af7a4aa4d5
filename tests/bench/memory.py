"""What is kept: `python -m tests.bench.memory` prints the bytes an item, and what was promised."""

import asyncio
import gc
import tracemalloc
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    MutableMapping,
)
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from types import MappingProxyType

from miniagents import Message, MiniAgents

from .run_cases import echo


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept for one item.

    Attributes:
        items: what is kept.
        make: takes a count and returns what holds as many.
        bare: the same without the library, which is taken off.
        count: of a full measurement.
        limit: bytes an item, at most.
    """

    items: str
    make: Callable[[int], Awaitable[object]]
    bare: Callable[[int], Awaitable[object]]
    count: int
    limit: float


TOKEN = "token"  # one string, so that what is counted is what stands around it  # noqa: S105


async def typed(count: int) -> AsyncIterator[str]:
    """A source of ``count`` tokens."""
    for _ in range(count):
        yield TOKEN


async def silent(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
    """A source that waits for ever."""
    del metadata
    await asyncio.Event().wait()
    yield TOKEN


class Steps:
    """Sources that wait within a step; they end with this, as they do not by themselves.

    Args:
        sources: those that wait.
        steps: where they wait.
    """

    def __init__(self, sources: list[AsyncGenerator[str]], steps: list[Coroutine[object, None, str]]) -> None:
        self.sources = sources
        self.steps = steps

    def __del__(self) -> None:
        for step in self.steps:
            with suppress(GeneratorExit):
                step.throw(GeneratorExit)


async def tokens(count: int) -> object:
    """A finished message of ``count`` tokens."""
    promise = Message.promise(lambda metadata: typed(count))
    await promise
    return promise


async def text(count: int) -> object:
    """The text of as many tokens, which a message has once more."""
    return "".join([token async for token in typed(count)])


async def idle(count: int) -> object:
    """``count`` streams of which the source waits."""
    promises = [Message.promise(silent) for _ in range(count)]
    await asyncio.sleep(0)
    return promises


async def waiting(count: int) -> object:
    """``count`` sources that wait without a stream."""
    sources = [silent({}) for _ in range(count)]
    steps = [source.__anext__() for source in sources]
    for step in steps:
        step.send(None)
    return Steps(sources, steps)


async def calls(count: int) -> object:
    """``count`` agents that were called with a text and have not begun."""
    return [echo.inquire("hello") for _ in range(count)]


async def nothing(count: int) -> object:
    """Nothing, for ``count`` items."""
    return count


KEPT: Mapping[str, Kept] = MappingProxyType(
    {
        "token": Kept("text token of a message that is kept", tokens, text, 100_000, 16),
        "idle": Kept("stream that waits for its source", idle, waiting, 4_000, 2_048),
        "call": Kept("agent that was called", calls, nothing, 2_000, 4_096),
    }
)


def each(name: str, count: int) -> float:
    """The bytes an item that ``count`` items keep."""
    kept = KEPT[name]
    # The least of three: asyncio's table of all tasks grows by factors, a step sooner or later.
    return min(size(kept.make, count) - size(kept.bare, count) for _ in range(3)) / count


def size(make: Callable[[int], Awaitable[object]], count: int) -> int:
    """The bytes that are kept by what ``make`` returns."""

    async def main() -> int:
        context = MiniAgents()
        async with context:
            await make(10)  # what is made once is made now
            gc.collect()
            tracemalloc.start()
            held = await make(count)
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            await context.cancel_all()
            del held
            return kept

    # Without the variables of who measures, such as those of pytest: each task has a table of all of them.
    return Context().run(asyncio.run, main(), debug=False)


def row(name: str, kept_bytes: float) -> str:
    """One line of a Markdown table."""
    kept = KEPT[name]
    verdict = "holds" if kept_bytes <= kept.limit else "missed"
    return f"| {kept.items} | {kept_bytes:.0f} | {kept.limit:g} | {verdict} |"


def kept_rows(found: Mapping[str, float]) -> list[str]:
    """The lines of a Markdown table of the bytes an item."""
    head = ["| what is kept | bytes | at most | result |", "|---|---|---|---|"]
    return head + [row(name, kept_bytes) for name, kept_bytes in found.items()]


if __name__ == "__main__":
    print("\n".join(kept_rows({name: each(name, kept.count) for name, kept in KEPT.items()})))  # noqa: T201
