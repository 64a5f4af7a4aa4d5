"""The documented forms of `MiniAgents`: running, nesting, its keywords and its handlers."""

import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping

import pytest
import reactivex as rx

from miniagents import (
    AgentCallNode,
    AgentReplyNode,
    ErrorMessage,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgents,
    NoActiveContextError,
    join_messages,
    miniagent,
)


@miniagent
async def echo_agent(ctx: InteractionContext, style: str = "plain") -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Reply, then fail."""
    ctx.reply("before")
    raise ValueError("the agent is broken")


def test_run_a_coroutine() -> None:
    """`MiniAgents().run(coro)` runs it in a context and returns its result."""

    async def main() -> str:
        return str(await echo_agent.inquire("hi"))

    assert MiniAgents().run(main()) == "hi"


def test_run_an_observable() -> None:
    """`run` takes an Observable too, and returns its items as a list."""
    items = MiniAgents().run(rx.of(Message("one"), Message("two")).pipe(echo_agent))
    assert [str(item) for item in items] == ["one", "two"]


async def test_nested_contexts() -> None:
    """`async with MiniAgents()` may stand inside another; each waits for runs of its own."""
    go_on = asyncio.Event()

    @miniagent
    async def outer_agent(ctx: InteractionContext) -> None:
        await go_on.wait()
        ctx.reply("outer")

    async with MiniAgents():
        outer = outer_agent.inquire()
        async with MiniAgents():
            inner = echo_agent.inquire("inner")
        assert str(await inner) == "inner"
        go_on.set()
        assert str(await outer) == "outer"


def test_async_with_inside_run() -> None:
    """`async with MiniAgents()` works inside `MiniAgents().run`."""

    async def main() -> list[str]:
        outer = str(await echo_agent.inquire("outer"))
        async with MiniAgents():
            return [outer, str(await echo_agent.inquire("inner"))]

    assert MiniAgents().run(main()) == ["outer", "inner"]


async def test_all_keywords() -> None:
    """Every documented keyword of `MiniAgents` is taken."""

    async def persist(promise: MessagePromise[Message], message: Message) -> None:
        persisted.append(message.text)

    async def resolved(promise: object, result: object) -> None:
        results.append(result)

    persisted: list[str | None] = []
    results: list[object] = []
    context = MiniAgents(
        on_persist_message=persist,
        on_promise_resolved=resolved,
        errors_as_messages=False,
        prefetch=16,
        shutdown_timeout=1.0,
    )
    async with context:
        await echo_agent.inquire("hi")
    assert "hi" in persisted
    assert any(isinstance(result, Message) for result in results)


async def test_handlers_as_decorators() -> None:
    """`@context.on_persist_message` and `@context.on_promise_resolved` add handlers; all are awaited."""
    context = MiniAgents()
    persisted: list[str | None] = []
    resolved: list[object] = []

    @context.on_persist_message
    async def persist(promise: MessagePromise[Message], message: Message) -> None:
        await asyncio.sleep(0)
        persisted.append(message.text)

    @context.on_promise_resolved
    async def resolve(promise: object, result: object) -> None:
        await asyncio.sleep(0)
        resolved.append(result)

    async with context:
        echo_agent.inquire("hi")
    assert "hi" in persisted
    assert resolved != []


async def test_a_failing_handler_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises is logged; the run, its readers and other handlers go on."""
    context = MiniAgents()
    persisted: list[str | None] = []

    @context.on_persist_message
    async def fail(promise: MessagePromise[Message], message: Message) -> None:
        raise RuntimeError("the disk is full")

    @context.on_persist_message
    async def persist(promise: MessagePromise[Message], message: Message) -> None:
        persisted.append(message.text)

    with caplog.at_level(logging.ERROR):
        async with context:
            assert str(await echo_agent.inquire("hi")) == "hi"
    assert "hi" in persisted
    assert "the disk is full" in caplog.text


async def test_persist_once_children_first() -> None:
    """Each message is persisted once, nested ones before the message that holds them."""
    context = MiniAgents()
    persisted: list[Message] = []

    @context.on_persist_message
    async def persist(promise: MessagePromise[Message], message: Message) -> None:
        persisted.append(message)

    class Letter(Message):
        enclosed: Message

    async with context:
        letter = Letter("letter", enclosed=Message("enclosure"))
        await echo_agent.inquire([letter, Message("other")])
    texts = [message.text for message in persisted if not isinstance(message, AgentCallNode | AgentReplyNode)]
    assert sorted(filter(None, texts)) == ["enclosure", "letter", "other"]
    assert texts.index("enclosure") < texts.index("letter")


async def test_persist_call_and_reply_records() -> None:
    """A run has a record of who was called with what, and one of what it replied, after the messages."""
    context = MiniAgents()
    persisted: list[Message] = []

    @context.on_persist_message
    async def persist(promise: MessagePromise[Message], message: Message) -> None:
        persisted.append(message)

    async with context:
        await echo_agent.inquire("hi", style="fancy")
    calls = [message for message in persisted if isinstance(message, AgentCallNode)]
    replies = [message for message in persisted if isinstance(message, AgentReplyNode)]
    assert [call.agent_alias for call in calls] == ["ECHO_AGENT"]
    assert len(replies) == 1
    assert persisted.index(calls[0]) < persisted.index(replies[0])
    record = calls[0].model_dump_json()
    assert '"style":"fancy"' in record


async def test_persist_a_failing_run() -> None:
    """A run that fails has its records too."""
    context = MiniAgents()
    persisted: list[Message] = []

    @context.on_persist_message
    async def persist(promise: MessagePromise[Message], message: Message) -> None:
        persisted.append(message)

    async with context:
        with pytest.raises(ValueError, match="the agent is broken"):
            await failing_agent.inquire()
    assert [type(message) for message in persisted if not message.text] == [AgentCallNode, AgentReplyNode]
    assert "before" in [message.text for message in persisted]


async def test_errors_as_messages() -> None:
    """With `errors_as_messages=True` an error is a message where it would be raised."""
    async with MiniAgents(errors_as_messages=True):
        before, error = await failing_agent.inquire()
    assert before.text == "before"
    assert isinstance(error, ErrorMessage)
    assert "the agent is broken" in (error.text or "")


async def test_errors_are_raised() -> None:
    """Without it, the exception that was raised reaches the reader."""
    async with MiniAgents(errors_as_messages=False):
        with pytest.raises(ValueError, match="the agent is broken"):
            await failing_agent.inquire()


def test_values_need_no_context() -> None:
    """Messages work without any context."""
    assert str(Message("hi")) == "hi"


def test_a_call_outside_of_an_event_loop() -> None:
    """A call at the top of a script is told of `run`, and of nothing that went wrong inside."""
    with pytest.raises(NoActiveContextError, match=r"`MiniAgents\(\)\.run\(main\(\)\)`") as told:
        echo_agent.inquire("hi")
    assert told.value.__context__ is None


async def test_promises_need_a_context() -> None:
    """Promises need a context, and say so."""
    sentence = "no MiniAgents context is active; use `async with MiniAgents\\(\\):`"

    async def tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
        yield "hi"

    with pytest.raises(NoActiveContextError, match=sentence):
        echo_agent.inquire("hi")
    with pytest.raises(NoActiveContextError, match=sentence):
        Message.promise(tokens)
    with pytest.raises(NoActiveContextError, match=sentence):
        MessageSequencePromise(prefill_pieces=["hi"])
    with pytest.raises(NoActiveContextError, match=sentence):
        join_messages("hi")
