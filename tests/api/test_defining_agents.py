"""The documented forms of defining and calling agents, each used as it is written."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from miniagents import (
    BaseAgent,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MessageType,
    MiniAgents,
    UserMessage,
    miniagent,
)


class Client:
    """Something that is no data: it is handed on as it is."""

    def __init__(self, name: str) -> None:
        self.name = name


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


@miniagent
async def client_agent(ctx: InteractionContext, custom_llm_client: Client) -> None:
    """Reply the name of its client."""
    ctx.reply(custom_llm_client.name)


@miniagent(alias="Writer", description="I am {AGENT_ALIAS}, a writer.", max_tokens=5)
async def writer_agent(ctx: InteractionContext, max_tokens: int = 1, temperature: float = 1.0) -> None:
    """Say what it was told to do."""
    ctx.reply(f"{max_tokens} {temperature}")


@miniagent
async def stream_agent(ctx: InteractionContext, stream: bool = False) -> None:
    """Say whether it is to stream."""
    ctx.reply(str(stream))


async def test_decorator_annotated() -> None:
    """`@miniagent` on `f(ctx: InteractionContext)` makes an agent."""
    async with MiniAgents():
        assert str(await echo_agent.inquire("hi")) == "hi"
    assert echo_agent.alias == "ECHO_AGENT"


async def test_decorator_with_a_client() -> None:
    """A parameter after `ctx` is a keyword of `inquire` and `fork`; an object that is no data stays."""
    async with MiniAgents():
        assert str(await client_agent.inquire(custom_llm_client=Client("one"))) == "one"
        forked = client_agent.fork(custom_llm_client=Client("two"))
        assert str(await forked.inquire()) == "two"  # type: ignore[call-overload]  # `bind` closes it
        assert str(await client_agent.bind(custom_llm_client=Client("two")).inquire()) == "two"


async def test_decorator_with_arguments() -> None:
    """`@miniagent(alias=..., description=..., **defaults)` sets the three."""
    async with MiniAgents():
        assert str(await writer_agent.inquire()) == "5 1.0"
    assert writer_agent.alias == "Writer"
    assert writer_agent.description == "I am Writer, a writer."


async def test_keywords_are_checked() -> None:
    """A keyword that the function does not have is refused, by name."""
    async with MiniAgents():
        with pytest.raises(TypeError, match="no_such"):
            echo_agent.fork(no_such=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="no_such"):
            echo_agent.inquire("hi", no_such=1)  # type: ignore[call-overload]


def test_a_plain_function_is_refused() -> None:
    """A function that is not async is refused when it is decorated."""

    def plain(ctx: InteractionContext) -> None:
        """Not async."""

    with pytest.raises(TypeError, match="async"):
        miniagent(plain)  # type: ignore[arg-type]


async def test_inquire_forms() -> None:
    """`inquire()`, with text, with messages and keywords, with `stream=True`: all return at once."""
    async with MiniAgents():
        messages: list[MessageType] = [Message("one"), {"text": "two"}, UserMessage("three")]
        assert str(await echo_agent.inquire()) == ""
        assert str(await echo_agent.inquire("text")) == "text"
        assert str(await writer_agent.inquire(messages, max_tokens=1000, temperature=0.0)) == "1000 0.0"
        assert str(await stream_agent.inquire("text", stream=True)) == "True"
        assert [message.text for message in await echo_agent.inquire(messages)] == ["one", "two", "three"]


async def test_inquire_returns_a_promise() -> None:
    """An inquiry is hashable, awaitable, async-iterable, gathered, and the messages of another inquiry."""
    async with MiniAgents():
        promise = echo_agent.inquire(["a", "b"])
        other = echo_agent.inquire("c")
        assert isinstance(promise, MessageSequencePromise)
        assert len({promise, promise, other}) == 2
        first, second = await asyncio.gather(promise, other)
        assert isinstance(first, Messages)
        assert (str(first), str(second)) == ("a\n\nb", "c")
        assert [str(await message_promise) async for message_promise in promise] == ["a", "b"]
        assert [token async for message_promise in promise async for token in message_promise] == ["a", "b"]
        assert str(await echo_agent.inquire(promise)) == "a\n\nb"
        assert str(await echo_agent.inquire([other, promise])) == "c\n\na\n\nb"


async def test_inquire_starts_at_once() -> None:
    """A run is scheduled when it is inquired, and need not be read."""
    ran = asyncio.Event()

    @miniagent
    async def ringing_agent(ctx: InteractionContext) -> None:
        ran.set()

    async with MiniAgents():
        ringing_agent.inquire()
        await ran.wait()


async def test_fork() -> None:
    """`inquire` beats `fork` beats the defaults; a fork can be forked, and the same keyword again."""
    outside = writer_agent.fork(temperature=0.5)
    async with MiniAgents():
        inside = outside.fork(max_tokens=7)
        again = inside.fork(max_tokens=9)
        assert str(await outside.inquire()) == "5 0.5"
        assert str(await inside.inquire()) == "7 0.5"
        assert str(await again.inquire()) == "9 0.5"
        assert str(await again.inquire(max_tokens=1, temperature=2.0)) == "1 2.0"
        assert str(await writer_agent.inquire()) == "5 1.0"


async def test_fork_freezes_data() -> None:
    """A keyword that is data is frozen as it was; a client object is kept as it is."""

    @miniagent
    async def list_agent(ctx: InteractionContext, words: object = (), client: Client | None = None) -> None:
        ctx.reply(f"{words} {client and client.name}")

    words, client = ["a"], Client("one")
    forked = list_agent.fork(words=words, client=client)
    words.append("b")
    client.name = "two"
    async with MiniAgents():
        assert str(await forked.inquire()) == "('a',) two"


async def test_initiate_inquiry() -> None:
    """`send_message` chains, replies arrive while the input is open, `reply_sequence()` closes the input."""

    @miniagent
    async def answering_agent(ctx: InteractionContext, mark: str = "?") -> None:
        async for message_promise in ctx.message_promises:
            ctx.reply(f"{await message_promise}{mark}")

    async with MiniAgents():
        call = answering_agent.initiate_inquiry(mark="!")
        replies = call.send_message("one").send_message(["two", Message("three")]).reply_sequence()
        assert [str(await reply) async for reply in replies] == ["one!", "two!", "three!"]


async def test_initiate_inquiry_finish() -> None:
    """`finish()` closes the input: nothing more is sent."""
    async with MiniAgents():
        call = echo_agent.initiate_inquiry()
        call.send_message("one")
        call.finish()
        assert str(await call.reply_sequence()) == "one"


async def test_initiate_inquiry_is_full_duplex() -> None:
    """A reply can be read before the next message is sent."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    @miniagent
    async def talking_agent(ctx: InteractionContext) -> None:
        async for message_promise in ctx.message_promises:
            heard.put_nowait(str(await message_promise))

    async with MiniAgents():
        call = talking_agent.initiate_inquiry()
        call.send_message("one")
        assert await heard.get() == "one"
        call.send_message("two")
        assert await heard.get() == "two"
        assert await call.reply_sequence() == ()


