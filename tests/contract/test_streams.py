"""The contract of every stream type."""

from reactivex import Observable
from typing_extensions import override

from miniagents import InteractionContext, Message, MessageSequencePromise, miniagent
from miniagents.promising import Lifted, StreamedPromise
from miniagents.streams import from_async
from tests.contract.fed import Fed
from tests.contract.rx_contract import StreamContract


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply each message when it comes."""
    async for message_promise in ctx.message_promises:
        ctx.reply(message_promise)


class TestPieces(StreamContract):
    """`StreamedPromise.pieces`, a log as an Observable."""

    hot = True
    burst = 20_000

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return StreamedPromise[str, object](source.iterate).pieces


class TestTokens(StreamContract):
    """`promise.tokens` of a message that is being written."""

    hot = True
    burst = 20_000

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return Message.promise(source.iterate).tokens


class TestMessages(StreamContract):
    """`promise.messages` of a sequence that is coming; the error of its source is that of a message in it."""

    hot = True

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return MessageSequencePromise(source).messages

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts, error, True]


class TestTokensOfMessages(StreamContract):
    """`promise.tokens` of a sequence."""

    hot = True

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return MessageSequencePromise(source).tokens


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

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return Lifted(source.observable, lambda received: received)
