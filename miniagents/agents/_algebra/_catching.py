"""``a.catching(...)``: a function or another agent takes over when an agent fails.

It is the one engine for an answer that goes wrong in the middle: what was shown stays (`Catching`), or is
withdrawn by a `Restart` and written anew in the same message (``restart``), or is continued (``continues``).
"""

from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from miniagents.messages import AssistantMessage, Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._copies import MessageCopy
from miniagents.messages._message import failed_message
from miniagents.messages._parts import text_so_far
from miniagents.streams._context import Context
from miniagents.streams._readers import settled, until_closed
from miniagents.streams._run_task import drop_frames
from miniagents.values import Restart, name_of

from .._signals import signals
from ._operands import (
    Errors,
    Operand,
    ReplyContext,
    WhileNeeded,
    check_errors,
    covers,
    has_begun,
    named,
    relay,
    until_over,
    until_read,
)

# The handler returns replies, an agent, or a coroutine of one of these; the public method is typed.
Handler: TypeAlias = Callable[[Exception, ReplyContext], object]
_Replies: TypeAlias = list[AsyncGenerator[MessagePromise[Message]]]


@dataclass(frozen=True, slots=True)
class Catching:
    """The agent function of ``a.catching(...)``.

    Attributes:
        agent: the agent whose errors are handled.
        handler: called with each error and the context of this run; or the agent that answers instead.
        on: which errors are handled; all others are raised.
        restart: whether the replacement takes the place of the text that came before the error.
        continues: whether the other agent is sent the text that came, and goes on after it.
        hold: whether a message is shown only when it is complete, so that nothing is ever withdrawn.
    """

    agent: Operand
    handler: Handler | Operand
    on: Errors = (Exception,)
    restart: bool = False
    continues: bool = False
    hold: bool = False

    def __post_init__(self) -> None:
        given: object = self.handler
        if not callable(given):
            msg = f"catching({given!r}): a handler is a function of the error and the context, or an agent."
            raise TypeError(msg)
        check_errors("catching", "on", self.on)
        if self.continues and not getattr(given, "continues", False):
            msg = (
                f"catching({_name(given)}, after='continue'): it cannot go on after a text that another "
                "model has begun, because its server does not take one. Use restart=True."
            )
            raise TypeError(msg)

    @property
    def alias(self) -> str:
        """The part and what takes over."""
        return f"{named(self.agent)}.catching({_name(self.handler)})"

    @property
    def description(self) -> str:
        """The agent whose errors are handled."""
        taken = f"; {_name(self.handler)} answers" if isinstance(self.handler, Operand) else ""
        return f"{self.agent.alias}; its errors are handled{taken}."

    @property
    def components(self) -> tuple[Operand, ...]:
        """The parts."""
        return (self.agent, self.handler) if isinstance(self.handler, Operand) else (self.agent,)

    async def __call__(self, ctx: ReplyContext) -> None:
        """Pass the replies on, and in place of each error the result of the handler."""
        # An error of the handler refers to the frames of its callers (`f_back`, from Python 3.12 on for those
        # of coroutines), and is stored: so these let go of what they have read when they end.
        replies, promise = [aiter(self.agent.inquire(ctx.messages))], None
        try:
            while True:
                try:
                    promise = await anext(replies[0], None)
                except Exception as error:  # noqa: BLE001 - the handler decides which errors it can handle
                    result = await self._handled(error, ctx)
                    if isinstance(result, Operand):
                        await relay(ctx, result.inquire(ctx.messages))  # if it is stopped, so is this run
                    else:
                        ctx.reply(result)
                    return
                if promise is None or await self._pass_on(promise, ctx, replies):
                    return
        finally:
            del ctx, replies, promise

    async def _pass_on(self, promise: MessagePromise[Message], ctx: ReplyContext, replies: _Replies) -> bool:
        """Reply a message from its first token on; return whether it failed and another agent took over."""
        copy = None
        try:
            if promise.given is not None:  # it is complete, and cannot fail
                ctx.reply(promise)
                return False
            if self.hold:
                await until_closed(promise.buffer)
            elif await _says_something(promise):
                copy = MessageCopy(promise, held=True, parts=self.restart)
                ctx.reply(copy.begin())
                with WhileNeeded(copy.target):
                    await until_over(promise.buffer)
            if promise.buffer.error is not None:
                await settled(promise.buffer)
                return await self._mend(promise, copy, ctx, replies)
            if copy is None:
                ctx.reply(promise)
            return False
        finally:
            if copy is not None:
                copy.release()  # also if this run loses its readers: the copy may still have readers
                copy.target.give_up()
            del promise, copy, ctx, replies

    async def _mend(
        self,
        promise: MessagePromise[Message],
        copy: MessageCopy | None,
        ctx: ReplyContext,
        replies: _Replies,
    ) -> bool:
        """Replace a failed message by the result of the handler; if that raises, by its error.

        If the result is another agent, ``replies`` loses its item: what is left of the first one is stopped.
        """
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
                ctx.reply(promise if again else failed_message(Context.current(), raised, chain))
            else:
                copy.fail(raised, chain)
            if again:
                promise.buffer.pass_error_on()
            del promise, copy, ctx, replies
            return False
        promise.buffer.mark_error_handled()
        if result is self.handler:
            replies.clear()
        if copy is not None and self.restart:
            await self._rewrite(copy, result, error, ctx)
        else:
            if copy is not None:
                copy.end_here()
            ctx.reply(result.inquire(ctx.messages) if isinstance(result, Operand) else result)
        return result is self.handler

    async def _rewrite(
        self, copy: MessageCopy, result: Operand | MessageType, error: Exception, ctx: ReplyContext
    ) -> None:
        """Let a message that has begun go on with the first reply of the result; the others follow it."""
        begun, restart = text_so_far(copy.target), Restart(f"{type(error).__name__}: {error}")
        sent: MessageType = ctx.messages  # in a list, an error of the input would be one of a message
        goes_on = self.continues and bool(begun) and copy.only_text
        if goes_on:
            sent = [sent, AssistantMessage(begun)]
        replies = result.inquire(sent) if isinstance(result, Operand) else MessageSequencePromise(result)
        following = aiter(replies)
        try:
            first = await anext(following, None)
            if first is None:  # nothing takes its place: what came is kept
                copy.fail(error, (self.alias,))
                return
        except Exception as raised:  # noqa: BLE001 - it becomes the error of this message
            if raised is replies.buffer.error:  # at once: what follows the message keeps the traceback
                raised.__traceback__ = replies.buffer.traceback  # without the frames of this reader
            first = failed_message(Context.current(), raised, replies.buffer.chain)
            replies.buffer.pass_error_on(first.buffer)
        copy.follow(first, None if goes_on else restart)
        with WhileNeeded(copy.target):
            await until_over(first.buffer)
        async for promise in following:
            ctx.reply(promise)
            await until_read()

    async def _handled(self, error: Exception, ctx: ReplyContext) -> Operand | MessageType:
        """Return what takes over: the agent, or the result of the handler, awaited if it is a coroutine."""
        if isinstance(error, signals()) or not covers(self.on, error):
            raise error
        if isinstance(self.handler, Operand):
            return self.handler
        result = self.handler(error, ctx)
        if isinstance(result, Coroutine):  # not any awaitable: a promise is a reply that streams
            result = await cast("Coroutine[object, object, object]", result)
        return cast("Operand | MessageType", result)


@dataclass(frozen=True, slots=True)
class TakingOver:
    """The wrapper of ``a.catching(b)`` for two models, which is a model: it can be given tools and types.

    Attributes:
        catching: what happens if ``a`` fails; its agents have no keywords yet.
        bound: returns ``b`` with the keywords of one call of ``a``.
    """

    catching: Catching
    bound: Callable[[Operand], Operand]

    def alias_around(self, part: Operand) -> str:
        """The two models."""
        del part
        return self.catching.alias

    def description_around(self, part: Operand) -> str:
        """The two models."""
        del part
        return self.catching.description

    async def __call__(self, ctx: ReplyContext, call: Operand) -> None:
        """Do one call."""
        await replace(self.catching, agent=call, handler=self.bound(call))(ctx)


def _name(handler: object) -> str:
    return handler.alias if isinstance(handler, Operand) else name_of(handler)


async def _says_something(promise: MessagePromise[Message]) -> bool:
    try:
        return await has_begun(promise)
    except Exception:  # noqa: BLE001 - the caller handles the error
        return False
