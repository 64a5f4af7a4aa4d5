"""From replies to frames: what clients are shown, and what they are not."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    File,
    Image,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    ToolMessage,
    UserMessage,
    miniagent,
)
from miniagents.ext.web import MessageBegan, MessageEnded, MessagePart, RunEnded
from miniagents.ext.web._frames import STOPPED, Frame
from miniagents.ext.web._source import FrameSource, sentence_of
from miniagents.messages import MessageType
from miniagents.testing import scripted_model
from miniagents.values import (
    AgentPart,
    AgentTimeoutError,
    BudgetExceededError,
    ResponseHeaders,
    Restart,
    Retry,
    ToolResult,
)


def frames_of(*replies: MessageType) -> list[Frame]:
    """The frames of replies that are there."""

    async def main() -> list[Frame]:
        source = FrameSource(MessageSequencePromise(replies), agent="POET")
        source.open(lambda: None)
        return [frame for _, frame in source.take()]

    return MiniAgents().run(main())


def test_who() -> None:
    """A message says who wrote it; one that does not is of the agent that was asked, and what it says."""
    frames = frames_of(
        "one",
        Message("two", model="m-1", agent_alias="CRITIC"),
        UserMessage("three"),
        Message("four", call_id="call-1", tool="look"),
        ToolMessage("five"),
    )
    assert [
        MessageBegan(0, "assistant", "POET"),
        MessageBegan(1, "assistant", "CRITIC", "m-1"),
        MessageBegan(2, "user", "POET"),
        MessageBegan(3, "assistant", "POET", tool="look", call="call-1"),
        MessageBegan(4, "tool", "POET"),
    ] == [each for each in frames if isinstance(each, MessageBegan)]


Told = MessageBegan | MessagePart | MessageEnded


def test_order() -> None:
    """Each message is whole before the next one begins, and the last frame is one of its kind."""
    numbers = [each.message for each in frames_of("one", "", "two") if isinstance(each, Told)]
    assert [0, 0, 0, 1, 1, 2, 2, 2] == numbers
    assert [RunEnded("finished")] == frames_of()


def test_attachments() -> None:
    """Pictures and files come with their bytes or addresses; a path of the server is not told."""
    shown: list[Image | File] = [Image(data=b"GIF89a"), File(url="https://example.org/a.pdf")]
    hidden = Image(path="/etc/passwd.png")
    frames = frames_of(
        AssistantMessage("Look.", parts=["Look.", *shown, hidden]),
        ToolMessage(parts=[ToolResult("1", ("Look.", *shown, hidden))]),
    )
    assert [MessagePart(0, "Look."), *(MessagePart(0, each) for each in shown)] == frames[1:4]
    assert MessagePart(1, ToolResult("1", ("Look.", *shown))) == frames[6]
    assert [MessageEnded(1), RunEnded("finished")] == frames[7:]


def test_error_messages() -> None:
    """A message that stands for an error is shown as a sentence without the error's text."""
    frames = frames_of(ErrorMessage("KeyError: sk-1234567890"), "on")
    assert MessagePart(0, "The agent failed; the log of the server says why.") == frames[1]
    assert MessagePart(1, "on") == frames[4]


async def test_parts() -> None:
    """Limits of the account and texts of errors are not shown, nor keys in the errors of tools."""
    image = Image(url="https://x.org/a.png")
    async with MiniAgents():
        model = scripted_model(
            [
                ResponseHeaders(200, "req-1"),
                Retry(1, 0.5, "status 429: PROMPT"),
                AgentPart(("A",), ResponseHeaders(200)),
                AgentPart(("A",), Retry(1, 0.5, "PROMPT")),
                ToolResult("1", "api_key=sk-1234567890 refused", is_error=True),
                ToolResult("1", ("api_key=sk-1234567890 refused", image), is_error=True),
                ToolResult("1", "sk-1234567890 is the number of the part"),
                Restart("PROMPT: field required"),
                "Hi",
            ]
        )
        replies = model.inquire("?")
        await replies
        source = FrameSource(replies)
        source.open(lambda: None)
        parts = [each.part for _, each in source.take() if isinstance(each, MessagePart)]
    assert [
        Retry(1, 0.5, ""),
        AgentPart(("A",), Retry(1, 0.5, "")),
        ToolResult("1", "api_key=[redacted] refused", is_error=True),
        ToolResult("1", ("api_key=[redacted] refused", image), is_error=True),
        ToolResult("1", "sk-1234567890 is the number of the part"),
        Restart(),
        "Hi",
    ] == parts


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("sk-1234567890"), "The agent failed; the log of the server says why."),
        (TimeoutError(), "The agent took too long."),
        (AgentTimeoutError("PROMPT"), "The agent took too long."),
        (BudgetExceededError("PROMPT", tokens=1, dollars=None), "The budget for this is used up."),
    ],
)
def test_sentences(error: Exception, sentence: str) -> None:
    """What clients are told of an error has nothing of its text."""
    assert sentence == sentence_of(error)


@pytest.mark.logs("A run failed")
async def test_a_message_fails() -> None:
    """A message that fails ends the run where it stands; what stands behind it is not told."""
    async with MiniAgents():

        async def broken(_: object) -> AsyncGenerator[str]:
            yield "one"
            raise ValueError("no")

        failing = Message.promise(broken)
        replies = MessageSequencePromise([failing, "two"])
        source = FrameSource(replies)
        source.open(lambda: None)
        with pytest.raises(ValueError, match="no"):
            await failing
        frames = [frame for _, frame in source.take()]
    assert [MessageBegan(0, "assistant"), MessagePart(0, "one")] == frames[:2]
    assert ("failed", 3) == (frames[2].how if isinstance(frames[2], RunEnded) else None, len(frames))


@pytest.mark.loop(virtual=True)
async def test_a_message_is_cancelled() -> None:
    """A message that its agent cancels ends the run for the client, and so the agent itself."""
    stopped: list[str] = []

    @miniagent
    async def cancelling(ctx: InteractionContext) -> None:
        async def endless(_: object) -> AsyncGenerator[str]:
            yield "one"
            await asyncio.Event().wait()

        message = Message.promise(endless)
        ctx.reply(message)
        await anext(aiter(message))
        message.cancel()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("the agent")

    async with MiniAgents():
        source = FrameSource(cancelling.inquire())
        source.open(lambda: None)
        await asyncio.sleep(1)
        assert STOPPED == source.take()[-1][1]
        assert ["the agent"] == stopped
