"""``a.catching(handler)``: what becomes of the errors of an agent is said beside it."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TypeAlias, cast

from miniagents.core import (
    Context,
    Message,
    MessagePromise,
    MessageType,
    current_ancestry,
    failed_message,
    until_closed,
)
from miniagents.values import lazy_dataclass

from .._signals import signals
from ._copy import MessageCopy
from ._operands import Operand, ReplyContext, has_begun, named, relay

# What is given here returns replies, an agent, or a coroutine of one of these; users see it typed.
Handler: TypeAlias = Callable[[Exception, ReplyContext], object]


@lazy_dataclass(frozen=True, slots=True)
class Catching:
    """What ``a.catching(handler)`` runs.

    Attributes:
        agent: whose errors are caught.
        handler: is given each error and the context of this run.
    """

    agent: Operand
    handler: Handler

    def __post_init__(self) -> None:
        given: object = self.handler
        if not callable(given):
            msg = f"catching({given!r}): a handler is a function of the error and the context."
            raise TypeError(msg)

    @property
    def alias(self) -> str:
        """The part and the handler."""
        name: str = getattr(self.handler, "__name__", type(self.handler).__name__)
        return f"{named(self.agent)}.catching({name})"

    @property
    def description(self) -> str:
        """Whose errors are caught."""
        return f"{self.agent.alias}; its errors are handled."

    @property
    def components(self) -> tuple[Operand, ...]:
        """The parts."""
        return (self.agent,)

    async def __call__(self, ctx: ReplyContext) -> None:
        """Pass the replies on, and for each error what the handler makes of it."""
        replies = aiter(self.agent.inquire(ctx.messages))
        while True:
            try:
                promise = await _next(replies)
            except Exception as error:  # noqa: BLE001 - the handler knows which ones it can handle
                await self._end_with(await self._handled(error, ctx), ctx)
                return
            if promise is None:
                return
            await self._pass_on(promise, ctx)

    async def _end_with(self, result: Operand | MessageType, ctx: ReplyContext) -> None:
        if isinstance(result, Operand):
            await relay(ctx, result.inquire(ctx.messages))  # its end is the end of this run
        else:
            ctx.reply(result)

    async def _pass_on(self, promise: MessagePromise[Message], ctx: ReplyContext) -> None:
        """Reply a message from its first token on; if it fails, what came of it stays."""
        if not await _says_something(promise):
            if promise.buffer.error is None:
                ctx.reply(promise)
            else:
                await self._mend(promise, None, ctx)
            return
        copy = MessageCopy(promise, Context.current())
        copy.buffer.produce_with(copy, current_ancestry())
        copy.held = True
        ctx.reply(copy.show())
        try:
            await until_closed(promise.buffer)
            if promise.buffer.error is not None:
                await self._mend(promise, copy, ctx)
        finally:
            copy.release()  # also when this run is left: the holder of the copy reads on

    async def _mend(
        self, promise: MessagePromise[Message], copy: MessageCopy | None, ctx: ReplyContext
    ) -> None:
        """Put in the place of a failed message what the handler makes of it; what it raises is its error."""
        error, chain = cast("Exception", promise.buffer.error), promise.buffer.chain
        promise.buffer.mark_error_handled()
        try:
            result = await self._handled(error, ctx)
        except Exception as raised:  # noqa: BLE001 - it is the error of this message
            chain = chain if raised is error else (self.alias,)
            if copy is None:
                ctx.reply(failed_message(Context.current(), raised, chain))
            else:
                copy.fail(raised, chain)
            return
        if copy is not None:
            copy.end_here()
        ctx.reply(result.inquire(ctx.messages) if isinstance(result, Operand) else result)

    async def _handled(self, error: Exception, ctx: ReplyContext) -> Operand | MessageType:
        """What the handler returns."""
        if isinstance(error, signals()):
            raise error
        result = self.handler(error, ctx)
        if isinstance(result, Coroutine):  # not every awaitable: a promise is a reply that streams
            result = await cast("Coroutine[object, object, object]", result)
        return cast("Operand | MessageType", result)


async def _next(replies: AsyncIterator[MessagePromise[Message]]) -> MessagePromise[Message] | None:
    async for promise in replies:
        return promise
    return None


async def _says_something(promise: MessagePromise[Message]) -> bool:
    try:
        return await has_begun(promise)
    except Exception:  # noqa: BLE001 - the caller looks at the error itself
        return False
