"""``Promise``: a value that comes once, for everybody.

Rule of this room: **a promise is a view.** What produces the value holds the buffer and never the promise, so
that the promise going away means that nobody can read it any more. Then, if somebody had begun to read, the
producer is stopped; if nobody ever had, it runs to its end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeVar, cast

from typing_extensions import override

from miniagents.values import UnresolvedPromiseError

from ._buffer import NO_RESULT, ReplayBuffer
from ._context import Context
from ._events import call_handlers, post_event
from ._producer_task import ProducerTask
from ._protocols import Producer
from ._readers import raise_error, until_closed

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
        buffer: the stream underneath, for whoever builds on this floor; readers await.

    Args:
        resolver: an async function without parameters; called once, as a task of the active context.
        prefill_result: the value itself, instead of a resolver.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents.core import Promise, PromisingContext
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

    __slots__ = ("__weakref__", "buffer")

    buffer: ReplayBuffer[object]

    def __init__(
        self, resolver: Callable[[], Awaitable[T_co]] | None = None, *, prefill_result: T_co | None = None
    ) -> None:
        context = Context.current()
        if resolver is None:
            self._show(ReplayBuffer[object](context, [prefill_result], closed=True))
            return
        buffer: ReplayBuffer[object] = ReplayBuffer(context)
        compute = resolver

        async def body() -> None:
            buffer.append(await compute())

        ProducerTask(getattr(resolver, "__name__", "resolver"), context, buffer, buffer, part=True).start(
            body
        )
        self._show(buffer)

    @classmethod
    def over(cls, buffer: ReplayBuffer[T]) -> Self:
        """The promise that shows ``buffer``, whoever fills it.

        Args:
            buffer: the stream; this promise is one more that shows it.
        """
        promise = cls.__new__(cls)
        promise._show(buffer)  # noqa: SLF001 - same class
        return promise

    def _show(self, buffer: ReplayBuffer[T]) -> None:
        """Become the view of ``buffer``: what every constructor ends with."""
        self.buffer = buffer  # type: ignore[assignment]  # of whichever pieces: here they are only looked at
        buffer.views += 1  # what `show` does: once per promise, so without the call
        if buffer.context.announcing:
            self._announce()

    def _show_quietly(self, buffer: ReplayBuffer[T]) -> None:
        """Become a view of ``buffer`` that no handler is told of."""
        self.buffer = buffer  # type: ignore[assignment]  # as above
        buffer.show()

    def _announce(self) -> None:
        """Have the handlers of the context told when this has resolved.

        The watcher holds the buffer and not the promise, so that it does not count as somebody who can read it.
        """
        buffer = self.buffer
        context = buffer.context
        again = self._again()

        async def tell(view: "Promise[T_co]") -> None:
            await call_handlers(context.resolved_handlers, view, view._resolve())  # noqa: SLF001 - same class

        def complete(parts: Sequence[ReplayBuffer[object]]) -> None:
            view = again()
            # Whoever dropped it before its parts were complete has made it forget them: it never resolved.
            whole = not buffer.gone and len(parts) == len(tuple(view._parts()))  # noqa: SLF001
            if whole and all(part.error is None for part in (buffer, *parts)):
                post_event(context, partial(tell, view))

        when_complete(buffer, lambda: again()._parts(), complete)  # noqa: SLF001

    def _again(self) -> "Callable[[], Promise[T_co]]":
        """A function that makes another view of the same buffer, without holding this one."""
        kind, buffer = type(self), self.buffer

        def view() -> Promise[T_co]:
            promise = kind.__new__(kind)
            promise._show_quietly(buffer)  # noqa: SLF001 - same class
            return promise

        return view

    # -- waiting for it ----------------------------------------------------------------------------------

    def __await__(self) -> Generator[object, None, T_co]:
        """The value, when it is there."""
        return self._whole().__await__()

    async def _whole(self) -> T_co:
        await until_closed(self.buffer)
        raise_error(self.buffer)
        return self._resolve()

    def _resolve(self) -> T_co:
        """The value of a buffer that ended normally, computed once."""
        buffer = self.buffer
        if buffer.result is NO_RESULT:
            buffer.result = self._fold(buffer)
        return cast("T_co", buffer.result)

    def _fold(self, buffer: ReplayBuffer[object]) -> object:
        """What the pieces of a buffer make together."""
        return buffer.items[0]

    def _parts(self) -> Iterable[ReplayBuffer[object]]:
        """The buffers that must have ended too before the value is there."""
        return ()

    def _read_parts(self) -> None:
        """Count the parts as read: whoever read the whole may have gone before them, and they end with it."""

    # -- ending it ---------------------------------------------------------------------------------------
    @property
    def done(self) -> bool:
        """Whether the last piece or an error has come."""
        return self.buffer.closed

    def cancel(self) -> None:
        """Stop the source now; readers get ``InquiryCancelledError`` after what had arrived. Idempotent.

        Raises:
            WrongLoopError: the call comes from another event loop or thread.
        """
        producer = self.buffer.producer
        if producer is not None:
            self.buffer.context.check()
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
            buffer = self.buffer
        except AttributeError:  # a constructor has raised before there was a buffer
            return
        if not buffer.hide():
            return
        if buffer.was_read:
            self._read_parts()
        if buffer.closed:
            if buffer.was_read:
                buffer.forget()
            if buffer.error is not None and not buffer.error_handled:
                buffer.context.unhandled.drop(buffer, buffer.error)
        elif buffer.was_read and buffer.producer is not None:
            _abandon(buffer, buffer.producer)

    # -- what it is not: a collection ------------------------------------------------------------------------

    @classmethod
    def _public_name(cls) -> str:
        """The name of the class that users know, for errors."""
        return cls.__name__

    if not TYPE_CHECKING:  # for a type checker it has none of these, so it refuses them by itself

        def __bool__(self) -> bool:
            return True  # as any object; without this, `if promise:` would ask for its length

        def __len__(self) -> int:
            self._refuse("has no length yet")

        def __getitem__(self, index: object) -> object:  # also what `for` and `list` call, without `__iter__`
            self._refuse("has no items yet")

        def _refuse(self, problem: str) -> NoReturn:
            streamed = hasattr(type(self), "__aiter__")
            hint = ", or read it with `async for`" if streamed else ""
            msg = f"A {self._public_name()} {problem}: it is a promise; await it first{hint}."
            raise TypeError(msg)

    # -- text --------------------------------------------------------------------------------------------

    @override
    def __repr__(self) -> str:
        buffer = getattr(self, "buffer", None)
        if buffer is None:
            return f"<{self._public_name()} (not constructed)>"
        state = "failed" if buffer.error is not None else "done" if buffer.closed else "open"
        return f"<{self._public_name()} {state}, {buffer.gone + len(buffer.items)} pieces>"

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
        for buffer in (*self._parts(), self.buffer):
            if not buffer.closed:
                raise UnresolvedPromiseError
            raise_error(buffer)
        return self._resolve()


def _abandon(buffer: ReplayBuffer[object], producer: Producer) -> None:
    """Nobody can read the rest: stop it now, or, from the thread of a garbage collection, on its own loop."""
    if buffer.context.in_loop_thread():
        buffer.context.dispatch(producer.abandon)  # not nested: what is stopped may drop a chain of others
    else:
        buffer.context.call_soon(producer.abandon)


def when_complete(
    buffer: ReplayBuffer[T],
    parts: Callable[[], Iterable[ReplayBuffer[object]]],
    then: Callable[[Sequence[ReplayBuffer[object]]], None],
) -> None:
    """Call ``then`` with the parts of ``buffer`` when it and all of them have ended, however they did.

    It is no reader of any, and holds none of the promises that show them.

    Args:
        buffer: the whole.
        parts: the buffers that stand in it; asked once, when the whole has ended.
        then: must not raise.

    Example:
        >>> from miniagents.core import ReplayBuffer, Context
        >>> whole, part = ReplayBuffer(Context()), ReplayBuffer(Context())
        >>> when_complete(whole, lambda: [part], lambda parts: print("all of it:", parts[0].items))
        >>> whole.finish()
        >>> part.append("one")
        >>> part.finish()
        all of it: ['one']
    """

    def closed() -> None:
        all_parts = tuple(parts())  # all of them are there now; later they may have been forgotten
        _look(iter(all_parts), all_parts, then)  # each is looked at once, however many there are

    buffer.when_closed(closed)


def _look(
    left: Iterator[ReplayBuffer[object]],
    parts: Sequence[ReplayBuffer[object]],
    then: Callable[[Sequence[ReplayBuffer[object]]], None],
) -> None:
    for part in left:
        if not part.closed:
            # Not a function within a function that names itself: that would be a circle.
            part.when_closed(partial(_look, left, parts, then))
            return
    then(parts)
