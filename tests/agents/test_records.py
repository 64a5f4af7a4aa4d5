"""Records of runs: who was called with what, and what it replied."""

import asyncio
from collections.abc import Iterable

import pytest
import reactivex as rx
from reactivex import operators as ops

from miniagents import (
    AgentCallNode,
    AgentReplyNode,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgents,
    miniagent,
)
from miniagents.operators import to_async_iter, tokens
from tests.support.typewriter import Typewriter


class Recorder:
    """A handler that keeps what it is told."""

    def __init__(self) -> None:
        self.persisted: list[Message] = []

    async def __call__(self, promise: MessagePromise[Message], message: Message) -> None:
        """Keep the message."""
        self.persisted.append(message)

    @property
    def calls(self) -> list[AgentCallNode]:
        """The call records."""
        return [message for message in self.persisted if isinstance(message, AgentCallNode)]

    @property
    def replies(self) -> list[AgentReplyNode]:
        """The reply records."""
        return [message for message in self.persisted if isinstance(message, AgentReplyNode)]

    @property
    def texts(self) -> list[str | None]:
        """The texts of what is no record."""
        return [
            message.text
            for message in self.persisted
            if not isinstance(message, AgentCallNode | AgentReplyNode)
        ]


def texts(messages: Iterable[Message]) -> list[str | None]:
    """Return the text of each message."""
    return [message.text for message in messages]


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+", client: object = None) -> None:
    """Add a mark to each message."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}{mark}")


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Reply, then fail."""
    ctx.reply("before")
    raise ValueError("broken")


async def test_the_record_of_a_run() -> None:
    """A run leaves what it was sent, its call, what it replied, and its reply, in this order."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        await plus_agent.inquire(["a", "b"], mark="!")
    kinds = [
        type(message).__name__ if message.text is None else message.text for message in recorder.persisted
    ]
    assert kinds == ["a", "b", "AgentCallNode", "a!", "b!", "AgentReplyNode"]
    (call,), (reply,) = recorder.calls, recorder.replies
    assert (call.agent_alias, texts(call.messages), dict(call.keywords)) == (
        "PLUS_AGENT",
        ["a", "b"],
        {"mark": "!"},
    )
    assert reply.call == call
    assert (reply.agent_alias, texts(reply.replies), reply.error) == ("PLUS_AGENT", ["a!", "b!"], None)
    assert call.messages[0] is recorder.persisted[0]


async def test_the_record_of_an_unread_run() -> None:
    """A run that is not read has its records, too, before the context ends."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        plus_agent.inquire("a")
    assert texts(recorder.replies[0].replies) == ["a+"]


async def test_the_record_of_a_failing_run() -> None:
    """The reply record of a failing run has what came before the error, and the error."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        with pytest.raises(ValueError, match="broken"):
            await failing_agent.inquire("x")
    (reply,) = recorder.replies
    assert (texts(reply.replies), reply.error) == (["before"], "ValueError: broken")
    assert recorder.texts == ["x", "before"]


async def test_the_record_of_a_failing_message() -> None:
    """A message that failed is not in the record; that it did, is."""
    recorder = Recorder()
    typewriter = Typewriter("half")
    typewriter.fail(ConnectionError("lost"))

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(["before", Message.promise(typewriter), "after"])

    async with MiniAgents(on_persist_message=recorder):
        with pytest.raises(ConnectionError):
            await writing_agent.inquire()
    (reply,) = recorder.replies
    assert (texts(reply.replies), reply.error) == (["before", "after"], "ConnectionError: lost")


async def test_the_record_of_a_failing_input() -> None:
    """A call that was sent a failing message has a record of the others."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        with pytest.raises(ValueError, match="wrong"):
            await plus_agent.inquire(["a", ValueError("wrong")])
    assert texts(recorder.calls[0].messages) == ["a"]
    assert recorder.replies[0].error == "ValueError: wrong"


async def test_the_record_of_a_cancelled_run() -> None:
    """A cancelled run has its records, and what it had replied."""
    recorder = Recorder()

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        ctx.reply("begun")
        await asyncio.Event().wait()

    async with MiniAgents(on_persist_message=recorder):
        promise = endless_agent.inquire("x")
        await (await anext(aiter(promise)))
        promise.cancel()
    (reply,) = recorder.replies
    assert texts(reply.replies) == ["begun"]
    assert (reply.error or "").startswith("InquiryCancelledError: ENDLESS_AGENT was cancelled")


