"""`map_tokens`: a function over the tokens of messages, while they stream."""

import asyncio
from collections.abc import Callable
from functools import reduce
from typing import cast

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from pydantic import Field, ValidationError
from reactivex import operators as ops

from miniagents import (
    AssistantMessage,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessagePromise,
    MiniAgents,
    Reasoning,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    miniagent,
    partial_text,
)
from miniagents.operators import as_messages, map_tokens, resolve, to_async_iter, tokens
from miniagents.testing import scripted_model
from tests.support.pipes import Outcome, outcomes, promises, texts, typed, written
from tests.support.typewriter import Typewriter

TOKENS = st.lists(st.lists(st.text(max_size=2), max_size=3), max_size=4)


def same(token: str) -> str:
    """Return the token."""
    return token


def loud(token: str) -> str:
    """Return the token and a mark."""
    return f"{token}!"


@given(TOKENS)
def test_identity(messages: list[list[str]]) -> None:
    """Mapping by a function that returns its argument changes nothing."""
    assert MiniAgents().run(written(*messages).pipe(map_tokens(same), tokens())) == MiniAgents().run(
        written(*messages).pipe(tokens())
    )
    assert texts(written(*messages).pipe(map_tokens(same))) == texts(written(*messages))


@given(TOKENS)
def test_composition(messages: list[list[str]]) -> None:
    """Mapping by one function and then another is mapping by both."""
    twice = written(*messages).pipe(map_tokens(loud), map_tokens(str.upper))
    once = written(*messages).pipe(map_tokens(lambda token: loud(token).upper()))
    assert texts(twice) == texts(once)


def test_text_and_data() -> None:
    """The text becomes the mapped tokens; the class and the data of a message stay."""

    async def main() -> Message:
        message = UserMessage.model_validate({"text": "hello", "n": 1})
        (mapped,) = [item async for item in to_async_iter(promises(message).pipe(map_tokens(str.upper)))]
        return await mapped

    message = MiniAgents().run(main())
    assert (type(message), message.text, message.model_extra) == (UserMessage, "HELLO", {"n": 1})


async def test_parts() -> None:
    """The mapped text takes the place of the old one among the parts; the result of a tool is not mapped."""
    messages = (
        AssistantMessage(parts=[Reasoning("Hm."), "a secret", ToolCall("1", "look")]),
        ToolMessage(parts=[ToolResult("1", "a cat")]),
    )

    async with MiniAgents():
        stream = to_async_iter(promises(*messages).pipe(map_tokens(str.upper), resolve()))
        mapped, result = [item async for item in stream]
    assert mapped == AssistantMessage(parts=[Reasoning("Hm."), "A SECRET", ToolCall("1", "look")])
    assert "secret" not in mapped.model_dump_json()
    assert messages[1] == result


async def test_data_that_comes_with_the_last_token() -> None:
    """Data known before is known before; data that came with the last token is in the final message."""
    typewriter = Typewriter("a")
    typewriter.metadata["finish_reason"] = "stop"
    async with MiniAgents():
        stream = to_async_iter(promises(Message.promise(typewriter, model="m")).pipe(map_tokens(str.upper)))
        mapped = await anext(stream)
        assert mapped.preliminary_metadata == {"model": "m"}
        typewriter.stop()
        message = await mapped
        assert (message.text, message.model_extra) == ("A", {"model": "m", "finish_reason": "stop"})


async def test_as_they_come() -> None:
    """A token is mapped and emitted when it is written."""
    typewriter = Typewriter()
    async with MiniAgents():
        stream = to_async_iter(typed(typewriter).pipe(map_tokens(loud), map_tokens(loud), tokens()))
        for token in "abc":
            typewriter.type(token)
            assert await anext(stream) == f"{token}!!"
        typewriter.stop()
        assert [token async for token in stream] == []


def test_an_empty_source() -> None:
    """An empty source gives an empty result; an empty message stays empty."""
    assert texts(rx.empty().pipe(as_messages(), map_tokens(loud))) == []
    assert texts(promises("").pipe(map_tokens(loud))) == [""]


