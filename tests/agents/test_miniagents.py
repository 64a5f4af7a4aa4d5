"""`MiniAgents`: the context in which agents run, its handlers, and its end."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, Mapping

import pytest
import reactivex as rx
from reactivex import operators as ops

from miniagents import (
    AgentCallNode,
    AgentReplyNode,
    ErrorMessage,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MiniAgents,
    NoActiveContextError,
    join_messages,
    miniagent,
)
from miniagents.streams import Promise, PromisingContext
from miniagents.values import FrozenMapping
from tests.support.sources import turns
from tests.support.typewriter import Typewriter


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Reply, then fail."""
    ctx.reply("before")
    raise ValueError("broken")


class Recorder:
    """A handler that keeps the messages that are no records, and whom it was told by."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.promises: list[MessagePromise[Message]] = []

    async def __call__(self, promise: MessagePromise[Message], message: Message) -> None:
        """Keep them."""
        if not isinstance(message, AgentCallNode | AgentReplyNode):
            self.messages.append(message)
            self.promises.append(promise)

    @property
    def texts(self) -> list[str | None]:
        """Their texts."""
        return [message.text for message in self.messages]


# -- running -------------------------------------------------------------------------------------------


def test_run_returns_the_result() -> None:
    """`run(coro)` returns what it returns, and waits for all runs."""
    ended: list[str] = []

    @miniagent
    async def slow_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(0)
        ended.append("slow")

    async def main() -> int:
        slow_agent.inquire()
        return 5

    assert MiniAgents().run(main()) == 5
    assert ended == ["slow"]


def test_run_raises_the_error() -> None:
    """`run` raises what the coroutine raised, after cancelling the runs."""
    events: list[str] = []

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cleaned up")

    async def main() -> None:
        endless_agent.inquire()
        await turns()
        raise KeyError("main")

    with pytest.raises(KeyError, match="main"):
        MiniAgents().run(main())
    assert events == ["cleaned up"]


def test_run_an_observable() -> None:
    """`run(observable)` gives the list of its items; its error is raised."""
    assert MiniAgents().run(rx.of(1, 2, 3)) == [1, 2, 3]
    assert MiniAgents().run(rx.empty()) == []
    with pytest.raises(RuntimeError, match="StopIteration"):
        MiniAgents().run(rx.of(1).pipe(ops.map(lambda _: next(iter(())))))
    with pytest.raises(ValueError, match="broken"):
        MiniAgents().run(rx.of("x").pipe(failing_agent))


def test_run_again() -> None:
    """The same context may be run again after it has ended."""
    context = MiniAgents()
    assert [context.run(rx.of(1)), context.run(rx.of(2))] == [[1], [2]]


@pytest.mark.parametrize("exit_type", [KeyboardInterrupt, SystemExit])
def test_exits_leave_through_run(exit_type: type[BaseException]) -> None:
    """`KeyboardInterrupt` and `SystemExit` in an agent leave through `run`; the other runs are cleaned up."""
    events: list[str] = []

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cleaned up")

    @miniagent
    async def leaving_agent(ctx: InteractionContext) -> None:
        endless_agent.inquire()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise exit_type

    async def main() -> None:
        await echo_agent.inquire(leaving_agent.inquire())

    with pytest.raises(exit_type):
        MiniAgents().run(main())
    assert events == ["cleaned up"]


async def test_a_cancelled_error_is_no_value() -> None:
    """An agent that raises `CancelledError` ends as cancelled; its readers are not."""

    @miniagent
    async def odd_agent(ctx: InteractionContext) -> None:
        raise asyncio.CancelledError

    async with MiniAgents():
        with pytest.raises(InquiryCancelledError):
            await odd_agent.inquire()


# -- contexts ------------------------------------------------------------------------------------------


async def test_nested_contexts_have_runs_of_their_own() -> None:
    """The inner context ends when its own runs have; those of the outer one go on."""
    go_on = asyncio.Event()

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        await go_on.wait()
        ctx.reply("outer")

    async with MiniAgents() as outer:
        running = waiting_agent.inquire()
        async with MiniAgents() as inner:
            assert MiniAgents.current() is inner
            quick = echo_agent.inquire("inner")
        assert quick.done
        assert not running.done
        assert MiniAgents.current() is outer
        go_on.set()
        assert str(await running) == "outer"


async def test_a_run_may_open_a_context() -> None:
    """An agent may use a context of its own inside of its run."""

    @miniagent
    async def nesting_agent(ctx: InteractionContext) -> None:
        async with MiniAgents(errors_as_messages=True):
            inner = await failing_agent.inquire()
        ctx.reply(inner[0])
        await failing_agent.inquire()

    async with MiniAgents():
        with pytest.raises(ValueError, match="broken"):
            await nesting_agent.inquire()


def test_run_inside_of_run() -> None:
    """`MiniAgents().run` works inside of a run; the inner one has a loop of its own."""

    @miniagent
    async def blocking_agent(ctx: InteractionContext) -> None:
        ctx.reply(MiniAgents().run(_said("inner")))

    async def main() -> str:
        return str(await blocking_agent.inquire())

    assert MiniAgents().run(main()) == "inner"


async def _said(text: str) -> str:
    return str(await echo_agent.inquire(text))


async def test_what_came_stays_readable() -> None:
    """What is in a promise can be read after its context ended; inquiring cannot."""
    async with MiniAgents():
        promise = echo_agent.inquire(["a", "b"])
    assert str(await promise) == "a\n\nb"
    assert [str(await message) async for message in promise] == ["a", "b"]
    with pytest.raises(NoActiveContextError):
        echo_agent.inquire()


async def test_the_end_waits_for_runs_of_runs() -> None:
    """The end of a context waits also for runs that other runs start meanwhile."""
    depths: list[int] = []

    @miniagent
    async def nesting_agent(ctx: InteractionContext, depth: int = 3) -> None:
        await asyncio.sleep(0)
        depths.append(depth)
        if depth:
            nesting_agent.inquire(depth=depth - 1)

    async with MiniAgents():
        nesting_agent.inquire()
    assert depths == [3, 2, 1, 0]


# -- contextvars ---------------------------------------------------------------------------------------

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


async def test_contextvars_of_the_inquirer() -> None:
    """A run sees the contextvars as they were when it was inquired; what it sets stays with it."""

    @miniagent
    async def naming_agent(ctx: InteractionContext) -> None:
        ctx.reply(user.get())
        user.set("the agent")

    async with MiniAgents():
        user.set("alice")
        alice = naming_agent.inquire()
        user.set("bob")
        bob = naming_agent.inquire()
        assert [str(await alice), str(await bob), user.get()] == ["alice", "bob", "bob"]
        user.set("nobody")


async def test_contextvars_of_a_token_streamer() -> None:
    """A token generator sees the contextvars of the run that made its message."""

    async def tokens(metadata_so_far: object) -> AsyncGenerator[str]:
        yield user.get()

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        user.set("the writer")
        ctx.reply(Message.promise(tokens))

    async with MiniAgents():
        assert str(await writing_agent.inquire()) == "the writer"


# -- handlers ------------------------------------------------------------------------------------------


async def test_each_message_once() -> None:
    """A message that goes through many agents and promises is persisted once; an equal one is another."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        message = Message("x")
        reply = (echo_agent | echo_agent).inquire([message, message.as_promise, Message("x")])
        await asyncio.gather(reply, echo_agent.inquire(reply), echo_agent.inquire(message))
    assert recorder.texts == ["x", "x"]
    assert recorder.messages[0] is message


