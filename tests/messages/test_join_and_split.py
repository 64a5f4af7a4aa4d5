"""The documented forms of `join_messages` and `split_messages`."""

from collections.abc import Callable
from inspect import Parameter, signature

import pytest
import reactivex as rx

import miniagents
import miniagents.utils
from miniagents.messages import (
    Message,
    MessagePromise,
    MessageSequencePromise,
    UserMessage,
    join_messages,
    split_messages,
)
from miniagents.streams import PromisingContext
from miniagents.values import NoActiveContextError
from tests.support.sources import Source

WITHOUT_DEFAULT = Parameter.empty


def parameters(function: Callable[..., object]) -> dict[str, object]:
    """The parameters, each with its default."""
    return {name: parameter.default for name, parameter in signature(function).parameters.items()}


def test_forms() -> None:
    """They have the documented parameters, in the documented order, with the documented defaults."""
    assert [
        ("messages", WITHOUT_DEFAULT),
        ("delimiter", "\n\n"),
        ("strip_leading_newlines", False),
        ("reference_original_messages", True),
        ("metadata", WITHOUT_DEFAULT),
    ] == list(parameters(join_messages).items())
    assert [
        ("messages", WITHOUT_DEFAULT),
        ("delimiter", "\n\n"),
        ("code_block_delimiter", "```"),
        ("metadata", WITHOUT_DEFAULT),
    ] == list(parameters(split_messages).items())


def test_where_they_are() -> None:
    """They are what `miniagents` and `miniagents.utils` give out."""
    assert miniagents.join_messages is miniagents.utils.join_messages is join_messages
    assert miniagents.split_messages is miniagents.utils.split_messages is split_messages


async def test_join_defaults() -> None:
    """By default messages are joined by a blank line, kept as they begin, and referred to."""
    async with PromisingContext():
        message = await join_messages(["one", "\ntwo"])
        assert "one\n\n\ntwo" == message.text
        assert {"original_messages": (Message("one"), Message("\ntwo"))} == message.model_extra


async def test_join_with_every_parameter() -> None:
    """Each parameter does what it says, by keyword and by position."""
    async with PromisingContext():
        for message in (
            await join_messages(
                messages=["one", "\ntwo"],
                delimiter=" + ",
                strip_leading_newlines=True,
                reference_original_messages=False,
                lang="en",
            ),
            await join_messages(["one", "\ntwo"], " + ", True, False, lang="en"),  # noqa: FBT003
        ):
            assert ("one + two", {"lang": "en"}) == (message.text, message.model_extra)


async def test_as_single_promise() -> None:
    """`promise.as_single_promise(**kw)` is `join_messages(promise, **kw)`."""
    async with PromisingContext():
        promise = MessageSequencePromise(["one", "\ntwo"])
        for message in (
            await promise.as_single_promise(
                delimiter="|", strip_leading_newlines=True, reference_original_messages=False, n=1
            ),
            await join_messages(
                promise, delimiter="|", strip_leading_newlines=True, reference_original_messages=False, n=1
            ),
        ):
            assert ("one|two", {"n": 1}) == (message.text, message.model_extra)
        assert await promise.as_single_promise() == await join_messages(promise)


async def test_join_metadata() -> None:
    """Metadata is known at once, is frozen as it is at the call, and lands in the joined message."""
    async with PromisingContext():
        source, tags = Source(["one"], hold_at=0), ["x"]
        promise = join_messages(source, tags=tags)
        tags.append("y")
        assert (False, {"tags": ("x",)}) == (promise.done, promise.preliminary_metadata)
        source.go.set()
        assert ("x",) == (await promise).tags  # type: ignore[attr-defined]
        with pytest.raises(TypeError, match="wrong"):
            join_messages("one", wrong=object())
        with pytest.raises(TypeError, match="wrong"):
            split_messages("one", wrong=object())


async def test_split_with_every_parameter() -> None:
    """Each parameter does what it says, by keyword and by position."""
    text = "a\n~\n|\n~b"
    async with PromisingContext():
        for promise in (
            split_messages(messages=text, delimiter="|", code_block_delimiter="~", lang="en"),
            split_messages(text, "|", "~", lang="en"),
        ):
            messages = [(message.text, message.model_extra) for message in await promise]
            assert [(piece, {"lang": "en"}) for piece in ("a", "~\n|\n~", "b")] == messages
        without_fences = await split_messages(text, "|", None)
        assert ["a\n~", "~b"] == [message.text for message in without_fences]


async def test_split_defaults() -> None:
    """By default text is cut at blank lines, and blocks are fenced by three backticks."""
    async with PromisingContext():
        messages = await split_messages("one\n\ntwo\n```\na\n\nb\n```")
        assert ["one", "two", "```\na\n\nb\n```"] == [message.text for message in messages]
        assert [{}] * 3 == [message.model_extra for message in messages]


async def test_anything_that_is_messages() -> None:
    """They take whatever is messages, streams too."""

    def given() -> list[miniagents.MessageType]:
        return [
            "text",
            {"text": "mapping"},
            UserMessage("message"),
            Message("promise").as_promise,
            MessageSequencePromise("sequence"),
            [("nested",)],
            rx.of("observable"),
            Source(["async"]),
        ]

    expected = ["text", "mapping", "message", "promise", "sequence", "nested", "observable", "async"]
    async with PromisingContext():
        assert " ".join(expected) == (await join_messages(given(), " ")).text
        assert expected == [message.text for message in await split_messages(given())]
        assert "" == (await join_messages(None)).text
        assert () == await split_messages(None)


async def test_what_cannot_become_messages() -> None:
    """What is no messages is a `TypeError` at the call; an exception fails at its place."""
    async with PromisingContext():
        for function in (join_messages, split_messages):
            with pytest.raises(TypeError, match=r"type int at \[1\]"):
                function(["one", 5])  # type: ignore[list-item]
            with pytest.raises(ValueError, match="given"):
                await function(["one", ValueError("given")])


def test_a_context_is_needed() -> None:
    """Without an active context they say so."""
    for function in (join_messages, split_messages):
        with pytest.raises(NoActiveContextError):
            function("one")


async def test_one_after_the_other() -> None:
    """What is joined can be split again, and so on, while it streams."""
    async with PromisingContext():
        source = Source(["one", "two"], hold_at=1)
        promise: MessagePromise[Message] = join_messages(source)
        for _ in range(3):
            promise = split_messages(promise).as_single_promise()
        tokens = aiter(promise)
        assert "one" == await anext(tokens)
        source.go.set()
        assert ["\n\n", "two"] == [token async for token in tokens]
