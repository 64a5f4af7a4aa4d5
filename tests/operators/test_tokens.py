"""`tokens`: message promises become their tokens."""

import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops

from miniagents import Message, MiniAgents
from miniagents.operators import as_messages, to_async_iter, tokens
from tests.support.pipes import Outcome, promises, typed, written
from tests.support.typewriter import Typewriter


@given(st.lists(st.lists(st.text(max_size=2), max_size=3), max_size=4))
def test_all_tokens(messages: list[list[str]]) -> None:
    """The result is every token of every message, in order, empty ones included."""
    assert MiniAgents().run(written(*messages).pipe(tokens())) == [token for one in messages for token in one]


def test_whole_messages() -> None:
    """A message that was not streamed is one token; one without text shows what `str` shows."""
    stream = promises("one", "", Message("two"), {"n": 1}).pipe(tokens())
    assert MiniAgents().run(stream) == ["one", "two", str(Message(None, n=1))]


def test_an_empty_source() -> None:
    """An empty source gives no tokens."""
    assert MiniAgents().run(rx.empty().pipe(as_messages(), tokens())) == []


async def test_as_they_come() -> None:
    """A token is emitted when it is written; those of a later message come after those of an earlier one."""
    first, second = Typewriter(), Typewriter("2a")
    async with MiniAgents():
        stream = to_async_iter(typed(first, second).pipe(tokens()))
        for token in ("1a", "1b"):
            first.type(token)
            assert await anext(stream) == token
        first.stop()
        assert await anext(stream) == "2a"
        second.type("2b")
        assert await anext(stream) == "2b"
        second.stop()
        assert [token async for token in stream] == []


async def test_a_failing_message() -> None:
    """A message that fails is the error of the result, after its tokens."""
    typewriter = Typewriter("ha", "lf")
    error = ValueError("broken")
    typewriter.fail(error)
    async with MiniAgents():
        outcome = Outcome(promises("a", Message.promise(typewriter), "b").pipe(tokens()))
    assert (outcome.items, outcome.ended) == (["a", "ha", "lf"], error)


async def test_a_failing_source() -> None:
    """The error of the source comes after its tokens."""
    error = ValueError("source")
    async with MiniAgents():
        outcome = Outcome(rx.concat(rx.of("a"), rx.throw(error)).pipe(as_messages(), tokens()))
    assert (outcome.items, outcome.ended) == (["a"], error)


async def test_leaving() -> None:
    """Disposing stops the message that is read; no further token comes."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        stream = typed(typewriter).pipe(tokens(), ops.take(1))
        assert [token async for token in to_async_iter(stream)] == ["a"]
        await typewriter.closed.wait()


def test_plain_operators() -> None:
    """Operators of reactivex work on tokens."""

    def early(letter: str) -> bool:
        return letter < "c"

    stream: Observable[str] = written(["a", "b"], ["a", "c", "d"]).pipe(tokens(), ops.take_while(early))
    assert MiniAgents().run(stream.pipe(ops.take(3), ops.to_list())) == [["a", "b", "a"]]
