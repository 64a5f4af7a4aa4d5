"""The documented forms of pipelines: agents as operators, and the operators beside them."""

from collections.abc import AsyncIterator

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import (
    ErrorMessage,
    InteractionContext,
    Message,
    MessagePromise,
    MessageType,
    MiniAgents,
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


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+") -> None:
    """Add a mark to each message."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}{mark}")


async def letters() -> AsyncIterator[str]:
    """Three letters."""
    for letter in "abc":
        yield letter


def messages(*items: MessageType) -> Observable[MessagePromise[Message]]:
    """Return the items as a stream of message promises."""
    source: Observable[MessageType] = rx.of(*items)
    return source.pipe(as_messages())


def text_of(message: Message) -> str | None:
    """Return the text of a message."""
    return message.text


def test_agents_in_a_pipe() -> None:
    """`source.pipe(agent_a, agent_b)` gives the replies of the last, for messages and for their promises."""
    stream = rx.of(Message("hello")).pipe(echo_agent, plus_agent)
    assert [str(item) for item in MiniAgents().run(stream)] == ["hello+"]
    stream = messages("hello").pipe(echo_agent, plus_agent)
    assert [str(item) for item in MiniAgents().run(stream)] == ["hello+"]


def test_agents_joined_by_a_bar() -> None:
    """`agent_a | agent_b` is an agent of both."""
    both = echo_agent | plus_agent
    assert [str(item) for item in MiniAgents().run(rx.of(Message("hello")).pipe(both))] == ["hello+"]


def test_agents_are_cold() -> None:
    """Nothing runs until someone subscribes, and each subscription is a run."""
    runs: list[int] = []

    @miniagent
    async def counting_agent(ctx: InteractionContext) -> None:
        runs.append(1)

    stream = rx.of(Message("hello")).pipe(counting_agent)
    assert runs == []
    MiniAgents().run(stream)
    MiniAgents().run(stream)
    assert runs == [1, 1]


def test_agents_take_any_message_type() -> None:
    """Text, mappings and nested collections are taken as items, at run time."""
    mixed: Observable[object] = rx.of("one", {"text": "two"}, ["three", Message("four")])
    replies = MiniAgents().run(mixed.pipe(echo_agent, resolve()))  # type: ignore[arg-type]  # typed as messages
    assert [reply.text for reply in replies] == ["one", "two", "three", "four"]


def test_text_in_a_pipe() -> None:
    """`rx.of("hello").pipe(agent_a, agent_b)`, as the documentation writes it."""
    stream = rx.of("hello").pipe(echo_agent, plus_agent)
    assert [str(item) for item in MiniAgents().run(stream)] == ["hello+"]


def test_as_messages_and_resolve() -> None:
    """`as_messages()` makes promises of anything; `resolve()` makes messages of promises, in order."""
    items = MiniAgents().run(messages("one", {"text": "two"}, ["three", [Message("four")]]))
    assert all(isinstance(item, MessagePromise) for item in items)
    resolved = MiniAgents().run(messages("one", ["two"]).pipe(resolve(), ops.map(text_of)))
    assert resolved == ["one", "two"]


def test_tokens() -> None:
    """`tokens()` gives the tokens as they come, message after message."""
    assert MiniAgents().run(messages("one", "two").pipe(tokens())) == ["one", "two"]


def test_map_tokens() -> None:
    """`map_tokens(f)` is a function over the tokens while they stream."""
    assert MiniAgents().run(messages("one", "two").pipe(map_tokens(str.upper), tokens())) == ["ONE", "TWO"]


def test_map_messages() -> None:
    """`map_messages(f)` is a function over whole messages."""

    def shout(message: Message) -> Message:
        return Message(f"{message.text}!")

    shouted = MiniAgents().run(messages("one", "two").pipe(map_messages(shout), resolve()))
    assert [message.text for message in shouted] == ["one!", "two!"]


def test_join() -> None:
    """`join(delimiter=...)` makes one message of all."""
    joined = MiniAgents().run(messages("one", "two").pipe(join(delimiter="-"), resolve()))
    assert [message.text for message in joined] == ["one-two"]


def test_split() -> None:
    """`split(delimiter=...)` makes messages of the text of all."""
    parts = MiniAgents().run(messages("one-two").pipe(split(delimiter="-"), resolve()))
    assert [message.text for message in parts] == ["one", "two"]


def test_flatten() -> None:
    """`flatten()` makes one stream of promises of nested collections."""
    flat = MiniAgents().run(
        rx.of([Message("one"), Message("two")], [Message("three")]).pipe(flatten(), resolve())
    )
    assert [message.text for message in flat] == ["one", "two", "three"]
    nested = rx.of(["one", ["two", [Message("three")]]])
    deep = MiniAgents().run(nested.pipe(flatten()))  # type: ignore[arg-type, var-annotated]  # typed one level deep
    assert [str(promise) for promise in deep] == ["one", "two", "three"]


def test_errors_as_messages() -> None:
    """`errors_as_messages()` puts an error message where the error would be raised."""

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        ctx.reply("before")
        raise ValueError("broken")

    # In steps: mypy does not infer these two generic operators in one `pipe`.
    stream = messages("x").pipe(failing_agent).pipe(errors_as_messages()).pipe(resolve())
    before, error = MiniAgents().run(stream)
    assert before.text == "before"
    assert isinstance(error, ErrorMessage)


def test_from_async() -> None:
    """`from_async(source)` is an async iterable as an observable."""
    assert MiniAgents().run(from_async(letters())) == ["a", "b", "c"]
    replies = MiniAgents().run(from_async(letters()).pipe(as_messages(), plus_agent, resolve()))
    assert [reply.text for reply in replies] == ["a+", "b+", "c+"]


async def test_to_async_iter() -> None:
    """`to_async_iter(observable)` is an observable as an async iterator; `break` disposes it."""
    disposed: list[bool] = []
    async with MiniAgents():
        source = rx.of("a", "b", "c").pipe(ops.finally_action(lambda: disposed.append(True)))
        assert [item async for item in to_async_iter(source)] == ["a", "b", "c"]
        async for _item in to_async_iter(source):
            break
    assert disposed == [True, True]


async def test_faces_of_a_promise() -> None:
    """`promise.messages` and `promise.tokens` are observables; `inquire` and `ctx.reply` take one."""

    @miniagent
    async def observing_agent(ctx: InteractionContext) -> None:
        ctx.reply(ctx.message_promises.messages.pipe(map_tokens(str.upper)))

    async with MiniAgents():
        promise = observing_agent.inquire(rx.of("one", "two"))
        assert str(await promise) == "ONE\n\nTWO"
        heard: list[str] = []
        promise.messages.pipe(tokens()).subscribe(on_next=heard.append)
        (await promise)[0].as_promise.tokens.subscribe(on_next=heard.append)
        await promise
    assert heard == ["ONE", "TWO", "ONE"]


def test_agents_beside_operators_of_reactivex() -> None:
    """An agent stands in a pipe beside any operator of reactivex."""
    stream = messages("one", "two", "three").pipe(ops.take(2), echo_agent, resolve(), ops.map(text_of))
    assert MiniAgents().run(stream) == ["one", "two"]


def test_errors_reach_the_caller_of_run() -> None:
    """An error of a pipeline is raised by `run`."""

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        MiniAgents().run(messages("x").pipe(failing_agent, resolve()))
