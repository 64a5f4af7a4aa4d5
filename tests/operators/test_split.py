"""`split`: the text of messages becomes messages, cut at a delimiter while it streams."""

from itertools import pairwise
from typing import cast

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import operators as ops

from miniagents import Message, MessagePromise, MiniAgents, partial_text, split_messages
from miniagents.operators import as_messages, join, resolve, split, to_async_iter
from tests.support.pipes import Outcome, outcomes, promises, texts, typed, written
from tests.support.typewriter import Typewriter

TEXT = st.text(alphabet="ab\n`", max_size=20)
WORDS = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=5)


def cut(text: str, at: list[int]) -> list[str]:
    """Cut a text into tokens."""
    places = sorted({0, len(text), *(place % (len(text) + 1) for place in at)})
    return [text[start:end] for start, end in pairwise(places)]


@given(TEXT, st.lists(st.integers(0, 20), max_size=8))
def test_however_it_is_cut(text: str, at: list[int]) -> None:
    """The result does not depend on how the text was cut into tokens, and is that of `split_messages`."""

    async def utility() -> list[str | None]:
        return [message.text for message in await split_messages(text)]

    assert texts(written(cut(text, at)).pipe(split())) == MiniAgents().run(utility())


@given(WORDS)
def test_the_inverse_of_join(words: list[str]) -> None:
    """Splitting what was joined gives the messages again; joining what was split gives the text again."""
    assert texts(promises(*words).pipe(join("-"), split("-"))) == words
    assert texts(promises("-".join(words)).pipe(split("-"), join("-"))) == ["-".join(words)]


@given(WORDS, st.integers(0, 5))
def test_however_it_is_spread(words: list[str], place: int) -> None:
    """The delimiter stands between two messages: it does not matter how the text is spread over them."""
    halves = ["-".join(words[:place]), "-".join(words[place:])]
    spread = [half for half in halves if half]
    assert texts(promises(*spread).pipe(split("-"))) == words


def test_fences() -> None:
    """A fenced block is one message and protects delimiters, unless fences are switched off."""
    text = "a\n\n```\nx\n\ny\n```\n\nb"
    assert texts(promises(text).pipe(split())) == ["a", "```\nx\n\ny\n```", "b"]
    assert texts(promises(text).pipe(split(code_block_delimiter=None))) == ["a", "```\nx", "y\n```", "b"]


def test_data() -> None:
    """Every resulting message has the given data."""
    messages = MiniAgents().run(promises("a\n\nb").pipe(split(lang="en"), resolve()))
    assert [message.model_extra for message in messages] == [{"lang": "en"}] * 2


def test_an_empty_source() -> None:
    """Empty input gives no message."""
    assert texts(rx.empty().pipe(as_messages(), split())) == []
    assert texts(promises("", "").pipe(split())) == []


def test_an_empty_delimiter() -> None:
    """An empty delimiter is an error on subscribing that says so."""
    with pytest.raises(ValueError, match="delimiter"):
        MiniAgents().run(promises("a").pipe(split("")))


async def test_as_it_comes() -> None:
    """A message is there with its first token and streams; the next one begins behind the delimiter."""
    typewriter = Typewriter()
    async with MiniAgents():
        stream = to_async_iter(typed(typewriter).pipe(split("-")))
        typewriter.type("one")
        first = await anext(stream)
        letters = aiter(first)
        assert await anext(letters) == "one"
        typewriter.type(" more")
        assert await anext(letters) == " more"
        typewriter.type("-t")
        second = await anext(stream)
        assert str(await first) == "one more"
        typewriter.type("wo")
        typewriter.stop()
        assert str(await second) == "two"
        assert [item async for item in stream] == []


def test_a_failing_message() -> None:
    """When a message fails, what was complete stays, the message it was in fails, and so does the result."""
    error = ValueError("broken")
    assert outcomes(promises("a-b", error, "c").pipe(split("-"))) == ["a", "b", error]
    typewriter = Typewriter("a-", "b")
    typewriter.fail(error)
    assert outcomes(typed(typewriter).pipe(split("-"))) == ["a", error, error]
    assert partial_text(error) == "a-b"


def test_a_failing_source() -> None:
    """The error of the source comes after its text."""
    error = ValueError("source")
    source = rx.concat(rx.of("a-", "b"), rx.throw(error)).pipe(as_messages())
    assert outcomes(source.pipe(split("-")))[-1] is error


async def test_take_one() -> None:
    """A message that was taken streams on to its end, over as many messages as that takes; the rest stops."""
    first, second = Typewriter("a"), Typewriter("b")
    async with MiniAgents():
        (taken,) = [item async for item in to_async_iter(typed(first, second).pipe(split("|"), ops.take(1)))]
        letters = aiter(taken)
        assert await anext(letters) == "a"
        first.type("a|never seen")
        assert [letter async for letter in letters] == ["a"]
        assert str(await taken) == "aa"
        await first.closed.wait()
        await second.closed.wait()


async def test_take_one_over_two_messages() -> None:
    """The message that was taken may go on in the next message of the source."""
    first, second = Typewriter("```", "a"), Typewriter("b", "\n```", "|c")
    first.stop()
    async with MiniAgents():
        (taken,) = [item async for item in to_async_iter(typed(first, second).pipe(split("|"), ops.take(1)))]
        assert str(await taken) == "```a|b\n```"
        await second.closed.wait()


async def test_leaving() -> None:
    """Disposing stops the messages that are read, if the result is not held."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        outcome = Outcome(typed(typewriter).pipe(split("|")))
        await typewriter.started.wait()
        outcome.subscription.dispose()
        message = cast("MessagePromise[Message]", outcome.items.pop())
        assert await anext(aiter(message)) == "a"
        del message
        await typewriter.closed.wait()
    assert outcome.ended is False
