"""The contract of every operator."""

import asyncio
from typing import cast

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops
from reactivex.abc import DisposableBase, ObserverBase
from typing_extensions import override

from miniagents import InteractionContext, Message, MessagePromise, miniagent
from miniagents.operators import (
    as_messages,
    chunk,
    errors_as_messages,
    flatten,
    join,
    map_agent,
    map_async,
    map_messages,
    map_tokens,
    resolve,
    share_bounded,
    split,
    switch_map_async,
    tokens,
    until,
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


class TestChunk(StreamContract):
    """`chunk`."""

    covers = ("chunk",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return source.observable.pipe(chunk(1, seconds=60), ops.map(lambda items: items[0]))


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


async def itself(text: str) -> str:
    """Return the text."""
    return text


class TestMapAsync(StreamContract):
    """`map_async`."""

    covers = ("map_async",)
    burst = 500

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return source.observable.pipe(map_async(itself, concurrency=2))


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


class TestShareBounded(StreamContract):
    """`share_bounded`, which keeps everything: there is one run for all."""

    covers = ("share_bounded",)
    one_production = True

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return source.observable.pipe(share_bounded(None, grace=0.001))


class TestSplit(StreamContract):
    """`split`; the message that is being written fails with the source."""

    covers = ("split",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return messages(source).pipe(split())

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*texts[:-1], error, error]


class TestSwitchMapAsync(StreamContract):
    """`switch_map_async`; each item has those before it, whose calls may have been cancelled."""

    covers = ("switch_map_async",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        def added(all_: tuple[str, ...], text: str) -> tuple[str, ...]:
            return (*all_, text)

        def new(seen: list[tuple[str, ...]], all_: tuple[str, ...]) -> list[tuple[str, ...]]:
            return [all_, all_[len(seen[0]) :]]

        return source.observable.pipe(
            ops.scan(added, tuple[str, ...]()),
            switch_map_async(same_texts),
            ops.scan(new, [tuple[str, ...]()]),
            ops.map(lambda seen: seen[1]),
            each_text,
        )

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [error]  # what came together with the error is lost

    @override
    @pytest.mark.logs("A subscriber raised")
    @pytest.mark.parametrize("failing", [False])  # there the error comes later than the items
    async def test_required_spec2_13_raising_at_the_end_must_harm_nobody(self, *, failing: bool) -> None:
        """As it is there."""
        await super().test_required_spec2_13_raising_at_the_end_must_harm_nobody(failing=failing)


def each_text(source: Observable[tuple[str, ...]]) -> Observable[str]:
    """Emit the texts one by one."""

    def subscribe(observer: ObserverBase[str], _: object) -> DisposableBase:
        def emit(texts: tuple[str, ...]) -> None:
            for text in texts:
                observer.on_next(text)

        return source.subscribe(emit, observer.on_error, observer.on_completed)

    return rx.create(subscribe)


async def same_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts."""
    return texts


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


class TestUntil(StreamContract):
    """`until`, which has not come."""

    covers = ("until",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return source.observable.pipe(until(asyncio.Event()))
