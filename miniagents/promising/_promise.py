"""``Promise`` and ``StreamedPromise``: a log and a fold.

Rule of this room: **a promise is a view.** What produces the pieces holds the log and never the promise, so
that the promise going away means that nobody can read it any more. Then, if somebody had begun to read, the
producer is stopped; if nobody ever had, it runs to its end.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from inspect import isawaitable
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from reactivex import Observable
from typing_extensions import override

from miniagents.streams import (
    Driver,
    Log,
    LogObservable,
    Producer,
    Sink,
    fill,
    iterate,
    raise_error,
    until_closed,
)
from miniagents.values import UnresolvedPromiseError

from ._context import PromisingContext

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
PIECE = TypeVar("PIECE", covariant=True)  # noqa: PLC0105 - the documented names of the two parameters
WHOLE = TypeVar("WHOLE", covariant=True)  # noqa: PLC0105
S = TypeVar("S", bound="StreamedPromise[object, object]")


class StreamedPromise(Generic[PIECE, WHOLE]):
    """A stream of pieces that can be read as an Observable, as an async iterator, or awaited as a whole.

    * When does it start? At once, as a task of the active context.
    * How often? Once, however many read it.
    * What is kept? Every piece: each reader starts at the first, at its own pace.
    * What does ``break`` do? That reader is gone. When none can come any more, the source is stopped and
      closed.
    * When does an error come? After every piece that came before it, the very exception that was raised.

    Attributes:
        log: the stream underneath, for whoever builds on this floor; readers use the three faces.

    Args:
        streamer: called once; its async iterable gives the pieces.
        prefill_pieces: all the pieces, instead of a streamer.
        resolver: makes the whole of the tuple of all pieces; may be async. The tuple itself without it.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents.promising import PromisingContext, StreamedPromise
        >>> async def main() -> int:
        ...     return await StreamedPromise(prefill_pieces=[1, 2, 3], resolver=sum)
        >>> PromisingContext().run(main())
        6
    """

    __slots__ = ("__weakref__", "_fold", "log")

    log: Log[PIECE]

    def __init__(
        self,
        streamer: Callable[[], AsyncIterable[PIECE]] | None = None,
        *,
        prefill_pieces: Iterable[PIECE] | None = None,
        resolver: Callable[[tuple[PIECE, ...]], WHOLE | Awaitable[WHOLE]] | None = None,
    ) -> None:
        context = PromisingContext.current()
        if (streamer is None) == (prefill_pieces is None):
            msg = f"{type(self).__name__} takes either a streamer or prefill_pieces, and exactly one of them."
            raise TypeError(msg)
        log: Log[PIECE]
        if streamer is None:
            log = Log(context, list(prefill_pieces or ()), closed=True)
        else:
            log = Log(context)
            start_pump(context, getattr(streamer, "__name__", "streamer"), streamer, log)
        self._show(log, resolver)

    @classmethod
    def over(
        cls, log: Log[T], fold: Callable[[tuple[PIECE, ...]], WHOLE | Awaitable[WHOLE]] | None = None
    ) -> Self:
        """The promise that shows ``log``, whoever fills it."""
        promise = cls.__new__(cls)
        promise._show(cast("Log[PIECE]", log), fold)  # noqa: SLF001 - same class
        return promise

    def _show(
        self, log: Log[PIECE], fold: Callable[[tuple[PIECE, ...]], WHOLE | Awaitable[WHOLE]] | None
    ) -> None:
        """Become the view of ``log``: what every constructor ends with."""
        self.log = log
        self._fold = fold
        announce(self)

    def _viewer(self) -> "Callable[[], StreamedPromise[PIECE, WHOLE]]":
        """A function that makes another view of the same log, without holding this one."""
        kind, log, fold = type(self), self.log, self._fold

        def view() -> StreamedPromise[PIECE, WHOLE]:
            again = kind.__new__(kind)
            again.log, again._fold = log, fold  # noqa: SLF001 - same class
            return again

        return view

    def _parts(self) -> Iterable[Log[object]]:
        """The logs that must have ended too before the whole is there."""
        return ()

    # -- the three faces ---------------------------------------------------------------------------------

    def __aiter__(self) -> AsyncGenerator[PIECE]:
        """The pieces from the first one on, as they come."""
        return iterate(self.log, self)

    def __await__(self) -> Generator[object, None, WHOLE]:
        """The whole, when everything is there."""
        return self._whole().__await__()

    @property
    def pieces(self) -> Observable[PIECE]:
        """The pieces as an Observable: hot, replayed from the first one to every subscriber."""
        return LogObservable(self.log, self)

    async def _whole(self) -> WHOLE:
        await until_closed(self.log)
        raise_error(self.log)
        return await self._resolve()

    async def _resolve(self) -> WHOLE:
        """The whole of a log that ended normally, computed once."""
        log = self.log
        if log.result is None:
            pieces = tuple(log.items)
            whole = pieces if self._fold is None else self._fold(pieces)
            if isawaitable(whole):
                whole = await whole
            if log.result is None:
                log.result = (whole,)
        return cast("tuple[WHOLE]", log.result)[0]

    # -- ending it ---------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the last piece or an error has come."""
        return self.log.closed

    def cancel(self) -> None:
        """Stop the source now; readers get ``InquiryCancelledError`` after what had arrived. Idempotent."""
        producer = self.log.producer
        if producer is not None:
            self.log.scope.check()
            producer.cancel()

    async def __aenter__(self) -> Self:
        """Use it as a block: leaving the block cancels what still runs."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        await asyncio.sleep(0)  # the cancelled task takes its way out now, not after the caller's next step

    def __del__(self) -> None:
        # A constructor may have raised before there was a log.
        log: Log[PIECE] | None = getattr(self, "log", None)
        if log is None:
            return
        log.reachable = False
        if log.closed:
            if not log.error_seen and log.error is not None:
                log.scope.report_error(log)
        elif log.was_read and log.producer is not None:
            _abandon(log, log.producer)

    # -- text --------------------------------------------------------------------------------------------

    @override
    def __repr__(self) -> str:
        log = getattr(self, "log", None)
        if log is None:
            return f"<{type(self).__name__} (not constructed)>"
        state = "failed" if log.error is not None else "done" if log.closed else "open"
        return f"<{type(self).__name__} {state}, {len(log.items)} pieces>"

    @override
    def __str__(self) -> str:
        return str(self._value())

    @override
    def __format__(self, spec: str) -> str:
        return format(self._value(), spec)

    def _value(self) -> object:
        """The whole without waiting.

        Raises:
            UnresolvedPromiseError: it is not complete yet.
        """
        log = self.log
        if not log.closed:
            raise UnresolvedPromiseError
        raise_error(log)
        step = self._resolve()
        try:
            step.send(None)
        except StopIteration as done:
            return cast("object", done.value)
        step.close()
        raise UnresolvedPromiseError


class Promise(StreamedPromise[T_co, T_co]):
    """A value that is computed once, at once, and awaited by anybody as often as they like.

    Args:
        resolver: an async function without parameters; called once, as a task of the active context.
        prefill_result: the value itself, instead of a resolver.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents.promising import Promise, PromisingContext
        >>> async def main() -> str:
        ...     return await Promise(prefill_result="here")
        >>> PromisingContext().run(main())
        'here'
    """

    __slots__ = ()

    def __init__(
        self, resolver: Callable[[], Awaitable[T_co]] | None = None, *, prefill_result: T_co | None = None
    ) -> None:
        context = PromisingContext.current()
        if resolver is None:
            # The annotation must allow "not given"; a promise of None is `Promise(prefill_result=None)`.
            filled: Log[T_co] = Log(context, [cast("T_co", prefill_result)], closed=True)
            self._show(filled, _only)
            return
        log: Log[T_co] = Log(context)
        compute = resolver

        async def body() -> None:
            log.append(await compute())

        Driver(getattr(resolver, "__name__", "resolver"), context, log, log, part=True).start(body)
        self._show(log, _only)


def _only(pieces: tuple[T, ...]) -> T:
    return pieces[0]


def start_pump(
    context: PromisingContext,
    name: str,
    streamer: Callable[[], AsyncIterable[T]],
    log: Log[T],
    sink: Sink | None = None,
) -> None:
    """Fill ``log`` from what ``streamer`` gives, as a task of ``context``; ``sink`` says how it ends."""
    driver = Driver(name, context, log, sink or log, part=True)
    driver.start(lambda: fill(log, streamer()))


def _abandon(log: Log[PIECE], producer: Producer) -> None:
    """Nobody can read the rest: stop it now, or, from the thread of a garbage collection, on its own loop."""
    if log.scope.on_own_thread():
        producer.abandon()
    else:
        log.scope.call_soon(producer.abandon)


def announce(promise: StreamedPromise[object, object]) -> None:
    """Have the handlers of the context told when ``promise`` has resolved; nothing without handlers.

    The watcher holds the log and not the promise, so that it does not count as somebody who can read it.
    """
    log = promise.log
    context = log.scope
    if not isinstance(context, PromisingContext) or not context.events.resolved_handlers:
        return
    again, events = promise._viewer(), context.events  # noqa: SLF001

    async def tell() -> None:
        view = again()
        await events.call(events.resolved_handlers, view, await view._resolve())  # noqa: SLF001

    def complete() -> None:
        if log.error is None and all(part.error is None for part in again()._parts()):  # noqa: SLF001
            events.post(tell)

    when_complete(log, lambda: again()._parts(), complete)  # noqa: SLF001


def when_complete(log: Log[T], parts: Callable[[], Iterable[Log[object]]], then: Callable[[], None]) -> None:
    """Call ``then`` when ``log`` and all its parts have ended, however they did. It is no reader of any."""

    def look() -> None:
        for part in parts():
            if not part.closed:
                part.when_closed(look)
                return
        then()

    log.when_closed(look)
