"""Many operators together.

Crosses modules: what holds for every operator, and for operators beside those of reactivex.
"""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable
from typing import cast

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops
from reactivex.subject import Subject

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MiniAgents,
    NoActiveContextError,
    miniagent,
)
from miniagents.operators import (
    as_messages,
    errors_as_messages,
    flatten,
    from_async,
    join,
    map_messages,
    map_tokens,
    resolve,
    split,
    to_async_iter,
    tokens,
)
from tests.support.pipes import Outcome, Promises, promises, texts, typed, written
from tests.support.typewriter import Typewriter

Operator = Callable[[Promises], Promises]


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


def same(message: Message) -> Message:
    """Return the message."""
    return message


# Each of these leaves messages of one line as they are.
KEEPING: dict[str, Operator] = {
    "as_messages": cast("Operator", as_messages()),
    "echo_agent": cast("Operator", echo_agent),
    "errors_as_messages": errors_as_messages(),
    "flatten": cast("Operator", flatten()),
    "join": join("\n\n", reference_original_messages=False),
    "map_messages": map_messages(same),
    "map_tokens": map_tokens(str),
    "split": split(),
}
EACH = pytest.mark.parametrize("name", KEEPING)


@pytest.mark.gate("2,000 operators in a row")
@EACH
def test_deep(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """2,000 operators in a row need no deep stack, to the end or left early."""
    stream = promises("x")
    for _ in range(2000):
        stream = KEEPING[name](stream)
    assert texts(stream) == ["x"]
    assert texts(stream.pipe(ops.take(1))) == ["x"]
    assert not [record for record in caplog.records if record.name == "miniagents"]


@EACH
async def test_deep_and_left(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Leaving 500 operators in the middle of a message stops that message."""
    typewriter = Typewriter("x")
    async with MiniAgents():
        stream = typed(typewriter)
        for _ in range(500):
            stream = KEEPING[name](stream)
        outcome = Outcome(stream.pipe(tokens()))
        await typewriter.started.wait()
        for _ in range(600):  # one turn of the loop for each agent
            await asyncio.sleep(0)
        assert outcome.items == ([] if name == "map_messages" else ["x"])
        outcome.subscription.dispose()
        await typewriter.closed.wait()
    assert outcome.ended is False
    assert not [record for record in caplog.records if record.name == "miniagents"]


@given(
    st.lists(st.sampled_from(sorted(KEEPING)), max_size=6),
    st.lists(
        st.lists(st.text(alphabet="ab", min_size=1, max_size=2), min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    ),
)
def test_any_combination(names: list[str], messages: list[list[str]]) -> None:
    """Operators that keep the text keep it in any combination."""
    stream = written(*messages)
    for name in names:
        stream = KEEPING[name](stream)
    assert texts(stream.pipe(join())) == texts(written(*messages).pipe(join()))


@EACH
async def test_token_by_token(name: str) -> None:
    """A token comes out before the next one is written; `map_messages` alone waits for the whole message."""
    typewriter = Typewriter()
    async with MiniAgents():
        stream = to_async_iter(KEEPING[name](typed(typewriter)).pipe(tokens()))
        waiting = asyncio.ensure_future(anext(stream))
        for letter in ("ab", "cd"):
            typewriter.type(letter)
            if name != "map_messages":
                assert await waiting == letter
                waiting = asyncio.ensure_future(anext(stream))
        typewriter.stop()
        if name == "map_messages":
            assert await waiting == "abcd"
            waiting = asyncio.ensure_future(anext(stream))
        with pytest.raises(StopAsyncIteration):
            await waiting


@EACH
async def test_the_contract(name: str) -> None:
    """Items, then one end; a second dispose is nothing; what the source says after its end is not heard."""
    source: Subject[str] = Subject()
    async with MiniAgents():
        outcome = Outcome(KEEPING[name](source.pipe(as_messages())).pipe(tokens()))
        source.on_next("a")
        source.on_completed()
        source.on_next("late")
    assert (outcome.items, outcome.ended) == (["a"], True)
    outcome.subscription.dispose()
    outcome.subscription.dispose()


@EACH
def test_without_a_context(name: str) -> None:
    """Applying an operator needs no context; subscribing does, and says so."""
    stream = KEEPING[name](cast("Promises", rx.of(Message("x"))))
    outcome = Outcome(stream)
    assert isinstance(outcome.ended, NoActiveContextError)


user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


async def test_contextvars_of_the_subscriber() -> None:
    """Callbacks and agents of a pipeline see the contextvars of the subscriber, not of the emitter."""
    seen: list[str] = []

    def look(token: str) -> str:
        seen.append(f"token {user.get()}")
        return token

    def look_at(message: Message) -> Message:
        seen.append(f"message {user.get()}")
        return message

    def look_last(message: Message) -> None:
        seen.append(f"plain {user.get()}")

    @miniagent
    async def looking_agent(ctx: InteractionContext) -> None:
        seen.append(f"agent {user.get()}")
        ctx.reply(ctx.messages)

    typewriter, source = Typewriter(), Subject[MessagePromise[Message]]()
    async with MiniAgents():
        user.set("the writer")
        message = Message.promise(typewriter)
        stream = source.pipe(map_tokens(look), map_messages(look_at), looking_agent, resolve())
        user.set("the subscriber")
        Outcome(stream.pipe(ops.do_action(look_last)))
        user.set("the emitter")
        source.on_next(message)
        source.on_completed()
        await typewriter.started.wait()
        typewriter.type("x")
        typewriter.stop()
    assert sorted(seen) == [f"{who} the subscriber" for who in ("agent", "message", "plain", "token")]


async def test_contextvars_of_two_subscribers() -> None:
    """Each subscriber has its own."""
    seen: list[str] = []

    def look(token: str) -> str:
        seen.append(user.get())
        return token

    async with MiniAgents():
        stream = written(["x"]).pipe(map_tokens(look))
        for name in ("alice", "bob"):
            user.set(name)
            Outcome(stream)
        user.set("nobody")
    assert sorted(seen) == ["alice", "bob"]


def test_beside_plain_operators() -> None:
    """Each operator works before and behind those of reactivex."""

    def not_b(message: Message) -> bool:
        return message.text != "b"

    def text_of(message: Message) -> str:
        return message.text or ""

    stream: Observable[str] = rx.of("a-b", "c").pipe(
        as_messages(), split("-"), resolve(), ops.filter(not_b), ops.map(text_of)
    )
    assert MiniAgents().run(stream) == ["a", "c"]
    assert MiniAgents().run(rx.merge(stream, stream).pipe(ops.count())) == [4]
    assert texts(rx.concat(promises("a"), promises("b")).pipe(map_tokens(str.upper))) == ["A", "B"]
    assert texts(promises("a", "b", "c").pipe(ops.skip(1), join("+"))) == ["b+c"]
    assert texts(promises("a", "b", "c").pipe(ops.take_last(2), echo_agent)) == ["b", "c"]


async def test_a_hot_promise_in_a_pipe() -> None:
    """The faces of a promise are sources; several pipes read the same run."""
    runs: list[int] = []

    @miniagent
    async def counting_agent(ctx: InteractionContext) -> None:
        runs.append(1)
        ctx.reply(["a", "b"])

    async with MiniAgents():
        promise = counting_agent.inquire()
        upper = promise.messages.pipe(map_tokens(str.upper), tokens())
        assert [token async for token in to_async_iter(upper)] == ["A", "B"]
        assert [token async for token in to_async_iter(promise.tokens.pipe(ops.map(str.upper)))] == ["A", "B"]
    assert runs == [1]


async def test_from_an_async_iterable_and_back() -> None:
    """`from_async` is a source of a pipe; `to_async_iter` reads it, and leaving it closes the source."""
    closed: list[str] = []

    async def endless() -> AsyncGenerator[str]:
        try:
            while True:
                yield "x"
                await asyncio.sleep(0)
        finally:
            closed.append("closed")

    async with MiniAgents():
        stream = to_async_iter(from_async(endless()).pipe(as_messages(), echo_agent, tokens()))
        assert [await anext(stream) for _ in range(3)] == ["x"] * 3
        await stream.aclose()
    assert closed == ["closed"]
