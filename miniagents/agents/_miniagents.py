"""``MiniAgents``: the context in which agents run; its settings: errors, records, functions around runs."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, cast
from weakref import WeakValueDictionary

from typing_extensions import override

from miniagents.messages import Message, MessagePromise
from miniagents.streams import Promise
from miniagents.streams._context import Context, DrainTimeout, PromiseResolvedHandler
from miniagents.streams._observers import Observer
from miniagents.streams._promise import call_handlers
from miniagents.values import Frozen

from ._algebra._around import check_around

if TYPE_CHECKING:
    from ._agent import InteractionContext, MiniAgent

AroundFunction: TypeAlias = (
    "Callable[[InteractionContext[Message, Message], MiniAgent[Message, Message, ...]], Awaitable[None]]"
)
"""A function around every run of a context: it gets the context of the run, and the agent of this call."""


class PersistMessageHandler(Protocol):
    """The type of a handler for ``on_persist_message``: awaited once with each complete message.

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


class MiniAgents(Context):
    """The owner of every run and every promise that is made inside it.

    Use it as ``async with MiniAgents():``, or as ``MiniAgents().run(main())``. Its end waits for all runs;
    after an exception or Ctrl-C it cancels them. Inside another one it is a child, with its settings.

    Args:
        on_persist_message, on_promise_resolved: get each message; each promise.
        errors_as_messages: whether errors become an ``ErrorMessage``.
        around, observers: functions around every run; get its events.
        prefetch: how many pieces a source may run ahead (1024).
        shutdown_timeout, drain_timeout: seconds for cleanup; for a normal end.
        app_wide: whether it serves all code on its event loop.

    Attributes:
        around_runs, around_agents: functions around runs; around agents.

    Raises:
        TypeError, ValueError: an argument does not fit.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     print(await scripted_model("Hello!").inquire())
        >>> MiniAgents().run(main())
        Hello!
    """

    def __init__(
        self,
        *,
        on_persist_message: PersistMessageHandler | None = None,
        on_promise_resolved: PromiseResolvedHandler | None = None,
        errors_as_messages: bool | None = None,
        around: Sequence[AroundFunction] = (),
        observers: Sequence[Observer] = (),
        prefetch: int | None = None,
        shutdown_timeout: float | None = None,
        drain_timeout: DrainTimeout = "auto",
        app_wide: bool = False,
    ) -> None:
        for function in around:
            check_around("MiniAgents", function)
        super().__init__(
            on_promise_resolved=on_promise_resolved,
            prefetch=prefetch,
            shutdown_timeout=shutdown_timeout,
            drain_timeout=drain_timeout,
            app_wide=app_wide,
        )
        self._given_errors_as_messages = errors_as_messages
        self.errors_as_messages: bool = bool(errors_as_messages)
        self._own_around = tuple(around)
        self.around_runs: tuple[AroundFunction, ...] = self._own_around
        self.around_agents: tuple[AroundFunction, ...] = _for_agents(self._own_around)
        for observer in observers:
            self.observe(observer)
        self._persist_handlers: list[PersistMessageHandler] = []
        # By identity: two equal messages are two messages. An entry is removed with its message.
        self._persisted: WeakValueDictionary[int, Message] = WeakValueDictionary()
        if on_persist_message is not None:
            self.on_persist_message(on_persist_message)

    @override
    def become_child_of(self, parent: Context | None) -> None:
        super().become_child_of(parent)
        outer = parent if isinstance(parent, MiniAgents) else None
        self.around_runs = (() if outer is None else outer.around_runs) + self._own_around
        self.around_agents = _for_agents(self.around_runs)
        if self._given_errors_as_messages is None:
            self.errors_as_messages = outer is not None and outer.errors_as_messages

    @property
    def persists(self) -> bool:
        """Whether this context or an outer one has a handler that stores messages."""
        if self.parent is None:
            return bool(self._persist_handlers)
        return any(each._persist_handlers for each in self.notified() if isinstance(each, MiniAgents))  # noqa: SLF001

    def on_persist_message(self, handler: HandlerT) -> HandlerT:
        """Add a handler; usable as a decorator. An error of a handler is logged and affects nothing else.

        Args:
            handler: awaited once with each message that is completed from now on, one call at a time.

        Returns:
            The handler itself.
        """
        if not self._persist_handlers:
            self.on_promise_resolved(self._persist_resolved)
        self._persist_handlers.append(handler)
        return handler

    async def _persist_resolved(self, promise: Promise[object], result: object) -> None:
        if isinstance(
            result, Message
        ):  # for a promise of any class: a plain `Promise` may also resolve to a message
            own = isinstance(promise, MessagePromise)
            await self._persist_here(result, cast("MessagePromise[Message]", promise) if own else None)

    async def persist(self, message: Message, promise: MessagePromise[Message] | None = None) -> None:
        """Call the handlers, also of parents, with ``message``, nested messages first; once per message.

        Args:
            message: any message.
            promise: its promise, for the handlers; None: a new finished promise.
        """
        for each in self.notified():
            if isinstance(each, MiniAgents):
                await each._persist_here(message, promise)  # noqa: SLF001 - same class

    async def _persist_here(self, message: Message, promise: MessagePromise[Message] | None = None) -> None:
        if not self._persist_handlers:
            return
        if self._persisted.get(id(message)) is message:
            return
        self._persisted[id(message)] = message
        for child in nested_messages(message):
            await self._persist_here(child)
        shown = MessagePromise.of_message(self, message, announced=False) if promise is None else promise
        await call_handlers(self._persist_handlers, shown, message)


def nested_messages(value: object) -> Iterator[Message]:
    """Return the messages directly inside a frozen value, in order, without messages inside these."""
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


def _for_agents(around: tuple[AroundFunction, ...]) -> tuple[AroundFunction, ...]:
    return tuple(function for function in around if not getattr(function, "models_only", False))
