"""The questions of a run: written to its log, and answered from it after a restart.

What a run waits for is a question. It is answered by a person, the time (`sleep_until`), or something that
happens elsewhere (`wait_for_event`).
"""

import asyncio
import hashlib
import json
import logging
import math
import sys
from asyncio import Task
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from contextvars import Context as Variables, ContextVar
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final, TypeAlias, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

from miniagents.models import Asked, QuestionError, answer_data, refusal_of
from miniagents.streams._lifetime import TaskLife, current_producer
from miniagents.values import ToolCall, ToolResult, check_seconds, redact_keys, strip_control

from ._message_records import Json
from ._stores import Event, JournalError, Lease, RunPage, RunRecord, RunStore, wall_time

_ANSWER: Final = "answer"
_LOG: Final = logging.getLogger("miniagents.runs")
_EXPIRED: Final = "expired"
_FEW: Final = 256  # events of a log in which a question is looked up first
_FURTHER: Final = 8  # times as many, if it is not among them
_GIVEN_UP_WITHIN: Final = 10.0  # seconds later than before: if it is not cancelled then, it is asked
_PEOPLE: Final = frozenset({"question", "approval", "unknown"})  # the kinds that people answer

INSIDE: Final[ContextVar[tuple[str, ...]]] = ContextVar("miniagents_inside", default=())
"""The calls, and the answers of dialogs, that the running code belongs to, the outermost first."""

RECORDED: Final = "recorded "
"""Begins the place of a call of `recorded`: what is inside of it is not called again once it is played."""


def is_recorded(place: Iterable[str]) -> bool:
    """Return whether a place is inside of a call of `recorded`, whose journal may play it.

    Args:
        place: the calls around it, from outside to inside.
    """
    return any(each.startswith(RECORDED) for each in place)


_ASKED: Final[ContextVar[frozenset[Task[object]]]] = ContextVar("miniagents_asked", default=frozenset())
"""The tasks that have asked something, which the running code belongs to: its own, and those that made it."""

CUT: Final[ContextVar[asyncio.Event | None]] = ContextVar("miniagents_cut", default=None)
"""Where an answer that a user cut is played: set when the code comes to what is not in the log."""


async def played_out() -> None:
    """Wait for ever in an answer that was cut: what comes now is not in the log."""
    task = asyncio.current_task()
    if (end := CUT.get()) is not None:
        end.set()
        await asyncio.Event().wait()
    elif task is not None and task.cancelling():  # it was cut just now
        await asyncio.sleep(0)


