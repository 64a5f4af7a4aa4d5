"""``recorded``: an agent makes each call once, keeps it in a journal, and replays it from there."""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Final, NamedTuple, Never, TypeVar, cast

from miniagents.agents import InteractionContext, InteractiveAgent, MiniAgent
from miniagents.messages import Message, MessageSequencePromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.values import InquiryCancelledError

from ._call_keys import CallKey, RecordedFunction, function_of, key_of, question_of
from ._questions import INSIDE, RECORDED
from ._recordings import AnyAgent, CallPlayer, MessageForm, RecordedEvent, error_data, has_ended
from ._stores import CallStore, JournalEntry, JournalError

A = TypeVar("A", bound=MiniAgent[Never, Message, ...])

WITHIN_RECORDED: Final[ContextVar[bool]] = ContextVar("miniagents_within_recorded", default=False)
"""Whether the running code is inside of a recorded call, so that the log of a run does not keep its calls."""

PLAYED: Final[ContextVar[bool]] = ContextVar("miniagents_played", default=False)
"""Whether a run replays a call from a journal or a cache, which uses no tokens."""


class RecordedCalls:
    """Records the calls of an agent, and replays them: for ``agent.around(...)``.

    Args:
        journal: keeps the calls.
        name: under which they are kept; None for the alias of the agent.
        version: of the agent; change it when the agent changes.
        errors: True replays calls that failed, too; False makes them again.
        message_classes: classes of replies, in addition to those that the agent declares.

    Example:
        >>> from miniagents.ext.limits import cache
        >>> type(cache()).__name__
        'RecordedCalls'
    """

    def __init__(
        self,
        journal: CallStore,
        *,
        name: str | None = None,
        version: str = "1",
        errors: bool = False,
        message_classes: Iterable[type[Message]] = (),
    ) -> None:
        self._journal = journal
        self._name = name
        self._version = version
        self._errors = errors
        self._classes = tuple(message_classes)
        self._checked: dict[str, tuple[object, type[AnyAgent], RecordedFunction, MessageForm]] = {}
        self._going_on: dict[tuple[asyncio.AbstractEventLoop, bytes], Future[None]] = {}

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Replay the call, or make and keep it."""
        WITHIN_RECORDED.set(True)
        function, form = await self._function(call)
        question = question_of(await ctx.messages)
        digest = key_of(function.name, function.version, call, question)
        key = CallKey(digest)
        INSIDE.set((*INSIDE.get(), RECORDED + digest.hex()))
        # If two equal calls come at the same time, the first is made, and the second waits and replays it.
        place = (asyncio.get_running_loop(), digest)
        while (other := self._going_on.get(place)) is not None:
            await asyncio.shield(other)
        mine = self._going_on[place] = place[0].create_future()
        try:
            (found,) = await self._journal.find_all([key])
            if found is None or (found.failed and not self._errors):
                replies = call.inquire(ctx.messages)
                ctx.reply(replies)
                try:
                    made = await made_of(form, replies)
                except asyncio.CancelledError:  # an agent that takes over stops what has failed
                    events = stopped_call(form, replies, 0.0)
                    if events[-1].what == "error":
                        entry = JournalEntry(function, question, tuple(events), failed=True)
                        await self._journal.keep_all([(key, entry)])
                    raise
                if made is not None:
                    entry = JournalEntry(function, question, made.events, made.failed)
                    await self._journal.keep_all([(key, entry)])
                return
        finally:
            del self._going_on[place]
            mine.set_result(None)
        await play(function.name, found.events, form, ctx)

    async def _function(self, call: AnyAgent) -> "tuple[RecordedFunction, MessageForm]":
        name = call.alias if self._name is None else self._name
        runs: object = call._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
        known = self._checked.get(name)
        if known is None or known[0] is not runs or known[1] is not type(call):
            function, form = function_of(call, name, self._version), MessageForm.of(call, self._classes)
            await self._journal.check(function)
            self._checked[name] = known = runs, type(call), function, form
        return known[2], known[3]


class Made(NamedTuple):
    """What was recorded of a call.

    Attributes:
        events: in order.
        failed: whether an error is one of them.
    """

    events: tuple[RecordedEvent, ...]
    failed: bool


async def made_of(form: MessageForm, replies: MessageSequencePromise[Message]) -> Made | None:
    """Wait for the end of a call, and return what is recorded of it; None if it was cancelled.

    Args:
        form: of its messages.
        replies: of the call.
    """
    return outcome_of_call(form, replies, await _ended(replies))


def outcome_of_call(
    form: MessageForm, replies: MessageSequencePromise[Message], failed: BaseException | None
) -> Made | None:
    """Return what is recorded of a call that has ended; None if it was cancelled.

    Args:
        form: of its messages.
        replies: of the call; all its messages were awaited.
        failed: the error of the call itself; None if there was none.
    """
    events: list[RecordedEvent] = []
    for number, promise in enumerate(replies.buffer.items):
        buffer = cast("ReplayBuffer[object]", promise.buffer)
        failed = failed or buffer.error
        events += form.events_of(number, promise.message_class, buffer)
    if replies.buffer.error is not None:
        events.append(RecordedEvent(0.0, "error", None, error_data(replies.buffer.error)))
    if isinstance(failed, InquiryCancelledError | asyncio.CancelledError):
        return None
    return Made(tuple(events), failed is not None)


def stopped_call(
    form: MessageForm, replies: MessageSequencePromise[Message], after: float
) -> list[RecordedEvent]:
    """Return what is recorded of a call that was cancelled, perhaps because it had failed.

    Args:
        form: of its messages.
        replies: of the call.
        after: when, in seconds since it began.
    """
    events: list[RecordedEvent] = []
    for number, promise in enumerate(replies.buffer.items):
        buffer = cast("ReplayBuffer[object]", promise.buffer)
        events += form.events_of(number, promise.message_class, buffer, stopped=after)
        if has_ended(buffer) and buffer.error is not None:
            return events
    error = replies.buffer.error
    if error is not None and has_ended(cast("ReplayBuffer[object]", replies.buffer)):
        return [*events, RecordedEvent(0.0, "error", None, error_data(error))]
    return [*events, RecordedEvent(0.0, "cancelled", None, after)]


async def _ended(replies: MessageSequencePromise[Message]) -> BaseException | None:
    """Read all replies at full speed, even without another reader; return the error of the call."""
    try:
        async for reply in replies:
            with suppress(Exception):
                await reply
    except Exception as error:  # noqa: BLE001 - of the call: the replies have it, too
        return error
    return None


async def play(
    name: str, events: Sequence[RecordedEvent], form: MessageForm, ctx: InteractionContext
) -> None:
    """Replay the replies of a recorded call.

    Args:
        name: of the agent that was called.
        events: of the call.
        form: of its messages.
        ctx: of the call.
    """

    def broken(_: RecordedEvent, why: str) -> JournalError:
        return JournalError(f"A call of {name} in a journal cannot be replayed: {why}; prune the journal.")

    PLAYED.set(True)
    await CallPlayer(events, form, broken).play(ctx)


def recorded(
    agent: A,
    journal: CallStore,
    *,
    version: str,
    name: str | None = None,
    errors: bool = False,
    message_classes: Iterable[type[Message]] = (),
) -> A:
    """Return an agent that makes each call once, keeps it in a journal, and replays it from there.

    Two calls are the same if the alias, the version, the messages, the tools, the answer schema and the
    keywords that are data are equal. A replayed call streams the same parts. A call that fails or is
    cancelled is made again the next time.

    Args:
        agent: any.
        journal: keeps the calls.
        version: change it when you change the prompt or the code.
        name: replaces the alias.
        errors: True replays calls that failed, too.
        message_classes: classes of replies that the agent does not declare.

    Raises:
        JournalError: another function has this name and version.
        TypeError: the agent is interactive.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import MemoryJournal, recorded
        >>> from miniagents.testing import scripted_model
        >>> model = recorded(scripted_model("Hello!"), MemoryJournal(), version="1")
        >>> async def main():
        ...     print(await model.inquire("Hi"), await model.inquire("Hi"))
        >>> MiniAgents().run(main())
        Hello! Hello!
    """
    if isinstance(agent, InteractiveAgent):
        raise TypeError(
            f"recorded({agent.alias}) would keep a dialog as one call. Record what answers in it: "
            "recorded(agent, ...).interactive(); or run the dialog in a block of durable(...)."
        )
    calls = RecordedCalls(journal, name=name, version=version, errors=errors, message_classes=message_classes)
    return agent.around(cast("Callable[[InteractionContext, AnyAgent], Awaitable[None]]", calls))
