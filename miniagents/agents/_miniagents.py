"""``MiniAgents``: the context in which agents run."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from miniagents.core import (
    Message,
    MessagePromise,
    Promise,
    PromiseResolvedHandler,
    PromisingContext,
    call_handlers,
    on_resolved,
)
from miniagents.values import Frozen


class PersistMessageHandler(Protocol):
    """What ``on_persist_message`` takes: awaited once with each message that came to be.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> async def store(promise, message):
        ...     print(message.hash_key[:8], message)
        >>> async def main():
        ...     Message("Hello").as_promise
        >>> MiniAgents(on_persist_message=store).run(main())
        5fff2d07 Hello
    """

    async def __call__(self, promise: MessagePromise[Message], message: Message, /) -> None:
        """Store one message."""
        ...


HandlerT = TypeVar("HandlerT", bound=PersistMessageHandler)


class MiniAgents(PromisingContext):
    """The owner of every run and every promise that is made inside it.

    Use it as ``async with MiniAgents():`` or run a coroutine in it with ``MiniAgents().run(main())``. It ends
    when all runs have; by an exception, Ctrl-C or cancellation it cancels them first.

    Args:
        on_persist_message: awaited once for each message that came to be, children before parents, and for
            the call and reply records of each run.
        on_promise_resolved: awaited with every promise that resolved, and its value.
        errors_as_messages: a failing agent or message leaves an ``ErrorMessage`` where it would have raised.
        prefetch: how many pieces a source may run ahead of its fastest reader, in pieces.
        shutdown_timeout: seconds that cancelled runs get for their cleanup.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply(f"Hello, {await ctx.messages}!")
        >>> async def main():
        ...     print(await hello.inquire("world"))
        >>> MiniAgents().run(main())
        Hello, world!
    """

    def __init__(
        self,
        *,
        on_persist_message: PersistMessageHandler | None = None,
        on_promise_resolved: PromiseResolvedHandler | None = None,
        errors_as_messages: bool = False,
        prefetch: int = 1024,
        shutdown_timeout: float = 10.0,
    ) -> None:
        super().__init__(
            on_promise_resolved=on_promise_resolved, prefetch=prefetch, shutdown_timeout=shutdown_timeout
        )
        self.errors_as_messages = errors_as_messages
        self._persist_handlers: list[PersistMessageHandler] = []
        # By identity: two equal messages came to be twice. An entry goes with its message.
        self._persisted: WeakValueDictionary[int, Message] = WeakValueDictionary()
        if on_persist_message is not None:
            self.on_persist_message(on_persist_message)

    @property
    def persists(self) -> bool:
        """Whether there is a handler that stores messages."""
        return bool(self._persist_handlers)

    def on_persist_message(self, handler: HandlerT) -> HandlerT:
        """Add a handler; usable as a decorator. One that raises is logged and harms nobody.

        Args:
            handler: awaited once with each message that comes to be from now on, one call at a time.

        Returns:
            The handler itself.
        """
        if not self._persist_handlers:
            on_resolved(self, self._persist_resolved)
        self._persist_handlers.append(handler)
        return handler

    async def _persist_resolved(self, promise: Promise[object], result: object) -> None:
        if isinstance(result, Message):  # of a promise of any class: a plain one may resolve to a message, too
            own = isinstance(promise, MessagePromise)
            await self.persist(result, cast("MessagePromise[Message]", promise) if own else None)

    async def persist(self, message: Message, promise: MessagePromise[Message] | None = None) -> None:
        """Have ``message`` stored, the messages in it first, unless it has been.

        Args:
            message: any message.
            promise: what it came from, for the handlers; None for a finished one of its own.
        """
        if self._persisted.get(id(message)) is message:
            return
        self._persisted[id(message)] = message
        for child in nested_messages(message):
            await self.persist(child)
        shown = MessagePromise.of_message(self, message, announced=False) if promise is None else promise
        await call_handlers(self._persist_handlers, shown, message)


def nested_messages(value: object) -> Iterator[Message]:
    """The messages that stand directly in a frozen value, in order; not those in these."""
    parts: Iterator[object]
    if isinstance(value, Frozen):
        parts = (part for _, part in value)
    elif isinstance(value, Mapping):
        parts = iter(cast("Mapping[object, object]", value).values())
    elif isinstance(value, tuple | frozenset):
        parts = iter(cast("Iterable[object]", value))
    else:
        return
    for part in parts:
        if isinstance(part, Message):
            yield part
        else:
            yield from nested_messages(part)