async def test_children_before_parents() -> None:
    """The messages in a message come before it, in order, also in containers and deeper down."""
    recorder = Recorder()

    class Folder(Message):
        """A message with messages."""

        content: tuple[Message, ...] = ()
        by_name: Mapping[str, Message] = FrozenMapping()

    inner = Folder("inner", content=(Message("1"),))
    more = Message(None, deeper=[[Message("3")], {"a": Message("4")}])
    outer = Folder("outer", content=(inner, Message("2")), by_name={"b": more})
    async with MiniAgents(on_persist_message=recorder):
        await echo_agent.inquire(outer)
    assert recorder.texts == ["1", "inner", "2", "3", "4", None, "outer"]


async def test_joined_messages_after_their_originals() -> None:
    """A joined message is persisted after the originals it refers to."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder):
        await join_messages(["a", "b"])
    assert recorder.texts == ["a", "b", "a\n\nb"]


async def test_a_streamed_message() -> None:
    """A message that streams is persisted when it is complete, with its data, told by its promise."""
    recorder = Recorder()
    typewriter = Typewriter("to", "kens")
    typewriter.metadata["finish_reason"] = "stop"
    typewriter.stop()
    async with MiniAgents(on_persist_message=recorder):
        promise = Message.promise(typewriter, model="m")
        await promise
    (persisted,), (told,) = recorder.messages, recorder.promises
    assert (persisted.text, persisted.model_extra) == ("tokens", {"model": "m", "finish_reason": "stop"})
    assert persisted is await promise
    assert await told is persisted
    assert told.preliminary_metadata == {"model": "m"}


@pytest.mark.logs("No reader ever saw this error")
async def test_a_failed_message_is_not_persisted() -> None:
    """What never came to be is not persisted; an error message is."""
    recorder = Recorder()
    async with MiniAgents(on_persist_message=recorder, errors_as_messages=True):
        await failing_agent.inquire(["a", ValueError("wrong")])
    assert recorder.texts == ["a", "before", "ValueError: broken"]
    assert isinstance(recorder.messages[-1], ErrorMessage)


async def test_handlers_are_awaited() -> None:
    """The context does not end before every handler has; they are called one at a time."""
    running: list[str] = []
    ended: list[str | None] = []
    context = MiniAgents()

    @context.on_persist_message
    async def slow(promise: MessagePromise[Message], message: Message) -> None:
        assert running == []
        running.append("slow")
        for _ in range(3):
            await asyncio.sleep(0)
        running.clear()
        ended.append(message.text)

    async with context:
        echo_agent.inquire(["a", "b"])
    assert [text for text in ended if text] == ["a", "b"]


async def test_a_failing_handler_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises is logged; the other handlers, the runs and the context are unharmed."""
    recorder = Recorder()
    context = MiniAgents()

    @context.on_persist_message
    async def broken(promise: MessagePromise[Message], message: Message) -> None:
        raise OSError("disk full")

    context.on_persist_message(recorder)
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with context:
            assert str(await echo_agent.inquire("a")) == "a"
    assert recorder.texts == ["a"]
    assert "disk full" in caplog.text


