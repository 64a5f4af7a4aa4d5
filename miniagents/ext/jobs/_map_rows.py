"""``map_rows``: sends each of many rows to an agent, and loses none."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Generic, Never, Self, cast, overload

from typing_extensions import TypeVar, Unpack

from miniagents import MiniAgent
from miniagents.messages import Message, MessageType, MessageTypeOf
from miniagents.types import Stage

from ._job import Job
from ._options import JobOptions, JobSettings
from ._rows import Progress, Row
from ._sources import Table, batches_of, count_of

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
        return self._job.meter.progress

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

    async def __aexit__(self, *_: object) -> None:
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

    A row with an answer in the journal is not sent again. The page "Data jobs" has the rest.

    * When does it start? When the first row is requested.
    * How often? Once; after a crash, rows on their way are sent again.
    * What is kept? The rows that were not read: a thousand, or twice ``concurrency``.
    * What does ``break`` do? It cancels what runs.
    * When does an error come? As ``row.error``; one that every row would get ends the rows.

    Args:
        agent: its keywords must all have values.
        rows: any iterable, or a table.
        id: a column, or a function of the row.
        message: makes the message from a row.
        ordered: False: as they end.
        **options: see :class:`JobOptions`.

    Raises:
        TypeError, ValueError: a wrong argument.
        LookupError, ModuleNotFoundError: there is no price.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     print([str(row.value) async for row in map_rows(scripted_model("fine"), ["one"])])
        >>> MiniAgents().run(main())
        ['fine']
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
