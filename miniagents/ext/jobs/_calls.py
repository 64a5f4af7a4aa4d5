"""The call for a row: its message, its key in the journal, and its figures."""

import logging
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Final, Generic, TypeAlias, TypeVar, cast

from pydantic import BaseModel, model_serializer
from reactivex import Observable
from typing_extensions import override

from miniagents.messages import Message, Messages, MessageSequencePromise, MessageType
from miniagents.parts import Usage

from ..journal import CallKey, CallRecords, JournalEntry
from ._occurrences import Occurrences
from ._sources import python_value

RowT = TypeVar("RowT")

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value that JSON can express."""

_SENT: Final = (str, Mapping, BaseModel, Exception, Iterable, AsyncIterable, Observable, type(None))

_CHAT: Final = frozenset({"role", "content"})
_LOG: Final = logging.getLogger("miniagents.ext.jobs")
_NEAR: Final = 0.8  # from 0 to 1: how alike two names are, if one may be meant by the other

COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


@dataclass(slots=True)
class Figures:
    """The figures of a row, which the journal keeps besides its answer.

    Attributes:
        attempts: how often the row was sent.
        requests: how many model calls were made for it.
        usage: their tokens.
        cost: their cost in dollars; None if a price is not known.
        partial: the text of an answer before it failed.
    """

    attempts: int = 1
    requests: int = 0
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    cost: Decimal | None = Decimal()
    partial: str = ""

    @property
    def data(self) -> Json:
        """The figures as JSON; None if they are the usual ones."""
        data: dict[str, Json] = {}
        if self.attempts != 1:
            data["attempts"] = self.attempts
        if self.requests:
            data["requests"] = self.requests
            data["usage"] = [cast("int | None", getattr(self.usage, name)) for name in COUNTS]
        if self.cost != 0:
            data["cost"] = None if self.cost is None else str(self.cost)
        if self.partial:
            data["partial"] = self.partial
        return data or None

    @classmethod
    def of(cls, entry: JournalEntry) -> "Figures":
        """Return the figures of an entry of the journal."""
        note = CallRecords.note_of(entry)
        data: dict[str, Json] = note if isinstance(note, dict) else {}
        return cls(
            attempts=_number(data.get("attempts"), 1),
            requests=_number(data.get("requests"), 0),
            usage=_usage(data.get("usage")),
            cost=dollars_of(data.get("cost", "0")),
            partial=str(data.get("partial", "")),
        )


@dataclass(slots=True, eq=False)
class RowCall(Generic[RowT]):
    """The call for one row.

    Attributes:
        index: its position among all rows.
        item: the row.
        row_id: its id.
        messages: the messages for the agent.
        question: the same as JSON.
        key: the key of the answer in the journal.
        error: why the row cannot be sent.
        figures: its attempts, tokens and cost.
    """

    index: int
    item: RowT
    row_id: str | None = None
    messages: str | Messages = ""
    question: str = ""
    key: CallKey | None = None
    error: Exception | None = None
    figures: Figures = field(default_factory=lambda: Figures(attempts=0))


@dataclass(slots=True, eq=False)
class CallMaker(Generic[RowT]):
    """Makes the calls of rows.

    Args:
        records: makes the keys; None without a journal.
        row_id: the column that identifies a row, or a function that returns its id.
        message: makes the message for the agent from a row; None to send the row itself.
        takes: the classes of messages that the agent takes, to warn of columns with a wrong name.
    """

    _records: CallRecords | None
    _row_id: str | Callable[[RowT], object] | None
    _message: Callable[[RowT], MessageType] | None
    _takes: Iterable[type[Message]] = ()
    _occurrences: Occurrences = field(default_factory=Occurrences, init=False)

    async def call(self, index: int, item: RowT) -> RowCall[RowT]:
        """Return the call for a row; if the row cannot be sent, the call has the error.

        Raises:
            TypeError: the first row is of a type that cannot be sent without ``message=``.
        """
        if index == 0 and self._message is None:
            self._check_first(item)
        call = RowCall(index, item)
        try:
            call.row_id = self._identity(item)
            call.messages, keyed = await self._messages(item)
            call.question = self._question(keyed)
        except Exception as error:  # noqa: BLE001 - it is the error of this row
            call.error = error
        records = self._records
        if records is not None:
            if call.error is not None:
                call.question = f"row {records.question_of_data(item)}"
            key = records.key(call.question, identity=call.row_id)
            number = self._occurrences.count(key.digest)
            call.key = CallKey(key.digest, "", number) if number else key
        return call

    def _check_first(self, item: object) -> None:
        """Check the type of a row, and warn of columns that look like fields of the agent.

        Raises:
            TypeError: the row cannot be sent without ``message=``.
        """
        if not isinstance(item, _SENT):
            raise TypeError(
                f"A row is of type {type(item).__name__}, which is no text, message or mapping; give "
                "message= a function that makes the message from a row."
            )
        columns = [*cast("Mapping[str, object]", item)] if isinstance(item, Mapping) else []
        for kind in self._takes:
            others = [column for column in columns if column not in kind.model_fields]
            for name, info in kind.model_fields.items():
                if name in columns or name in Message.model_fields or info.is_required() or info.alias:
                    continue
                for near in get_close_matches(name, others, n=1, cutoff=_NEAR):
                    _LOG.warning(
                        "The rows have no column %r, but %r: %s.%s has its default in all of them.",
                        *(name, near, kind.__name__, name),
                    )

    async def _messages(self, item: RowT) -> tuple[str | Messages, str | Messages]:
        """Return the messages for a row, and those that its key is made from."""
        if self._message is None and isinstance(item, Mapping):
            row = cast("Mapping[str, object]", item)
            sent, keyed = await message_of_row({name: python_value(value) for name, value in row.items()})
            return Messages([sent]), Messages([keyed])
        message = cast("MessageType", item) if self._message is None else self._message(item)
        if type(message) is str:
            return message, message
        messages = await MessageSequencePromise(message)
        return messages, messages

    def _question(self, keyed: str | Messages) -> str:
        """Return the messages that the key is made from as JSON; an error if they cannot be written."""
        if isinstance(keyed, str):
            return "" if self._records is None else self._records.question_of_text(keyed)
        return "".join(map(str, keyed)) if self._records is None else self._records.question_of(keyed)

    def _identity(self, item: RowT) -> str | None:
        if self._row_id is None:
            return None
        if callable(self._row_id):
            return str(self._row_id(item))
        if isinstance(item, Mapping):
            row = cast("Mapping[str, object]", item)
            if self._row_id in row:
                return str(row[self._row_id])
            raise KeyError(f"the row has no column {self._row_id!r}; it has: {', '.join(map(str, row))}")
        found: object = getattr(item, self._row_id)
        return str(found)


def _number(data: Json, otherwise: int) -> int:
    return data if isinstance(data, int) else otherwise


def _usage(data: Json) -> Usage:
    counts = [each if isinstance(each, int) else None for each in data] if isinstance(data, list) else []
    sent, answered, cached, written, thought = [*counts, *[None] * len(COUNTS)][: len(COUNTS)]
    return Usage(sent, answered, cached, reasoning_tokens=thought, cache_write_tokens=written)


def dollars_of(data: Json) -> Decimal | None:
    """Return dollars from their text in a journal; None if they are not known."""
    try:
        return None if data is None else Decimal(str(data))
    except InvalidOperation:
        return None


class RowMessage(Message):
    """A row whose columns cannot be fields of a message: ``dict(message)`` is the row, as of any message.

    Attributes:
        row: the columns.

    Example:
        >>> message = RowMessage(row={"json": 1, "text": 5})
        >>> dict(message), str(message)
        ({'json': 1, 'text': 5}, '{"json":1,"text":5}')
    """

    row: Mapping[str, object]

    @override
    def __iter__(self) -> Iterator[tuple[str, object]]:  # type: ignore[override]  # pydantic's is a generator
        """Yield the columns, so that the row can become a message of a class that declares them."""
        return iter(self.row.items())

    def __getattr__(self, name: str) -> object:
        """Return the value of a column, as other messages do."""
        row = self.__dict__.get("row", ())
        if name in row:
            return cast("Mapping[str, object]", row)[name]
        raise AttributeError(f"The row has no column {name!r}; it has: {', '.join(map(str, row))}.")

    @model_serializer(mode="plain")
    def _columns(self) -> dict[str, object]:
        return dict(self.row)


async def message_of_row(row: Mapping[str, object]) -> tuple[Message, Message]:
    """Return the message for a row, and the message that its key in the journal is made from."""
    if "role" not in row or frozenset(row) == _CHAT:  # the second is a message in the form of other libraries
        # The key of a row stays that of the message which 0.2 made of it.
        try:
            (message,) = await MessageSequencePromise(cast("MessageType", row))
        except (TypeError, ValueError):
            pass  # a column that a message cannot have
        else:
            return message, message
    return RowMessage(row=row), Message(row=row)
