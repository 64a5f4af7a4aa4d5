"""Agents of all sorts for the laws, and what every kind of reader gets of them.

The agents sleep and fail, in virtual time; each counts its runs and their ends.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import strategies as st
from typing_extensions import override

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    RetryPolicy,
    identity,
    miniagent,
    race,
)

__all__ = ["INPUTS", "SIMPLE", "Faces", "Got", "Recipe", "Runs", "agents", "faces", "reraise", "told"]

Agent: TypeAlias = MiniAgent[Message, Message]
Got: TypeAlias = tuple[str, ...] | str  # a message as its tokens, or the error at the end


@dataclass
class Runs:
    """How many runs of the simple agents have begun and ended."""

    begun: int = 0
    ended: int = 0


@dataclass(frozen=True)
class Recipe:
    """An agent that can be made anew for each look at it, so that no run is shared.

    Attributes:
        name: how it is shown when a law is broken.
        make: makes it; each simple agent in it counts its runs.
    """

    name: str
    make: Callable[[Runs], Agent] = field(repr=False)

    @override
    def __repr__(self) -> str:
        return self.name


def _simple(name: str, speak: Callable[[InteractionContext], Awaitable[None]]) -> Recipe:
    def make(runs: Runs) -> Agent:
        async def counted(ctx: InteractionContext) -> None:
            runs.begun += 1
            try:
                await speak(ctx)
            finally:
                runs.ended += 1

        return miniagent(alias=name)(counted)

    return Recipe(name, make)


def _mapped(
    promise: MessagePromise[Message], change: Callable[[str], str], pause: float
) -> MessagePromise[Message]:
    async def stream(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        async for token in promise:
            await asyncio.sleep(pause)
            yield change(token)

    return Message.promise(stream)


async def _upper(ctx: InteractionContext) -> None:
    async for promise in ctx.messages:
        ctx.reply(_mapped(promise, str.upper, 0.0))


async def _slow(ctx: InteractionContext) -> None:
    async for promise in ctx.messages:
        await asyncio.sleep(3)
        ctx.reply(_mapped(promise, str, 2.0))


async def _twice(ctx: InteractionContext) -> None:
    async for promise in ctx.messages:
        ctx.reply([promise, promise])


async def _letters(ctx: InteractionContext) -> None:
    async for promise in ctx.messages:
        for letter in str(await promise):
            ctx.reply(letter)


async def _silent(ctx: InteractionContext) -> None:
    await ctx.messages


async def _no_reader(ctx: InteractionContext) -> None:
    ctx.reply("unasked")


def _failing_after(count: int) -> Recipe:
    async def speak(ctx: InteractionContext) -> None:
        left = count
        async for promise in ctx.messages:
            if left <= 0:
                raise ValueError(f"after {count}")
            left -= 1
            ctx.reply(promise)

    return _simple(f"failing_after_{count}", speak)


def _broken_after(count: int) -> Recipe:
    async def tokens(promise: MessagePromise[Message]) -> AsyncGenerator[str]:
        left = count
        async for token in promise:
            if left <= 0:
                raise KeyError(count)
            left -= 1
            yield token

    async def speak(ctx: InteractionContext) -> None:
        async for promise in ctx.messages:
            ctx.reply(Message.promise(lambda metadata, promise=promise: tokens(promise)))  # type: ignore[misc]

    return _simple(f"broken_after_{count}", speak)


def reraise(error: Exception, ctx: InteractionContext) -> None:
    """Handle nothing."""
    raise error


SIMPLE = (
    Recipe("identity", lambda runs: identity),
    _simple("upper", _upper),
    _simple("slow", _slow),
    _simple("twice", _twice),
    _simple("letters", _letters),
    _simple("silent", _silent),
    _simple("unasked", _no_reader),
    _failing_after(0),
    _failing_after(1),
    _broken_after(0),
    _broken_after(1),
)


def _two(sign: str, join: Callable[[Agent, Agent], Agent]) -> Callable[[tuple[Recipe, Recipe]], Recipe]:
    def both(pair: tuple[Recipe, Recipe]) -> Recipe:
        first, second = pair
        return Recipe(f"({first} {sign} {second})", lambda runs: join(first.make(runs), second.make(runs)))

    return both


def _one(sign: str, change: Callable[[Agent], Agent]) -> Callable[[Recipe], Recipe]:
    return lambda recipe: Recipe(f"{recipe}{sign}", lambda runs: change(recipe.make(runs)))


_CHANGES = (
    _one(".timeout(stall=3)", lambda a: a.timeout(stall=3)),
    _one(".retry(2)", lambda a: a.retry(RetryPolicy(attempts=2, delay=1.0, jitter=0.0))),
    _one(".catching(excuse)", lambda a: a.catching(lambda error, ctx: "excuse")),
)


def _larger(smaller: st.SearchStrategy[Recipe]) -> st.SearchStrategy[Recipe]:
    pair = st.tuples(smaller, smaller)
    return st.one_of(
        pair.map(_two("|", lambda a, b: a | b)),
        pair.map(_two("&", lambda a, b: a & b)),
        pair.map(_two("race", race)),
        pair.map(_two("hedge", lambda a, b: a.hedge(b, after=4))),
        st.tuples(smaller, st.sampled_from(_CHANGES)).map(lambda pair: pair[1](pair[0])),
    )


agents = st.sampled_from(SIMPLE) | st.recursive(st.sampled_from(SIMPLE), _larger, max_leaves=3)
"""Simple agents, and what the algebra makes of them."""

INPUTS = st.lists(st.lists(st.sampled_from(["a", "b ", "cd"]), max_size=3), min_size=1, max_size=3)
"""Messages, each as its tokens."""


def told(messages: Sequence[Sequence[str]], pause: float = 1.0) -> list[MessagePromise[Message]]:
    """Return messages that stream these tokens, with a pause after each, in seconds."""

    def message(tokens: Sequence[str]) -> MessagePromise[Message]:
        async def stream(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
            for token in tokens:
                yield token
                await asyncio.sleep(pause)

        return Message.promise(stream)

    return [message(tokens) for tokens in messages]


@dataclass(frozen=True)
class Faces:
    """What the readers of one stream got.

    Attributes:
        iterated: each message as its tokens, each error as its `repr` where it came.
        again: the same, read by a second reader later.
        subscribed: the same of a subscriber.
        awaited: the texts, or the `repr` of the error.
    """

    iterated: tuple[Got, ...]
    again: tuple[Got, ...]
    subscribed: tuple[Got, ...]
    awaited: list[str] | str

    @property
    def texts(self) -> list[str]:
        """The text of each message."""
        return ["".join(each) for each in self.iterated if isinstance(each, tuple)]


async def faces(replies: MessageSequencePromise[Message]) -> Faces:
    """Read the replies in every way there is, all at once."""
    promises: list[MessagePromise[Message]] = []
    ends: list[str] = []
    closed = asyncio.Event()

    def fail(error: Exception) -> None:
        ends.append(_shown(error))
        closed.set()

    replies.messages.subscribe(promises.append, fail, closed.set)
    iterated, awaited, _ = await asyncio.gather(_iterated(replies), _awaited(replies), closed.wait())
    subscribed = [await _tokens(promise) for promise in promises]
    return Faces(iterated, await _iterated(replies), (*subscribed, *ends), awaited)


async def _iterated(replies: MessageSequencePromise[Message]) -> tuple[Got, ...]:
    got: list[Got] = []
    try:
        async for promise in replies:
            got.append(await _tokens(promise))  # noqa: PERF401 - what came before an error counts
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        got.append(_shown(error))
    return tuple(got)


async def _tokens(promise: MessagePromise[Message]) -> tuple[str, ...]:
    got: list[str] = []
    try:
        async for token in promise:
            got.append(token)  # noqa: PERF401 - the same
    except Exception as error:  # noqa: BLE001 - the same
        got.append(_shown(error))
    return tuple(got)


async def _awaited(replies: MessageSequencePromise[Message]) -> list[str] | str:
    try:
        return [str(message) for message in await replies]
    except Exception as error:  # noqa: BLE001 - the same
        return _shown(error)


def _shown(error: Exception) -> str:
    return f"<{error!r}>"
