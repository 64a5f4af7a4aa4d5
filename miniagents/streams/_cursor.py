"""Reading a log: piece by piece with a cursor, or the whole at its end.

Rule of this room: **a reader that leaves harms nobody.** It waits on a Future of its own and is counted only
while it reads.

A source that gives a piece in every turn of the event loop is not worth a Future a piece: its reader waits
one turn and looks again, for a sixth of the instructions less. It parks a Future if nothing came, and does
so at once, without that turn, up to `REST` times as long as turns are waited in vain: a slow source pays for
a turn too many once in `REST` pieces.
"""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Final, TypeVar, cast

from ._driver import CURRENT_DRIVER, register_wait
from ._log import Log
from ._passing import Bookmark, PassingLog

T = TypeVar("T")

REST = 64


class _NextTurn:
    """Awaited, it lets the event loop turn once; ``asyncio.sleep(0)`` makes a coroutine and a generator."""

    __slots__ = ()

    def __await__(self) -> Iterator[None]:
        return iter(_ONE_YIELD)


_ONE_YIELD: Final = (None,)
_NEXT_TURN: Final = cast("Awaitable[None]", _NextTurn())  # any iterator will do for `await`

_LIST_ITERATOR: object = type(iter([]))
_reposition = cast("Callable[[Iterator[object], int], None]", getattr(_LIST_ITERATOR, "__setstate__"))  # noqa: B009 - typeshed does not know it


def iterate(log: Log[T], owner: object, items: list[T] | None = None) -> AsyncGenerator[T]:
    """The pieces of ``log`` from the first on, as they come; then its error, if it has one.

    The generator is started here, up to a first yield that nobody sees, with the event loop's finalizer hooks
    switched off. So a reader that is dropped in the middle (a ``break``) is closed at that very moment and
    not some loop turns later, which is how a source is stopped at once when its last reader leaves.

    Args:
        log: what is read.
        owner: kept alive as long as somebody reads (the promise).
        items: what is read of it, if it keeps more lists than one.

    Returns:
        A reader of its own; a second call gives a second reader, from the first piece on.

    Example:
        >>> import asyncio
        >>> from miniagents.streams import Log, Scope, iterate
        >>> log = Log(Scope(), ["one", "two"], closed=True)
        >>> async def main():
        ...     print([piece async for piece in iterate(log, None)])
        >>> asyncio.run(main())
        ['one', 'two']
    """
    if isinstance(log, PassingLog):
        return started(_read_passing(log, owner))
    return started(_read(log, owner, log.items if items is None else items))


def started(generator: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """``generator`` run up to its first yield, with the event loop's finalizer hooks switched off for it.

    Args:
        generator: what it yields first is seen by nobody; until then it must not await anything.

    Returns:
        The same generator: dropping it closes it at that very moment, so its clean-up must not await.

    Example:
        >>> import asyncio
        >>> from miniagents.streams import started
        >>> async def numbers():
        ...     yield
        ...     try:
        ...         yield 1
        ...     finally:
        ...         print("closed")
        >>> async def main():
        ...     async for number in started(numbers()):
        ...         break
        ...     print("left")
        >>> asyncio.run(main())
        closed
        left
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        # `next` with a default makes no StopIteration of what is yielded: a third less than `send`.
        next(generator.__anext__().__await__(), None)
    finally:
        sys.set_asyncgen_hooks(*hooks)
    return generator


async def _read(log: Log[T], owner: object, items: list[T]) -> AsyncGenerator[T]:
    log.readers += 1
    log.was_read = True
    position = 0
    hot = 0  # before this position a turn is waited first; from it on, the source is told to run on
    rest = backoff = 1
    half = log.scope.prefetch >> 1
    try:
        yield owner  # type: ignore[misc]  # taken by `iterate`; never seen by a reader
        while True:
            # A plain `for` over a list iterator is the fastest read there is (it sees what is appended
            # meanwhile), and `__setstate__` puts a new one where the exhausted one stopped.
            batch = iter(items)
            if position:
                _reposition(batch, position)
            for item in batch:
                yield item
            position = len(items)
            if log.closed:
                break
            if position < hot:
                await _NEXT_TURN
                if len(items) > position or log.closed:
                    backoff = 1
                    continue
                hot = 0
                rest = backoff = min(2 * backoff, REST)
            # What `until_more` does, without its coroutine and its calls: once per token of a live source.
            future = log.starve()
            if CURRENT_DRIVER.get() is not None:
                register_wait(cast("Log[object]", log), future)
            try:
                await future
            except BaseException:
                log.leave(future)
                raise
            rest -= 1
            if rest <= 0 and log.pacer is None:  # whoever has a pacer is written when it says that it waits
                hot = log.granted - half
    finally:
        log.readers -= 1
    raise_error(log)


async def _read_passing(log: PassingLog[T], owner: object) -> AsyncGenerator[T]:
    log.readers += 1
    log.was_read = True
    place = Bookmark()
    log.enter(place)
    try:
        yield owner  # type: ignore[misc]  # taken by `iterate`; never seen by a reader
        while True:
            while place.position < len(log.items):
                yield log.take(place)  # by no name: it would be kept until the next one is there
            if log.closed:
                break
            await until_more(log)
    finally:
        log.quit(place)
        log.readers -= 1
    raise_error(log)


async def until_more(log: Log[T]) -> None:
    """Wait until ``log`` has more than one reader has read, or the end.

    Args:
        log: what the reader has read to its present end.

    Raises:
        DeadlockError: the run that waits would have to go on for that.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams import Log, current_scope, until_more
        >>> async def main():
        ...     log = Log(current_scope())
        ...     asyncio.get_running_loop().call_soon(log.append, "one")
        ...     await until_more(log)
        ...     print(log.items)
        >>> MiniAgents().run(main())
        ['one']
    """
    future = log.starve()
    if CURRENT_DRIVER.get() is not None:
        register_wait(cast("Log[object]", log), future)
    try:
        await future
    except BaseException:
        log.leave(future)
        raise


async def until_closed(log: Log[T]) -> None:
    """Wait for the terminal of ``log``, whatever it is, without being woken per piece.

    Args:
        log: what is waited for; its pump no longer waits for slower readers.

    Raises:
        DeadlockError: ``log`` cannot end before the run that is waiting here goes on.

    Example:
        >>> import asyncio
        >>> from miniagents.streams import Log, current_scope, until_closed
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     log = Log(current_scope())
        ...     asyncio.get_running_loop().call_soon(log.finish)
        ...     await until_closed(log)
        ...     print(log.closed)
        >>> MiniAgents().run(main())
        True
    """
    if log.closed:
        return
    future = log.end()
    log.readers += 1
    log.was_read = True
    try:
        register_wait(cast("Log[object]", log), future)
        await future
    except BaseException:
        log.leave(future)
        raise
    finally:
        log.readers -= 1


def raise_error(log: Log[T]) -> None:
    """Raise the error of a closed ``log``, the very object, if it has one.

    The traceback starts anew for every reader; it would otherwise grow with each and keep their frames alive.

    Args:
        log: what has been read; from now on its error counts as seen.

    Raises:
        Exception: the error of the log, whatever its type.

    Example:
        >>> from miniagents.streams import Log, Scope, raise_error
        >>> log = Log(Scope())
        >>> log.fail(ValueError("the source broke"))
        >>> raise_error(log)
        Traceback (most recent call last):
            ...
        ValueError: the source broke
    """
    error = log.error
    if error is None:
        return
    log.see_error()
    driver = CURRENT_DRIVER.get()
    if driver is not None:
        driver.received = (error, log.chain)
    raise error.with_traceback(log.traceback)
