"""What a reader gets, of the library and of the model: a list of events with their times.

`message` is a message that appears, `token` a token, `end` the end of a message or of all, with its error.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from reactivex import Observable, operators as ops

from miniagents import Message, MessageSequencePromise
from miniagents.operators import resolve, to_async_iter
from tests.model import programs as p
from tests.model.build import now, sleep
from tests.model.lives import before
from tests.model.model import LIBRARY_ERRORS, Replies, Token, same_text

__all__ = ["TIME_LIMITS", "UNNAMED", "Event", "Reading", "all_of", "expected", "label"]

T = TypeVar("T")

TIME_LIMITS = ("wait_for", "timeout")
"""The ways to leave that end with a `TimeoutError`."""

UNNAMED = " without the names of its agents"
"""What follows an error that has no note."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a reader gets.

    Attributes:
        at: when, in seconds since the program began.
        what: what it is.
        text: of a token, of all messages, of an error.
    """

    at: float
    what: str
    text: str = ""


def label(error: BaseException) -> str:
    """Return the name of an error as the model writes it."""
    name = type(error).__name__
    return name if name in LIBRARY_ERRORS or not str(error) else str(error)


# -- the model -------------------------------------------------------------------------------------------


def expected(reader: p.Reader, replies: Replies) -> tuple[list[Event], float]:
    """Return what a reader gets, and when it has gone."""
    return _left(reader, list(_ALL[reader.way](reader, replies)))


def all_of(reader: p.Reader, replies: Replies) -> list[Event]:
    """Return what a reader gets that does not leave at a time."""
    events = list(_ALL[reader.way](reader, replies))
    leave = reader.leave
    return _left(reader, events)[0] if leave is not None and leave.way == "break" else events


def _left(reader: p.Reader, events: list[Event]) -> tuple[list[Event], float]:
    leave = reader.leave
    if leave is None:
        return events, events[-1].at
    if leave.way == "break":
        tokens = 0
        for place, event in enumerate(events):
            tokens += event.what == "token"
            if tokens == leave.count:
                return events[: place + 1], event.at
        return events, events[-1].at
    if before(events[-1].at, leave.at):
        return events, events[-1].at
    kept = [event for event in events if before(event.at, leave.at)]
    if leave.way in TIME_LIMITS:
        kept.append(Event(leave.at, "end", "TimeoutError"))
    return kept, leave.at


def _awaiting(reader: p.Reader, replies: Replies) -> Iterator[Event]:
    at, error = replies.whole(reader.begins)
    if error is None:
        yield Event(at, "all", "\n".join(said.text for _, said in replies.items))
    else:
        yield Event(at, "end", error)


def _iterating(reader: p.Reader, replies: Replies) -> Iterator[Event]:
    time = reader.begins
    for at, said in replies.items:
        time = max(time, at)
        yield Event(time, "message")
        for token in said.tokens:
            time = max(time, token[0])
            yield Event(time, "token", token[1])
            time += reader.slow
        time = max(time, said.end)
        yield Event(time, "end", said.told or "")
    yield Event(max(time, replies.end), "end", replies.error or "")


def _reading_first(reader: p.Reader, replies: Replies) -> Iterator[Event]:
    events = _iterating(reader, replies)
    for event in events:
        yield event
        if event.what == "end":
            return


def _iterating_tokens(reader: p.Reader, replies: Replies, *, parts: bool = False) -> Iterator[Event]:
    # Of all messages: the tokens come when a reader that is never slow would get them.
    time = reader.begins
    end, error, arrived = _all_tokens(replies, parts=parts)
    for token in arrived:
        time = max(time, token[0])
        yield Event(time, "token", token[1])
        time += reader.slow
    yield Event(max(time, end), "end", error or "")


def _all_tokens(replies: Replies, *, parts: bool = False) -> tuple[float, str | None, list[Token]]:
    """Return when all tokens end, with which error, and each token; `parts` also has what replaces others."""
    time, arrived = 0.0, list[Token]()
    for at, said in replies.items:
        time = max(time, at)
        for token in (*said.tokens, *(said.instead or ())) if parts else said.tokens:
            time = max(time, token[0])
            arrived.append((time, token[1]))
        time = max(time, said.end)
        error = said.error if parts else said.told
        if error is not None:
            return time, error, arrived
    return max(time, replies.end), replies.error, arrived


def _awaiting_tokens(reader: p.Reader, replies: Replies) -> Iterator[Event]:
    end, error, arrived = _all_tokens(replies)
    time = max(reader.begins, end)
    if error is None:
        yield Event(time, "all", "".join(text for _, text in arrived))
    else:
        yield Event(time, "end", error)


def _resolving(reader: p.Reader, replies: Replies) -> Iterator[Event]:
    time = reader.begins
    for at, said in replies.with_error():
        time = max(time, at, said.end)
        if said.error is not None:
            yield Event(time, "end", said.error)
            return
        yield Event(time, "message", said.text)
    yield Event(max(time, replies.end), "end")


def _subscribed(reader: p.Reader, replies: Replies) -> Iterator[Event]:
    for at, _ in replies.items:
        yield Event(max(at, reader.begins), "message")
    yield Event(max(replies.end, reader.begins), "end", replies.error or "")


_ALL: dict[str, Callable[[p.Reader, Replies], Iterator[Event]]] = {
    "await": _awaiting,
    "iterate": _iterating,
    "first": _reading_first,
    "tokens": _iterating_tokens,
    "subscribe": _subscribed,
    "subscribe tokens": _iterating_tokens,
    "pipe tokens": _iterating_tokens,
    "parts": partial(_iterating_tokens, parts=True),
    "await tokens": _awaiting_tokens,
    "resolve": _resolving,
}


# -- the library -----------------------------------------------------------------------------------------


class Reading:
    """A reader of the library's replies.

    Args:
        reader: how it reads.
        zero: when the program began, in seconds of the loop.

    Attributes:
        events: what it got.
    """

    def __init__(self, reader: p.Reader, zero: float) -> None:
        self.reader = reader
        self.zero = zero
        self.events: list[Event] = []
        self.errors: list[BaseException] = []
        self._tokens = 0

    async def read(self, replies: MessageSequencePromise[Message]) -> None:
        """Read until the end, or until it leaves."""
        leave = self.reader.leave
        held = [replies]
        del replies
        if self.reader.begins:
            await sleep(self.zero + self.reader.begins - now())
        reading = self._way(held)
        if leave is None or leave.way == "break":
            await reading
        elif leave.way in TIME_LIMITS:
            try:
                if leave.way == "wait_for":
                    await asyncio.wait_for(reading, self.zero + leave.at - now())
                else:
                    async with asyncio.timeout_at(self.zero + leave.at):
                        await reading
            except TimeoutError as error:
                self._end(error, "TimeoutError")
        else:
            task = asyncio.ensure_future(reading)
            timer = asyncio.get_running_loop().call_at(self.zero + leave.at, task.cancel)
            del reading
            try:
                await task
            except asyncio.CancelledError:
                if not task.cancelled():
                    raise
            timer.cancel()

    def _way(self, held: list[MessageSequencePromise[Message]]) -> "asyncio.Future[None]":
        ways = {
            "await": self._await,
            "iterate": self._iterate,
            "first": self._read_first,
            "tokens": self._iterate_tokens,
            "subscribe": self._subscribe,
            "subscribe tokens": self._subscribe_tokens,
            "pipe tokens": self._iterate_pipe,
            "parts": self._iterate_parts,
            "await tokens": self._await_tokens,
            "resolve": self._resolve,
        }
        return ways[self.reader.way](held.pop())  # type: ignore[return-value]

    def _note(self, what: str, text: str = "") -> None:
        self.events.append(Event(now() - self.zero, what, same_text(text)))

    def _end(self, error: BaseException | None = None, text: str = "") -> None:
        if error is not None:
            text = text or label(error)
            if isinstance(error, ValueError) and not any(
                note.startswith("agents: ") for note in getattr(error, "__notes__", ())
            ):
                text += UNNAMED
        self._note("end", text)

    async def _token(self, token: str) -> bool:
        """Keep a token; whether the reader leaves now."""
        self._note("token", token)
        self._tokens += 1
        leave = self.reader.leave
        if leave is not None and leave.way == "break" and leave.count == self._tokens:
            return True
        await sleep(self.reader.slow)
        return False

    async def _await(self, replies: MessageSequencePromise[Message]) -> None:
        try:
            messages = await replies
        except Exception as error:  # noqa: BLE001 - it is compared
            self._end(error)
        else:
            self._note("all", "\n".join(map(str, messages)))

    async def _iterate(self, replies: MessageSequencePromise[Message]) -> None:
        try:
            async for message in replies:
                self._note("message")
                try:
                    async for token in message:
                        if await self._token(token):
                            return
                except Exception as error:  # noqa: BLE001 - the same
                    self._end(error)
                else:
                    self._end()
        except Exception as error:  # noqa: BLE001 - the same
            self._end(error)
        else:
            self._end()

    async def _read_first(self, replies: MessageSequencePromise[Message]) -> None:
        try:
            async with aclosing(aiter(replies)) as messages:
                del replies
                message = await anext(messages, None)
            if message is None:
                self._end()
                return
            del messages
            self._note("message")
            async for token in message:
                await self._token(token)
        except Exception as error:  # noqa: BLE001 - the same
            self._end(error)
        else:
            self._end()

    async def _iterate_tokens(self, replies: MessageSequencePromise[Message]) -> None:
        await self._iterated(aiter(replies.tokens))

    async def _iterate_pipe(self, replies: MessageSequencePromise[Message]) -> None:
        await self._iterated(to_async_iter(replies.tokens.pipe(ops.map(str))))

    async def _iterate_parts(self, replies: MessageSequencePromise[Message]) -> None:
        await self._iterated(aiter(replies.parts))

    async def _iterated(self, pieces: AsyncIterator[object]) -> None:
        try:
            async for piece in pieces:
                if isinstance(piece, str) and await self._token(piece):
                    return
        except Exception as error:  # noqa: BLE001 - the same
            self._end(error)
        else:
            self._end()

    async def _await_tokens(self, replies: MessageSequencePromise[Message]) -> None:
        try:
            tokens = await replies.tokens
        except Exception as error:  # noqa: BLE001 - the same
            self._end(error)
        else:
            self._note("all", "".join(tokens))

    async def _resolve(self, replies: MessageSequencePromise[Message]) -> None:
        try:
            async for message in to_async_iter(replies.messages.pipe(resolve())):
                self._note("message", str(message))
        except Exception as error:  # noqa: BLE001 - the same
            self._end(error)
        else:
            self._end()

    async def _subscribe(self, replies: MessageSequencePromise[Message]) -> None:
        await self._subscribed(replies.messages, lambda _: self._note("message"))

    async def _subscribe_tokens(self, replies: MessageSequencePromise[Message]) -> None:
        await self._subscribed(replies.tokens, lambda token: self._note("token", token))

    async def _subscribed(self, stream: Observable[T], on_next: Callable[[T], None]) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_error(error: Exception | None = None) -> None:
            if not over.done():  # else this reader has left in this turn
                self._end(error)
                over.set_result(None)

        with stream.subscribe(on_next, on_error, on_error):
            del stream
            await over