def test_a_failing_function() -> None:
    """A function that raises fails its message, after its tokens; the next messages still arrive."""

    def picky(token: str) -> str:
        if token == "b":  # noqa: S105 - no password
            raise ValueError(token)
        return token.upper()

    first, failed, last = outcomes(written(["x"], ["a", "b", "c"], ["y"]).pipe(map_tokens(picky)))
    assert (first, last) == ("X", "Y")
    assert isinstance(failed, ValueError)
    assert partial_text(failed) == "A"


def test_a_function_that_returns_no_text() -> None:
    """A function that returns anything but a text fails its message, after its tokens; the next arrive."""

    def forgetful(token: str) -> str:
        return cast("str", None if token == "b" else token.upper())  # noqa: S105 - no password

    first, failed, last = outcomes(written(["x"], ["a", "b", "c"], ["y"]).pipe(map_tokens(forgetful)))
    assert (first, last) == ("X", "Y")
    assert isinstance(failed, TypeError)
    assert "returned a value of type NoneType; it must return a str" in str(failed)
    assert partial_text(failed) == "A"


class Word(Message):
    """A message with a short text."""

    text: str | None = Field(default=None, max_length=3)


def test_a_text_that_its_class_refuses() -> None:
    """A message whose class does not take the mapped text fails; the next ones arrive."""
    words = rx.of(Word(text="owl"), Word(text="a")).pipe(as_messages(), map_tokens(loud))
    failed, last = outcomes(words)
    assert isinstance(failed, ValidationError)
    assert last == "a!"


def test_a_failing_message() -> None:
    """A message that fails is a failing message, the very error; the next ones still arrive."""
    error = ValueError("broken")
    assert outcomes(promises("a", error, "b").pipe(map_tokens(str.upper))) == ["A", error, "B"]


def test_a_failing_source() -> None:
    """The error of the source comes after its messages."""
    error = ValueError("source")
    source = rx.concat(rx.of("a"), rx.throw(error)).pipe(as_messages(), map_tokens(str.upper))
    assert outcomes(source) == ["A", error]


async def test_leaving_with_a_message() -> None:
    """A message that was taken streams on for its holder; the ones behind it stop."""
    first, second = Typewriter("a"), Typewriter("b")
    async with MiniAgents():
        stream = to_async_iter(typed(first, second).pipe(map_tokens(str.upper)))
        taken = await anext(stream)
        await second.started.wait()
        await stream.aclose()
        await second.closed.wait()
        letters = aiter(taken)
        assert await anext(letters) == "A"
        first.type("b")
        assert await anext(letters) == "B"
        first.stop()
        assert str(await taken) == "AB"


async def test_take_one() -> None:
    """`take(1)` gives a message that still streams."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        stream = typed(typewriter).pipe(map_tokens(str.upper), ops.take(1))
        (taken,) = [item async for item in to_async_iter(stream)]
        typewriter.type("b")
        typewriter.stop()
        assert [token async for token in taken] == ["A", "B"]


async def test_a_taken_message_is_dropped() -> None:
    """A message that was taken stops when it is no longer held."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        source = typed(typewriter).pipe(map_tokens(str.upper), ops.take(1))
        taken = [item async for item in to_async_iter(source)]
        assert await anext(aiter(taken[0])) == "A"
        taken.clear()
        await typewriter.closed.wait()


async def test_a_taken_message_is_cancelled() -> None:
    """Cancelling a message that was taken ends it for its readers."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        source = typed(typewriter).pipe(map_tokens(str.upper), ops.take(1))
        (taken,) = [item async for item in to_async_iter(source)]
        assert await anext(aiter(taken)) == "A"
        taken.cancel()
        with pytest.raises(InquiryCancelledError):
            await taken
        typewriter.stop()


async def test_leaving() -> None:
    """Disposing stops the message that is mapped; it gets no end."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        outcome = Outcome(typed(typewriter).pipe(map_tokens(str.upper)))
        await typewriter.started.wait()
        outcome.subscription.dispose()
        message = cast("MessagePromise[Message]", outcome.items.pop())
        assert await anext(aiter(message)) == "A"
        del message
        await typewriter.closed.wait()
    assert outcome.ended is False


