"""`MiniAgent` hot (`inquire`) and cold (in a pipe), and the variants of an agent."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from miniagents import (
    ErrorMessage,
    InquiryCancelledError,
    InteractionContext,
    Message,
    Messages,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    NoActiveContextError,
    miniagent,
)
from miniagents.operators import resolve, to_async_iter, tokens
from tests.support.amounts import amount
from tests.support.sources import turns
from tests.support.typewriter import Typewriter


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


@miniagent
async def plus_agent(ctx: InteractionContext, mark: str = "+") -> None:
    """Add a mark to each message."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}{mark}")


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Reply, then fail."""
    ctx.reply("before")
    raise ValueError("broken")


class Probe:
    """An agent that notes its runs: begun, ended and how."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        probe = self

        @miniagent
        async def probe_agent(ctx: InteractionContext) -> None:
            probe.events.append("begun")
            probe.begun.set()
            try:
                await probe.go_on.wait()
                ctx.reply(ctx.message_promises)
                probe.events.append("ended")
            except asyncio.CancelledError:
                probe.events.append("cancelled")
                raise

        self.agent = probe_agent


# -- hot -------------------------------------------------------------------------------------------------


async def test_inquire_returns_at_once() -> None:
    """`inquire` returns a hashable promise before anything has run."""
    probe = Probe()
    async with MiniAgents():
        promise = probe.agent.inquire("hi")
        assert probe.events == []
        assert isinstance(promise, MessageSequencePromise)
        assert {promise: 1}[promise] == 1
        probe.go_on.set()
        assert str(await promise) == "hi"


async def test_inquire_runs_unread() -> None:
    """An inquiry runs to its end even if it is not read and its promise is not held."""
    probe = Probe()
    probe.go_on.set()
    async with MiniAgents():
        probe.agent.inquire()
    assert probe.events == ["begun", "ended"]


async def test_inquire_runs_once() -> None:
    """However many read it, in whatever way, it runs once; each reads everything from the start."""
    probe = Probe()
    probe.go_on.set()
    async with MiniAgents():
        promise = probe.agent.inquire(["a", "b"])
        awaited = [str(await promise) for _ in range(2)]
        iterated = [[str(await message) async for message in promise] for _ in range(2)]
        subscribed = [[str(item) async for item in to_async_iter(promise.messages)] for _ in range(2)]
    assert awaited == ["a\n\nb"] * 2
    assert iterated == subscribed == [["a", "b"]] * 2
    assert probe.events == ["begun", "ended"]


async def test_inquire_resolves_to_messages() -> None:
    """Awaiting gives `Messages`, the same object each time."""
    async with MiniAgents():
        promise = echo_agent.inquire("hi")
        first = await promise
        assert isinstance(first, Messages)
        assert await promise is first
        assert await promise.aresolve_messages() is first


async def test_gather() -> None:
    """Promises of inquiries go into `asyncio.gather`, also the same one twice."""
    async with MiniAgents():
        one, two = echo_agent.inquire("one"), echo_agent.inquire("two")
        texts = [str(messages) for messages in await asyncio.gather(one, two, one)]
    assert texts == ["one", "two", "one"]


async def test_inquire_with_an_inquiry() -> None:
    """A promise is what another inquiry may be given, token by token."""
    typewriter = Typewriter()
    async with MiniAgents():
        reply = echo_agent.inquire(echo_agent.inquire(Message.promise(typewriter)))
        message = await anext(aiter(reply))
        letters = aiter(message)
        typewriter.type("a")
        assert await anext(letters) == "a"
        typewriter.type("b")
        assert await anext(letters) == "b"
        typewriter.stop()
        assert str(await reply) == "ab"


async def test_inquire_with_an_observable() -> None:
    """`inquire` takes an Observable of any messages; it stands for what it emits."""
    source: Subject[str] = Subject()
    async with MiniAgents():
        replies = aiter(echo_agent.inquire([source, "end"]))
        source.on_next("one")
        assert str(await (await anext(replies))) == "one"
        source.on_next("two")
        source.on_completed()
        assert [str(await message) async for message in replies] == ["two", "end"]


