"""`join`: all messages become one, which streams."""

from typing import cast

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import operators as ops
from reactivex.subject import Subject

from miniagents import InquiryCancelledError, Message, MessagePromise, MiniAgents, join_messages
from miniagents.operators import as_messages, join, resolve, to_async_iter, tokens
from tests.support.pipes import Outcome, outcomes, promises, texts, typed, written
from tests.support.typewriter import Typewriter

TOKENS = st.lists(st.lists(st.text(alphabet="ab\n", max_size=3), max_size=3), max_size=4)


@given(TOKENS, st.sampled_from(["", "\n\n", "-"]))
def test_all_texts(messages: list[list[str]], delimiter: str) -> None:
    """The result is one message: the texts with the delimiter between them, however they were cut."""
    joined = delimiter.join("".join(tokens) for tokens in messages)
    assert texts(written(*messages).pipe(join(delimiter))) == [joined]


@given(TOKENS, st.booleans())
def test_as_the_utility(messages: list[list[str]], strip: bool) -> None:
    """It says what `join_messages` says, with every parameter."""

    async def utility() -> Message:
        given_ = ["".join(tokens) for tokens in messages]
        return await join_messages(given_, "-", strip_leading_newlines=strip, lang="en")

    (joined,) = MiniAgents().run(
        written(*messages).pipe(join("-", strip_leading_newlines=strip, lang="en"), resolve())
    )
    assert joined == MiniAgents().run(utility())


def test_the_default_delimiter() -> None:
    """A blank line stands between two messages."""
    assert texts(promises("a", "b").pipe(join())) == ["a\n\nb"]


def test_originals_and_data() -> None:
    """The messages are kept as `original_messages`, unless that is switched off; further data is kept."""
    one = Message("one")
    (joined,) = MiniAgents().run(promises(one, "two").pipe(join(lang="en"), resolve()))
    data = joined.model_extra or {}
    assert data["lang"] == "en"
    assert cast("tuple[Message, ...]", data["original_messages"])[0] is one
    (joined,) = MiniAgents().run(promises("one").pipe(join(reference_original_messages=False), resolve()))
    assert joined.model_extra == {}


def test_stripping() -> None:
    """Newlines at the start of each message are left out, also when they come as tokens of their own."""
    stream = written(["\n", "\n\na\n"], ["\n"], ["", "\nb"])
    assert texts(stream.pipe(join("-", strip_leading_newlines=True))) == ["a\n--b"]


def test_an_empty_source() -> None:
    """No messages become one empty message."""
    assert texts(rx.empty().pipe(as_messages(), join())) == [""]


async def test_at_once() -> None:
    """The message is there on subscribing, before the source has given anything; then it streams."""
    source: Subject[str] = Subject()
    typewriter = Typewriter()
    async with MiniAgents():
        outcome = Outcome(source.pipe(as_messages(), join("-")))
        (joined,) = outcome.items
        letters = aiter(cast("MessagePromise[Message]", joined))
        source.on_next("one")
        assert await anext(letters) == "one"
        source.on_next(cast("str", Message.promise(typewriter)))
        assert await anext(letters) == "-"
        typewriter.type("two")
        assert await anext(letters) == "two"
        typewriter.stop()
        source.on_completed()
        assert [letter async for letter in letters] == []
    assert (len(outcome.items), outcome.ended) == (1, True)


def test_a_failing_message() -> None:
    """The joined message fails as the first message that fails."""
    error = ValueError("broken")
    assert outcomes(promises("a", error, "b").pipe(join())) == [error]


def test_a_failing_source() -> None:
    """The joined message fails as the source does, after the tokens that came."""
    error = ValueError("source")
    source = rx.concat(rx.of("a", "b"), rx.throw(error)).pipe(as_messages())
    assert outcomes(source.pipe(join("-"))) == [error]

    async def main() -> list[object]:
        outcome = Outcome(source.pipe(join("-"), tokens()))
        return [*outcome.items, outcome.ended]

    assert MiniAgents().run(main()) == ["a", "-", "b", error]


async def test_take_one() -> None:
    """After `take(1)`, which is all there is, the message streams on with what it needs of the source."""
    first, second = Typewriter("a"), Typewriter("b")
    first.stop()
    second.stop()
    async with MiniAgents():
        stream = to_async_iter(typed(first, second).pipe(join("-"), ops.take(1)))
        (joined,) = [item async for item in stream]
        assert str(await joined) == "a-b"


async def test_a_joined_message_is_dropped() -> None:
    """When the joined message is no longer held, the messages in it stop."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        taken = [item async for item in to_async_iter(typed(typewriter).pipe(join(), ops.take(1)))]
        assert await anext(aiter(taken[0])) == "a"
        taken.clear()
        await typewriter.closed.wait()


async def test_a_joined_message_is_cancelled() -> None:
    """Cancelling the joined message ends it for its readers."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        (joined,) = [item async for item in to_async_iter(typed(typewriter).pipe(join(), ops.take(1)))]
        assert await anext(aiter(joined)) == "a"
        joined.cancel()
        with pytest.raises(InquiryCancelledError):
            await joined
        await typewriter.closed.wait()
