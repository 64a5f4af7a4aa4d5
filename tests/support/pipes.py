"""What tests of operators share: where messages come from, and what came out."""

from collections.abc import AsyncGenerator, Sequence
from typing import TypeVar

import reactivex as rx
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase
from reactivex.disposable import Disposable

from miniagents import Message, MessagePromise, MessageType, MiniAgents
from miniagents.operators import as_messages, to_async_iter
from tests.support.typewriter import Typewriter

__all__ = ["Outcome", "Promises", "outcomes", "promises", "texts", "typed", "written"]

T = TypeVar("T")
Promises = Observable[MessagePromise[Message]]


def promises(*items: MessageType) -> Promises:
    """Return the items as a stream of message promises."""
    source: Observable[MessageType] = rx.of(*items)
    return source.pipe(as_messages())


def written(*messages: Sequence[str]) -> Promises:
    """Return messages that are written token by token, one for each sequence of tokens."""

    def message(tokens: Sequence[str]) -> MessagePromise[Message]:
        async def streamer(metadata_so_far: object) -> AsyncGenerator[str]:
            for token in tokens:
                yield token

        return Message.promise(streamer)

    def make(scheduler: object) -> Promises:
        return rx.of(*[message(tokens) for tokens in messages])

    return rx.defer(make)


def typed(*typewriters: Typewriter) -> Promises:
    """Return messages that a test types, one for each typewriter; only the subscriber holds them."""

    def subscribe(observer: ObserverBase[MessagePromise[Message]], scheduler: object) -> Disposable:
        for typewriter in typewriters:
            observer.on_next(Message.promise(typewriter))
        observer.on_completed()
        return Disposable()

    return rx.create(subscribe)


def outcomes(stream: Promises) -> list[str | Exception | None]:
    """Run a stream; return the text of each message or its error, and the error of the stream at the end."""

    async def main() -> list[str | Exception | None]:
        got: list[str | Exception | None] = []
        try:
            async for promise in to_async_iter(stream):
                try:
                    got.append((await promise).text)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
                    got.append(error)
        except Exception as error:  # noqa: BLE001
            got.append(error)
        return got

    return MiniAgents().run(main())


def texts(stream: Promises) -> list[str | None]:
    """Run a stream that has no errors and return the text of each message."""
    got = outcomes(stream)
    assert not [item for item in got if isinstance(item, Exception)], got
    return [item for item in got if not isinstance(item, Exception)]


class Outcome:
    """A subscriber that keeps what it is told, and checks the Rx contract."""

    def __init__(self, stream: Observable[object]) -> None:
        self.items: list[object] = []
        self.ended: Exception | bool = False
        self.subscription: DisposableBase = stream.subscribe(self._next, self._error, self._completed)

    def _next(self, item: object) -> None:
        assert self.ended is False, "an item after the end"
        self.items.append(item)

    def _error(self, error: Exception) -> None:
        assert self.ended is False, "an error after the end"
        self.ended = error

    def _completed(self) -> None:
        assert self.ended is False, "a second end"
        self.ended = True
