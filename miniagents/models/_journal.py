"""``recorded``: an agent whose calls are made once, kept in a journal, and played from there."""

import asyncio
import logging
from asyncio import Future
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, Never, Protocol, TypeVar, cast

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.core import Message, MessageSequencePromise, PartBuffer, ReplayBuffer
from miniagents.values import InquiryCancelledError, MiniAgentsError

from ._call_keys import CallKey, RecordedFunction, function_of, key_of, question_of
from ._message_records import Json, Record, Registry
from ._recordings import CallPlayer, RecordedEvent, error_data, part_data
from ._typed_agent import TypedAnswer

__all__ = ["BatchJournal", "CallJournal", "JournalEntry", "JournalError", "RecordedCalls", "recorded"]

AnyAgent = MiniAgent[Message, Message, ...]
A = TypeVar("A", bound=MiniAgent[Never, Message, ...])

_LOG: Final = logging.getLogger("miniagents.models")


class JournalError(MiniAgentsError):
    """A journal cannot be used as it was asked to; what is in it is unharmed.

    Example:
        >>> raise JournalError("The journal calls.journal is used by process 4711; give it a moment.")
        Traceback (most recent call last):
            ...
        miniagents...JournalError: The journal calls.journal is used by process 4711; give it a moment.
    """


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A call that has ended.

    Attributes:
        function: whose call it was.
        question: what it was sent, as JSON.
        events: what came of it, in order.
        failed: whether an error did.

    Example:
        >>> from miniagents.models import RecordedFunction
        >>> JournalEntry(RecordedFunction("JUDGE", "1", "reviews:judge"), "[]", ()).failed
        False
    """

    function: RecordedFunction
    question: str
    events: tuple[RecordedEvent, ...]
    failed: bool = False


class CallJournal(Protocol):
    """What keeps calls: a file, a database, the memory.

    Example:
        >>> from miniagents.ext.journal import Journal
        >>> def of_one_file(path: str) -> CallJournal:
        ...     return Journal(path)
    """

    async def check(self, function: RecordedFunction, /) -> None:
        """Know a function from now on.

        Args:
            function: whose calls are going to be kept.

        Raises:
            JournalError: another function has this name and version.
        """
        ...

    async def find(self, key: CallKey, /) -> JournalEntry | None:
        """The call with this key; None if there is none.

        Args:
            key: of the call.
        """
        ...

    async def keep(self, key: CallKey, entry: JournalEntry, /) -> None:
        """Keep a call in the place of one with the same key; it is safe when this returns.

        Args:
            key: of the call.
            entry: what was asked, and what came of it.
        """
        ...


class BatchJournal(CallJournal, Protocol):
    """A journal that finds and keeps many calls at once, for jobs of many rows.

    Example:
        >>> from miniagents.ext.journal import Journal
        >>> def of_one_file(path: str) -> BatchJournal:
        ...     return Journal(path)
    """

    async def find_all(self, keys: Sequence[CallKey], /) -> list[JournalEntry | None]:
        """For each key the call with it; None if there is none.

        Args:
            keys: of calls.
        """
        ...

    async def keep_all(self, calls: Sequence[tuple[CallKey, JournalEntry]], /) -> None:
        """Keep calls, all of them or none; they are safe when this returns.

        Args:
            calls: each with its key; one with a key that is kept takes the place of that.
        """
        ...


class RecordedCalls:
    """What goes around an agent whose calls are recorded, for ``agent.around(...)``.

    Args:
        journal: keeps the calls.
        name: under which they are kept; None for the alias of the agent.
        version: of what the agent does.
        errors: whether errors are played, too.
        message_classes: of replies, beside those that the agent declares.

    Example:
        >>> from miniagents.ext.limits import cache
        >>> type(cache()).__name__
        'RecordedCalls'
    """

    def __init__(
        self,
        journal: CallJournal,
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
        """Play the call, or make and keep it."""
        function, form = await self._function(call)
        question = question_of(await ctx.messages)
        digest = key_of(function.name, function.version, call, question)
        key = CallKey(digest)
        # Of two calls that ask the same at the same time one is made, and the other one plays it.
        place = (asyncio.get_running_loop(), digest)
        while (other := self._going_on.get(place)) is not None:
            await asyncio.shield(other)
        mine = self._going_on[place] = place[0].create_future()
        try:
            found = await self._journal.find(key)
            if found is None or (found.failed and not self._errors):
                made = await record(form, ctx, call)
                if made is not None:
                    entry = JournalEntry(function, question, made.events, made.failed)
                    await self._journal.keep(key, entry)
                return
        finally:
            del self._going_on[place]
            mine.set_result(None)
        await play(found, form, ctx)

    async def _function(self, call: AnyAgent) -> "tuple[RecordedFunction, MessageForm]":
        name = call.alias if self._name is None else self._name
        runs: object = call._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
        known = self._checked.get(name)
        if known is None or known[0] is not runs or known[1] is not type(call):
            function, form = function_of(call, name, self._version), MessageForm.of(call, self._classes)
            await self._journal.check(function)
            self._checked[name] = known = runs, type(call), function, form
        return known[2], known[3]


def is_recorded(agent: AnyAgent) -> bool:
    """Whether what goes around an agent records its calls.

    Args:
        agent: any.
    """
    wrapped = agent._wrapped  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what goes around it
    return wrapped is not None and isinstance(getattr(wrapped[1], "function", None), RecordedCalls)


class MessageForm:
    """How the messages of an agent stand in a journal: exactly.

    Args:
        registry: knows their classes.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    @classmethod
    def of(cls, agent: AnyAgent, classes: Iterable[type[Message]] = ()) -> "MessageForm":
        """That of one agent.

        Args:
            agent: the classes of whose replies are known.
            classes: others that it replies.
        """
        known = dict.fromkeys(classes)
        declared = agent._classes  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it says of itself
        if declared is not None and declared.replies is not None:
            known |= dict.fromkeys(declared.replies)
        function: object = agent._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
        if isinstance(function, TypedAnswer):
            known[cast("TypedAnswer[Never]", function).message_class] = None
        return cls(Registry(known))

    def events_of(
        self, number: int, kind: type[Message], buffer: ReplayBuffer[object]
    ) -> list[RecordedEvent]:
        """What came of one message that has ended.

        Args:
            number: which one of the call.
            kind: its class.
            buffer: all of it.
        """
        if buffer.error is not None:
            last = RecordedEvent(0.0, "error", number, error_data(buffer.error))
            return [RecordedEvent(0.0, "message", number, kind.__name__), *_parts(number, buffer), last]
        message = cast("Message", buffer.result)
        record = self._registry.record_of(message)
        data: Json = [record.role, record.class_name, dict(record.data)]
        if record.text is None:  # it has no parts, and is read as its data
            return [RecordedEvent(0.0, "message", number, data)]
        said = {name: value for name, value in record.data.items() if name != "parts"}
        return [
            RecordedEvent(0.0, "message", number, record.class_name),
            *_parts(number, buffer),
            RecordedEvent(0.0, "end", number, [record.role, record.class_name, cast("Json", said)]),
        ]

    def class_of(self, data: Json) -> type[Message] | Message:
        """The class of a message that begins, or all of it."""
        match data:
            case [str(role), str(name), dict(fields)]:
                return self._registry.message_of(Record(role, name, data=fields))
            case _:
                return self._registry.class_of(str(data)) or Message

    def fields_of(self, data: Json) -> Mapping[str, object]:
        """The data of a message, at its end."""
        match data:
            case [str(role), str(name), dict(fields)]:
                unknown = self._registry.class_of(name) is None and role != Message.role
                return {**({"role": role} if unknown else {}), **self._registry.fields_of(fields)}
            case _:
                return {}


