"""Records the values of a stream, and their times."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from reactivex import Observable, abc

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.streams import Promise, StreamedPromise, loop_scheduler

from ._diagrams import EventKind

T = TypeVar("T")

Readable: TypeAlias = Observable[T] | AsyncIterable[T] | Promise[T]
"""What can be read: a `Stream` or any Observable, a promise, an async iterable."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A value or the end of a stream.

    Attributes:
        at: when it came, in seconds of the event loop.
        kind: a value, or a kind of end.
        value: the value, or the error.
    """

    at: float
    kind: EventKind
    value: object = None


def now() -> float:
    """Return the time of the event loop, in seconds."""
    return asyncio.get_running_loop().time()


def as_source(source: Readable[object]) -> Observable[object] | AsyncIterable[object]:
    """Return the stream to read: the tokens of replies and messages, the pieces of other streamed promises.

    A promise that does not stream is a stream of its value.

    Args:
        source: as the test gave it.

    Raises:
        TypeError: it cannot be read.
    """
    if isinstance(source, MessagePromise | MessageSequencePromise):
        return cast("MessagePromise[Message] | MessageSequencePromise[Message]", source).tokens
    if isinstance(source, StreamedPromise):
        return cast("StreamedPromise[object, object]", source).pieces
    if isinstance(cast("object", source), Observable | AsyncIterable):
        return cast("Observable[object] | AsyncIterable[object]", source)
    if isinstance(cast("object", source), Promise):
        return _value_of(cast("Promise[object]", source))
    raise TypeError(
        f"A value of type {type(source).__name__} cannot be read; give a Stream, a promise, an Observable or "
        "an async iterable."
    )


async def _value_of(promise: Promise[object]) -> AsyncGenerator[object]:
    yield await promise


class Recorder:
    """Reads a source from now on, at full speed, and records its values with their times.

    Args:
        source: that is read.

    Attributes:
        happened: the values and the end that have come, in order.
        ended: is set when the end or an error has come.
    """

    def __init__(self, source: Readable[object]) -> None:
        self.happened: list[Happening] = []
        self.ended: asyncio.Event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._subscription: abc.DisposableBase | None = None
        self._task: asyncio.Task[None] | None = None
        read = as_source(source)
        if isinstance(read, Observable):
            self._subscription = read.subscribe(
                self._next, self._error, self._complete, scheduler=loop_scheduler()
            )
        else:
            self._task = asyncio.create_task(self._read(read))

    def _note(self, kind: EventKind, value: object = None) -> None:
        self.happened.append(Happening(self._loop.time(), kind, value))

    def _next(self, value: object) -> None:
        self._note("next", value)

    def _error(self, error: Exception) -> None:
        self._end("error", error)

    def _complete(self) -> None:
        self._end("complete")

    def _end(self, kind: EventKind, value: object = None) -> None:
        self._note(kind, value)
        self._loop.call_soon_threadsafe(self.ended.set)  # a scheduler of reactivex may be a thread

    async def _read(self, source: AsyncIterable[object]) -> None:
        try:
            async for value in source:
                self._next(value)
        except Exception as error:  # noqa: BLE001 - noted
            self._error(error)
        else:
            self._complete()

    async def stop(self) -> None:
        """Stop reading, and wait for that; may be called again."""
        self.leave()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def leave(self) -> None:
        """Stop reading, without waiting for the source to end."""
        if self._loop.is_closed():
            return
        if self._subscription is not None:
            self._subscription.dispose()
        if self._task is not None:
            self._task.cancel()
