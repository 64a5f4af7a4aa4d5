"""The documented forms of messages, promises, and the two text utilities."""

from collections.abc import AsyncIterator, MutableMapping
from typing import ClassVar

import pytest
from pydantic import BaseModel, ValidationError

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MessageType,
    MiniAgents,
    SystemMessage,
    UserMessage,
    join_messages,
    miniagent,
    split_messages,
)


class CustomMessage(Message):
    """A message with a field of its own."""

    custom_field: str


class Point(BaseModel):
    """Some model of a user."""

    text: str
    x: int


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


async def hello(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
    """Stream two tokens, and tell the model's name at the end."""
    yield "hel"
    yield "lo"
    metadata_so_far["model"] = "m"


async def texts(messages: MessageType) -> list[str | None]:
    """Return the text of each message that the messages become."""
    async with MiniAgents():
        return [message.text for message in await echo_agent.inquire(messages)]


def test_message() -> None:
    """Text by keyword or by position; any further keyword is kept as data."""
    assert Message(text="Hello") == Message("Hello")
    assert Message("Hello").text == "Hello"
    message = Message("Hello", custom_field="x")
    assert message.custom_field == "x"  # type: ignore[attr-defined]
    assert '"custom_field":"x"' in message.model_dump_json()


def test_custom_message() -> None:
    """A subclass declares its fields."""
    assert CustomMessage(text="Hello", custom_field="x").custom_field == "x"
    assert CustomMessage("Hello", custom_field="x").text == "Hello"
    with pytest.raises(ValidationError, match="custom_field"):
        CustomMessage("Hello")  # type: ignore[call-arg]


def test_message_is_immutable() -> None:
    """Nothing of a message can be changed, however deep."""
    message = CustomMessage("Hello", custom_field="x")
    with pytest.raises((ValidationError, TypeError, AttributeError)):
        message.custom_field = "y"  # type: ignore[misc]
    held = Message("Hello", words=["a"])
    assert held.words == ("a",)  # type: ignore[attr-defined]


def test_str_of_a_message() -> None:
    """It is the text, or the template filled in, or JSON."""

    class Greeting(Message):
        text_template: ClassVar[str] = "Hello, {name}"
        name: str

    assert str(Message("Hello")) == "Hello"
    assert str(Greeting(name="you")) == "Hello, you"
    assert '"custom_field":"x"' in str(Message(custom_field="x"))


def test_roles() -> None:
    """Each class has its role."""
    classes = (Message, UserMessage, SystemMessage, AssistantMessage, ErrorMessage)
    assert [each.role for each in classes[1:]] == ["user", "system", "assistant", "error"]
    assert all(issubclass(each, Message) for each in classes)


async def test_message_types() -> None:
    """Each kind of `MessageType` becomes its messages."""

    async def later() -> AsyncIterator[MessageType]:
        yield "later"
        yield [Message("nested")]

    async with MiniAgents():
        promise = Message("promise").as_promise
        sequence = echo_agent.inquire(["s1", "s2"])
        pieces: list[MessageType] = [
            "text",
            {"text": "mapping"},
            Message("message"),
            promise,
            sequence,
            Point(text="model", x=1),
            ("tuple", ["deep", iter(["iterator"])]),
            later(),
        ]
        replies = await echo_agent.inquire(pieces)
    expected = ["text", "mapping", "message", "promise", "s1", "s2", "model", "tuple", "deep", "iterator"]
    assert [reply.text for reply in replies] == [*expected, "later", "nested"]


async def test_top_level_none_is_no_messages() -> None:
    """`None` is no messages."""
    assert await texts(None) == []


async def test_an_exception_is_raised_at_its_place() -> None:
    """What comes before an exception arrives; then it is raised, the same object."""
    error = ValueError("here")
    arrived: list[str] = []

    async def read() -> None:
        async for message_promise in echo_agent.inquire(["before", error, "after"]):
            arrived.append(str(await message_promise))  # noqa: PERF401 - it is read until it raises

    async with MiniAgents():
        with pytest.raises(ValueError, match="here") as caught:
            await read()
    assert caught.value is error
    assert arrived == ["before"]


@pytest.mark.parametrize("wrong", [1, 2.5, object()])
async def test_anything_else_is_a_type_error(wrong: object) -> None:
    """Whatever is no message type is refused, by the name of its type."""
    with pytest.raises(TypeError, match=type(wrong).__name__):
        await texts(["fine", wrong])  # type: ignore[list-item]


async def test_message_promise() -> None:
    """`Message.promise(token_streamer, **preliminary_metadata)` streams; metadata lands in the message."""
    async with MiniAgents():
        promise = CustomMessage.promise(hello, custom_field="x")
        assert isinstance(promise, MessagePromise)
        assert promise.preliminary_metadata["custom_field"] == "x"
        assert [token async for token in promise] == ["hel", "lo"]
        message = await promise
        assert isinstance(message, CustomMessage)
        assert (message.text, message.custom_field) == ("hello", "x")
        assert message.model == "m"  # type: ignore[attr-defined]
        assert "model" not in promise.preliminary_metadata
        assert [token async for token in promise] == ["hel", "lo"]


async def test_as_promise() -> None:
    """`message.as_promise` is a finished promise of that message, typed with its class."""
    message = CustomMessage("hi", custom_field="x")
    async with MiniAgents():
        promise: MessagePromise[CustomMessage] = message.as_promise
        assert await promise is message
        assert (await promise).custom_field == "x"
        assert str(promise) == "hi"
        assert [token async for token in promise] == ["hi"]


async def test_prefill_pieces() -> None:
    """Each piece of `MessageSequencePromise(prefill_pieces=[...])` becomes a `MessagePromise`."""
    async with MiniAgents():
        sequence = MessageSequencePromise(prefill_pieces=[Message("one"), "two"])
        items = [item async for item in sequence]
        assert all(isinstance(item, MessagePromise) for item in items)
        assert str(await sequence) == "one\n\ntwo"


async def test_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """All the documented ways to look at an awaited reply work."""
    async with MiniAgents():
        promise = echo_agent.inquire(["a", "b"])
        reply = await promise
        print(reply)  # noqa: T201 - the documented form
        print(await reply)  # noqa: T201 - the same
        print(await reply.aresolve_messages())  # noqa: T201 - the same
        assert await promise.aresolve_messages() == reply
        resolved: Messages = await reply
        assert resolved is reply
    assert capsys.readouterr().out == "a\n\nb\n" * 3
    assert isinstance(reply, Messages)
    assert isinstance(reply, tuple)
    assert f"{reply}" == format(reply) == "a\n\nb"
    assert reply[0].text == "a"


async def test_as_single_promise() -> None:
    """`promise.as_single_promise(**kw)` is `join_messages(promise, **kw)`."""
    async with MiniAgents():
        promise = echo_agent.inquire(["a", "b"])
        assert str(await promise.as_single_promise()) == "a\n\nb"
        single = promise.as_single_promise(delimiter="-", custom_field="x")
        message = await single
        assert (message.text, message.custom_field) == ("a-b", "x")  # type: ignore[attr-defined]


async def test_join_messages() -> None:
    """`join_messages` with all its parameters gives one streaming promise."""
    async with MiniAgents():
        plain = join_messages(["a", "b"])
        assert isinstance(plain, MessagePromise)
        assert (await plain).text == "a\n\nb"
        joined = join_messages(
            ["\n\na", "\nb"],
            delimiter="|",
            strip_leading_newlines=True,
            reference_original_messages=False,
            topic="letters",
        )
        assert [token async for token in joined] == ["a", "|", "b"]
        message = await joined
        assert message.text == "a|b"
        assert message.topic == "letters"  # type: ignore[attr-defined]


async def test_join_messages_references() -> None:
    """By default the joined message holds the original ones."""
    async with MiniAgents():
        kept = (await join_messages(["a", "b"], reference_original_messages=True)).model_dump_json()
        without = (await join_messages(["a", "b"], reference_original_messages=False)).model_dump_json()
    assert kept.count('"a"') == 1
    assert '"a"' not in without


async def test_split_messages() -> None:
    """`split_messages` with all its parameters gives a streaming sequence."""
    async with MiniAgents():
        plain = split_messages("a\n\nb")
        assert isinstance(plain, MessageSequencePromise)
        assert [message.text for message in await plain] == ["a", "b"]
        fenced = "a\n-\n```\nx\n-\ny\n```\n-\nb"
        whole = split_messages(fenced, delimiter="\n-\n", code_block_delimiter="```", topic="t")
        assert [message.text for message in await whole] == ["a", "```\nx\n-\ny\n```", "b"]
        assert (await whole)[0].topic == "t"  # type: ignore[attr-defined]
        cut = split_messages(fenced, delimiter="\n-\n", code_block_delimiter=None)
        assert [message.text for message in await cut] == ["a", "```\nx", "y\n```", "b"]
        assert await split_messages("") == ()
        assert await split_messages(None) == ()