def _parts(number: int, buffer: ReplayBuffer[object]) -> Iterable[RecordedEvent]:
    parts = buffer.parts if isinstance(buffer, PartBuffer) else cast("list[str]", buffer.items)
    for part in parts:
        data = part_data(part)
        if data is not None:
            yield RecordedEvent(0.0, "part", number, data)


class Made(NamedTuple):
    """What came of a call.

    Attributes:
        events: in order.
        failed: whether an error is among them.
    """

    events: tuple[RecordedEvent, ...]
    failed: bool


async def record(form: MessageForm, ctx: InteractionContext, call: AnyAgent) -> Made | None:
    """Make a call and reply what it replies, as it comes; None if it was cancelled.

    Args:
        form: of its messages.
        ctx: of the call.
        call: the agent.
    """
    replies = call.inquire(ctx.messages)
    ctx.reply(replies)
    return await made_of(form, replies)


async def made_of(form: MessageForm, replies: MessageSequencePromise[Message]) -> Made | None:
    """What came of a call, when it has ended; None if it was cancelled.

    Args:
        form: of its messages.
        replies: of the call.
    """
    return outcome_of_call(form, replies, await _ended(replies))


def outcome_of_call(
    form: MessageForm, replies: MessageSequencePromise[Message], failed: BaseException | None
) -> Made | None:
    """What came of a call, all messages of which were awaited; None if it was cancelled.

    Args:
        form: of its messages.
        replies: of the call.
        failed: the error of the whole.
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


async def _ended(replies: MessageSequencePromise[Message]) -> BaseException | None:
    """Take all that is replied at full speed, also if nobody else reads it; the error of the whole."""
    try:
        async for reply in replies:
            with suppress(Exception):
                await reply
    except Exception as error:  # noqa: BLE001 - of the call: it stands in the replies, too
        return error
    return None


async def play(entry: JournalEntry, form: MessageForm, ctx: InteractionContext) -> None:
    """Reply what was replied.

    Args:
        entry: of the journal.
        form: of its messages.
        ctx: of the call.
    """

    def broken(_: RecordedEvent, why: str) -> JournalError:
        name = entry.function.name
        return JournalError(f"A call of {name} in a journal cannot be played: {why}; prune it.")

    await CallPlayer(entry.events, form.class_of, form.fields_of, broken).play(ctx)


def recorded(
    agent: A,
    journal: CallJournal,
    *,
    version: str,
    name: str | None = None,
    errors: bool = False,
    message_classes: Iterable[type[Message]] = (),
) -> A:
    """Return the agent, each call of which is made once, and from then on played from a journal.

    A call is known by the alias of the agent, the version, the keywords that are data (models and base URLs
    among them; no keys, clients and time limits), its schema and tools, and what it is sent. What was replied
    is played as a stream of the same parts. The reply of a new call streams as it comes; its run ends when
    the journal has it. A call that is cancelled or fails is made again the next time.

    Args:
        agent: any.
        journal: keeps the calls.
        version: of what the agent does. Change it with the prompt or the code, which is not looked at.
        name: takes the place of the alias.
        errors: True plays errors, too.
        message_classes: of replies that the agent does not declare; others are played as plain messages.

    Raises:
        JournalError: at a call: another function has this name and version.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import Journal, recorded
        >>> from miniagents.testing import scripted_model
        >>> async def main(journal):
        ...     model = recorded(scripted_model("Hello!"), journal, version="1")
        ...     print(await model.inquire("Hi"), await model.inquire("Hi"))
        >>> with tempfile.TemporaryDirectory() as folder, Journal(f"{folder}/calls.journal") as journal:
        ...     MiniAgents().run(main(journal))
        Hello! Hello!
    """
    calls = RecordedCalls(journal, name=name, version=version, errors=errors, message_classes=message_classes)
    return agent.around(cast("Callable[[InteractionContext, AnyAgent], Awaitable[None]]", calls))