async def test_inquire_without_messages() -> None:
    """None and an empty list are no messages."""
    async with MiniAgents():
        assert await echo_agent.inquire() == ()
        assert await echo_agent.inquire(None) == ()
        assert await echo_agent.inquire([]) == ()


async def test_inquire_with_nonsense() -> None:
    """What cannot become a message is refused at the call, and nothing runs."""
    probe = Probe()
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"type int at \[1\]"):
            probe.agent.inquire(cast("str", ["x", 5]))
    assert probe.events == []


def test_inquire_outside_of_a_context() -> None:
    """Without a context, inquiring says what to do; an agent can still be put into a pipe."""
    with pytest.raises(NoActiveContextError, match="use `async with MiniAgents"):
        echo_agent.inquire("hi")
    with pytest.raises(NoActiveContextError):
        echo_agent.initiate_inquiry()
    assert isinstance(rx.of("hi").pipe(echo_agent), Observable)


async def test_parallel_inquiries_keep_their_order() -> None:
    """Two inquiries put into one reply run at once; their replies come in the order in which they stand."""
    slow, quick = Probe(), Probe()

    @miniagent
    async def both_agent(ctx: InteractionContext) -> None:
        ctx.reply([slow.agent.inquire("slow"), quick.agent.inquire("quick")])

    async with MiniAgents():
        reply = both_agent.inquire()
        await slow.begun.wait()
        await quick.begun.wait()
        quick.go_on.set()
        await turns(3)
        assert quick.events == ["begun", "ended"]
        assert slow.events == ["begun"]
        slow.go_on.set()
        assert [message.text for message in await reply] == ["slow", "quick"]


async def test_cancel() -> None:
    """`cancel()` stops the run now; readers get `InquiryCancelledError` after what had arrived."""
    stopped = asyncio.Event()

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        ctx.reply("first")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with MiniAgents():
        promise = endless_agent.inquire()
        replies = aiter(promise)
        assert str(await (await anext(replies))) == "first"
        promise.cancel()
        await stopped.wait()
        with pytest.raises(InquiryCancelledError, match="ENDLESS_AGENT was cancelled"):
            await anext(replies)
        with pytest.raises(InquiryCancelledError):
            await promise


@pytest.mark.loop(fifo=True)  # the run was there before us, so it is first out
async def test_leaving_the_block_cancels() -> None:
    """Leaving `async with agent.inquire(...)` cancels what still runs."""
    probe = Probe()
    async with MiniAgents():
        async with probe.agent.inquire() as promise:
            await probe.begun.wait()
        assert probe.events == ["begun", "cancelled"]
        assert promise.done


# -- cold ------------------------------------------------------------------------------------------------


async def test_nothing_runs_until_subscribed() -> None:
    """A pipe starts nothing; each subscription is a run of its own, also of the source."""
    probe = Probe()
    probe.go_on.set()
    subscribed: list[int] = []

    def source() -> Observable[str]:
        subscribed.append(1)
        return rx.of("hi")

    async with MiniAgents():
        pipe = rx.defer(lambda _: source()).pipe(probe.agent, resolve())
        await asyncio.sleep(0)
        assert (subscribed, probe.events) == ([], [])
        for _ in range(2):
            assert [message.text async for message in to_async_iter(pipe)] == ["hi"]
    assert (subscribed, probe.events) == ([1, 1], ["begun", "ended"] * 2)


async def test_disposing_stops_the_run() -> None:
    """Disposing cancels the run and unsubscribes from the source; twice is the same as once."""
    probe = Probe()
    left: list[str] = []

    def subscribe(observer: object, scheduler: object) -> Disposable:
        return Disposable(lambda: left.append("left"))

    source: Observable[str] = rx.create(subscribe)
    async with MiniAgents():
        got: list[object] = []
        subscription = source.pipe(probe.agent).subscribe(got.append, got.append, lambda: got.append("end"))
        await probe.begun.wait()
        subscription.dispose()
        subscription.dispose()
        await turns(3)
        assert probe.events == ["begun", "cancelled"]
        assert left == ["left"]
    assert got == []


