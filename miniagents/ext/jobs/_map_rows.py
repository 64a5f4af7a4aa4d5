"""``map_rows``: sends each of many rows to an agent, and loses none."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import Generic, Never, Self, cast, overload

from typing_extensions import TypeVar, Unpack

from miniagents import MiniAgent
from miniagents.messages import Message, MessageType, MessageTypeOf
from miniagents.types import Stage

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
    """The answered rows of a job, as :func:`map_rows` returns them.

    It can be iterated once. Use ``async with`` or call ``aclose`` if you leave early: calls that have not
    ended are stopped, and rows that have ended are kept.

    Args:
        job: the job.

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
        """Return itself."""
        return self

    async def __anext__(self) -> Row[Item, Out]:
        """The next row.

        Raises:
            BudgetExceededError: the budget is spent; it is raised after all rows that were paid.
            TooManyFailuresError: more rows have failed than ``max_failures``; after all rows that have ended.
            JournalError: the journal cannot be used.
            LLMError: an error that every row would get, such as a wrong key.
        """
        return await anext(self._rows)

    async def aclose(self) -> None:
        """Stop calls that have not ended, keep rows that have, and close the journal; idempotent."""
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
    """Check that a value is an agent whose keywords all have values.

    Raises:
        TypeError: it is not an agent, or a keyword has no value.
    """
    if not isinstance(agent, MiniAgent):
        raise TypeError(
            f"A job needs an agent, and this is a value of type {type(agent).__name__}; give an agent."
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
    """Send each row to an agent, with a journal, limits and a budget if you like.

    Run again with the same journal, the job continues: rows that have an answer are not sent again. A row is
    recognised by the message for the agent, by the alias, version and keywords of the agent, and by its
    ``id``. Without an ``id``, rows with the same message are told apart by their order. So a row that you
    insert costs only itself, and a row that you change is sent again.

    * When does it start? When the first row is requested.
    * How often? Once.
    * What is kept? The rows that have begun and were not read yet: a thousand, or twice ``concurrency`` if
      that is more. With a journal, 24 bytes of every row. So memory does not grow with the answers.
    * What does ``break`` do? It cancels calls that have not ended; rows that have ended are in the journal.
    * When does an error come? The error of a row is in ``row.error``, and other rows continue. An error that
      every row would get (such as a wrong key), an error of the source or of the journal, and a spent budget
      end the iteration, after all rows that are safely kept.

    Calls are made at least once. If the process is killed, the next run repeats calls that had not ended, and
    those of the last 256 rows if they were not on the disk yet.

    Args:
        agent: its keywords must all have values.
        rows: an iterable, an async iterable, or a table of pandas, polars or Arrow.
        id: the column (or attribute) that identifies a row, or a function of the row.
        message: makes the message for the agent from a row. Without it, the row itself is sent: a text, a
            message, or a mapping, which becomes a message with these fields.
        ordered: whether rows come in their order; else they come as they end.
        **options: see :class:`JobOptions`.

    Returns:
        An async iterator of :class:`Row`.

    Raises:
        TypeError: ``rows`` is not iterable, a keyword of the agent has no value, or an option is unknown.
        ValueError: a number is out of range.
        LookupError: there is a budget, and the price of a model is not known.
        ModuleNotFoundError: there is a budget, and no price list is installed.

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
    bound, settings = complete(agent), JobSettings.of(options)
    settings.check_price(bound)
    job = Job(
        bound,
        batches_of(rows),
        settings,
        row_id=id,
        message=cast("Callable[[object], MessageType] | None", message),
        ordered=ordered,
        total=count_of(rows),
    )
    return RowStream(job)
