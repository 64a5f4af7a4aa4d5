"""`@miniagent`, with and without parentheses: the types of the context and the names of the keywords stay."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar, assert_type

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    miniagent,
)
from tests.typing.agent_kinds import answering_agent, any_agent, asking_agent, keyed_agent, tuned_agent
from tests.typing.message_classes import Answer, HardQuestion, Question


def the_type_says_what_goes_in_and_out() -> None:
    """A bare `MiniAgent` is from `Message` to `Message` and has no keywords."""
    assert_type(any_agent, MiniAgent)
    assert_type(any_agent, MiniAgent[Message, Message, []])
    assert_type(answering_agent, MiniAgent[Question, Answer])
    assert_type(asking_agent, MiniAgent[Message, HardQuestion])
    assert_type(any_agent.alias, str)
    assert_type(any_agent.description, str)


@miniagent(alias="PLAIN")
async def described_agent(ctx: InteractionContext, mark: str = "!") -> None:
    ctx.reply(mark)


@miniagent()
async def bare_parentheses_agent(ctx: InteractionContext[Question, Answer]) -> None:
    ctx.reply(Answer())


@miniagent(description="Has {AGENT_ALIAS} in it.", mark="?", depth=2)
async def preset_agent(ctx: InteractionContext[Question, Answer], mark: str, *, depth: int) -> None:
    ctx.reply(Answer(mark * depth))


def parentheses_change_nothing() -> None:
    assert_type(described_agent.inquire("a", mark="?"), MessageSequencePromise[Message])
    assert_type(bare_parentheses_agent, MiniAgent[Question, Answer])
    assert_type(preset_agent.inquire(Question(topic="a"), mark="?", depth=1), MessageSequencePromise[Answer])
    described_agent.inquire("a", mark=1)  # type: ignore[call-overload]
    described_agent.inquire("a", marks="?")  # type: ignore[call-overload]
    preset_agent.inquire(Question(topic="a"), mark=1, depth=1)  # type: ignore[arg-type]


def keywords_keep_their_names_and_types() -> None:
    tuned_agent.inquire("a", "m", temperature=0.5)
    tuned_agent.inquire("a", model="m")
    keyed_agent.inquire("a", key="k")
    keyed_agent.inquire("a", "k", 2)
    tuned_agent.inquire("a", temperature="hot")  # type: ignore[call-overload]
    tuned_agent.inquire("a", "m", 0.5)  # type: ignore[call-overload]
    tuned_agent.inquire("a", top_p=0.5)  # type: ignore[call-overload]
    keyed_agent.inquire("a")  # type: ignore[call-overload]
    keyed_agent.inquire("a", "k", key="k")  # type: ignore[call-overload]


async def what_the_context_gives(ctx: InteractionContext) -> None:
    assert_type(ctx, InteractionContext[Message, Message])
    assert_type(ctx.messages, MessageSequencePromise[Message])
    assert_type(ctx.message_promises, MessageSequencePromise[Message])
    assert_type([each async for each in ctx.messages], list[MessagePromise[Message]])
    assert_type((await ctx.messages)[0], Message)
    ctx.wait_for(any_agent.inquire("a"))
    ctx.reply(any_agent.inquire(ctx.messages))
    ctx.finish_early()


def what_a_plain_context_is_replied(ctx: InteractionContext, question: Question) -> None:
    """Everything that becomes messages, and nothing else."""
    ctx.reply("text")
    ctx.reply(["text", question, {"text": "a"}, None])
    ctx.reply(ValueError("no"))
    ctx.reply(1)  # type: ignore[call-overload]
    ctx.reply([1])  # type: ignore[list-item]
    ctx.reply(any_agent)  # type: ignore[call-overload]
    ctx.reply()  # type: ignore[call-overload]
    ctx.reply("a", "b")  # type: ignore[call-overload]
    ctx.wait_for("a")  # type: ignore[arg-type]
    ctx.inquire("a")  # type: ignore[attr-defined]


def sync(ctx: InteractionContext) -> None:
    ctx.reply("a")


async def no_context(text: str) -> None:
    print(text)  # noqa: T201


async def nothing_at_all() -> None: ...


async def gives_a_value(ctx: InteractionContext) -> str:
    return f"{ctx}"


async def streams(ctx: InteractionContext) -> AsyncGenerator[str]:
    yield f"{ctx}"


def what_is_no_agent_function_is_refused() -> None:
    miniagent(sync)  # type: ignore[arg-type]
    miniagent(no_context)  # type: ignore[arg-type]
    miniagent(nothing_at_all)  # type: ignore[arg-type]
    miniagent(gives_a_value)  # type: ignore[arg-type]
    miniagent(streams)  # type: ignore[arg-type]
    miniagent("agent")  # type: ignore[call-overload]
    miniagent(alias=1)  # type: ignore[call-overload]


def contexts_are_of_messages() -> None:
    async def numbers(ctx: InteractionContext[int, str]) -> None: ...  # type: ignore[type-var]

    print(numbers)  # noqa: T201


Ps = ParamSpec("Ps")
Taken = TypeVar("Taken", bound=Message)
Said = TypeVar("Said", bound=Message)


def timed(function: Callable[Ps, Awaitable[None]]) -> Callable[Ps, Coroutine[Any, Any, None]]:
    async def measured(*args: Ps.args, **kwargs: Ps.kwargs) -> None:
        await function(*args, **kwargs)

    return measured


def traced(
    function: Callable[Concatenate[InteractionContext[Taken, Said], Ps], Awaitable[None]],
) -> Callable[Concatenate[InteractionContext[Taken, Said], Ps], Coroutine[Any, Any, None]]:
    async def seen(ctx: InteractionContext[Taken, Said], /, *args: Ps.args, **kwargs: Ps.kwargs) -> None:
        await function(ctx, *args, **kwargs)

    return seen


@miniagent
@timed
async def timed_agent(ctx: InteractionContext[Question, Answer], *, mark: str = "!") -> None:
    ctx.reply(Answer(text=mark))


@miniagent(alias="TRACED")
@traced
async def traced_agent(ctx: InteractionContext[Question, Answer], *, mark: str = "!") -> None:
    ctx.reply(Answer(text=mark))


def a_decorator_of_coroutines_keeps_the_types(plain: Callable[[int], Awaitable[None]]) -> None:
    assert_type(timed_agent.bind(), MiniAgent[Question, Answer])
    assert_type(traced_agent.bind(), MiniAgent[Question, Answer])
    traced_agent.bind(mark=1)  # type: ignore[arg-type]
    timed_agent.bind(marks="?")  # type: ignore[call-arg]
    miniagent(timed(plain))  # type: ignore[arg-type]


def a_function_made_elsewhere(
    function: Callable[[InteractionContext[Question, Answer], int], Awaitable[None]],
) -> None:
    made = miniagent(function)
    assert_type(made.inquire(Question(topic="a"), 1), MessageSequencePromise[Answer])
    made.inquire(Question(topic="a"))  # type: ignore[call-arg]