async def test_disposing_stops_only_its_own_run() -> None:
    """Two subscribers have two runs; one leaving does nothing to the other."""
    probe = Probe()
    async with MiniAgents():
        pipe = rx.of("hi").pipe(probe.agent, resolve())
        got: list[str | None] = []
        first = pipe.subscribe(lambda message: got.append(message.text))
        _ = pipe.subscribe(lambda message: got.append(message.text))
        await probe.begun.wait()
        first.dispose()
        probe.go_on.set()
    assert got == ["hi"]
    assert sorted(probe.events) == ["begun", "begun", "cancelled", "ended"]


async def test_take_one() -> None:
    """After `take(1)` the taken message streams on for its holder; the rest stops."""
    first, second = Typewriter("a"), Typewriter()

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(first))
        ctx.reply(Message.promise(second))
        await asyncio.Event().wait()

    async with MiniAgents():
        taken = [message async for message in to_async_iter(rx.of("x").pipe(writing_agent, ops.take(1)))]
        assert len(taken) == 1
        await turns(3)
        assert second.closed.is_set() == second.started.is_set()
        first.type("b")
        first.stop()
        assert str(await taken[0]) == "ab"


async def test_take_one_and_drop_it() -> None:
    """If the taken message is not held either, it stops too."""
    first = Typewriter("a")

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(first))
        await asyncio.Event().wait()

    async with MiniAgents():
        got: list[str] = []
        pipe = rx.of("x").pipe(writing_agent, tokens(), ops.take(1))
        pipe.subscribe(got.append)
        await first.closed.wait()
    assert got == ["a"]


async def test_left_in_the_middle_of_a_reply(caplog: pytest.LogCaptureFixture) -> None:
    """A run whose reader left within `reply` may reply more before its next await; that is no error."""

    @miniagent
    async def talking_agent(ctx: InteractionContext) -> None:
        await ctx.messages
        for word in ("one", "two", "three"):
            ctx.reply(word)

    async with MiniAgents():
        pipe = rx.of("x").pipe(talking_agent, ops.take(1))
        assert [str(item) async for item in to_async_iter(pipe)] == ["one"]
    assert caplog.text == ""


async def test_token_by_token() -> None:
    """A token goes through a whole pipe of agents before the next one is written."""
    typewriter = Typewriter()

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(typewriter))

    async with MiniAgents():
        letters = to_async_iter(rx.of("x").pipe(writing_agent, echo_agent, echo_agent, tokens()))
        for letter in "abc":
            typewriter.type(letter)
            assert await anext(letters) == letter
        typewriter.stop()
        assert [letter async for letter in letters] == []


async def test_message_by_message() -> None:
    """A source's item reaches the run when it comes, and its replies go on when they are given."""
    source: Subject[str] = Subject()
    async with MiniAgents():
        replies = to_async_iter(source.pipe(plus_agent, plus_agent, resolve()))
        for word in ("one", "two"):
            waiting = asyncio.ensure_future(anext(replies))
            await turns()
            source.on_next(word)
            assert (await waiting).text == f"{word}++"
        source.on_completed()
        assert [message async for message in replies] == []


async def test_a_failing_source() -> None:
    """The error of a source comes to the run after what the source gave, and through it to the subscriber."""
    source = rx.concat(rx.of("one"), rx.throw(KeyError("lost")))
    got: list[object] = []
    async with MiniAgents():
        pipe = source.pipe(plus_agent, resolve())
        pipe.subscribe(lambda message: got.append(message.text), lambda error: got.append(repr(error)))
    assert got == ["one+", "KeyError('lost')"]


