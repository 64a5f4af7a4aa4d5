"""Messages of parts while they stream."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping

import pytest
import reactivex as rx
from reactivex import operators as ops

from miniagents import (
    AssistantMessage,
    Finish,
    Message,
    MessagePromise,
    MiniAgents,
    Part,
    Reasoning,
    Refusal,
    ToolCall,
    ToolCallDelta,
    Usage,
    join_messages,
    partial_text,
)
from miniagents.messages._message import PartStreamer
from miniagents.messages._parts import PartBuffer
from miniagents.operators import map_tokens, resolve
from miniagents.streams._lifetime import Lease

PARTS: tuple[Part, ...] = (
    Reasoning("Hm."),
    "Hel",
    ToolCallDelta(0, "call-1", "look"),
    "lo",
    ToolCallDelta(0, arguments="{}"),
    Usage(7, 3),
    Finish("tool_use"),
)


def streamer(*parts: object, error: Exception | None = None) -> PartStreamer:
    """A streamer of these parts, one a turn of the loop."""

    async def stream(metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        metadata["model"] = "m"
        for part in parts:
            await asyncio.sleep(0)
            yield part  # type: ignore[misc]  # pyright: ignore[reportReturnType]  # some tests give what is wrong
        if error is not None:
            raise error

    return stream


async def everything(promise: MessagePromise[Message]) -> list[Part]:
    """All parts of a promise."""
    return [part async for part in promise.parts]


async def test_faces() -> None:
    """`parts` shows everything, iterated and subscribed to; tokens are text only; each reader sees all."""
    async with MiniAgents():
        promise = AssistantMessage.promise_of_parts(streamer(*PARTS))
        subscribed: list[Part] = []
        promise.parts.subscribe(subscribed.append)
        read, tokens = await asyncio.gather(everything(promise), _tokens(promise))
        assert (read, subscribed) == (list(PARTS), list(PARTS))
        assert tokens == ["Hel", "lo"]
        assert await everything(promise) == list(PARTS)


async def _tokens(promise: MessagePromise[Message]) -> list[str]:
    return [token async for token in promise]


async def test_message() -> None:
    """The message says what the parts said."""
    async with MiniAgents():
        message = await AssistantMessage.promise_of_parts(streamer(*PARTS))
        assert message.text == "Hello"
        assert message.parts == (Reasoning("Hm."), "Hel", ToolCall("call-1", "look", "{}"), "lo")
        assert (message.reasoning, message.tool_calls) == ("Hm.", (ToolCall("call-1", "look", "{}"),))
        assert (message.finish_reason, message.usage, message.model) == ("tool_use", Usage(7, 3), "m")


async def test_text_only() -> None:
    """A message of text alone has no parts of its own; its tokens are its parts."""
    async with MiniAgents():
        promise = AssistantMessage.promise_of_parts(streamer("a", "b", Finish("stop")))
        assert (await promise).parts == ()
        plain = Message("Hello").as_promise
        assert await everything(plain) == ["Hello"]


async def test_refusal_is_shown() -> None:
    """The text of a refusal is a token too."""
    async with MiniAgents():
        promise = AssistantMessage.promise_of_parts(streamer(Refusal("I "), Refusal("won't.")))
        assert await _tokens(promise) == ["I ", "won't."]
        assert ((await promise).text, (await promise).refusal) == ("I won't.", "I won't.")


async def test_finished_message() -> None:
    """A finished message streams what would have made it."""
    async with MiniAgents():
        message = await AssistantMessage.promise_of_parts(streamer(*PARTS))
        parts = await everything(message.as_promise)
        assert [type(part).__name__ for part in parts] == [
            "Reasoning",
            "str",
            "ToolCallDelta",
            "str",
            "Usage",
            "Finish",
        ]
        assert await everything(AssistantMessage("Hi", finish_reason="stop").as_promise) == [
            "Hi",
            Finish("stop"),
        ]


async def test_error() -> None:
    """An error comes after all parts that came before it, with the text of them."""
    async with MiniAgents():
        promise = AssistantMessage.promise_of_parts(streamer(*PARTS[:3], error=ValueError("cut")))
        seen: list[Part] = []
        promise.parts.subscribe(seen.append, lambda _: None)
        with pytest.raises(ValueError, match="cut") as caught:
            await everything(promise)
        assert seen == list(PARTS[:3])
        assert partial_text(caught.value) == "Hel"


@pytest.mark.parametrize("wrong", [5, None, ["a"], ToolCall("1", "look", "{}")])
async def test_no_part(wrong: object) -> None:
    """What is no part is the error of the message, also a whole call, which streams as ToolCallDelta."""
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"A part of a message is of type \w+; .* ToolCallDelta"):
            await AssistantMessage.promise_of_parts(streamer("a", wrong))


async def test_slow_reader_holds_a_long_thought() -> None:
    """Parts that are no text wait for slow readers as tokens do."""
    made: list[int] = []

    async def thoughts(metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        del metadata
        for number in range(100):
            made.append(number)
            yield Reasoning(str(number))

    async with MiniAgents(prefetch=4):
        promise = AssistantMessage.promise_of_parts(thoughts)
        reader = aiter(promise.parts)
        await anext(reader)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(made) <= 6
        assert len([part async for part in reader]) == 99


async def test_a_break_stops_the_source() -> None:
    """When the last reader of parts has left and no other one can come, the source is closed."""
    closed = asyncio.Event()

    async def thoughts(metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        del metadata
        try:
            while True:
                await asyncio.sleep(0)
                yield Reasoning("Hm.")
        finally:
            closed.set()

    async with MiniAgents():
        async for _ in AssistantMessage.promise_of_parts(thoughts).parts:
            break
        await closed.wait()


async def test_joined() -> None:
    """A joined message is text; the originals keep their parts."""
    async with MiniAgents():
        promise = AssistantMessage.promise_of_parts(streamer(*PARTS))
        joined = await join_messages([promise, "!"])
        assert joined.text == "Hello\n\n!"
        (original, _) = dict(joined.model_extra or {})["original_messages"]
        assert original == await promise


async def test_mapped() -> None:
    """Mapped tokens change the text, and what is no text stays on the message."""
    async with MiniAgents():
        promise: MessagePromise[Message] = AssistantMessage.promise_of_parts(streamer(*PARTS))
        (message,) = await rx.of(promise).pipe(map_tokens(str.upper), resolve(), ops.to_list())
        assert isinstance(message, AssistantMessage)
        assert message.content == (Reasoning("Hm."), "HELLO", ToolCall("call-1", "look", "{}"))


async def test_nothing_after_the_end() -> None:
    """A part that comes after the end is ignored, among the parts and the tokens."""
    async with MiniAgents() as context:
        buffer = PartBuffer(context, ["one"])
        buffer.finish()
        buffer.put("two")
        buffer.put(Reasoning("Too late."))
        assert (["one"], ["one"]) == (buffer.items, buffer.parts)


async def test_forgotten_together() -> None:
    """When a message can no longer be read its parts go with its tokens; while it can, both stay."""
    async with MiniAgents() as context:
        buffer = PartBuffer(context, ["one", Reasoning("Hm.")])
        lease = Lease(buffer)
        buffer.forget()
        assert (1, 2) == (len(buffer.items), len(buffer.parts))
        del lease
        buffer.forget()
        assert (0, 0) == (len(buffer.items), len(buffer.parts))
