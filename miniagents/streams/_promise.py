"""``Promise`` and ``StreamedPromise``: a value that arrives once, or in pieces, for any number of readers.

A promise is a lease on a buffer and a fold over its pieces. The producer holds the buffer and never the
promise. So when the last promise is gone, nothing can read the buffer any more. Then the producer is stopped
if a reader had ever come; else it runs to its end.
"""

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from functools import partial
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeAlias, TypeVar, cast

from typing_extensions import override

from miniagents.values import UnresolvedPromiseError, name_of

from ._buffer import NoReplayBuffer, ReplayBuffer
from ._context import WITHIN_HANDLER, Context, current_context
from ._lifetime import NO_RESULT, Lease
from ._protocols import Sink
from ._pump import fill
from ._readers import iterate, raise_error, settled, until_closed, waits
from ._run_task import ProducerTask
from ._stream import Stream

# -- events ---------------------------------------------------------------------------------------------
#
# Calls of handlers: one at a time, in the order of the events.
#
# Without handlers this costs nothing, and an error of a handler affects no run. Events go into a queue of the
# context, and one task of the context calls the handlers for them. So a handler that stores messages gets
# nested ones before those that contain them.

logger = logging.getLogger("miniagents")

P = TypeVar("P")
R = TypeVar("R")

Event: TypeAlias = Callable[[], Awaitable[None]]
Handler: TypeAlias = Callable[[P, R], Awaitable[None]]


def post_event(context: Context, event: Event) -> None:
    """Queue ``event``: it is called and awaited after the queued ones, before the context ends."""
    context.event_queue.append(event)
    if not context.handling_events:
        context.handling_events = True
        buffer: ReplayBuffer[object] = ReplayBuffer(context)
        task = ProducerTask("event handlers", buffer, buffer, part=True, orphan=True)
        task.start(partial(_handle_events, context))


async def _handle_events(context: Context) -> None:
    WITHIN_HANDLER.set(True)  # with the context variables of this task
    try:
        while context.event_queue:
            async with context.handlers_turn():
                await _guarded(context.event_queue.popleft())
    finally:
        context.handling_events = False


async def _guarded(event: Event) -> None:
    try:
        await event()
    except Exception:
        text = "The handler %s raised; the run that it was called for is not affected."
        logger.exception(text, name_of(event))


async def call_handlers(handlers: Sequence[Handler[P, R]], promise: P, result: R) -> None:
    """Await every handler with ``promise`` and ``result``; one that raises does not stop the others."""
    for handler in tuple(handlers):
        await _guarded(partial(handler, promise, result))


# -- promise --------------------------------------------------------------------------------------------

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
V = TypeVar("V")
PIECE = TypeVar("PIECE", covariant=True)  # noqa: PLC0105 - the documented names of the type parameters
WHOLE = TypeVar("WHOLE", covariant=True)  # noqa: PLC0105