async def test_a_failing_agent() -> None:
    """The error of an agent comes after the replies before it, as `on_error`."""
    got: list[object] = []
    async with MiniAgents():
        rx.of("x").pipe(failing_agent).subscribe(
            lambda promise: got.append(str(promise)), lambda error: got.append(str(error))
        )
    assert got == ["before", "broken"]


async def test_an_empty_source() -> None:
    """An empty source is an inquiry without messages."""
    async with MiniAgents():
        assert [item async for item in to_async_iter(rx.empty().pipe(echo_agent))] == []


def test_subscribing_without_a_context() -> None:
    """Subscribing without a context is an error of the stream that says so."""
    errors: list[Exception] = []
    rx.of("x").pipe(echo_agent).subscribe(on_error=errors.append)
    assert [type(error) for error in errors] == [NoActiveContextError]


def test_called_with_no_observable() -> None:
    """Called with messages an agent says at once that `inquire` takes them."""
    for wrong in ("hello", [rx.of("hello")], Message("hello")):
        with pytest.raises(
            TypeError, match=rf"was called with a value of type {type(wrong).__name__}\. .*`inquire`"
        ):
            cast("Callable[[object], object]", echo_agent)(wrong)
    with pytest.raises(
        TypeError, match=r"^Agent PLUS_AGENT was called with nothing\. .*`fork` to give it keyw"
    ):
        cast("Callable[..., object]", plus_agent)(mark="1")


def test_keywords_in_a_pipe() -> None:
    """A fork or a bound agent is what pipes with other keywords."""
    source = rx.of("x")
    stream = source.pipe(plus_agent.fork(mark="1"), plus_agent.bind(mark="2"), resolve())
    assert [message.text for message in MiniAgents().run(stream)] == ["x12"]


def test_plain_operators_beside_agents() -> None:
    """Agents stand between operators of reactivex."""

    def loud(message: Message) -> str:
        return f"{message.text}!"

    stream = rx.of("a", "b", "c").pipe(
        ops.filter(lambda text: text != "b"),
        plus_agent,
        resolve(),
        ops.map(loud),
        ops.take(5),
    )
    assert MiniAgents().run(stream) == ["a+!", "c+!"]


# -- variants --------------------------------------------------------------------------------------------


def test_described() -> None:
    """`described` changes alias and description, and nothing else."""
    named = plus_agent.fork(mark="-").described(alias="MINUS", description="Subtracts.")
    assert (named.alias, named.description, dict(named.defaults)) == ("MINUS", "Subtracts.", {"mark": "-"})
    assert named.described(alias="M").description == "Subtracts."
    assert plus_agent.alias == "PLUS_AGENT"


@pytest.mark.parametrize("name", ["alias", "description"])
def test_an_agent_is_not_renamed(name: str) -> None:
    """T5: to set the alias of an agent, which others share, is an error that says what to write."""
    with pytest.raises(AttributeError, match=rf"PLUS_AGENT cannot be .*described\({name}='x'\)"):
        setattr(plus_agent, name, "x")
    assert plus_agent.alias == "PLUS_AGENT"


async def test_errors_as_messages_of_one_agent() -> None:
    """`errors_as_messages()` makes one agent's errors messages; off again, they are raised."""
    tolerant = failing_agent.errors_as_messages()
    async with MiniAgents():
        before, error = await tolerant.inquire()
        assert before.text == "before"
        assert isinstance(error, ErrorMessage)
        assert (error.agent_alias, error.error_type, error.error_text) == (
            "FAILING_AGENT",
            "ValueError",
            "broken",
        )
        with pytest.raises(ValueError, match="broken"):
            await failing_agent.inquire()
        with pytest.raises(ValueError, match="broken"):
            await tolerant.errors_as_messages(enabled=False).inquire()


async def test_errors_raised_by_one_agent() -> None:
    """`errors_as_messages(enabled=False)` beats the context."""
    async with MiniAgents(errors_as_messages=True):
        assert isinstance((await failing_agent.inquire())[1], ErrorMessage)
        with pytest.raises(ValueError, match="broken"):
            await failing_agent.errors_as_messages(enabled=False).inquire()


