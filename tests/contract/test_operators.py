"""The contract of every operator."""

from typing import cast

from reactivex import Observable, operators as ops
from typing_extensions import override

from miniagents import InteractionContext, Message, MessagePromise, miniagent
from miniagents.operators import (
    as_messages,
    errors_as_messages,
    flatten,
    join,
    map_agent,
    map_messages,
    map_tokens,
    resolve,
    split,
    tokens,
)
from tests.contract.fed import Fed
from tests.contract.rx_contract import StreamContract


def messages(source: Fed) -> Observable[MessagePromise[Message]]:
    """The source as messages."""
    return source.observable.pipe(as_messages())


def same(message: Message) -> Message:
    """Return the message."""
    return message


class TestAsMessages(StreamContract):
    """`as_messages`."""

    covers = ("as_messages",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return source.observable.pipe(as_messages())


class TestErrorsAsMessages(StreamContract):
    """`errors_as_messages`; the error of the source is the last message."""

    covers = ("errors_as_messages",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(errors_as_messages())

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts, f"{type(error).__name__}: {error}", True]


class TestFlatten(StreamContract):
    """`flatten`."""

    covers = ("flatten",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(ops.map(lambda message: [message]), flatten())


class TestJoin(StreamContract):
    """`join`, up to its one message."""

    covers = ("join",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(join("+"), resolve())

    @override
    def completed(self, *texts: str) -> list[object]:
        return ["+".join(texts), True]

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [error]


class TestMapAgent(StreamContract):
    """`map_agent`."""

    covers = ("AgentMap.__call__", "AgentMap.read", "map_agent")
    burst = 500

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return source.observable.pipe(map_agent(echo_agent, concurrency=2))


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.messages)


class TestMapMessages(StreamContract):
    """`map_messages`."""

    covers = ("map_messages",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(map_messages(same))


class TestMapTokens(StreamContract):
    """`map_tokens`."""

    covers = ("map_tokens",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(map_tokens(str))


class TestResolve(StreamContract):
    """`resolve`."""

    covers = ("resolve",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(resolve())


class TestSplit(StreamContract):
    """`split`; the message that is being written fails with the source."""

    covers = ("split",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(split())

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts[:-1], error, error]


class TestTokens(StreamContract):
    """`tokens`."""

    covers = ("tokens",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(tokens())


class TestPipeline(StreamContract):
    """Operators composed into one, behind an agent."""

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return cast("Observable[object]", (echo_agent | map_tokens(str) | resolve())(source.observable))