async def test_errors_as_messages_are_recorded() -> None:
    """With `errors_as_messages` the error message is one of the replies."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder, errors_as_messages=True):
        await failing_agent.inquire()
    (reply,) = recorder.replies
    assert (texts(reply.replies), reply.error) == (["before", "ValueError: broken"], None)


async def test_clients_and_secrets_are_left_out() -> None:
    """Only keywords that are data are recorded, and nothing that is named like a secret."""
    recorder = Recorder()

    @miniagent
    async def model_agent(ctx: InteractionContext, /, **keywords: object) -> None:
        ctx.reply("done")

    secrets = {
        "access_token": "s6",
        "api_key": "s1",
        "openai_api_key": "s2",
        "password": "s3",
        "client_secret": "s4",
        "auth_token": "s5",
    }
    async with MiniAgents(on_persist_message=recorder):
        await model_agent.fork(model="m", client=object(), **secrets).inquire(
            "x", max_tokens=5, callback=print, stop=["a"]
        )
    (call,) = recorder.calls
    assert dict(call.keywords) == {"model": "m", "max_tokens": 5, "stop": ("a",)}
    assert "s1" not in str([message.model_dump_json() for message in recorder.persisted])


async def test_secrets_inside_of_data() -> None:
    """A secret in a mapping of keywords is not recorded either."""
    recorder = Recorder()

    @miniagent
    async def model_agent(ctx: InteractionContext, options: object) -> None:
        ctx.reply("done")

    async with MiniAgents(on_persist_message=recorder):
        extra = [{"api_key": "hidden", "n": 1, "headers": {"Authorization": "hidden"}}]
        await model_agent.inquire("x", options={"extra": extra})
    assert "hidden" not in str([message.model_dump_json() for message in recorder.persisted])
    assert recorder.calls[0].keywords["options"] == {"extra": ({"n": 1, "headers": {}},)}


async def test_inner_runs_come_first() -> None:
    """An agent that inquires another: both have records; each message is persisted once."""
    recorder = Recorder()

    @miniagent
    async def outer_agent(ctx: InteractionContext) -> None:
        ctx.reply(plus_agent.inquire(ctx.messages))

    async with MiniAgents(on_persist_message=recorder):
        await outer_agent.inquire("x")
    assert recorder.texts == ["x", "x+"]
    assert [call.agent_alias for call in recorder.calls] == ["OUTER_AGENT", "PLUS_AGENT"]
    assert sorted(reply.agent_alias for reply in recorder.replies) == ["OUTER_AGENT", "PLUS_AGENT"]
    assert len({reply.hash_key for reply in recorder.replies}) == 2


async def test_runs_in_a_pipe_are_recorded() -> None:
    """A cold run is recorded as well, also if its subscriber left early."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        pipe = rx.of("x").pipe(plus_agent)
        assert [str(item) async for item in to_async_iter(pipe)] == ["x+"]
    assert texts(recorder.replies[0].replies) == ["x+"]


async def test_nothing_is_built_without_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a handler no record is made at all."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a record was built")

    monkeypatch.setattr(AgentCallNode, "__init__", refuse)
    monkeypatch.setattr(AgentReplyNode, "__init__", refuse)
    async with MiniAgents():
        assert str(await plus_agent.inquire("x")) == "x+"


async def test_recording_keeps_nothing_going() -> None:
    """A run that can no longer be read is stopped although it is recorded."""
    recorder = Recorder()
    begun, stopped = asyncio.Event(), asyncio.Event()

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def read(promise: MessageSequencePromise[Message]) -> None:
        await promise

    async with MiniAgents(on_persist_message=recorder):
        reading = asyncio.ensure_future(read(endless_agent.inquire()))
        await begun.wait()
        reading.cancel()
        await asyncio.wait([reading])
        del reading
        await stopped.wait()
    assert len(recorder.replies) == 1


async def test_recording_keeps_no_message_going() -> None:
    """A message that was taken out of a recorded pipe and dropped is stopped; what had come is recorded."""
    recorder = Recorder()
    typewriter = Typewriter("a")

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(["whole", Message.promise(typewriter)])
        await asyncio.Event().wait()

    async with MiniAgents(on_persist_message=recorder):
        stream = rx.of("x").pipe(writing_agent, tokens(), ops.take(2))
        assert [token async for token in to_async_iter(stream)] == ["whole", "a"]
        await typewriter.closed.wait()
    (reply,) = recorder.replies
    assert texts(reply.replies) == ["whole"]
    assert recorder.texts == ["x", "whole"]


async def test_promises_that_were_dropped_are_told_of() -> None:
    """A sequence that was read and dropped is told to `on_promise_resolved` with all its messages."""
    told: list[object] = []

    async def resolved(promise: object, result: object) -> None:
        if isinstance(promise, MessageSequencePromise):
            told.append(result)

    async with MiniAgents(on_promise_resolved=resolved):
        read = [await message async for message in plus_agent.inquire(["a", "b"])]
        plus_agent.inquire("unread")
    assert texts(read) == ["a+", "b+"]
    assert sorted(map(str, told)) == sorted(["a\n\nb", "a+\n\nb+", "unread", "unread+"])


async def test_recording_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """An error that only the record saw is still logged, once; one that was read is not."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        failing_agent.inquire()
    assert caplog.text.count("No reader ever saw this error: ValueError('broken')") == 1
    caplog.clear()
    async with MiniAgents(on_persist_message=recorder):
        promise = failing_agent.inquire()
        for _ in range(5):
            await asyncio.sleep(0)
        assert promise.done
        with pytest.raises(ValueError, match="broken"):
            await promise
    assert caplog.text == ""
