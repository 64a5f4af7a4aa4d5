"""``Promise``: a value that comes once, for everybody.

Rule of this room: **a promise is a view.** What produces the value holds the log and never the promise, so
that the promise going away means that nobody can read it any more. Then, if somebody had begun to read, the
producer is stopped; if nobody ever had, it runs to its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from typing_extensions import override

from miniagents.streams import NOT_YET, Driver, Log, Producer, raise_error, until_closed
from miniagents.values import UnresolvedPromiseError

from ._owner import Owner

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Promise(Generic[T_co]):
    """A value that is computed once, at once, and awaited by anybody as often as they like.

    * When does it start? At once, as a task of the active context.
    * How often? Once, however many await it.
    * What is kept? The value.
    * What does ``break`` do? Whoever is cancelled or times out while awaiting it has gone, and harms nobody
      else; when the last one has gone and nobody can reach the promise any more, the task is cancelled.
    * When does an error come? When it is awaited: to everybody the very exception that was raised.

    Attributes:
        log: the stream underneath, for whoever builds on this floor; readers await.

    Args:
        resolver: an async function without parameters; called once, as a task of the active context.
        prefill_result: the value itself, instead of a resolver.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents.promising import Promise, PromisingContext
        >>> async def think() -> int:
        ...     print("thinking")
        ...     return 42
        >>> async def main() -> None:
        ...     answer = Promise(think)
        ...     print(await answer, await answer)
        >>> PromisingContext().run(main())
        thinking
        42 42
    """

    __slots__ = ("__weakref__", "log")

    log: Log[object]

    def __init__(
        self, resolver: Callable[[], Awaitable[T_co]] | None = None, *, prefill_result: T_co | None = None
    ) -> None:
        context = Owner.current()
        if resolver is None:
            self._show(Log[object](context, [prefill_result], closed=True))
            return
        log: Log[object] = Log(context)
        compute = resolver

        async def body() -> None:
            log.append(await compute())

        Driver(getattr(resolver, "__name__", "resolver"), context, log, log, part=True).start(body)
        self._show(log)

    @classmethod
    def over(cls, log: Log[T]) -> Self:
        """The promise that shows ``log``, whoever fills it.

        Args:
            log: the stream; this promise is one more that shows it.
        """
        promise = cls.__new__(cls)
        promise._show(log)  # noqa: SLF001 - same class
        return promise

    def _show(self, log: Log[T]) -> None:
        """Become the view of ``log``: what every constructor ends with."""
        self.log = log  # type: ignore[assignment]  # of whichever pieces: here they are only looked at
        log.views += 1  # what `show` does: once per promise, so without the call
        if log.scope.announcing:
            self._announce()

    def _show_quietly(self, log: Log[T]) -> None:
        """Become a view of ``log`` that no handler is told of."""
        self.log = log  # type: ignore[assignment]  # as above
        log.show()

    def _announce(self) -> None:
        """Have the handlers of the context told when this has resolved.

        The watcher holds the log and not the promise, so that it does not count as somebody who can read it.
        """
        log = self.log
        context = log.scope
        if not isinstance(context, Owner):
            return
        again, events = self._again(), context.events

        async def tell(view: "Promise[T_co]") -> None:
            await events.call(events.resolved_handlers, view, view._resolve())  # noqa: SLF001 - same class

        def complete(parts: Sequence[Log[object]]) -> None:
            view = again()
            # Whoever dropped it before its parts were complete has made it forget them: it never resolved.
            whole = not log.gone and len(parts) == len(tuple(view._parts()))  # noqa: SLF001
            if whole and all(part.error is None for part in (log, *parts)):
                events.post(partial(tell, view))

        when_complete(log, lambda: again()._parts(), complete)  # noqa: SLF001

    def _again(self) -> "Callable[[], Promise[T_co]]":
        """A function that makes another view of the same log, without holding this one."""
        kind, log = type(self), self.log

        def view() -> Promise[T_co]:
            promise = kind.__new__(kind)
            promise._show_quietly(log)  # noqa: SLF001 - same class
            return promise

        return view

    # -- waiting for it ----------------------------------------------------------------------------------

    def __await__(self) -> Generator[object, None, T_co]:
        """The value, when it is there."""
        return self._whole().__await__()

    async def _whole(self) -> T_co:
        await until_closed(self.log)
        raise_error(self.log)
        return self._resolve()

    def _resolve(self) -> T_co:
        """The value of a log that ended normally, computed once."""
        log = self.log
        if log.result is NOT_YET:
            log.result = self._fold(log)
        return cast("T_co", log.result)

    def _fold(self, log: Log[object]) -> object:
        """What the pieces of a log make together."""
        return log.items[0]

    def _parts(self) -> Iterable[Log[object]]:
        """The logs that must have ended too before the value is there."""
        return ()

    def _read_parts(self) -> None:
        """Count the parts as read: whoever read the whole may have gone before them, and they end with it."""

    # -- ending it ---------------------------------------------------------------------------------------
    @property
    def done(self) -> bool:
        """Whether the last piece or an error has come."""
        return self.log.closed

    def cancel(self) -> None:
        """Stop the source now; readers get ``InquiryCancelledError`` after what had arrived. Idempotent.

        Raises:
            WrongLoopError: the call comes from another event loop or thread.
        """
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
        try:
            log = self.log
        except AttributeError:  # a constructor has raised before there was a log
            return
        if not log.hide():
            return
        if log.was_read:
            self._read_parts()
        if log.closed:
            if log.was_read:
                log.forget()
            if log.error is not None and not log.error_seen:
                log.scope.unseen.drop(log, log.error)
        elif log.was_read and log.producer is not None:
            _abandon(log, log.producer)

    # -- text --------------------------------------------------------------------------------------------

    @override
    def __repr__(self) -> str:
        log = getattr(self, "log", None)
        if log is None:
            return f"<{type(self).__name__} (not constructed)>"
        state = "failed" if log.error is not None else "done" if log.closed else "open"
        return f"<{type(self).__name__} {state}, {log.gone + len(log.items)} pieces>"

    @override
    def __str__(self) -> str:
        return str(self._value())

    @override
    def __format__(self, spec: str) -> str:
        return format(self._value(), spec)

    def _value(self) -> T_co:
        """The value without waiting.

        Raises:
            UnresolvedPromiseError: it is not complete yet.
        """
        for log in (*self._parts(), self.log):
            if not log.closed:
                raise UnresolvedPromiseError
            raise_error(log)
        return self._resolve()


def _abandon(log: Log[object], producer: Producer) -> None:
    """Nobody can read the rest: stop it now, or, from the thread of a garbage collection, on its own loop."""
    if log.scope.on_own_thread():
        log.scope.dispatch(producer.abandon)  # not nested: what is stopped may drop a chain of others
    else:
        log.scope.call_soon(producer.abandon)


def when_complete(
    log: Log[T], parts: Callable[[], Iterable[Log[object]]], then: Callable[[Sequence[Log[object]]], None]
) -> None:
    """Call ``then`` with the parts of ``log`` when it and all of them have ended, however they did.

    It is no reader of any, and holds none of the promises that show them.

    Args:
        log: the whole.
        parts: the logs that stand in it; asked once, when the whole has ended.
        then: must not raise.

    Example:
        >>> from miniagents.streams import Log, Scope
        >>> whole, part = Log(Scope()), Log(Scope())
        >>> when_complete(whole, lambda: [part], lambda parts: print("all of it:", parts[0].items))
        >>> whole.finish()
        >>> part.append("one")
        >>> part.finish()
        all of it: ['one']
    """

    def closed() -> None:
        all_parts = tuple(parts())  # all of them are there now; later they may have been forgotten
        _look(iter(all_parts), all_parts, then)  # each is looked at once, however many there are

    log.when_closed(closed)


def _look(
    left: Iterator[Log[object]],
    parts: Sequence[Log[object]],
    then: Callable[[Sequence[Log[object]]], None],
) -> None:
    for part in left:
        if not part.closed:
            # Not a function within a function that names itself: that would be a circle.
            part.when_closed(partial(_look, left, parts, then))
            return
    then(parts)
