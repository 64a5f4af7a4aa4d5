"""What a user is told who takes an agent, or a promise, for something that it is not.

Crosses modules: the same mistake is met where an agent is made, where it runs, and in its replies.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import cast

import pytest
import reactivex as rx
from pydantic import BaseModel
from typing_extensions import override

from miniagents import BaseAgent, InteractionContext, MessageSequencePromise, MiniAgents, miniagent
from miniagents.testing import scripted_model


class City(BaseModel):
    """A value that a model answers."""

    name: str


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Replies what it is sent."""
    ctx.reply(ctx.messages)


async def test_a_returned_value() -> None:
    """What an agent function returns would be lost, so it is an error that says how to reply."""

    async def returning_agent(ctx: InteractionContext) -> str:
        ctx.reply("before")
        return "hello"

    agent = miniagent(cast("Callable[[InteractionContext], Awaitable[None]]", returning_agent))

    async with MiniAgents():
        replies = agent.inquire()
        with pytest.raises(
            TypeError, match=r"RETURNING_AGENT returned a value .* str, which is lost; .*ctx\.reply\("
        ):
            await replies
        assert str(await anext(aiter(replies))) == "before"


async def test_a_class_for_an_agent() -> None:
    """A class of agents is no agent: an inquiry of it says to make one."""

    class Poet(BaseAgent):
        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    inquire = cast("Callable[[str], object]", Poet.inquire)
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"on a class of agents, .* Poet\(\)\.inquire\(\.\.\.\) instead"):
            inquire("x")


def test_a_generator_for_an_agent() -> None:
    """An async generator function is refused for what it is, and told what to write."""
    sentence = r"is an async generator, since it has a `yield`.*write `async def .*ctx\.reply\(x\)`"

    async def yielding(ctx: InteractionContext) -> AsyncGenerator[str]:
        yield str(ctx)

    with pytest.raises(TypeError, match="^yielding " + sentence):
        miniagent(yielding)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^Yielding\.run " + sentence):

        class Yielding(BaseAgent):  # pyright: ignore[reportUnusedClass] - it does not come to be
            @override
            async def run(self, ctx: InteractionContext) -> AsyncGenerator[str]:  # type: ignore[override]
                yield str(ctx)


Use = Callable[[Sequence[object]], object]
USES: tuple[Use, ...] = (
    len,
    list,
    tuple,
    lambda replies: replies[0],
    lambda replies: [message for message in replies],  # noqa: C416 - the loop is what is looked at
    lambda replies: next(x for x in replies),
    lambda replies: "hello" in replies,
)


@pytest.mark.parametrize("use", USES)
async def test_a_promise_is_no_list(use: Use) -> None:
    """Who takes replies for a list is told the public name of what they are, and to await them."""
    async with MiniAgents():
        for promise, name in (
            (echo.inquire("x"), "MessageSequencePromise"),
            (MessageSequencePromise("x"), "MessageSequencePromise"),
        ):
            with pytest.raises(
                TypeError, match=rf"^A {name} has no .* yet: .*await it first, or read it with"
            ):
                use(cast("Sequence[object]", promise))
        with pytest.raises(TypeError, match="MessageSequencePromise has no items yet"):
            echo.inquire(x for x in echo.inquire("x"))  # type: ignore[attr-defined]


LOOPS: list[Use] = [list, tuple, lambda stream: next(each for each in stream)]


@pytest.mark.parametrize("use", LOOPS)
async def test_a_stream_is_no_list(use: Use) -> None:
    """A `for` without `async` over a stream is an error that says how to read it; it is no endless loop."""
    async with MiniAgents():
        replies = echo.inquire("x")
        for stream in (replies.tokens, replies.messages, replies.parts):
            with pytest.raises(
                TypeError, match=r"^A \w*Stream has no items yet: read it with `async for`, or await it first"
            ):
                use(cast("Sequence[object]", stream))
        with pytest.raises(TypeError, match=r"^An Observable has no items yet: subscribe to it, or await"):
            use(cast("Sequence[object]", rx.of("x").pipe(echo)))
        with pytest.raises(TypeError, match="not iterable"):
            assert "x" in cast("Sequence[object]", replies.tokens)
        assert await replies.tokens[0:1] == "x"


async def test_a_promise_has_not_the_fields_of_its_value() -> None:
    """A look at a field of a promised value, without `await`, is an error that says so."""
    async with MiniAgents():
        replies = scripted_model('{"name": "Oslo"}').as_type(City).inquire("Where?")
        with pytest.raises(AttributeError, match=r"^A Promise has no attribute 'name': .*await it first"):
            assert cast("City", replies.parsed).name
        assert (await replies.parsed).name == "Oslo"


async def test_a_promise_is_true() -> None:
    """A promise has a truth value, as any object has."""
    async with MiniAgents():
        assert bool(echo.inquire("x")) is True