class Promise(Lease, Generic[T_co]):
    """A value that is computed once, beginning at once, and can be awaited any number of times.

    * When does it start? At once, as a task of the active context.
    * How often? Once, for any number of readers.
    * What is kept? The value.
    * What does ``break`` do? A reader that is cancelled or times out while it awaits does not affect other
      readers. When the last reader and the last reference to the promise are gone, the task is cancelled.
    * When does an error come? When it is awaited: every reader gets the same exception object.

    Attributes:
        buffer: the stream of the promise, for code of this layer; users await the promise.

    Args:
        resolver: an async function without parameters; called once, as a task of the active context.
        prefill_result: the value, instead of a resolver.

    Raises:
        NoActiveContextError: no context is active.
        TypeError: both a resolver and a value are given.

    Example:
        >>> from miniagents.streams import Promise, PromisingContext
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

    __slots__ = ("_views",)

    buffer: ReplayBuffer[object]  # pyright: ignore[reportIncompatibleVariableOverride] - `take` alone writes it
    _views: dict[str, object]

    def __init__(
        self, resolver: Callable[[], Awaitable[T_co]] | None = None, *, prefill_result: T_co | None = None
    ) -> None:
        context = current_context()
        if resolver is not None and prefill_result is not None:
            raise TypeError("Promise(resolver, prefill_result=...): give one of the two.")
        if resolver is None:
            self.take(ReplayBuffer[object](context, [prefill_result], closed=True))
            return
        buffer: ReplayBuffer[object] = ReplayBuffer(context)
        compute = resolver

        async def body() -> None:
            buffer.append(await compute())

        name = getattr(resolver, "__name__", "resolver")
        ProducerTask(name, buffer, buffer, part=True).start(body)
        self.take(buffer)

    @classmethod
    def over(cls, buffer: ReplayBuffer[T], *, announced: bool = True) -> Self:
        """Return a new promise of ``buffer``, whatever fills it.

        Args:
            buffer: the stream; this promise is one more that shows it.
            announced: whether to call the handlers of the context for this promise.
        """
        promise = cls.__new__(cls)
        promise.take(buffer, announced=announced)
        return promise

    def _view(self, name: str, make: Callable[[], V]) -> V:
        """Return a view of this promise, made by ``make`` at the first call; it must not hold the promise."""
        try:
            views = self._views
        except AttributeError:  # most promises never need one
            views = self._views = {}
        if name not in views:
            views[name] = make()
        return cast("V", views[name])

    @override
    def announce(self) -> None:
        """Call the handlers of the context when this promise has resolved.

        The watcher holds the buffer and not the promise, so that it does not count as a reader.
        """
        buffer = self.buffer
        context = buffer.context
        again = self._again()

        async def tell(view: "Promise[T_co]") -> None:
            for each in context.notified():  # the outermost one first
                await call_handlers(each.resolved_handlers, view, view._resolve())  # noqa: SLF001 - same class

        def complete(parts: Sequence[ReplayBuffer[object]]) -> None:
            view = again()
            # If the buffer was dropped before its parts were complete, its pieces are gone: it never
            # resolves.
            whole = not buffer.gone and len(parts) == len(tuple(view._parts()))  # noqa: SLF001
            if whole and all(part.error is None for part in (buffer, *parts)):
                post_event(context, partial(tell, view))

        when_complete(buffer, lambda: again()._parts(), complete)  # noqa: SLF001

    def _again(self) -> "Callable[[], Promise[T_co]]":
        """Return a function that makes another promise of the same buffer, and does not hold this one."""
        return partial(type(self).over, self.buffer, announced=False)

    # -- waiting for it ----------------------------------------------------------------------------------

    def __await__(self) -> Generator[object, None, T_co]:
        """Wait for the value and return it."""
        return waits(self._whole())

    async def _whole(self) -> T_co:
        await until_closed(self.buffer)
        if self.buffer.error is not None:
            await settled(self.buffer)
        raise_error(self.buffer)
        return self._resolve()

    def _resolve(self) -> T_co:
        """Return the value of a stream that ended normally; it is computed once."""
        buffer = self.buffer
        if buffer.result is NO_RESULT:
            buffer.remember(self._fold(buffer))
        return buffer.result  # type: ignore[return-value] # pyright: ignore[reportReturnType] - a cast is a call

    def _fold(self, buffer: ReplayBuffer[object]) -> object:
        """Return the value that the pieces of a buffer make."""
        return buffer.items[0]

    def _parts(self) -> Iterable[ReplayBuffer[object]]:
        """Return the buffers that must end too before the value is complete."""
        return ()

    # -- ending it ---------------------------------------------------------------------------------------
    @property
    def done(self) -> bool:
        """Whether the last piece or an error has come."""
        return self.buffer.closed

    def cancel(self) -> None:
        """Stop the source now; readers get what had arrived, then ``InquiryCancelledError``. Idempotent.

        Raises:
            WrongLoopError: the call comes from another event loop or thread.
        """
        if self.buffer.producer is not None:
            self.buffer.context.check()
            self.buffer.cancel()

    async def __aenter__(self) -> Self:
        """Use the promise as a block: leaving the block cancels what still runs."""
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()
        await asyncio.sleep(0)  # lets the cancelled task end now, not after the caller's next step

    # -- errors for uses as a value -------------------------------------------------------------------------

    @classmethod
    def _public_name(cls) -> str:
        """Return the public name of the class, for errors."""
        return cls.__name__

    if not TYPE_CHECKING:  # type checkers do not see these methods, so they report their use

        def __bool__(self) -> bool:
            return True  # as any object; without this, `if promise:` would call `__len__`

        def __len__(self) -> int:  # noqa: PLE0303 - it raises
            self._refuse("has no length yet")

        def __getitem__(self, index: object) -> object:  # `for` and `list` call it too, without `__iter__`
            self._refuse("has no items yet")

        def __reduce__(self) -> NoReturn:
            self._refuse("cannot be pickled")

        def _refuse(self, problem: str) -> NoReturn:
            streamed = hasattr(type(self), "__aiter__")
            hint = ", or read it with `async for`" if streamed else ""
            raise TypeError(f"A {self._public_name()} {problem}: it is a promise; await it first{hint}.")

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
        """Return the value without waiting.

        Raises:
            UnresolvedPromiseError: it is not complete yet.
        """
        for buffer in (*self._parts(), self.buffer):
            if not buffer.closed:
                raise UnresolvedPromiseError
            raise_error(buffer)
        return self._resolve()


def _raise_again(error: Exception, _: object) -> NoReturn:
    raise error.with_traceback(None)  # that of its first reader would grow, and keep what that holds


class StreamedPromise(Promise[WHOLE], Generic[PIECE, WHOLE]):
    """A stream of pieces that can be read as an Observable, as an async iterator, or awaited as a whole.

    * When does it start? At once, as a task of the active context.
    * How often? Once, for any number of readers.
    * What is kept? Every piece: each reader starts at the first one.
    * What does ``break`` do? It ends that reader. When none is left or can come, the source is stopped.
    * When does an error come? After every piece before it; every reader gets the same exception object.

    Args:
        buffer: the stream; for this library.
        streamer: called once; it returns an async iterable of the pieces.
        prefill_pieces: all the pieces, instead of a streamer.
        resolver: makes the whole of the tuple of all pieces.
        replay: False: a piece is dropped when all readers have taken it.

    Raises:
        NoActiveContextError: no context is active.
        TypeError: both a streamer and pieces were given, or neither.
        UnresolvedPromiseError: the first pieces were dropped.

    Example:
        >>> from miniagents.streams import PromisingContext, StreamedPromise
        >>> async def main() -> int:
        ...     return await StreamedPromise(prefill_pieces=[1, 2, 3], resolver=sum)
        >>> PromisingContext().run(main())
        6
    """

    __slots__ = ("_resolver",)

    buffer: ReplayBuffer[PIECE]  # type: ignore[assignment]  # of whichever pieces; a promise of a value alone only looks at one

    def __init__(
        self,
        streamer: Callable[[], AsyncIterable[PIECE]] | None = None,
        *,
        prefill_pieces: Iterable[PIECE] | None = None,
        resolver: Callable[[tuple[PIECE, ...]], WHOLE] | None = None,
        replay: bool = True,
    ) -> None:
        context = current_context()
        if (streamer is None) == (prefill_pieces is None):
            raise TypeError(
                f"{type(self).__name__} takes a streamer or prefill_pieces: give exactly one of them."
            )
        pieces = None if streamer is not None else list(prefill_pieces or ())
        buffer: ReplayBuffer[PIECE] = (
            ReplayBuffer(context, pieces, closed=streamer is None)
            if replay
            else NoReplayBuffer(context, pieces, closed=streamer is None)
        )
        if streamer is not None:
            start_pump(getattr(streamer, "__name__", "streamer"), streamer, buffer)
        self._resolver = resolver
        self.take(buffer)

    def __aiter__(self) -> AsyncGenerator[PIECE]:
        """Return an async iterator of the pieces, from the first one on, as they come."""
        return iterate(self.buffer, self)

    @property
    def pieces(self) -> Stream[PIECE]:
        """The pieces; see :class:`Stream`."""
        return self._view("pieces", lambda: Stream(self.buffer))

    @override
    def _fold(self, buffer: ReplayBuffer[object]) -> object:
        buffer.keep_all()
        pieces = cast("tuple[PIECE, ...]", tuple(buffer.items))
        resolver = getattr(self, "_resolver", None)  # a promise made by `over` has none
        if resolver is None:
            return pieces
        try:
            return resolver(pieces)
        except Exception as error:
            self._resolver = partial(_raise_again, error)  # so that it is called once
            raise

    @override
    def _again(self) -> "Callable[[], StreamedPromise[PIECE, WHOLE]]":
        view, resolver = super()._again(), getattr(self, "_resolver", None)

        def again() -> StreamedPromise[PIECE, WHOLE]:
            promise = cast("StreamedPromise[PIECE, WHOLE]", view())
            promise._resolver = resolver  # noqa: SLF001 - same class
            return promise

        return again


def start_pump(
    name: str, streamer: Callable[[], AsyncIterable[T]], buffer: ReplayBuffer[T], sink: Sink | None = None
) -> None:
    """Fill ``buffer`` from the iterable of ``streamer``, in a task of its context; the task ends ``sink``."""
    task = ProducerTask(name, buffer, sink or buffer, part=True)
    task.start(lambda: fill(buffer, streamer()))


def when_complete(
    buffer: ReplayBuffer[T],
    parts: Callable[[], Iterable[ReplayBuffer[object]]],
    then: Callable[[Sequence[ReplayBuffer[object]]], None],
) -> None:
    """Call ``then`` with the parts of ``buffer`` when it and all of them have ended, or failed.

    It does not count as a reader, and holds no promise.

    Args:
        buffer: the whole.
        parts: returns the buffers of its items; called once, when the whole has ended.
        then: called once; it must not raise.

    Example:
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> whole, part = ReplayBuffer(Context()), ReplayBuffer(Context())
        >>> when_complete(whole, lambda: [part], lambda parts: print("all of it:", parts[0].items))
        >>> whole.finish()
        >>> part.append("one")
        >>> part.finish()
        all of it: ['one']
    """

    def closed() -> None:
        all_parts = tuple(parts())  # all of them are here now; later they may have been dropped
        _look(iter(all_parts), all_parts, then)  # each is checked once, however many there are

    buffer.when_closed(closed)


def _look(
    left: Iterator[ReplayBuffer[object]],
    parts: Sequence[ReplayBuffer[object]],
    then: Callable[[Sequence[ReplayBuffer[object]]], None],
) -> None:
    for part in left:
        if not part.closed:
            # Not an inner function that refers to itself: that would be a reference cycle.
            part.when_closed(partial(_look, left, parts, then))
            return
    then(parts)