async def test_several_handlers() -> None:
    """Every handler is told, in the order of adding, whether given or decorated."""
    told: list[str] = []

    async def first(promise: MessagePromise[Message], message: Message) -> None:
        told.append(f"first {message.text}")

    context = MiniAgents(on_persist_message=first)

    @context.on_persist_message
    async def second(promise: MessagePromise[Message], message: Message) -> None:
        told.append(f"second {message.text}")

    async with context:
        await Message("x").as_promise
    assert told == ["first x", "second x"]
    assert callable(second)


async def test_handlers_of_an_inner_context() -> None:
    """What comes to be in an inner context is stored by handlers of the outer one, then by its own."""
    told: list[str] = []

    def storing(name: str) -> MiniAgents:
        context = MiniAgents()

        @context.on_persist_message
        async def store(promise: MessagePromise[Message], message: Message) -> None:
            told.append(f"{name} {type(message).__name__} {message.text or ''}".strip())

        return context

    async with storing("outer"):
        async with storing("inner"):
            await echo_agent.inquire("x")
        await Message("y").as_promise
    kinds = ("Message x", "AgentCallNode", "AgentReplyNode")
    stored = [f"{name} {kind}" for kind in kinds for name in ("outer", "inner")]
    assert told == [*stored, "outer Message y"]


async def test_handlers_of_the_outer_context_alone() -> None:
    """An inner context without a handler has its messages and records stored by those of the outer one."""
    kinds: list[str] = []

    async def store(promise: MessagePromise[Message], message: Message) -> None:
        kinds.append(type(message).__name__)

    async with MiniAgents(on_persist_message=store), MiniAgents():
        await echo_agent.inquire("x")
    assert kinds == ["Message", "AgentCallNode", "AgentReplyNode"]


async def test_settings_of_the_outer_context() -> None:
    """`errors_as_messages` that was not given to a context is as in the one around it."""
    async with MiniAgents(errors_as_messages=True):
        async with MiniAgents() as inner, MiniAgents(errors_as_messages=False) as strict:
            with pytest.raises(ValueError, match="broken"):
                await failing_agent.inquire()
            assert (inner.errors_as_messages, strict.errors_as_messages) == (True, False)
        async with inner:
            assert isinstance((await failing_agent.inquire())[-1], ErrorMessage)
    async with inner:
        assert not inner.errors_as_messages


async def test_a_handler_may_inquire() -> None:
    """A handler may use agents itself; the context still ends."""
    context = MiniAgents()
    answers: list[str] = []

    @context.on_persist_message
    async def ask(promise: MessagePromise[Message], message: Message) -> None:
        if message.text == "x":
            answers.append(str(await echo_agent.inquire("from the handler")))

    async with context:
        await Message("x").as_promise
    assert answers == ["from the handler"]


async def test_on_promise_resolved() -> None:
    """`on_promise_resolved` is told of every promise that resolved, and its value, but of no failure."""
    told: list[tuple[type[object], object]] = []

    async def resolved(promise: object, result: object) -> None:
        told.append((type(promise), result))

    async with MiniAgents(on_promise_resolved=resolved):
        messages = await MessageSequencePromise("x")
        with pytest.raises(ValueError, match="broken"):
            await failing_agent.inquire()
    assert (MessagePromise, messages[0]) in told
    assert (MessageSequencePromise, messages) in told
    assert not any(isinstance(result, Exception) for _, result in told)
    assert all(isinstance(result, Message | Messages) for _, result in told)


@pytest.mark.parametrize("resolved", [False, True])
async def test_a_message_of_a_plain_promise_is_persisted(*, resolved: bool) -> None:
    """A message is stored once, too, that came to be as the value of a promise that is none of messages."""
    stored: list[Message] = []
    message = Message("made by hand", inner=Message("within"))

    async def store(promise: MessagePromise[Message], stored_message: Message) -> None:
        assert await promise is stored_message
        stored.append(stored_message)

    async def resolve() -> Message:
        return message

    async with MiniAgents(on_persist_message=store):
        promise = Promise(resolve) if resolved else Promise(prefill_result=message)
        assert await promise is message
        assert await Promise(prefill_result=message) is message
    assert [str(each) for each in stored] == ["within", "made by hand"]


async def test_agents_in_a_context_of_promises() -> None:
    """Agents run in a plain `PromisingContext`, too: one that has no settings for them."""
    async with PromisingContext():
        assert str(await (echo_agent | echo_agent.timeout(total=60)).inquire("Hello")) == "Hello"
        with pytest.raises(ValueError, match="broken"):
            await failing_agent.inquire()
