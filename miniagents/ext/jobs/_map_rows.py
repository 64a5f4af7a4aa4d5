"""``map_rows``: an agent asked once for each of many rows, and none is lost."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Generic, Never, Self, cast, overload

from typing_extensions import TypeVar, Unpack

from miniagents.agents import MiniAgent, Stage
from miniagents.core import Message, MessageType, MessageTypeOf

from ._job import Job
from ._options import JobOptions, JobSettings
from ._rows import Progress, Row
from ._sources import Table, batches_of, count_of

__all__ = ["RowStream", "map_rows"]

Item = TypeVar("Item", covariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
Out = TypeVar("Out", bound=Message, covariant=True)  # noqa: PLC0105
RowT = TypeVar("RowT")
In = TypeVar("In", bound=Message)


class RowStream(Generic[Item, Out]):
    """The rows of a job, as they are answered: what :func:`map_rows` returns.

    It is iterated once. Leave it with ``async with``, ``aclose`` or ``break``: what is under way is stopped,
    and what has ended is kept.

    Args:
        job: what is to be done.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.jobs import map_rows
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     async with map_rows(scripted_model(then="fine"), ["one", "two"]) as rows:
        ...         print([row.value.text async for row in rows], rows.progress.done)
        >>> MiniAgents().run(main())
        ['fine', 'fine'] 2
    """

    def __init__(self, job: Job[Item]) -> None:
        self._job = job
        self._rows = cast("AsyncGenerator[Row[Item, Out]]", job.rows())

    @property
    def progress(self) -> Progress:
        """How far the job has come."""
        return self._job.progress

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> Row[Item, Out]:
        """The next row.

        Raises:
            BudgetExceededError: the money is spent; after all rows before.
            TooManyFailuresError: more rows have failed than may; the same.
            JournalError: the journal cannot be used.
            LLMError: one that every row would get: no key, a wrong one.
        """
        return await anext(self._rows)

    async def aclose(self) -> None:
        """Stop what is under way, keep what has ended, close the journal; idempotent."""
        await self._rows.aclose()

    async def __aenter__(self) -> Self:
        """Use it in a block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()


def complete(agent: Stage[Never, Message]) -> MiniAgent[Message, Message]:
    """An agent that can be asked.

    Args:
        agent: what was given as one.

    Raises:
        TypeError: it is none, or a keyword of it has no value.
    """
    if not isinstance(agent, MiniAgent):
        raise TypeError(
            f"A job asks an agent for each row, and this is a value of type {type(agent).__name__}."
        )
    return cast("MiniAgent[Message, Message]", agent).bind()


@overload
def map_rows(
    agent: Stage[Message, Out],
    rows: Table,
    *,
    id: str | Callable[[dict[str, object]], object] | None = None,
    message: Callable[[dict[str, object]], MessageType] | None = None,
    ordered: bool = True,
    **options: Unpack[JobOptions],
) -> RowStream[dict[str, object], Out]: ...
@overload
def map_rows(
    agent: Stage[In, Out],
    rows: Table,
    *,
    id: str | Callable[[dict[str, object]], object] | None = None,
    message: Callable[[dict[str, object]], MessageTypeOf[In]],
    ordered: bool = True,
    **options: Unpack[JobOptions],
) -> RowStream[dict[str, object], Out]: ...
@overload
def map_rows(
    agent: Stage[Message, Out],
    rows: Iterable[RowT] | AsyncIterable[RowT],
    *,
    id: str | Callable[[RowT], object] | None = None,
    message: Callable[[RowT], MessageType] | None = None,
    ordered: bool = True,
    **options: Unpack[JobOptions],
) -> RowStream[RowT, Out]: ...
@overload
def map_rows(
    agent: Stage[In, Out],
    rows: Iterable[In] | AsyncIterable[In],
    *,
    id: str | Callable[[In], object] | None = None,
    message: None = None,
    ordered: bool = True,
    **options: Unpack[JobOptions],
) -> RowStream[In, Out]: ...
@overload
def map_rows(
    agent: Stage[In, Out],
    rows: Iterable[RowT] | AsyncIterable[RowT],
    *,
    id: str | Callable[[RowT], object] | None = None,
    message: Callable[[RowT], MessageTypeOf[In]],
    ordered: bool = True,
    **options: Unpack[JobOptions],
) -> RowStream[RowT, Out]: ...
def map_rows(
    agent: Stage[Never, Message],
    rows: Table | Iterable[object] | AsyncIterable[object],
    *,
    id: str | Callable[..., object] | None = None,  # noqa: A002 - as the field calls it
    message: Callable[..., object] | None = None,
    ordered: bool = True,
    **options: Unpack[JobOptions],
) -> RowStream[object, Message]:
    """Ask an agent once for each row: an inquiry of its own, kept in a journal, within limits and a budget.

    Run again on the same journal, the job goes on: what was answered is not asked again. A row is known by
    what the agent is sent for it, the alias, version and keywords of the agent, and its ``id``; without an
    ``id``, rows that ask the same are told apart by their order. So an inserted row costs nothing but itself,
    and a changed one is asked again.

    * When does it start? When the first row is asked for.
    * How often? Once.
    * What is kept? A thousand rows that have begun and were not taken, or twice ``concurrency`` if that is
      more, and 24 bytes of each row with a journal. So memory does not grow with the answers.
    * What does ``break`` do? It cancels what is under way; what has ended is in the journal.
    * When does an error come? That of a row stands in it (``row.error``), and harms no other one. What every
      row would fail with (a wrong key), an error of the source, a journal that cannot be written, and a
      spent budget end the rows, after all that are safe.

    Calls are made at least once: if the process is killed, those are made again that were under way, or had
    ended within the last 256 rows and were not on the disk yet.

    Args:
        agent: its keywords must all have values.
        rows: an iterable, an async iterable, or a table of pandas, polars or Arrow.
        id: the column (or attribute) that is the identity of a row, or a function of the row.
        message: what the agent is sent for a row; without it the row itself: a text, a message, or a mapping,
            which becomes a message with these fields.
        ordered: rows come in their order, else as they end.
        **options: see :class:`JobOptions`.

    Returns:
        An async iterator of :class:`Row`.

    Raises:
        TypeError: there are no rows in what was given, a keyword of the agent has no value, or an option is
            unknown.
        ValueError: a number makes no sense.
        LookupError: there is a budget, and the price of a model is not known.
        ModuleNotFoundError: there is a budget, and no list of prices.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def judge(ctx):
        ...     text = str(await ctx.messages)
        ...     print("asked:", text)
        ...     ctx.reply("long" if len(text) > 3 else "short")
        >>> async def main(path, words):
        ...     async for row in map_rows(judge, words, journal=path, concurrency=1):
        ...         print(row.index, row.input, row.value)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     MiniAgents().run(main(f"{folder}/words.journal", ["yes"]))
        ...     MiniAgents().run(main(f"{folder}/words.journal", ["yes", "maybe"]))
        asked: yes
        0 yes short
        0 yes short
        asked: maybe
        1 maybe long
    """
    asked, settings = complete(agent), JobSettings.of(options)
    settings.check_price(asked)
    job = Job(
        asked,
        batches_of(rows),
        settings,
        row_id=id,
        message=message,
        ordered=ordered,
        total=count_of(rows),
    )
    return RowStream(job)