_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a run.

    Attributes:
        run: the id of the run.
        id: of the question.
        kind: ``"question"``, whose answer is a value; ``"approval"`` of the call of a tool; or ``"unknown"``:
            a call of a tool was interrupted, so that its effect is not known.
        shown: what people see: ``text`` and ``schema`` of a question; else ``tool``, ``arguments``, ``call``,
            and for an approval ``description`` and ``schema``.
        digest: of what is shown; an answer can say which one it belongs to.
        due: until when it can be answered, in seconds since 1970; None: always.
        version: of the agents that ask. The run goes on in a server of this version.
        answered: whether it has an answer that its run has not checked yet.
        by: who has given that; None if that is not known.

    Example:
        >>> Question("7", "q", "question", {"text": "Which flight?"}, "", None).shown["text"]
        'Which flight?'
    """

    run: str
    id: str
    kind: str
    shown: Mapping[str, object]
    digest: str
    due: float | None
    version: str = ""
    answered: bool = False
    by: str | None = None


Check: TypeAlias = Callable[[str, Asked], object]
"""Gets the id of a question and an answer; raises a ValueError if it knows that this does not fit."""


def _is_over(question: Question) -> bool:
    return question.due is not None and question.due <= wall_time()


def _digest(data: object) -> str:
    return hashlib.sha256(_canonical(data).encode()).hexdigest()


@dataclass(slots=True)
class _Known:
    """What a log has of questions, by their ids."""

    asked: dict[str, Question] = field(default_factory=dict[str, Question])
    inside: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    spans: dict[str, int] = field(default_factory=dict[str, int])  # of the calls that asked them
    answers: dict[str, Json] = field(default_factory=dict[str, Json])
    early: dict[str, str] = field(default_factory=dict[str, str])  # the topics of values that came early
    void: set[str] = field(default_factory=set[str])
    # The questions whose wait was cancelled, with when: in seconds since the code of the run began.
    given_up: dict[str, float] = field(default_factory=dict[str, float])
    refused: dict[str, str] = field(default_factory=dict[str, str])  # key of what was sent -> why
    intents: Counter[str] = field(default_factory=Counter[str])  # key of a call -> how often it began
    parked: frozenset[str] | None = None  # the questions that were open when the run was parked last

    @classmethod
    def of(cls, run: str, version: str, events: Sequence[Event]) -> "_Known":
        """Read a log."""
        known = cls()
        last = max((at for at, event in enumerate(events) if event[:1] == ["parked"]), default=-1)
        for at, event in enumerate(events):
            match event:
                case ["question", int(span), str(key), str(kind), dict(shown), str(digest), due, *inside]:
                    due = cast("float | None", due)
                    known.asked[key] = Question(run, key, kind, shown, digest, due, version)
                    known.inside[key] = [*map(str, inside)]
                    known.spans[key] = span
                    known.void.discard(key)
                    known.given_up.pop(key, None)
                case ["answer", _, str(key), data, *early]:
                    known.answers[key] = data
                    known.early.update((key, str(topic)) for topic in early)
                case ["void", _, str(key), *after]:
                    known.void.add(key)
                    known.given_up.update((key, cast("float", each)) for each in after)
                case ["refused", _, str(), str(key), why]:
                    known.refused[key] = str(why)
                case ["intent", _, str(key)]:
                    known.intents[key] += 1
                case ["parked", *_] if at == last:
                    known.parked = frozenset(known.open)
                case _:
                    pass
        return known

    @property
    def open(self) -> list[str]:
        """The ids of the questions without an answer."""
        return [key for key in self.asked if key not in self.answers and key not in self.void]

    def asked_before(self, key: str) -> Iterator[Event]:
        """Yield what is known of a question that is asked again, as events."""
        for sent, why in self.refused.items():
            if _question_in(sent) == key:
                yield ["refused", 0, key, sent, why]
        if key in self.answers:
            yield ["answer", 0, key, self.answers[key], *([self.early[key]] if key in self.early else [])]


async def open_questions(
    journal: RunStore, run: str | None = None, *, owner: str | None = None, answered: bool = False
) -> list[Question]:
    """Return the questions of a run, or of all runs, that wait for an answer of a person, oldest run first.

    Args:
        journal: has the log of the run.
        run: its id; None for all runs that have not ended. A warning in the log names those that cannot be
            read.
        owner: the user whose run it is; None: anybody.
        answered: whether to return those, too, that have an answer which the run has not checked yet.

    Raises:
        JournalError: the journal has no such run of this owner, or cannot be read.

    Example:
        >>> from miniagents.ext.journal import Lease, MemoryJournal, RunRecord, open_questions
        >>> async def main():
        ...     journal = MemoryJournal()
        ...     asked = ["question", 0, "q", "question", {"text": "Why?"}, "", None]
        ...     await journal.begin(Lease(RunRecord("7")), [asked])
        ...     print((await open_questions(journal, "7"))[0].shown)
        >>> asyncio.run(main())
        {'text': 'Why?'}
    """
    if run is None:
        return await _all_open(journal, owner, answered)
    records = await journal.find(run=run, owner=owner, limit=1)
    if not records:
        raise JournalError.unknown(run)
    return await _open_of(journal, records[0], answered)


async def _open_of(journal: RunStore, record: RunRecord, answered: bool) -> list[Question]:
    """The open questions of a run."""
    page, known = await _known_at(journal, record, 1)  # an event, so that a damaged log is not overlooked
    if page.asked is None:
        page, known = await _known_at(journal, record, record.last)
    if page.record.ended:
        return []
    sent = {_question_in(key): data for key, data in page.sent.items() if key not in known.refused}
    found = [
        replace(known.asked[key], answered=key in sent, by=_given(sent.get(key))[1]) for key in known.open
    ]
    wanted = [each for each in found if each.kind in _PEOPLE and not _is_over(each)]
    return [each for each in wanted if answered or not each.answered]


async def _all_open(journal: RunStore, owner: str | None, answered: bool) -> list[Question]:
    """The open questions of all runs of an owner that can be read."""
    questions: list[Question] = []
    for record in reversed(await journal.find(owner=owner, ended=False, limit=sys.maxsize)):
        try:
            questions += await _open_of(journal, record, answered)
        except JournalError as error:
            if error.reason is None:
                raise
            if error.reason != "unknown":  # it was deleted meanwhile
                _LOG.warning("The questions of a run are left out: %s", error)
    return questions


async def _look_up(journal: RunStore, run: str, question: str) -> tuple[RunPage, _Known]:
    """Read what a log has of a question: if it is not open, as far back as to where it was asked last."""
    records = await journal.find(run=run, limit=1)
    if not records:
        raise JournalError.unknown(run)
    many = 1
    while True:
        page, known = await _known_at(journal, records[0], many)
        if question in known.asked or records[0].last <= many:
            return page, known
        many = max(_FEW, many * _FURTHER)


async def _known_at(journal: RunStore, record: RunRecord, many: int) -> tuple[RunPage, _Known]:
    """Read the last events of a log, and what is open, wherever that is."""
    page = await journal.read(record.run, max(record.last - many, 0))
    return page, _Known.of(record.run, page.record.version, [*(page.asked or ()), *page.events])


def _question_in(key: str) -> str:
    """The id of the question that something sent under this key answers; ``""`` if it answers none."""
    kind, _, rest = key.partition(":")
    return rest.partition(":")[0] if kind == _ANSWER else ""


async def answer_question(
    journal: RunStore,
    run: str,
    question: str,
    answer: object,
    *,
    digest: str | None = None,
    by: str | None = None,
    wait: float = 0.0,
    check: Check | None = None,
) -> bool:
    """Answer a question of a run, whether a process works on it or not.

    When this returns, the answer survives a loss of power. The same answer again changes nothing.

    Args:
        journal: has the log.
        run: its id.
        question: its id.
        answer: `Allow` or `Reject` for the call of a tool; else a value.
        digest: of the question as shown.
        by: who answers, for the log.
        wait: seconds to wait at most until the run has checked it.
        check: gets the question's id and the answer; raises a ValueError if it does not fit.

    Returns:
        Whether the run has taken the answer. If not, it is kept, and checked when the run goes on; until then
        another value can be given, and the first that fits counts.

    Raises:
        QuestionError: it cannot be answered, or not so; the reason says why.
        JournalError: the journal has no such run, or cannot be used.

    Example:
        >>> from miniagents.ext.journal import Lease, MemoryJournal, RunRecord, answer_question
        >>> async def main():
        ...     journal = MemoryJournal()
        ...     asked = ["question", 0, "q", "question", {"text": "?"}, "", None]
        ...     await journal.begin(Lease(RunRecord("7")), [asked])
        ...     print(await answer_question(journal, "7", "q", "Because."))
        >>> asyncio.run(main())
        False
    """
    page, known = await _look_up(journal, run, question)
    found, before = known.asked.get(question), known.answers.get(question)
    if found is None:
        raise QuestionError(f"the run {run!r} has no question {question!r}.", "unknown")
    if question in known.void:
        gone = f"the run {run!r} has no question {question!r} any more: it does not ask it now."
        raise QuestionError(gone, "changed")
    data = cast("dict[str, Json]", answer_data(answer))
    if before is not None and _given(before)[0] == data:
        return True
    if before == {_EXPIRED: True} or (before is None and _is_over(found)):
        raise QuestionError("the time for an answer is over.", "expired")
    if before is not None:
        raise _answered()
    if digest is not None and digest != found.digest:
        raise QuestionError("the question is another one than was shown; look at it again.", "changed")
    key = f"{_ANSWER}:{question}:{_digest(data)[:16]}"  # another answer has another one
    why = known.refused.get(key) or _misfit(found, cast("Asked", data), check)
    if why:
        raise _invalid(why)
    for other in page.sent.keys() - known.refused.keys() - {key}:
        if _question_in(other) == question and _is_final(found.kind, page.sent[other]):
            raise _answered()
    await _send(journal, page, key, data if by is None else {"by": by, "at": wall_time(), **data})
    return wait > 0 and await _is_taken(journal, page, key, data, wait)


def _given(kept: Json) -> tuple[Json, str | None]:
    """An answer as it was given, and by whom."""
    if not isinstance(kept, dict):
        return kept, None
    by = kept.get("by")
    data: Json = {name: value for name, value in kept.items() if name not in {"by", "at"}}
    return data, by if isinstance(by, str) else None


def _misfit(question: Question, data: Asked, check: Check | None) -> str | None:
    why = refusal_of(question.kind, data)
    try:
        if why is None and check is not None:
            check(question.id, data)
    except ValueError as error:
        why = str(error)
    return why


def _is_final(kind: str, sent: Json) -> bool:
    """Whether an answer that its run has not checked refuses others: a decision as shown, or an event."""
    return kind != "question" and isinstance(sent, dict) and sent.get("arguments") is None


async def _is_taken(journal: RunStore, page: RunPage, key: str, data: Json, wait: float) -> bool:
    try:
        async with asyncio.timeout(wait):
            await _until_checked(journal, page, key, data)
    except (TimeoutError, JournalError):
        return False
    return True


async def _send(journal: RunStore, page: RunPage, key: str, data: Json) -> None:
    run, over = page.record.run, _stops(page)
    try:
        if not over:
            await journal.send(run, key, data)
    except JournalError as error:
        if error.reason != "ended":
            raise
        over = True
    if over:
        why = f"the run {run!r} has ended, so that nothing waits for the answer."
        raise QuestionError(why, "ended")


def _stops(page: RunPage) -> bool:
    """Whether a run has ended, or was told to, so that it takes no answers."""
    return page.record.ended or ("stop" in page.sent and page.record.restart != "program")


async def _until_checked(journal: RunStore, page: RunPage, key: str, data: Json) -> None:
    """Wait until a run has taken or refused what was sent to it."""
    run, question = page.record.run, _question_in(key)
    async with aclosing(journal.follow(run, page.record.last)) as batches:
        async for events in batches:
            for event in events:
                match event:
                    case ["answer", _, each, taken, *_] if each == question:
                        if _given(taken)[0] != data:
                            raise _answered()
                        return
                    case ["refused", _, _, each, why] if each == key:
                        raise _invalid(str(why))
                    case _:
                        pass


def _answered() -> QuestionError:
    return QuestionError("this question was answered already, in another way.", "answered")


def _invalid(why: str) -> QuestionError:
    return QuestionError(f"the answer does not fit: {why}.", "invalid")


# -- events by name ------------------------------------------------------------------------------------------
# A name is kept as a run of its own, so that no two waits and no two values can have the same.


def _name_of(event: str) -> str:
    return f"event:{event}"


async def _claim(journal: RunStore, name: str, run: str, question: str) -> tuple[str, Json] | None:
    """Let a question wait for an event; return the topic and the value if it has come already.

    Raises:
        QuestionError: another question waits for it.
    """
    while True:
        if await _keep(journal, name, _wait_of(run, question), ["waits", 0, run, question]):
            return None
        match await _kept(journal, name):
            case [str(topic), "sent", 0, data, float(until)] if until > wall_time():
                return topic, data
            case [str(topic), "waits", 0, str(other), str(its)] if (other, its) != (run, question):
                if await _is_open(journal, other, its):
                    why = (
                        f"the run {other!r} waits for the event {name!r} already; a name is that of one wait."
                    )
                    raise QuestionError(why, "taken")
                await journal.delete(_name_of(name), topic=topic)
            case [_, "waits", *_]:
                return None
            case [str(topic), *_]:  # its time is over
                await journal.delete(_name_of(name), topic=topic)
            case _:
                pass  # it was deleted meanwhile


def _wait_of(run: str, question: str) -> str:
    return f"{run}:{question}"


async def _keep(journal: RunStore, name: str, topic: str, event: Event) -> bool:
    """Keep a wait or a value under a topic of its own, so that no other one is deleted in its place.

    Returns:
        Whether it is kept; False if there is a wait or a value already.
    """

    async def keep() -> None:
        lease = Lease(RunRecord(_name_of(name), topic=topic, restart="program"))
        await journal.begin(lease, [event])
        try:
            await journal.leave(lease)
        except JournalError as error:
            if error.reason != "unknown":  # else it was taken already, and deleted
                raise

    # If this is cancelled, the journal writes it nevertheless: no process works on it then, and no task.
    keeping = asyncio.create_task(keep(), context=Variables())
    # If this is cancelled, its error is not raised anywhere: asyncio must not complain about that.
    keeping.add_done_callback(lambda kept: kept.cancelled() or kept.exception())
    try:
        await asyncio.shield(keeping)
    except asyncio.CancelledError:
        await asyncio.wait([keeping])
        raise
    except JournalError as error:
        if error.reason != "exists":
            raise
        return False
    return True


async def _kept(journal: RunStore, name: str) -> "Event":
    """The wait or the value that is kept, behind its topic; nothing if there is none."""
    try:
        page = await journal.read(_name_of(name))
    except JournalError as error:
        if error.reason != "unknown":
            raise
        return []
    return [page.record.topic, *page.events[0]]


async def _is_open(journal: RunStore, run: str, question: str) -> bool:
    try:
        page, known = await _look_up(journal, run, question)
    except JournalError:
        return False
    return not _stops(page) and question in known.open


async def send_event(
    journal: RunStore,
    name: str,
    value: object = None,
    *,
    expires: float = 86_400.0,
    wait: float = 0.0,
    check: Check | None = None,
) -> None:
    """Say that something has happened for which a run waits (`wait_for_event`), or will wait.

    When this returns, it survives a loss of power. The same again changes nothing.

    Args:
        journal: has the log of the run that waits.
        name: of what has happened.
        value: of the type that the run waits for.
        expires: for how many seconds the value is kept if no run waits for it yet.
        wait: for how many seconds to wait at most until the run has checked the value.
        check: as that of `answer_question`.

    Raises:
        QuestionError: another value was sent under this name, or it does not fit.
        JournalError: the journal cannot be used.

    Example:
        >>> from miniagents.ext.journal import MemoryJournal, send_event
        >>> async def main():
        ...     journal = MemoryJournal()
        ...     await send_event(journal, "payment-17", {"cents": 250})
        >>> asyncio.run(main())
    """
    check_seconds("send_event", "expires", expires)
    data = cast("Json", answer_data(value))
    while True:
        match await _kept(journal, name):
            case [_, "waits", 0, str(run), str(question)] if await _is_open(journal, run, question):
                try:
                    await answer_question(journal, run, question, value, wait=wait, check=check)
                except (QuestionError, JournalError) as error:
                    if error.reason not in {"changed", "ended", "unknown"}:  # else it does not wait any more
                        raise
                else:
                    return
            case [_, "sent", 0, before, float(until)] if until > wall_time():
                if before != data:
                    raise QuestionError(f"another value was sent for the event {name!r}.", "answered")
                return
            case [str(topic), *_]:  # its run was stopped, or its time is over
                await journal.delete(_name_of(name), topic=topic)
            case _:
                if await _keep(journal, name, uuid4().hex, ["sent", 0, data, wall_time() + expires]):
                    return


# -- what a run asks -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class OpenQuestion:
    """A question for whose answer code waits.

    Attributes:
        question: as people see it.
        check: raises a ValueError if an answer does not fit.
        producer: the run whose code waits; None if it is that of no run.
        tasks: in which it waits, if that is not the task of the run: one that the run has made, and the tasks
            that have made this one.
        answered: done when an answer fits.
    """

    question: Question
    check: Callable[[Asked], object]
    producer: TaskLife | None
    tasks: frozenset[Task[object]]
    answered: asyncio.Future[None]


class RunQuestions:
    """Carries the questions of a run to people.

    Args:
        store: keeps the log.
        run: its id.
        events: what is in the log already.
        add: writes an event to the log, soon.
        write: writes an event to the log, and returns when it survives a loss of power.
        span: returns the number of the call that runs now.
        on_open: called when code begins to wait: nothing more is written of what it does.

    Attributes:
        on_wait: called when code begins to wait for an answer.
        claimed: the ids of the questions that were asked by this process.
        acting: the calls of tools that this process has begun, and whose effects may be there.
        closed: whether no answer is taken any more, because the run is being parked.
        begun: the numbers of the calls in the log that can have had effects. If one is not kept, a person
            may say what became of it: then it does not ask or call again what it did.
        bound: the numbers of the calls in the log with which people, or effects, have to do.
        checks: for each question of a run that was parked: raises a ValueError if an answer does not fit.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        store: RunStore,
        run: str,
        events: Sequence[Event],
        add: Callable[[Event], None],
        write: Callable[[Event], Awaitable[None]],
        span: Callable[[], int],
        on_open: Callable[[], None],
    ) -> None:
        self._on_open = on_open
        self.on_wait: Callable[[], None] | None = None
        self.claimed: set[str] = set()
        self.acting: set[str] = set()
        self.closed: bool = False
        self.checks: dict[str, Callable[[Asked], object]] = {}
        self._began = 0.0  # loop time
        self._store = store
        self._run = run
        self._known = _Known.of(run, "", events)
        self._kept = frozenset(self._known.asked)  # that other processes asked
        self.begun: frozenset[str] = frozenset(self._known.intents)
        self.bound: frozenset[str] = self.begun.union(*self._known.inside.values())
        self._add = add
        self._write = write
        self._span = span
        self._before: Counter[str] = Counter()  # how often each question was asked by this process
        self._open: dict[str, OpenQuestion] = {}
        # The tasks that runs have made, and which have asked something, with these runs.
        self._asides: WeakKeyDictionary[Task[object], TaskLife] = WeakKeyDictionary()
        self._left: set[str] = set()  # code that waited was cancelled; void as soon as the run asks again
        # Question -> answers that were not checked yet, or the one that fits; each with its key.
        self._sent: dict[str, list[tuple[str, Json]]] = {}

    def begin(self) -> None:
        """Note that the code of the run begins."""
        self._began = asyncio.get_running_loop().time()

    async def go_on(self) -> None:
        """Wait for ever if the run is parked just now: what comes now is done when it goes on."""
        if self.closed:
            await asyncio.Event().wait()

    async def carry(
        self, kind: str, shown: Asked, expires: float | None, check: Callable[[Asked], object], /
    ) -> Asked:
        """Return the answer to a question: from the log, or when it comes.

        Args:
            kind: of the question.
            shown: what people see of it.
            expires: seconds after which it is not answered any more; None: never.
            check: raises a ValueError if an answer does not fit.

        Raises:
            QuestionError: another run waits for the same event.
            JournalError: the log cannot be written.
        """
        await self.go_on()
        known = self._known
        for each in sorted(self._left):
            self._left.discard(each)
            known.void.add(each)
            await self._write(["void", 0, each])
        self._note_task()
        # A time is mostly that of a clock, so that it is another one when the code runs again.
        digest = _digest([kind, "" if kind == "sleep" else shown])
        where = [self._run, *INSIDE.get()[-1:], digest]  # so it is the same if other calls are played
        key = _digest([*where, self._before[_digest(where)]])[:24]
        self._before[_digest(where)] += 1
        question = known.asked.get(key)
        if key not in known.answers:
            await played_out()
        if key in known.given_up:
            # It is cancelled again, before long: until then the run is not parked, and people are not asked.
            self.claimed.add(key)
            left = known.given_up.pop(key) - self.elapsed
            await asyncio.sleep(max(left, 0.0) + _GIVEN_UP_WITHIN)
        event = str(shown["event"]) if kind == "event" else None
        try:
            if question is None or key in known.void:
                due = None if expires is None or expires == math.inf else wall_time() + expires
                question = known.asked[key] = Question(self._run, key, kind, shown, digest, due)
                known.void.discard(key)
                what, inside = cast("Json", shown), [*INSIDE.get()]
                known.inside[key] = inside
                asked: Event = ["question", self._span(), key, kind, what, digest, due, *inside]
                *others, last = asked, *known.asked_before(key)
                for earlier in others:
                    self._add(earlier)
                await self._write(last)
            self.claimed.add(key)
            if key not in known.answers:
                if event is not None:
                    await self._hear(question, event, check)
                else:
                    await self._wait(question, check)
        except asyncio.CancelledError:
            self._give_up(key)
            raise
        if event is not None:
            topic = known.early.get(key, _wait_of(self._run, key))
            await self._store.delete(_name_of(event), topic=topic)
        return cast("Asked", known.answers[key])

    def _note_task(self) -> None:
        """Note the running task if a run has made it: it may go on with the answer while others wait."""
        producer, task = current_producer(), asyncio.current_task()
        if producer is not None and task is not None and producer.task is not task:
            _ASKED.set(_ASKED.get() | {task})
            self._asides[task] = producer

    async def _hear(self, question: Question, event: str, check: Callable[[Asked], object]) -> None:
        """Take the value of an event that came early, if it fits, or wait for one."""
        while (early := await _claim(self._store, event, self._run, question.id)) is not None:
            topic, data = early
            try:
                check(cast("Asked", data))
            except ValueError as error:
                self._refuse(question.id, _name_of(event), error)
                why = self._why_not(_name_of(event))
                _LOG.warning("A value of the event %r came early, and is not used: %s", event, why)
                await self._store.delete(_name_of(event), topic=topic)
            else:
                self._known.early[question.id] = topic
                await self._answer(question.id, data, topic)
                return
        await self._wait(question, check)

    async def _wait(self, question: Question, check: Callable[[Asked], object]) -> None:
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # While the server of a tool waits for the answer, its call goes on, and the run cannot be parked.
        producer = None if "server" in question.shown else current_producer()
        aside = producer is not None and producer.task is not asyncio.current_task()
        tasks = _ASKED.get() if aside else frozenset[Task[object]]()
        self._open[question.id] = OpenQuestion(question, check, producer, tasks, answered)
        for key, data in self._sent.pop(question.id, ()):  # they came before the question was asked again
            self._settle(question.id, key, data)
            if key in self._known.refused and question.id in self._kept:
                # Who gave it may know only that it is kept.
                why = self._why_not(key)
                _LOG.warning("An answer that was kept for the run %r does not fit: %s", self._run, why)
        left = None if question.due is None else max(question.due - wall_time(), 0.0)
        if self.on_wait is not None and not answered.done() and left != 0:
            self.on_wait()
        if not answered.done():
            self._on_open()  # it may cut the answer that asks
        try:
            async with asyncio.timeout(left):
                await answered
        except TimeoutError:
            await self.go_on()
            await self._answer(question.id, {_EXPIRED: True})
        finally:
            del self._open[question.id]
        if question.id not in self._known.answers:
            await self._answer(question.id, self._sent.pop(question.id)[0][1])

    def _give_up(self, key: str) -> None:
        """Note that the code which waits for an answer was cancelled."""
        producer = current_producer()
        if key in self._known.void:
            return
        if producer is None or producer.context.cancelling or self.closed:
            # The whole run may end with it, to go on in another process, where the question is still open.
            self._left.add(key)
        else:
            self._known.void.add(key)
            self._add(["void", 0, key, self.elapsed])

    async def _answer(self, key: str, data: Json, *early: str) -> None:
        await self._write(["answer", 0, key, data, *early])
        self._known.answers[key] = data

    def on_sent(self, key: str, data: object) -> None:
        """Take an answer that was sent to the run.

        Args:
            key: under which it was sent.
            data: the answer.
        """
        question = _question_in(key)
        if question and question not in self._known.answers and key not in self._known.refused:
            self._settle(question, key, cast("Json", data))

    def _settle(self, question: str, key: str, data: Json) -> None:
        """Keep the first answer that fits for the code that waits for it."""
        waiting = self._open.get(question)
        if self.closed or (waiting is not None and waiting.answered.done()):
            return
        if waiting is not None:
            try:
                waiting.check(cast("Asked", data))
            except ValueError as error:
                self._refuse(question, key, error)
                return
            waiting.answered.set_result(None)
        self._sent.setdefault(question, []).append((key, data))

    def _refuse(self, question: str, key: str, error: ValueError) -> None:
        self._known.refused[key] = str(error)
        self._add(["refused", 0, question, key, str(error)])

    def _why_not(self, key: str) -> str:
        """Why something that was sent is refused, for a log: it may quote what came from outside."""
        return strip_control(redact_keys(self._known.refused[key]))

    # -- calls with effects ------------------------------------------------------------------------------

    async def intend(self, call: ToolCall, key: str) -> ToolResult | None:
        """Write that a call with effects begins. If it began before, and its end is not known, ask a person.

        Args:
            call: with the arguments that were allowed.
            key: of the call, the same after a restart.

        Returns:
            The result that a person knows; None if the call is made now.

        Raises:
            JournalError: the log cannot be written.
        """
        for attempt in range(self._known.intents[key]):
            shown = {"tool": call.name, "arguments": json.loads(call.arguments or "{}"), "call": call.id}
            data = await self.carry("unknown", shown | {"attempt": attempt + 1}, None, _check_unknown)
            if "value" in data:
                value = data["value"]
                text = value if isinstance(value, str) else json.dumps(value)
                return ToolResult(call.id, text, name=call.name)
            if not data.get("allow"):
                return ToolResult(call.id, str(data.get("reason")), is_error=True, name=call.name)
        self.acting.add(key)
        await self._write(["intent", self._span(), key])
        return None

    # -- parking -----------------------------------------------------------------------------------------

    @property
    def asking(self) -> list[OpenQuestion]:
        """The questions for whose answers code waits now; not those whose time is over."""
        waiting = (each for each in self._open.values() if not each.answered.done())
        return [each for each in waiting if not _is_over(each.question)]

    @property
    def going_on(self) -> list[TaskLife]:
        """The runs that made a task which has asked something, and waits for nothing that is known."""
        waiting = set(chain.from_iterable(each.tasks for each in self.asking))
        open_tasks = ((task, run) for task, run in self._asides.items() if not task.done())
        return [run for task, run in open_tasks if task not in waiting and run.wait_in(task) is None]

    @property
    def was_parked(self) -> bool:
        """Whether the run was parked, and goes on now."""
        return self._known.parked is not None

    @property
    def may_go_on(self) -> bool:
        """Whether new calls may be made: the run was not parked, or has asked again what it waited for."""
        parked = self._known.parked
        return not parked or not parked.isdisjoint(self.claimed)

    def not_claimed(self, is_cancelled: Callable[[int], bool]) -> list[str]:
        """Return the questions that were answered, or are open, and were not asked again.

        Args:
            is_cancelled: whether the call of a span is cancelled now, so that it need not ask again.
        """
        return [
            key
            for key, each in self._known.inside.items()
            if (key in self._known.answers or key not in self._known.void)
            and key not in self.claimed
            and self.begun.isdisjoint(each)
            and not is_recorded(each)
            and not is_cancelled(self._known.spans.get(key, 0))
        ]

    def answered(self, keys: Iterable[str]) -> list[str]:
        """Return the names of those questions that were answered.

        Args:
            keys: the ids of questions.
        """
        those = (self._known.asked[key] for key in keys if key in self._known.answers)
        return [
            f"the {each.kind} {json.dumps(each.shown.get('text') or each.shown.get('tool') or each.id)}"
            for each in those
        ]

    @property
    def elapsed(self) -> float:
        """How many seconds ago the code of the run began."""
        return asyncio.get_running_loop().time() - self._began

    def forget(self, inside: str) -> None:
        """Note that nothing of an answer of a dialog is asked again: it was cut, so its questions are void.

        Args:
            inside: the answer.
        """
        self.claim(inside)
        for key in self._known.open:
            if inside in self._known.inside.get(key, ()):
                self._known.void.add(key)
                self._add(["void", 0, key])

    def holds(self, call: str) -> bool:
        """Whether a call was not begun, because it waits to be allowed.

        Args:
            call: with which the calls end that the question is inside of.
        """
        asked, inside = self._known.asked, self._known.inside
        return any(asked[key].kind == "approval" and inside[key][-1:] == [call] for key in self._known.open)

    def claim(self, inside: str) -> None:
        """Note that the questions inside of a call are not asked again: the call is played.

        Args:
            inside: the call.
        """
        self.claimed.update(key for key, each in self._known.inside.items() if inside in each)

    def park(self) -> float:
        """Take no more answers; return when the run has to go on without one, in seconds since 1970."""
        self.closed = True
        self.checks = {key: each.check for key, each in self._open.items()}
        for key in self._known.open:
            if key not in self.claimed:
                self._add(["void", 0, key])
        return min((each.question.due or math.inf for each in self._open.values()), default=math.inf)


def _check_unknown(data: Asked) -> None:
    if "value" not in data and not isinstance(data.get("allow"), bool):
        raise ValueError("it says neither what the result is, nor whether to call the tool again")
