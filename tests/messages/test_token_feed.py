"""Walking through the tokens of a sequence of messages, pushed, without a task."""

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import ClassVar

import pytest
from typing_extensions import override

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.messages import Message, MessagePromise, MessageSequencePromise, join_messages
from miniagents.messages._sequence import open_sequence, tokens_of
from miniagents.messages._tokens import TokenFeed, TokenTransformer, resolved
from miniagents.streams import PromisingContext, StreamedPromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.values import DeadlockError, InquiryCancelledError
from tests.support.amounts import amount
from tests.support.sources import Recorder, Source, turns
from tests.support.typewriter import Typewriter


class Heard(TokenTransformer[str]):
    """Writes down all that it hears; `hook` is called with each token before."""

    def __init__(
        self,
        source: MessageSequencePromise[Message],
        *,
        walk_on: bool = False,
        hook: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__(ReplayBuffer(source.buffer.context))
        self.walk_on = walk_on
        self.hook = hook
        self.chain: tuple[str, ...] = ()
        self.promise = StreamedPromise[str, object].over(self.target)
        TokenFeed(source, self).start()

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        self.target.append("(")

    @override
    def token(self, token: str, /) -> None:
        self.hook(token)
        self.target.append(token)

    @override
    def end_message(self, message: Message, /) -> None:
        self.target.append(f"){message.text}")

    @override
    def fail_message(self, error: Exception, chain: tuple[str, ...], /) -> bool:
        self.target.append("!")
        self.chain = chain
        return self.walk_on or super().fail_message(error, chain)

    @property
    def items(self) -> list[str]:
        """All that was heard."""
        return self.target.items


async def test_what_is_heard() -> None:
    """It tells of each message its beginning, its tokens and its end, one after the other; then the end."""
    async with PromisingContext():
        one, two = Typewriter("a"), Typewriter("x", "y")
        two.stop()
        heard = Heard(MessageSequencePromise([Message.promise(one), Message.promise(two), ""]))
        assert ["("] == heard.items
        await two.closed.wait()
        await turns()
        assert ["(", "a"] == heard.items
        one.type("b")
        one.stop()
        await one.closed.wait()
        await turns()
        assert ["(", "a", "b", ")ab", "(", "x", "y", ")xy", "(", ")"] == heard.items
        assert (True, None) == (heard.target.closed, heard.target.error)


async def test_tokens_at_once_or_together() -> None:
    """Tokens of one turn of the loop are told together after it, or each at once if that is wanted."""

    class Hasty(Heard):
        at_once: ClassVar[bool] = True

    async with PromisingContext():
        for kind, in_the_turn in ((Heard, ["("]), (Hasty, ["(", "a", "b"])):
            buffer: ReplayBuffer[str] = ReplayBuffer(PromisingContext.current())
            heard = kind(MessageSequencePromise(MessagePromise.of_tokens(buffer, Message)))
            buffer.append("a")
            buffer.append("b")
            assert in_the_turn == heard.items
            await turns(2)
            assert ["(", "a", "b"] == heard.items
            buffer.finish(Message("ab"))
            assert ["(", "a", "b", ")ab"] == heard.items


async def test_what_is_there_already() -> None:
    """What is there already is told at once; there may be nothing."""
    async with PromisingContext():
        heard = Heard(MessageSequencePromise(["one", "two"]))
        assert (["(", "one", ")one", "(", "two", ")two"], True) == (heard.items, heard.target.closed)
        heard = Heard(MessageSequencePromise())
        assert ([], True) == (heard.items, heard.target.closed)


async def test_a_transformer_that_hears_nothing() -> None:
    """What a transformer does not override it is not told of; the target ends as the sequence ends."""
    async with PromisingContext():
        error = ValueError("broken")
        cases: list[tuple[list[str | Exception], Exception | None]] = [
            (["one"], None),
            (["one", error], error),
        ]
        for given, expected in cases:
            target: ReplayBuffer[str] = ReplayBuffer(PromisingContext.current())
            TokenFeed(MessageSequencePromise(given), TokenTransformer(target)).start()
            assert ([], True, expected) == (target.items, target.closed, target.error)
            target.mark_error_handled()


async def test_a_failing_message_ends_it() -> None:
    """A failing message ends the feed by default: the target gets the error, nothing behind it is read."""
    error = ValueError("broken")
    async with PromisingContext():
        after = Message("after").as_promise
        source = MessageSequencePromise(["one", Message.promise(Source(["t"], error=error)), after])
        heard = Heard(source)
        await turns(4)
        assert (["(", "one", ")one", "(", "t", "!"], error) == (heard.items, heard.target.error)
        assert (0, 0) == (source.buffer.readers, after.buffer.readers)
        heard.target.mark_error_handled()


@pytest.mark.logs("No reader ever saw")
async def test_walking_on() -> None:
    """A transformer that says so is told of the messages after a failing one; only it is told the error."""
    async with PromisingContext():
        heard = Heard(MessageSequencePromise(["one", ValueError("broken"), "two"]), walk_on=True)
        assert ["(", "one", ")one", "(", "!", "(", "two", ")two"] == heard.items
        assert (True, None) == (heard.target.closed, heard.target.error)


async def test_a_failing_sequence() -> None:
    """The error of the sequence is that of the target, with the chain of agents, after all its messages."""
    error = ValueError("broken")

    @miniagent
    async def failing(ctx: InteractionContext) -> None:
        ctx.reply("one")
        raise error

    async with MiniAgents():
        heard = Heard(failing.inquire())
        await turns(4)
        assert (["(", "one", ")one"], error) == (heard.items, heard.target.error)
        assert ("FAILING",) == heard.target.chain
        heard.target.mark_error_handled()
        heard = Heard(MessageSequencePromise([failing.inquire()]))
        await turns(4)
        assert (("FAILING",), error) == (heard.chain, heard.target.error)
        heard.target.mark_error_handled()


async def test_an_error_that_is_not_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    """An error that a transformer takes and does not pass on is logged: no reader has got it."""
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            Heard(
                MessageSequencePromise(["one", Message.promise(Source[str]([], error=ValueError()))]),
                walk_on=True,
            )
    assert 1 == len(caplog.records)


async def test_a_transformer_that_raises() -> None:
    """What a transformer raises is the error of its target; the messages and other readers are unharmed."""
    error = ZeroDivisionError("of the transformer")

    told: list[str] = []

    def hook(token: str) -> None:
        told.append(token)
        if token == "b":  # noqa: S105 - no password
            raise error

    async with PromisingContext():
        source = Source(["a", "b", "c"], hold_at=1)
        message = Message.promise(source)
        sequence = MessageSequencePromise(message)
        other, bad, after = Heard(sequence), Heard(sequence, hook=hook), Heard(sequence)
        await turns(3)
        source.go.set()
        assert "abc" == str(await message)
        with pytest.raises(ZeroDivisionError) as caught:
            await bad.promise
        assert caught.value is error
        assert (["(", "a"], ["a", "b"]) == (bad.items, told)
        assert ["(", "a", "b", "c", ")abc"] == other.items == after.items
        assert (0, 0) == (message.buffer.readers, sequence.buffer.readers)


async def test_a_transformer_that_writes() -> None:
    """A transformer may add messages to what it reads; they are told after what is there, not nested."""
    async with PromisingContext():
        flattener, promise = open_sequence()

        def hook(token: str) -> None:
            if len(token) < 4:
                flattener.feed(token + "x")
            else:
                flattener.finish()

        heard = Heard(promise, hook=hook)
        flattener.feed("x")
        assert "( x )x ( xx )xx ( xxx )xxx ( xxxx )xxxx" == " ".join(heard.items)
        assert heard.target.closed


async def test_a_transformer_that_writes_at_once() -> None:
    """That holds for messages that are there already, too, and for however many that are added."""
    async with PromisingContext():
        flattener, promise = open_sequence()
        flattener.feed("x")
        told: list[str] = []

        def hook(token: str) -> None:
            told.append(token)
            if len(told) < 3_000:
                flattener.feed("x")

        heard = Heard(promise, hook=hook)
        assert 3_000 == len(told)
        assert 3_000 * ["(", "x", ")x"] == heard.items
        flattener.finish()


async def test_it_waits_for_itself() -> None:
    """A feed from what can only grow with the feed itself is a `DeadlockError`, not a silent wait."""
    async with PromisingContext():
        flattener, promise = open_sequence()
        flattener.feed("first")
        joined = join_messages(promise, "|")
        flattener.feed(joined)
        flattener.finish()
        async with asyncio.timeout(5):
            with pytest.raises(DeadlockError, match=r"^a message → a message$"):
                await joined
            with pytest.raises(DeadlockError):
                await promise
        assert ["first"] == joined.buffer.items


@pytest.mark.gate("waits a second")
async def test_it_waits_for_itself_through_others() -> None:
    """That is found through any chain, too, and the agents in it are named."""
    held: list[MessagePromise[Message]] = []

    @miniagent
    async def waiter(ctx: InteractionContext) -> None:
        await ctx.messages
        ctx.reply(join_messages(held))

    async with MiniAgents():
        flattener, promise = open_sequence()
        replies = waiter.inquire(promise)
        held.append(join_messages(replies))
        flattener.feed(held[0])
        flattener.finish()
        async with asyncio.timeout(5):
            with pytest.raises(DeadlockError, match="WAITER"):
                await replies
    held.clear()


@pytest.mark.logs("Executing")  # one long step
async def test_many_messages() -> None:
    """Many messages are fed in one go, without recursion."""
    count = amount(20_000, 100_000)
    async with PromisingContext():
        heard: list[str] = []

        class Counter(TokenTransformer[str]):
            @override
            def end_message(self, message: Message, /) -> None:
                heard.append(message.text or "")

        message = Message("a").as_promise
        target: ReplayBuffer[str] = ReplayBuffer(message.buffer.context)
        feed = TokenFeed(MessageSequencePromise([message] * count), Counter(target))
        feed.start()
        assert (count, True) == (len(heard), target.closed)


@pytest.mark.loop(debug=False)
async def test_many_walks_in_a_chain() -> None:
    """A chain of 1,000 feeds, each from what another one writes, neither recurses to run nor to leave."""
    gc.disable()
    try:
        async with PromisingContext():
            for end in ("read", "left"):
                source = Source(["a", "b"], hold_at=1)
                last = Message.promise(source)
                for _ in range(amount(400, 1_000)):
                    last = join_messages(last, reference_original_messages=False)
                reader = aiter(last)
                assert "a" == await anext(reader)
                if end == "read":
                    source.go.set()
                    assert "ab" == str(await last)
                await reader.aclose()
                del last, reader
                await turns(4)
                assert 1 == source.closed
    finally:
        gc.enable()


async def test_it_keeps_what_it_reads() -> None:
    """As long as somebody can read the target, what is read for it is kept, even when all else drops it."""
    gc.disable()
    try:
        async with PromisingContext():
            source = Source(["a", "b"], hold_at=1)
            tokens = tokens_of(MessageSequencePromise(Message.promise(source)))
            assert "a" == await anext(aiter(tokens))
            await turns(3)
            assert 0 == source.closed
            source.go.set()
            assert ["a", "b"] == [token async for token in tokens]
            gone = Source(["a", "b"], hold_at=1)
            tokens = tokens_of(MessageSequencePromise(Message.promise(gone)))
            assert "a" == await anext(aiter(tokens))
            del tokens
            await turns(4)
            assert 1 == gone.closed
    finally:
        gc.enable()


async def test_cancel() -> None:
    """Cancelling the target ends the feed: it gets `InquiryCancelledError`, once, and nothing after it."""
    async with PromisingContext():
        typewriter = Typewriter("a")
        message = Message.promise(typewriter)
        heard, recorder = Heard(MessageSequencePromise(message)), Recorder[str]()
        heard.promise.pieces.subscribe(recorder)
        await turns(3)
        heard.promise.cancel()
        heard.promise.cancel()
        typewriter.type("b")
        typewriter.stop()
        assert "ab" == str(await message)
        assert (["(", "a"], 1, 0) == (recorder.items, recorder.terminals, message.buffer.readers)
        with pytest.raises(InquiryCancelledError):
            await heard.promise


async def test_who_it_waits_for() -> None:
    """In a chain of waiting it is a link without a name, to who writes the message, else the sequence."""
    async with PromisingContext():
        messages, tokens = Source([""], hold_at=0), Source(["a"], hold_at=0)
        sequence = MessageSequencePromise([Message.promise(tokens), messages])
        heard = Heard(sequence)
        feed = heard.target.producer
        assert feed is not None
        assert ("", sequence.buffer.items[0].buffer.producer) == (feed.name, feed.blocked_by())
        tokens.go.set()
        await turns(4)
        assert feed.blocked_by() is sequence.buffer.producer
        messages.go.set()
        await turns(4)
        assert feed.blocked_by() is None
        assert heard.target.producer is None


async def test_whose_it_is() -> None:
    """What a run writes by a feed belongs to it: cancelling the replies stops it, though it was passed on."""
    source = Source(["a", "b"], hold_at=1)
    mine: list[MessagePromise[Message]] = []

    @miniagent
    async def agent(ctx: InteractionContext) -> None:
        mine.append(join_messages(ctx.messages))
        ctx.reply(mine)

    async with MiniAgents():
        message = Message.promise(source)
        replies = agent.inquire(message)
        assert "a" == await anext(aiter(await anext(aiter(replies))))
        replies.cancel()
        with pytest.raises(InquiryCancelledError):
            await mine[0]
        source.go.set()
        assert "ab" == str(await message)
    mine.clear()


async def test_resolved() -> None:
    """`resolved` gives the message of a promise that has ended, without waiting."""
    async with PromisingContext():
        message = Message("here")
        assert resolved(message.as_promise) is message
