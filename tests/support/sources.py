"""Sources that tell what became of them, readers that keep what they got, and loop turns to wait for."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reactivex import abc
from typing_extensions import override

from tests.support.shuffled import Shuffling

__all__ = ["Recorder", "Source", "keep", "turns"]

T = TypeVar("T")


async def turns(count: int = 2) -> None:
    """Let the event loop make `count` turns; on a shuffled one a waiting task may be the first of a turn."""
    for _ in range(count + isinstance(asyncio.get_running_loop(), Shuffling)):
        await asyncio.sleep(0)


async def keep(items: list[T], source: AsyncIterable[T]) -> None:
    """Read `source` into `items`, which have what came also when it raises."""
    async for item in source:
        items.append(item)  # noqa: PERF401 - a comprehension would lose what came before an error


@dataclass(eq=False)
class Source(Generic[T]):
    """An async iterable, or a streamer if called, that counts what is asked of it.

    Attributes:
        pieces: what it yields, without suspending.
        hold_at: before the piece of this index it waits for `go`; at the length of `pieces` before its end.
        error: raised after the last piece.
        produced: how many pieces were asked for and given.
        runs: how often it was iterated.
        closed: how many of these runs have left, their `finally` included.
        go: lets it go on.
    """

    pieces: Iterable[T]
    hold_at: int = -1
    error: BaseException | None = None
    produced: int = 0
    runs: int = 0
    closed: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aiter__(self) -> AsyncGenerator[T]:
        """One run."""
        self.runs += 1
        index = 0
        try:
            for index, piece in enumerate(self.pieces):
                if index == self.hold_at:
                    await self.go.wait()
                self.produced += 1
                yield piece
            if self.hold_at == index + 1 or (self.hold_at == 0 and not self.produced):
                await self.go.wait()
            if self.error is not None:
                raise self.error
        finally:
            # A clean-up that waits must be let finish.
            await asyncio.sleep(0)
            self.closed += 1

    def __call__(self, *_: object) -> AsyncGenerator[T]:
        """One run, as a streamer of a promise; a token streamer's mapping is ignored."""
        return self.__aiter__()


class Recorder(abc.ObserverBase[T], Generic[T]):
    """An observer that keeps its items and how often it was told of the end."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self.errors: list[Exception] = []
        self.completed = 0

    @property
    def terminals(self) -> int:
        """How many terminals came."""
        return len(self.errors) + self.completed

    @override
    def on_next(self, value: T) -> None:
        assert not self.terminals, "an item came after the terminal"
        self.items.append(value)

    @override
    def on_error(self, error: Exception) -> None:
        assert not self.terminals, "a second terminal came"
        self.errors.append(error)

    @override
    def on_completed(self) -> None:
        assert not self.terminals, "a second terminal came"
        self.completed += 1
