"""``a.catching(...)``: a function or another agent takes over when an agent fails.

It is the one engine for an answer that goes wrong in the middle: what was shown stays (`Catching`), or is
withdrawn by a `Restart` and written anew in the same message (``restart``), or is continued (``continues``).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, cast

from miniagents.messages import AssistantMessage, Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._message import failed_message, message_of, message_so_far
from miniagents.messages._parts import parts_in, text_so_far, told_by
from miniagents.streams._context import Context
from miniagents.streams._readers import settled, until_closed
from miniagents.streams._run_task import drop_frames, handle_error
from miniagents.values import Part, Restart, text_of_error

from .._signals import signals
from ._operands import (
    Errors,
    Operand,
    ReplyContext,
    WhileNeeded,
    check_errors,
    covers,
    given_name,
    has_begun,
    named,
    relay,
    until_over,
    until_read,
)
from ._rewritten import RewrittenSink, parts_for, rewritten

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
            raise TypeError(
                f"catching({given!r}): a handler is a function of the error and the context, or an agent."
            )
        check_errors("catching", "on", self.on)
        if self.continues and not getattr(given, "continues", False):
            raise TypeError(
                f"catching({given_name(given)}, after='continue'): it cannot go on after a text that another "
                "model has begun, because its server does not take one. Use restart=True."
            )

    @property
    def alias(self) -> str:
        """The part and what takes over."""
        return f"{named(self.agent)}.catching({given_name(self.handler)})"

    @property
    def description(self) -> str:
        """The agent whose errors are handled."""
        taken = f"; {given_name(self.handler)} answers" if isinstance(self.handler, Operand) else ""
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
                await until_read()
        finally:
            replies.clear()  # a message of the first agent that is still read goes on without this run
            del ctx, replies, promise

    async def _pass_on(self, promise: MessagePromise[Message], ctx: ReplyContext, replies: _Replies) -> bool:
        """Reply a message from its first token on; return whether it failed and another agent took over."""
        try:
            if promise.given is not None:  # it is complete, and cannot fail
                ctx.reply(promise)
                return False
            if self.hold:
                await until_closed(promise.buffer)
            elif await _says_something(promise):
                return await self._rewrite(promise, ctx, replies)
            if promise.buffer.error is None:  # what its own agent has withdrawn is not shown either
                withdrawn = promise.buffer.withdrawn(promise.buffer.items)
                ctx.reply(promise if withdrawn is None else await promise)
                return False
            await settled(promise.buffer)
            return await self._replace(promise, ctx, replies)
        finally:
            del promise, ctx, replies

    async def _replace(self, promise: MessagePromise[Message], ctx: ReplyContext, replies: _Replies) -> bool:
        """Reply the result of the handler in place of a failed message; if it raises, one that fails so."""
        error = cast("Exception", promise.buffer.error)
        try:
            result = await self._handled(error, ctx)
        except Exception as raised:  # noqa: BLE001 - it becomes the error of this message
            again = raised is error
            if not again:
                promise.buffer.mark_error_handled()
            drop_frames(raised)
            ctx.reply(promise if again else failed_message(Context.current(), raised, (self.alias,)))
            if again:
                promise.buffer.pass_error_on()
            del promise, ctx, replies
            return False
        promise.buffer.mark_error_handled()
        if result is self.handler:
            replies.clear()  # what is left of the first agent is stopped
        _reply(result, ctx)
        return result is self.handler

    async def _rewrite(self, promise: MessagePromise[Message], ctx: ReplyContext, replies: _Replies) -> bool:
        """Reply a message that has begun, as a task writes it; then what follows if it fails."""
        after = _After()
        message = rewritten("catching", promise, partial(self._parts, promise, ctx, replies, after))
        try:
            ctx.reply(message)
            with WhileNeeded(message.buffer):
                await until_over(message.buffer)
            if message.buffer.error is not None:
                await settled(message.buffer)  # if they were stopped together, this run does not go on
            if after.following is not None:
                async for each in after.following:
                    ctx.reply(each)
                    await until_read()
            elif after.result is not None:
                _reply(after.result, ctx)
            return after.taken_over
        finally:
            after.left = not message.buffer.closed
            del message, promise, ctx, replies, after

    async def _parts(  # noqa: C901 - one story
        self,
        promise: MessagePromise[Message],
        ctx: ReplyContext,
        replies: _Replies,
        after: "_After",
        sink: RewrittenSink,
    ) -> AsyncGenerator[Part]:
        """Yield the parts of a message; if it fails, those that take their place."""
        buffer = promise.buffer
        error: Exception | None = None
        try:
            async for part in parts_for(sink.buffer, buffer):
                yield part
        except Exception as raised:
            if raised is not buffer.error:
                raise
            error = raised
        if error is None:
            sink.whole = buffer.result
            return
        if after.left and not self.restart:  # nothing could get what follows, so the text ends with its error
            raise error
        result = await self._handled(error, ctx)
        handle_error()  # if the message fails with it after all, that is another failure
        after.taken_over = result is self.handler
        if after.taken_over:
            replies.clear()  # what is left of the first agent is stopped
        if not self.restart:
            sink.whole = message_so_far(sink.buffer, sink.message_class, sink.metadata)
            after.result = result
            return
        begun = text_so_far(sink.buffer)
        goes_on = (
            self.continues and bool(begun) and all(isinstance(each, str) for each in parts_in(sink.buffer))
        )
        sent: MessageType = ctx.messages  # in a list, an error of the input would be one of a message
        if goes_on:
            sent = [sent, AssistantMessage(begun)]
        other = result.inquire(sent) if isinstance(result, Operand) else MessageSequencePromise(result)
        following = aiter(other)
        first = await anext(following, None)
        if first is None:  # nothing takes its place: what came is kept
            sink.fail(error, (self.alias,))
            return
        after.following = following
        if not goes_on:
            yield Restart(text_of_error(error))
        async for part in parts_for(sink.buffer, first.buffer):
            yield part
        whole = cast("Message", first.buffer.result)
        sink.whole = _joined(begun, whole, sink) if goes_on else whole

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


@dataclass(slots=True)
class _After:
    """What follows a message that has failed.

    Attributes:
        left: whether the run has been stopped, while readers of the message go on.
        taken_over: whether another agent has taken over, so that nothing more of the first one follows.
        following: the other replies of what has written the rest of the message.
        result: what is replied behind the message.
    """

    left: bool = False
    taken_over: bool = False
    following: AsyncIterator[MessagePromise[Message]] | None = None
    result: "Operand | MessageType | None" = None


def _reply(result: Operand | MessageType, ctx: ReplyContext) -> None:
    """Reply what takes over: what the agent replies to the input, or what the handler has returned."""
    ctx.reply(result.inquire(ctx.messages) if isinstance(result, Operand) else result)


def _joined(begun: str, rest: Message, sink: RewrittenSink) -> Message:
    """Return the message of a text that one agent has begun, and another one has ended."""
    data = {name: value for name, value in rest if name not in {"text", "parts"}}
    parts = told_by(parts_in(sink.buffer)).get("parts")
    if parts is not None:
        data["parts"] = parts
    return message_of(type(rest), begun + (rest.text or ""), data)


async def _says_something(promise: MessagePromise[Message]) -> bool:
    try:
        return await has_begun(promise)
    except Exception:  # noqa: BLE001 - the caller handles the error
        return False
