"""``a.catching(handler)``: a function handles the errors of an agent."""

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import TypeAlias, cast

from miniagents.messages import Message, MessagePromise, MessageType
from miniagents.messages._copies import MessageCopy
from miniagents.messages._message import failed_message
from miniagents.streams._context import Context
from miniagents.streams._run_task import drop_frames
from miniagents.values import name_of

from .._signals import signals
from ._operands import Operand, ReplyContext, WhileNeeded, has_begun, named, relay, until_over

# The handler returns replies, an agent, or a coroutine of one of these; the public method is typed.
Handler: TypeAlias = Callable[[Exception, ReplyContext], object]


@dataclass(frozen=True, slots=True)
class Catching:
    """The agent function of ``a.catching(handler)``.

    Attributes:
        agent: the agent whose errors are handled.
        handler: called with each error and the context of this run.
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
        return f"{named(self.agent)}.catching({name_of(self.handler)})"

    @property
    def description(self) -> str:
        """The agent whose errors are handled."""
        return f"{self.agent.alias}; its errors are handled."

    @property
    def components(self) -> tuple[Operand, ...]:
        """The parts."""
        return (self.agent,)

    async def __call__(self, ctx: ReplyContext) -> None:
        """Pass the replies on, and in place of each error the result of the handler."""
        # An error of the handler refers to the frames of its callers (`f_back`, from Python 3.12 on for those
        # of coroutines), and is stored: so these let go of what they have read when they end.
        replies, promise = aiter(self.agent.inquire(ctx.messages)), None
        try:
            while True:
                try:
                    promise = await _next(replies)
                except Exception as error:  # noqa: BLE001 - the handler decides which errors it can handle
                    await self._end_with(await self._handled(error, ctx), ctx)
                    return
                if promise is None:
                    return
                await self._pass_on(promise, ctx)
        finally:
            del ctx, replies, promise

    async def _end_with(self, result: Operand | MessageType, ctx: ReplyContext) -> None:
        if isinstance(result, Operand):
            await relay(ctx, result.inquire(ctx.messages))  # if it is stopped, so is this run
        else:
            ctx.reply(result)

    async def _pass_on(self, promise: MessagePromise[Message], ctx: ReplyContext) -> None:
        """Reply a message from its first token on; if it fails, the text before the error is kept."""
        copy = None
        try:
            if await _says_something(promise):
                copy = MessageCopy(promise, held=True)
                ctx.reply(copy.begin())
                with WhileNeeded(copy.target):
                    await until_over(promise.buffer)
            if promise.buffer.error is not None:
                await self._mend(promise, copy, ctx)
            elif copy is None:
                ctx.reply(promise)
        finally:
            if copy is not None:
                copy.release()  # also if this run loses its readers: the copy may still have readers
                copy.target.give_up()
            del promise, copy, ctx

    async def _mend(
        self, promise: MessagePromise[Message], copy: MessageCopy | None, ctx: ReplyContext
    ) -> None:
        """Replace a failed message by the result of the handler; if that raises, by its error."""
        error, chain = cast("Exception", promise.buffer.error), promise.buffer.chain
        try:
            result = await self._handled(error, ctx)
        except Exception as raised:  # noqa: BLE001 - it becomes the error of this message
            again = raised is error
            if not again:
                promise.buffer.mark_error_handled()
            drop_frames(raised)
            chain = chain if again else (self.alias,)
            if copy is None:
                ctx.reply(failed_message(Context.current(), raised, chain))
            else:
                copy.fail(raised, chain)
            if again:
                promise.buffer.pass_error_on()
            del promise, copy, ctx
            return
        promise.buffer.mark_error_handled()
        if copy is not None:
            copy.end_here()
        ctx.reply(result.inquire(ctx.messages) if isinstance(result, Operand) else result)

    async def _handled(self, error: Exception, ctx: ReplyContext) -> Operand | MessageType:
        """Return the result of the handler, awaited if it is a coroutine."""
        if isinstance(error, signals()):
            raise error
        result = self.handler(error, ctx)
        if isinstance(result, Coroutine):  # not any awaitable: a promise is a reply that streams
            result = await cast("Coroutine[object, object, object]", result)
        return cast("Operand | MessageType", result)


async def _next(replies: AsyncIterator[MessagePromise[Message]]) -> MessagePromise[Message] | None:
    async for promise in replies:
        return promise
    return None


async def _says_something(promise: MessagePromise[Message]) -> bool:
    try:
        return await has_begun(promise)
    except Exception:  # noqa: BLE001 - the caller handles the error
        return False