# -- composition -----------------------------------------------------------------------------------------


def test_two_agents_are_an_agent() -> None:
    """`a | b` is an agent: it pipes, is inquired, forked and named."""
    both = plus_agent.fork(mark="1") | plus_agent.fork(mark="2")
    assert both.alias == "PLUS_AGENT | PLUS_AGENT"
    assert [str(promise) for promise in MiniAgents().run(rx.of("x").pipe(both))] == ["x12"]

    async def main() -> str:
        return str(await both.inquire("y"))

    assert MiniAgents().run(main()) == "y12"


def test_composition_is_associative() -> None:
    """`(a | b) | c` and `a | (b | c)` say the same, under the same alias."""
    one, two, three = (plus_agent.fork(mark=mark) for mark in "123")
    left, right = (one | two) | three, one | (two | three)
    assert left.alias == right.alias
    for chain in (left, right):
        assert [str(promise) for promise in MiniAgents().run(rx.of("x").pipe(chain))] == ["x123"]


def test_an_agent_and_an_operator() -> None:
    """`a | operator` is an operator, and so is what `then` gives."""
    for pipeline in (plus_agent | resolve(), plus_agent.then(resolve())):
        assert [message.text for message in MiniAgents().run(pipeline(rx.of("x")))] == ["x+"]


def test_what_is_no_operator() -> None:
    """`a | 5` is a `TypeError` where it is written, also at the end of a pipeline."""
    with pytest.raises(TypeError, match="unsupported operand"):
        plus_agent | 5  # type: ignore[operator]
    with pytest.raises(TypeError, match="unsupported operand"):
        "x" | plus_agent  # type: ignore[operator]
    with pytest.raises(TypeError, match="unsupported operand"):
        plus_agent | resolve() | 5  # type: ignore[operator]


async def test_a_chain_streams_token_by_token() -> None:
    """Tokens go through `a | b | c` as they are written."""
    typewriter = Typewriter()

    @miniagent
    async def writing_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(typewriter))

    async with MiniAgents():
        reply = (writing_agent | echo_agent | echo_agent).inquire()
        letters = aiter(await anext(aiter(reply)))
        for letter in "abc":
            typewriter.type(letter)
            assert await anext(letters) == letter
        typewriter.stop()
        assert str(await reply) == "abc"


@pytest.mark.logs("Executing")  # one long step
def test_a_thousand_agents() -> None:
    """A chain and a pipe of 1,000 agents run without a deep stack."""
    count = amount(400, 1_000)
    chain: MiniAgent[Message, Message] = plus_agent.bind()
    stream = rx.of("x").pipe(plus_agent)
    for _ in range(count - 1):
        chain |= plus_agent.bind()
        stream = stream.pipe(plus_agent)
    for replies in (rx.of("x").pipe(chain), stream, stream.pipe(ops.take(1))):
        assert [str(promise) for promise in MiniAgents().run(replies)] == ["x" + count * "+"]


class Sum(Message):
    """Numbers."""

    numbers: tuple[int, ...]


@miniagent
async def adder(ctx: InteractionContext[Sum, Message], unit: str = "m") -> None:
    """Adds."""


@miniagent
async def anything(ctx: InteractionContext, **keywords: object) -> None:
    """Takes anything."""


@miniagent
async def sized(ctx: InteractionContext, *, size: int, unit: str = "m") -> None:
    """Needs a size."""


def test_what_an_agent_takes() -> None:
    """An agent tells which messages and which keywords it takes, whatever it was made of."""
    for agent in (adder, adder.fork(unit="km"), adder.described(alias="X")):
        assert agent.takes == (Sum,)
        assert (agent.takes_keyword("unit"), agent.takes_keyword("colour")) == (True, False)
        assert frozenset() == agent.required_keywords
    assert (anything.takes, anything.takes_keyword("colour")) == (None, True)
    assert frozenset({"size"}) == sized.required_keywords
    assert frozenset() == sized.fork(size=1).required_keywords
