"""Makes a program real: agents and messages through the public names of the library."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never, cast

from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MessagePromise,
    MessageType,
    MiniAgent,
    RetryPolicy,
    ToolCall,
    ToolMessage,
    identity,
    join_messages,
    miniagent,
    model_agent,
    prompt,
    race,
    route,
    split_messages,
    tool,
)
from miniagents.ext.chat_history import compact
from miniagents.operators import map_agent
from miniagents.tools import ToolSpec
from miniagents.types import AnswerSchema, ModelAgent
from tests.model import programs as p

__all__ = ["Built", "Made", "Note"]

Real = MiniAgent[Message, Message]
Context = InteractionContext[Message, Message]


class Note(Message):
    """A class of messages of its own."""


class Answer(BaseModel):
    """What a model with a type answers."""

    text: str


@tool
async def wait(seconds: float) -> str:
    """Wait."""
    await sleep(seconds)
    return f"{seconds:g}"


@dataclass(eq=False)
class Made:
    """What a `Streamed` did.

    Attributes:
        form: the form.
        at: when its message was made, in seconds of the loop.
        tokens: how many tokens it has made.
        begun: whether its generator was started.
        closed: when its generator had ended, in whatever way; None before.
    """

    form: p.Streamed
    at: float
    tokens: int = 0
    begun: bool = False
    closed: float | None = None


def now() -> float:
    """Return the time of the loop."""
    return asyncio.get_running_loop().time()


async def sleep(seconds: float) -> None:
    """Sleep; no time at all is no suspension."""
    if seconds:
        await asyncio.sleep(seconds)


@dataclass
class Built:
    """Makes what a program describes, and keeps what its sources do.

    Attributes:
        made: each message that a `Streamed` has written.
        calls: of each `Flaky`.
        models: how many there are.
    """

    made: list[Made] = field(default_factory=list[Made])
    calls: dict[int, int] = field(default_factory=dict[int, int])
    models: int = 0

    # -- forms --------------------------------------------------------------------------------------------

    def form(self, form: p.Form, ctx: Context | None = None) -> MessageType:  # noqa: C901, PLR0911 - a case for each kind
        """Return a form as something that can be sent or replied."""
        match form:
            case p.Text():
                return Note(form.text) if form.note else form.text
            case p.Streamed():
                return self._streamed(form)
            case p.Failure():
                return ValueError(form.error)
            case p.Listed():
                return [self.form(each, ctx) for each in form.forms]
            case p.Generated():
                return self._generated(form, ctx)
            case p.Asked():
                return self.agent(form.agent).inquire(self.form(form.form, ctx))
            case p.Received():
                return [] if ctx is None else ctx.messages
            case p.Joined():
                return join_messages(self.form(form.form, ctx), delimiter="+")
            case p.Split():
                return split_messages(self.form(form.form, ctx), delimiter="+", code_block_delimiter=None)
            case p.Piped():
                agent = self.agent(form.agent)
                return [] if ctx is None else ctx.messages.messages.pipe(agent)
            case _:
                assert_never(form)

    def _streamed(
        self, form: p.Streamed, message_class: type[Message] | None = None
    ) -> MessagePromise[Message]:
        made = Made(form, now())
        self.made.append(made)
        message_class = message_class or (Note if form.note else Message)
        return message_class.promise(partial(self._tokens, made))

    async def _tokens(self, made: Made, _: object) -> AsyncGenerator[str]:
        form = made.form
        made.begun = True
        try:
            for pause, token in form.tokens:
                await sleep(pause)
                made.tokens += 1
                yield token
            await sleep(form.ends if form.fails is None else form.fails[0])
            if form.fails is not None:
                raise ValueError(form.fails[1])
        finally:
            made.closed = now()

    async def _generated(self, form: p.Generated, ctx: Context | None) -> AsyncGenerator[MessageType]:
        for pause, each in form.items:
            await sleep(pause)
            yield self.form(each, ctx)
        if form.fails is not None:
            await sleep(form.fails[0])
            raise ValueError(form.fails[1])

    # -- agents -------------------------------------------------------------------------------------------

    def agent(self, agent: p.Agent) -> Real:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
        """Return an agent."""
        make = self.agent
        match agent:
            case p.Function():
                return self._function(lambda: agent.steps)
            case p.Flaky():
                return self._function(partial(self._steps_of, agent))
            case p.Identity():
                return identity
            case p.Chain():
                return make(agent.first) | make(agent.second)
            case p.Both():
                return make(agent.first) & make(agent.second)
            case p.Race():
                return race(*map(make, agent.agents))
            case p.Hedge():
                return make(agent.first).hedge(make(agent.second), after=agent.after)
            case p.Route():
                notes = route().case(Note, make(agent.notes))
                # A route without a way for other messages takes only notes, as types see it.
                return cast("Real", notes) if agent.rest is None else notes.otherwise(make(agent.rest))
            case p.Catching():
                return make(agent.agent).catching(partial(self._handle, agent.handler))
            case p.Backed():
                other = make(agent.other)
                return make(agent.agent).catching(other, hold=agent.hold, restart=agent.restart)
            case p.Guarded():
                replacement = p.REPLACEMENT if agent.replaces else None
                check = partial(_finds, agent.trips)
                return make(agent.agent).guard(during=check, hold=agent.hold, replacement=replacement)
            case p.Compacted():
                return compact(model_limit=1 if agent.short else 10**9, keep=1, by=make(agent.by))
            case p.Retry():
                policy = RetryPolicy(attempts=agent.attempts, delay=agent.delay, jitter=0.0, factor=1.0)
                return make(agent.agent).retry(policy)
            case p.Timeout():
                return make(agent.agent).timeout(
                    first_token=agent.first_token, stall=agent.stall, total=agent.total
                )
            case p.Around():
                return make(agent.agent).around(partial(_around, agent.way))
            case p.ErrorsAsMessages():
                return make(agent.agent).errors_as_messages()
            case p.Fork():
                return make(agent.agent).fork()
            case p.Prompt():
                return prompt("before {text} after") if agent.slot else prompt("before")
            case p.Typed():
                return cast("Real", self._model((), p.as_json(agent.answer)).as_type(Answer))
            case p.Tools():
                return cast("Real", self._model(agent.turns, agent.answer).with_tools(wait))
            case _:
                assert_never(agent)

    def _model(self, turns: tuple[tuple[float, ...], ...], answer: p.Streamed) -> ModelAgent[...]:
        self.models += 1
        name = str(self.models)

        @model_agent
        async def model(
            ctx: InteractionContext[Message, AssistantMessage],
            *,
            tools: tuple[ToolSpec, ...] = (),
            answer_schema: AnswerSchema | None = None,
        ) -> None:
            del tools, answer_schema
            turn = _turns_before(await ctx.messages, name)
            if turn == len(turns):
                ctx.reply(cast("MessagePromise[AssistantMessage]", self._streamed(answer, AssistantMessage)))
                return
            calls = [
                ToolCall(f"{name}-{turn}-{number}", "wait", json.dumps({"seconds": seconds}))
                for number, seconds in enumerate(turns[turn])
            ]
            ctx.reply(AssistantMessage(parts=calls))

        return model

    def _steps_of(self, agent: p.Flaky) -> tuple[p.Step, ...]:
        calls = self.calls[id(agent)] = self.calls.get(id(agent), 0) + 1
        return agent.failing if calls <= agent.failures else agent.steps

    def _handle(self, handler: p.Form | p.Agent | str, error: Exception, ctx: Context) -> MessageType | Real:
        if isinstance(handler, str):
            raise ValueError(handler)  # noqa: TRY004 - an error of the program
        if isinstance(handler, p.Form):
            return self.form(handler, ctx)
        return self.agent(handler)

    def _function(self, steps: Callable[[], tuple[p.Step, ...]]) -> Real:
        async def function(ctx: Context) -> None:
            for step in steps():
                await self._step(step, ctx)

        return miniagent(function)

    async def _step(self, step: p.Step, ctx: Context) -> None:  # noqa: C901, PLR0912 - a case for each kind
        match step:
            case p.Reply():
                ctx.reply(self.form(step.form, ctx))
            case p.Kept():
                kept = self.form(step.form, ctx)
                for each in step.meanwhile:
                    await self._step(each, ctx)
                ctx.reply(kept)
            case p.Sleep():
                await sleep(step.seconds)
            case p.Raise():
                raise ValueError(step.error)
            case p.AwaitInput():
                messages = await ctx.messages
                if step.replies:
                    ctx.reply(str(messages).upper())
            case p.EachMessage():
                await _each(step.way, ctx)
            case p.FinishEarly():
                ctx.finish_early()
            case p.WaitFor():
                ctx.wait_for(asyncio.sleep(step.seconds))
            case p.Forget():
                self.agent(step.agent).inquire(self.form(step.form, ctx))
            case p.Rows():
                mapped = map_agent(self.agent(step.agent), step.concurrency, step.ordered)
                async for row in mapped.read(self._generated(p.Generated(step.items), ctx)):
                    ctx.reply(row)
            case _:
                assert_never(step)


def _turns_before(messages: Sequence[Message], name: str) -> int:
    """Return how many answers with calls of a model there are at the end, with the results of the calls."""
    turns = 0
    for message in reversed(messages):
        if isinstance(message, AssistantMessage) and message.tool_calls[:1]:
            if not message.tool_calls[0].id.startswith(f"{name}-"):
                break
            turns += 1
        elif not isinstance(message, ToolMessage):
            break
    return turns


async def _each(way: str, ctx: Context) -> None:
    async for promise in ctx.messages:
        if way == "echo":
            ctx.reply(promise)
        elif way == "upper":
            ctx.reply(Message.promise(partial(_upper, promise)))
        else:
            ctx.reply(str(await promise).upper())


async def _upper(promise: MessagePromise[Message], _: object) -> AsyncIterator[str]:
    async for token in promise:
        yield token.upper()


def _finds(letter: str | None, text: str) -> str | None:
    """Refuse a letter."""
    return "it says so" if letter is not None and letter in text.lower() else None


async def _around(way: str, ctx: Context, call: Real) -> None:
    if way == "not":
        ctx.reply("cached")
        return
    replies = call.inquire(ctx.messages)
    ctx.reply(replies)
    if way == "twice":
        ctx.reply(call.inquire(ctx.messages))
    if way == "watch":
        await replies