async def test_context_messages() -> None:
    """`ctx.message_promises` and `ctx.messages` are the same object; its items are message promises."""
    seen: list[object] = []

    @miniagent
    async def looking_agent(ctx: InteractionContext) -> None:
        seen.append(ctx.messages is ctx.message_promises)
        seen.append(isinstance(ctx.message_promises, MessageSequencePromise))
        seen.extend([isinstance(item, MessagePromise) async for item in ctx.message_promises])
        messages = await ctx.messages
        seen.append(str(messages))

    async with MiniAgents():
        await looking_agent.inquire(["one", Message("two")])
    assert seen == [True, True, True, True, "one\n\ntwo"]


async def test_reply() -> None:
    """`ctx.reply` takes any message type, any number of times, and freezes what can change as it is then."""

    async def later() -> AsyncIterator[str]:
        yield "later"

    @miniagent
    async def replying_agent(ctx: InteractionContext) -> None:
        pieces = ["list"]
        ctx.reply("text")
        ctx.reply({"text": "mapping"})
        ctx.reply(Message("message"))
        ctx.reply(Message("promise").as_promise)
        ctx.reply(echo_agent.inquire("sequence"))
        ctx.reply(pieces)
        ctx.reply(["nested", ("deep",)])
        ctx.reply(later())
        ctx.reply(None)
        pieces.append("changed")

    async with MiniAgents():
        replies = await replying_agent.inquire()
    expected = ["text", "mapping", "message", "promise", "sequence", "list", "nested", "deep", "later"]
    assert [reply.text for reply in replies] == expected


async def test_this_agent() -> None:
    """`ctx.this_agent` is the agent that runs, fork included."""

    @miniagent
    async def knowing_agent(ctx: InteractionContext, depth: int = 1) -> None:
        ctx.reply(ctx.this_agent.alias)

    async with MiniAgents():
        assert str(await knowing_agent.fork(depth=2).inquire()) == "KNOWING_AGENT"


async def test_finish_early() -> None:
    """`ctx.finish_early()` closes the replies while the function goes on."""
    go_on, went_on = asyncio.Event(), asyncio.Event()

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.reply("early")
        ctx.finish_early()
        await go_on.wait()
        went_on.set()

    async with MiniAgents():
        assert str(await early_agent.inquire()) == "early"
        assert not went_on.is_set()
        go_on.set()
    assert went_on.is_set()


async def test_wait_for() -> None:
    """`ctx.wait_for(awaitable)` keeps the reply sequence open until the awaitable is done."""
    go_on = asyncio.Event()

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        async def reply_later() -> None:
            await go_on.wait()
            ctx.reply("late")

        ctx.reply("soon")
        ctx.wait_for(reply_later())

    async with MiniAgents():
        promise = waiting_agent.inquire()
        assert str(await (await anext(aiter(promise)))) == "soon"
        go_on.set()
        assert str(await promise) == "soon\n\nlate"


async def test_an_agent_of_a_class() -> None:
    """An instance of a `BaseAgent` is an agent: inquired, forked, and made of pydantic fields."""

    class Greeter(BaseAgent):
        greeting: str = "Hello"

        @override
        async def run(self, ctx: InteractionContext) -> None:
            ctx.reply(f"{self.greeting}, {await ctx.messages}!")

    greeter = Greeter()
    async with MiniAgents():
        assert str(await greeter.inquire("world")) == "Hello, world!"
        assert str(await greeter.fork(greeting="Bye").inquire("world")) == "Bye, world!"
        assert str(await greeter.inquire("world", greeting="Hi")) == "Hi, world!"