def test_several_in_a_row() -> None:
    """Each token goes through all functions before the next one does, also through very many."""
    seen: list[str] = []

    def noted(name: str) -> Callable[[str], str]:
        def note(token: str) -> str:
            seen.append(f"{name}{token}")
            return f"{token}{name}"

        return note

    assert texts(written(["1", "2"]).pipe(map_tokens(noted("a")), map_tokens(noted("b")))) == ["1ab2ab"]
    assert ["a1", "b1a", "a2", "b2a"] == seen
    many = reduce(lambda source, _: map_tokens(loud)(source), range(600), written(["x"]))
    assert texts(many) == ["x" + "!" * 600]


def test_as_many_in_a_row_as_you_like() -> None:
    """However many stand in a row, at most 256 become one: iterators in iterators are a recursion in C."""
    pipeline = reduce(lambda source, _: map_tokens(loud)(source), range(2000), written(["x"]))
    layer: object = pipeline
    depths: list[int] = []
    while functions := cast("tuple[object, ...]", getattr(layer, "functions", ())):
        depths.append(len(functions))
        layer = cast("object", getattr(layer, "source"))  # noqa: B009 - of a kind that has no public name
    assert sum(depths) == 2000
    assert max(depths) == 256
    assert texts(pipeline) == ["x" + "!" * 2000]


def test_leaving_at_a_token() -> None:
    """Who leaves at the first of many tokens has a batch of them mapped for each link in between."""
    seen: list[str] = []

    def noted(token: str) -> str:
        seen.append(token)
        return token

    async def main() -> str:
        typewriter = Typewriter(*["a"] * 50_000)
        typewriter.stop()
        message = Message.promise(typewriter)
        await message
        return await promises(message).pipe(map_tokens(noted), tokens(), ops.take(1))

    assert MiniAgents().run(main()) == "a"
    assert 1 <= len(seen) <= 8 * 1024


def test_one_of_several_fails() -> None:
    """When one of several functions fails, the tokens before have come through all of them."""

    def no_b(token: str) -> str:
        if "a" < token < "c":
            msg = "no b"
            raise ValueError(msg)
        return token

    pipeline = written(["a", "b", "c"], ["d"]).pipe(map_tokens(no_b), map_tokens(str.upper))

    async def main() -> list[tuple[str | None, str]]:
        found: list[tuple[str | None, str]] = []
        async for promise in to_async_iter(pipeline):
            try:
                found.append((None, str(await promise)))
            except ValueError as error:
                found.append((str(error), partial_text(error)))
        return found

    assert [("no b", "A"), (None, "D")] == MiniAgents().run(main())


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("behind", ["each", "guard"])
async def test_thoughts_before_the_first_token(behind: str) -> None:
    """A reader gets all that becomes of a message whose thoughts came before anything could read that."""

    @miniagent
    async def loud_agent(ctx: InteractionContext) -> None:
        ctx.reply(ctx.messages.messages.pipe(map_tokens(str.upper)))

    @miniagent
    async def passing_on(ctx: InteractionContext) -> None:
        async for message in ctx.messages:
            ctx.reply(message)

    def passes(_: str) -> None:
        return None

    def sorry(_: Exception, __: object) -> str:
        return "Sorry."

    thinker = scripted_model([Reasoning("Hm."), "a", "b"], delay=1.0)
    async with asyncio.timeout(60.0), MiniAgents(prefetch=1):
        loud_thinker = thinker.catching(sorry) | loud_agent
        guarded = loud_thinker.guard(during=passes, hold=0)
        agent = thinker.retry() | loud_agent | passing_on if behind == "each" else guarded
        assert ["A", "B"] == [token async for token in agent.inquire("Hi").tokens]
