"""The questions of a run: written to its log, and answered from it after a restart."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from miniagents.models import Asked, QuestionError, answer_data, reason_of, refusal_of

from ._message_records import Json
from ._stores import Event, RunStore

__all__ = ["Question", "RunQuestions", "answer_question", "open_questions"]

_ANSWER: Final = "answer"
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a run.

    Attributes:
        run: the id of the run.
        id: of the question.
        kind: ``"question"``, whose answer is a value, or ``"approval"`` of the call of a tool.
        shown: what people see: ``text`` and ``schema`` of a question; ``tool``, ``arguments``, ``call``,
            ``description`` and ``schema`` of an approval.
        digest: of what is shown; an answer can say which one it belongs to.
        due: until when it can be answered, in seconds since 1970; None: always.

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


def _questions_of(run: str, events: Iterable[Event]) -> tuple[dict[str, Question], dict[str, Json]]:
    """Return the questions of a run, and their answers, by their ids."""
    asked: dict[str, Question] = {}
    answers: dict[str, Json] = {}
    for event in events:
        match event:
            case ["question", _, str(key), str(kind), dict(shown), str(digest), due]:
                asked[key] = Question(run, key, kind, shown, digest, cast("float | None", due))
            case ["answer", _, str(key), data]:
                answers[key] = data
            case _:
                pass
    return asked, answers


async def open_questions(journal: RunStore, run: str) -> list[Question]:
    """Return the questions of a run that wait for an answer.

    Args:
        journal: has the log of the run.
        run: its id.

    Raises:
        JournalError: the journal has no such run, or cannot be read.

    Example:
        >>> from miniagents.ext.journal import MemoryJournal, RunHead, open_questions
        >>> async def main():
        ...     journal = MemoryJournal()
        ...     asked = ["question", 0, "q", "question", {"text": "Why?"}, "", None]
        ...     await journal.begin(RunHead("7"), [asked])
        ...     print((await open_questions(journal, "7"))[0].shown)
        >>> asyncio.run(main())
        {'text': 'Why?'}
    """
    page = await journal.read(run)
    asked, answers = _questions_of(run, page.events)
    refused = {str(event[3]) for event in page.events if event[0] == "refused"}
    answered = {_question_in(key) for key in page.sent if key not in refused}
    now = time.time()
    return [
        each
        for key, each in asked.items()
        if key not in answers and key not in answered and (each.due is None or each.due > now)
    ]


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
    check: Callable[[str, object], str | None] | None = None,
) -> None:
    """Answer a question of a run, whether a process works on it or not.

    When this returns, the answer survives a loss of power. The same answer again changes nothing.

    Args:
        journal: has the log of the run.
        run: its id.
        question: the id of the question.
        answer: `Allow` or `Reject` for the call of a tool; else a value of the type that was asked for.
        digest: of the question as it was shown; None if that is not known.
        check: returns why an answer to a question does not fit; None if it does.

    Raises:
        QuestionError: it cannot be answered, or not so; the reason says why.
        JournalError: the journal has no such run, or cannot be used.

    Example:
        >>> from miniagents.ext.journal import MemoryJournal, RunHead, answer_question
        >>> async def main():
        ...     journal = MemoryJournal()
        ...     asked = ["question", 0, "q", "question", {"text": "Why?"}, "", None]
        ...     await journal.begin(RunHead("7"), [asked])
        ...     await answer_question(journal, "7", "q", "Because.")
        ...     print(list((await journal.read("7")).sent.values()))
        >>> asyncio.run(main())
        [{'value': 'Because.'}]
    """
    asked, answers = _questions_of(run, (await journal.read(run)).events)
    found, known = asked.get(question), answers.get(question)
    if found is None:
        raise QuestionError(f"the run {run!r} has no question {question!r}.", "unknown")
    data = cast("Json", answer_data(answer))
    if known is not None and known == data:
        return
    over = known is None and found.due is not None and found.due <= time.time()
    if over or known == {"expired": True}:
        raise QuestionError("the time for an answer is over.", "expired")
    if known is not None:
        raise QuestionError("this question was answered already, in another way.", "answered")
    if digest is not None and digest != found.digest:
        raise QuestionError("the question is another one than was shown; look at it again.", "changed")
    refusal = refusal_of(found.kind, cast("Asked", data)) or (check and check(question, data))
    if refusal:
        raise QuestionError(f"the answer does not fit: {refusal}.", "invalid")
    key = hashlib.sha256(_canonical(data).encode()).hexdigest()[:16]  # another answer has another one
    await journal.send(run, f"{_ANSWER}:{question}:{key}", data)


class RunQuestions:
    """Carries the questions of a run to people.

    Args:
        run: its id.
        events: what is in the log already.
        add: writes an event to the log, soon.
        write: writes an event to the log, and returns when it survives a loss of power.
        span: returns the number of the call that runs now.
    """

    def __init__(
        self,
        run: str,
        events: Iterable[Event],
        add: Callable[[Event], None],
        write: Callable[[Event], Awaitable[None]],
        span: Callable[[], int],
    ) -> None:
        self._run = run
        self._asked, self._answers = _questions_of(run, events)
        self._add = add
        self._write = write
        self._span = span
        self._before: Counter[str] = Counter()  # how often each question was asked by this process
        self._open: dict[str, tuple[asyncio.Future[None], Callable[[Asked], object]]] = {}
        self._sent: dict[str, tuple[str, Json]] = {}  # question -> the key under which an answer came, and it

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
            JournalError: the log cannot be written.
        """
        digest = hashlib.sha256(_canonical([kind, shown]).encode()).hexdigest()
        key = hashlib.sha256(f"{self._run} {digest} {self._before[digest]}".encode()).hexdigest()[:24]
        self._before[digest] += 1
        question = self._asked.get(key)
        if question is None:
            due = None if expires is None else time.time() + expires
            question = self._asked[key] = Question(self._run, key, kind, shown, digest, due)
            await self._write(["question", self._span(), key, kind, cast("Json", shown), digest, due])
        if key not in self._answers:
            await self._wait(question, check)
        return cast("Asked", self._answers[key])

    async def _wait(self, question: Question, check: Callable[[Asked], object]) -> None:
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open[question.id] = answered, check
        if question.id in self._sent:  # it came before the question was asked again
            self._settle(question.id, *self._sent.pop(question.id))
        left = None if question.due is None else max(question.due - time.time(), 0.0)
        try:
            async with asyncio.timeout(left):
                await answered
        except TimeoutError:
            await self._answer(question.id, {"expired": True})
        finally:
            del self._open[question.id]
        if question.id not in self._answers:
            await self._answer(question.id, self._sent.pop(question.id)[1])

    async def _answer(self, key: str, data: Json) -> None:
        await self._write(["answer", 0, key, data])
        self._answers[key] = data

    def on_sent(self, key: str, data: object) -> None:
        """Take an answer that was sent to the run.

        Args:
            key: under which it was sent.
            data: the answer.
        """
        question = _question_in(key)
        if question and question not in self._answers:
            self._settle(question, key, cast("Json", data))

    def _settle(self, question: str, key: str, data: Json) -> None:
        """Keep the first answer that fits for the code that waits for it."""
        if question in self._sent:
            return
        if self.refusal(question, data) is not None:
            self._add(["refused", 0, question, key])
            return
        self._sent[question] = key, data
        if question in self._open and not self._open[question][0].done():
            self._open[question][0].set_result(None)

    def refusal(self, key: str, data: object) -> str | None:
        """Return why an answer does not fit; None if it does, or if that is not known here.

        Args:
            key: the id of the question.
            data: the answer.
        """
        if key not in self._open:
            return None
        try:
            self._open[key][1](cast("Asked", data))
        except ValueError as error:
            return reason_of(error)
        return None
