"""The contract of every stream type."""

import pytest
from reactivex import Observable
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    miniagent,
)
from miniagents.messages._sequence import Lifted
from miniagents.streams import StreamedPromise, from_async
from tests.contract.fed import Fed
from tests.contract.rx_contract import SETTLED, Heard, StreamContract
from tests.support.sources import turns


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply each message when it comes."""
    async for message_promise in ctx.message_promises:
        ctx.reply(message_promise)


class TestPieces(StreamContract):
    """`StreamedPromise.pieces`, a buffer as an Observable."""

    covers = ("Stream", "StreamedPromise.pieces")

    hot = True
    burst = 20_000

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return StreamedPromise[str, object](source.iterate).pieces


class TestPassingPieces(StreamContract):
    """`StreamedPromise.pieces` with `replay=False`."""

    hot = True
    burst = 20_000

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return StreamedPromise[str, object](source.iterate, replay=False).pieces

    @override
    @pytest.mark.parametrize("failing", [True, False])
    async def test_required_spec1_11_must_serve_who_comes_late(self, *, failing: bool) -> None:
        """Who comes after the end hears the end alone: what all have passed is not there any more."""
        fed, error = Fed(), ValueError("broken")
        async with MiniAgents():
            stream = self.stream(fed)
            first = self.subscribed(stream)
            fed.emit("a", "b")
            if failing:
                fed.fail(error)
            else:
                fed.complete()
            await turns(SETTLED)
            late = self.subscribed(stream)
            await turns(SETTLED)
            told = [await each.told() for each in (first, late)]
            told_of_end = [
                self.failed(error, *texts) if failing else self.completed(*texts) for texts in ("ab", "")
            ]
            assert told_of_end == told

    @override
    async def test_required_spec3_05_must_accept_dispose_within_on_next(self) -> None:
        """Who disposes from within an item hears nothing more; the next one hears the rest."""
        fed = Fed()

        def leave(heard: Heard) -> None:
            assert heard.subscription is not None
            heard.subscription.dispose()

        async with MiniAgents():
            stream = self.stream(fed)
            heard = self.subscribed(stream, leave)
            fed.emit("a", "b")
            fed.complete()
            await turns(SETTLED)
            assert (len(heard.items), heard.terminal, heard.wrong) == (1, False, [])
            other = self.subscribed(stream)
            assert self.completed("b") == await other.told()


class TestTokens(StreamContract):
    """`promise.tokens` of a message that is being written."""

    covers = ("MessagePromise.tokens", "TokenStream")

    hot = True
    burst = 20_000

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return Message.promise(source.iterate).tokens


class TestMessages(StreamContract):
    """`promise.messages` of a sequence that is coming; the error of its source is that of a message in it."""

    covers = ("MessageSequencePromise.messages",)

    hot = True

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return MessageSequencePromise(source).messages

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts, error, True]


class TestParts(StreamContract):
    """`promise.parts` of a message that is being written."""

    covers = ("MessagePromise.parts",)
    hot = True
    burst = 20_000

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return AssistantMessage.promise_of_parts(source.iterate).parts


class TestTokensOfMessages(StreamContract):
    """`promise.tokens` of a sequence."""

    covers = ("MessageSequencePromise.tokens",)

    hot = True

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return MessageSequencePromise(source).tokens


class TestPartsOfMessages(StreamContract):
    """`promise.parts` of a sequence."""

    covers = ("MessageSequencePromise.parts",)

    hot = True

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return MessageSequencePromise(source).parts


class TestReplies(StreamContract):
    """The replies of an inquiry."""

    hot = True

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return echo_agent.inquire(source).messages

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts, error, True]


class TestFromAsync(StreamContract):
    """`from_async`."""

    covers = ("from_async",)
    burst = 20_000

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return from_async(source)


class TestAgent(StreamContract):
    """An agent as an operator."""

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return echo_agent(source.observable)


class TestPipeOfAgents(StreamContract):
    """`a | b`; it ends as the last stage ends, with its error too."""

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return (echo_agent | echo_agent)(source.observable)


class TestLifted(StreamContract):
    """Whatever works on promises, lifted to Observables."""

    covers = ("Lifted",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return Lifted(source.observable, lambda received: received)
