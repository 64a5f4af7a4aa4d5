"""Readers of one thing, each of another kind; and what must become of its source when they leave."""

import asyncio
import gc
from asyncio import Future
from collections.abc import Awaitable, MutableMapping, Sequence
from typing import TypeVar

from reactivex.abc import DisposableBase

from miniagents.streams import Stream
from tests.support.sources import Source, turns

__all__ = ["awaiting", "iterating", "leave", "stops_with_the_last_one", "subscribing"]

T = TypeVar("T")


def iterating(shown: Stream[object]) -> object:
    """Read one piece, which is there, and keep the iterator: the stream is half read."""
    iterator = aiter(shown)
    step = iterator.__anext__()
    try:
        step.send(None)
    except StopIteration:
        return iterator
    raise AssertionError("a piece should be there")


def subscribing(shown: Stream[object]) -> object:
    """Subscribe."""
    return shown.subscribe(lambda _: None)


def awaiting(shown: Awaitable[object]) -> object:
    """Await the whole, in a task."""
    return asyncio.ensure_future(shown)


def leave(reader: object) -> None:
    """The reader leaves; an iterator does so when it is dropped."""
    if isinstance(reader, Future):
        reader.cancel()
    elif isinstance(reader, DisposableBase):
        reader.dispose()


async def stops_with_the_last_one(
    source: Source[T], held: MutableMapping[str, object], order: Sequence[str], *, produced: int
) -> None:
    """Drop what is held, one after the other: the source goes on until the last one has gone, and then stops.

    No garbage collector is needed for that.

    Args:
        source: is held in the middle.
        held: everything that could read it, by name; nothing else may hold these.
        order: the names.
        produced: how many pieces the source gives before it is held.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        for each in order:
            await turns(4)
            assert (produced, 0) == (source.produced, source.closed), f"stopped before {each} has gone"
            leave(held.pop(each))
        await turns(5)
        assert (produced, 1) == (source.produced, source.closed)
    finally:
        if collecting:
            gc.enable()
