"""``map_file``: sends the rows of a file to an agent, and writes a file that is always complete."""

import asyncio
import errno
import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Final, Literal, Never, TypeAlias, cast

from pydantic import BaseModel
from typing_extensions import Unpack

from miniagents.errors import BudgetExceededError, JournalError
from miniagents.messages import (
    AssistantMessage,
    ErrorMessage,
    Message,
    MessageType,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.streams._pipe import watched_reader
from miniagents.types import ParsedMessage, Stage
from miniagents.utils import redact_keys

from .._file_lock import lock_file
from ..journal import CallKey, CallRecords, Journal, JournalEntry, PostgresJournal
from ._calls import COUNTS, Figures, Json
from ._failures import TooManyFailuresError
from ._formats import (
    AT_ONCE,
    FileForm,
    Row as FileRow,
    RowsError,
    RowSource,
    RowWriter,
    StreamLines,
    TextRows,
    form_of,
    read_rows,
    row_writer,
    sha256_of,
)
from ._job import Job
from ._kept_rows import JOB, KeptRows
from ._map_rows import complete
from ._options import JobOptions, JobSettings
from ._rows import JobResult, Row
from ._sources import batches_of

ADDABLE: Final = ("finish", "usage", "cost")

_Listed: TypeAlias = Journal | PostgresJournal  # which list their calls
_PLAIN: Final = frozenset({Message, UserMessage, AssistantMessage, SystemMessage, ToolMessage, ErrorMessage})
_LOG: Final = logging.getLogger("miniagents.ext.jobs")
_MANY: Final = 0.1  # of the rows: so many answers are those of a job, and not only of an estimate
_LOOKED_AT: Final = 100  # rows that are compared to recognise a finished job, or at a time


async def map_file(
    agent: Stage[Never, Message],
    source: str | Path | RowSource,
    out: str | Path | IO[bytes],
    *,
    id: str | None = None,  # noqa: A002 - as the field calls it
    message: Callable[[dict[str, object]], MessageType] | None = None,
    output_column: str = "output",
    error_column: str = "error",
    columns: Sequence[Literal["finish", "usage", "cost"]] = (),
    confirm: Callable[[str], bool] | None = None,
    **options: Unpack[JobOptions],
) -> JobResult:
    """Send each row of a file to an agent, and write the rows with their answers into another file.

    ``out`` has every row once, in order, with the answer or the error. Run again, the job continues.

    Args:
        agent: with all its keywords.
        source: a ``.jsonl``, ``.csv`` or ``.parquet`` file.
        out: no ``.csv``; or a stream: each row comes as soon as it can.
        id: the column that identifies a row.
        message: makes a message of a row.
        output_column: for the answer.
        error_column: for the error.
        columns: more of them.
        confirm: asks whether to pay again.
        **options: see :class:`JobOptions`.

    Returns:
        The result; ``stopped``: there is no new file.

    Raises:
        RowsError, JournalError, OSError: a file cannot be used.
        TypeError, ValueError, LookupError, ModuleNotFoundError: a wrong argument, or no price.
        LLMError: every row would get it.

    Example:
        >>> from miniagents.ext.eliza import eliza_agent
        >>> map_file(eliza_agent, "in.csv", "out.jsonl").close()  # a program awaits it
    """
    began = time.monotonic()
    if isinstance(out, str | Path):
        out, form = Path(out), form_of(out, written=True)
        options.setdefault("journal", f"{out}.journal")
        options.setdefault("errors", f"{out}.errors.jsonl")
    else:
        form = FileForm("jsonl")
    _check_files(source=source, out=out, journal=options.get("journal"), errors=options.get("errors"))
    bound, settings = complete(agent), JobSettings.of(options)
    settings.check_price(bound)
    rows = read_rows(source) if isinstance(source, str | Path) else source
    added = added_columns(output_column, error_column, columns)
    for column in added.values():
        if column in rows.columns or output_column == error_column:
            raise ValueError(
                f"{rows.name} already has a column {column!r}; give another output_column= or error_column=."
            )
    if id is not None and rows.columns and id not in rows.columns:
        raise ValueError(f"{rows.name} has no column {id!r}; its columns are {', '.join(rows.columns)}.")
    with ExitStack() as stack:
        if isinstance(out, Path):
            try:
                stack.enter_context(lock_file(out.with_name(f"{out.name}.lock")))
            except OSError as error:
                raise JournalError(
                    f"The job cannot write {out}: {error.strerror}. Wait for the end of a job that uses it, "
                    "or give another path."
                ) from None
        journal = settings.open_journal(stack)
        if not isinstance(journal, _Listed) and (journal is not None or isinstance(out, Path)):
            raise TypeError(
                "map_file needs a journal in a file or in Postgres; leave journal= out, or give its name."
            )
        job = Job(
            bound,
            cast("AsyncGenerator[list[FileRow]]", batches_of(rows)),
            replace(settings, journal=journal),
            row_id=id,
            message=message,
            ordered=True,
            for_file=True,
        )
        # A function may make another message of some rows only, so all of them are compared.
        compared = _LOOKED_AT if message is None else None
        result = await _FileJob(job, rows, out, form, journal, added, id, confirm, compared).run()
    return replace(result, seconds=time.monotonic() - began)


def _check_files(**files: object) -> None:
    """Refuse one file for two things, one of which would replace the other."""
    taken: dict[Path, str] = {}
    for name, file in files.items():
        if isinstance(file, str | Path) and (other := taken.setdefault(Path(file).resolve(), name)) != name:
            raise ValueError(
                f"map_file({name}={str(file)!r}): it is also the file of {other}=; name another."
            )


def added_columns(output: str, error: str, more: Sequence[str]) -> dict[str, str]:
    """Return the names of the columns that are added, by what they have.

    Raises:
        ValueError: one is unknown.
    """
    unknown = [each for each in more if each not in ADDABLE]
    if unknown or isinstance(more, str):
        raise ValueError(f"columns={more!r} is no list of {', '.join(map(repr, ADDABLE))}.")
    named = {each: each if output == "output" else f"{output}_{each}" for each in ADDABLE if each in more}
    return {"output": output, "error": error, **named}


@dataclass(frozen=True, slots=True)
class _FileJob:
    """One run of :func:`map_file`."""

    job: Job[FileRow]
    rows: RowSource
    out: Path | IO[bytes]
    form: FileForm
    journal: _Listed | None
    columns: Mapping[str, str]
    row_id: str | None
    confirm: Callable[[str], bool] | None
    compared: int | None  # how many of the first rows are compared to recognise a finished job; None for all

    async def run(self) -> JobResult:
        """Send the rows without an answer, and write all rows."""
        source = await asyncio.to_thread(self.rows.sha256)
        finished = await self._finished(source)
        if finished is not None:
            return finished
        # A wrong line is found before any row is paid for.
        total = self.job.meter.total = await asyncio.to_thread(self._count)
        self.job.source = source
        if not await self._confirmed(total):
            return JobResult(stopped="declined")
        if isinstance(self.out, Path):
            return await self._to_file(self.out)
        lines = StreamLines(self.out)
        with watched_reader(self.out, partial(self.job.stop, at_once=True)):
            return await self._send(row_writer(lines, self.form, source=self.rows), lines)

    async def _to_file(self, out: Path) -> JobResult:
        """Write the file next to its place, and move it there when it is complete."""
        beside = out.with_name(f"{out.name}.part")
        texts = [self.columns[what] for what in ("output", "error", "finish") if what in self.columns]
        writer = row_writer(beside, self.form, source=self.rows, texts=texts)
        try:
            result = await self._send(writer)
            if result.finished:
                writer.close()
                beside.replace(out)
                sync_folder(out.parent)
        finally:
            writer.discard()
            beside.unlink(missing_ok=True)
        if result.finished:
            await self._keep(out, result)  # so that the next run knows it
        return result

    def _count(self) -> int:
        """Count and check the rows.

        Raises:
            RowsError: a row has a column that would be overwritten.
        """
        if not isinstance(self.rows, TextRows):  # all rows have the same columns
            return self.rows.count()
        new, count = frozenset(self.columns.values()), 0
        for row in self.rows:
            count += 1
            if not new.isdisjoint(row):
                column = ", ".join(sorted(new & row.keys()))
                raise RowsError(
                    f"{self.rows.name}, row {count} already has a column {column!r}; give another "
                    "name to the column of answers or errors."
                )
        return count

    async def _send(self, writer: RowWriter, lines: StreamLines | None = None) -> JobResult:
        """Send the rows without an answer, and write each row when it and all rows before it have ended.

        Raises:
            JournalError: the input was changed.
            OSError: a row cannot be written; a BrokenPipeError if its reader has left.
        """
        job, written = self.job, 0
        failure: Exception | None = None
        changed = JournalError(
            f"{self.rows.name} was changed while the job ran. Run the job again; rows that have not changed "
            "are not sent again."
        )
        with suppress(BudgetExceededError, TooManyFailuresError), ExitStack() as stack:
            stack.callback(writer.leave)
            async with aclosing(job.rows(None if lines is None else lines.pass_on)) as rows:
                async for row in rows:
                    if row.index > written:  # the row before was not sent, or cannot be written
                        continue
                    try:
                        writer.write(self._added(row))
                    except (StopIteration, OSError) as error:
                        failure = error if isinstance(error, OSError) else changed
                        job.stop()  # what is under way is paid, so it is kept before the error is raised
                        continue
                    written += 1
                    if lines is not None and lines.tell() > AT_ONCE:
                        await lines.pass_on()
        if failure is not None:
            raise failure
        if job.ends == "now":
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if job.stopped is None and job.source != await asyncio.to_thread(self.rows.sha256):
            raise changed
        meter, budget = job.meter, job.budget
        return JobResult(
            rows=meter.ended,
            done=meter.done,
            failed=meter.failed,
            cached=meter.cached,
            repeated=job.repeated,
            changed=job.changed,
            cost=budget.spent,
            run_cost=budget.spent_now,
            requests=meter.requests,
            usage=meter.usage,
            finished=job.stopped is None,
            stopped=job.stopped,
        )

    # -- answers to other questions ------------------------------------------------------------------------

    async def _confirmed(self, total: int) -> bool:
        """Whether to go on: False if all rows would be paid again, and ``confirm`` does not allow that."""
        journal = self.journal
        if self.job.settings.refresh or journal is None or await self._knows_an_answer(journal):
            return True
        answers, cost, tokens = await asyncio.to_thread(self._answers, journal)
        if not tokens and not cost:
            return True  # nothing was paid, or the journal is new
        price = "" if cost is None else f", for about {float(cost) / answers * total:,.2f} dollars"
        text = (
            f"The journal has {answers:,} answers of {self.job.records.function.name}, and none of them fits "
            "a row of this job: its prompt, model, id or another option has changed. "
            f"All {total:,} rows are sent and paid again{price} ({tokens // answers * total:,} tokens)."
        )
        if self.confirm is None or answers < total * _MANY:
            _LOG.warning("%s", text)
            return True
        return self.confirm(text)

    async def _knows_an_answer(self, journal: _Listed) -> bool:
        """Whether the journal is empty, or has an answer for a row of this job.

        A row that failed does not count: one that cannot be sent fails in the same way for each prompt.
        """
        if next(journal.calls(), None) is None:
            return True
        kept, maker, index = KeptRows(journal, self.job.records), self.job.maker(), 0
        async for batch in batches_of(self.rows):
            rows = cast("list[FileRow]", batch)
            calls = [await maker.call(index + at, row) for at, row in enumerate(rows)]
            found = await kept.find_all([cast("CallKey", call.key) for call in calls])
            if any(each is not None and each.error is None for each in found):
                return True
            index += len(calls)
        return not index

    def _answers(self, journal: _Listed) -> tuple[int, Decimal | None, int]:
        """Return how many answers of this agent the journal has, and their cost and tokens."""
        answers, cost, tokens, known = 0, Decimal(), 0, True
        function = self.job.records.function
        for call in journal.calls():
            if call.scope or call.failed or call.name != function.name:
                continue
            figures = Figures.of(JournalEntry(function, "", call.events))
            answers += 1
            tokens += (figures.usage.input_tokens or 0) + (figures.usage.output_tokens or 0)
            known = known and figures.cost is not None
            cost += figures.cost or 0
        return answers, cost if known else None, tokens

    def _added(self, row: Row[FileRow, Message]) -> FileRow:
        """Return the new columns of a row."""
        error = None if row.error is None else f"{type(row.error).__name__}: {redact_keys(row.error)}"
        values: FileRow = {
            "output": None if row.error is not None else output_of(row.value),
            "error": error,
            "finish": row.finish,
            "usage": {name: count for name in COUNTS if (count := getattr(row.usage, name)) is not None},
            "cost": None if row.cost is None else float(row.cost),
        }
        return {name: values[what] for what, name in self.columns.items()}

    # -- a job that is done --------------------------------------------------------------------------------

    def _finished_key(self, source: str) -> CallKey:
        columns = tuple(self.columns.values())
        data = [source, self.row_id, columns, self.form.name, self.form.zipped]
        accept = sorted(self.job.settings.accept)
        text = json.dumps([*data, accept] if accept else data)
        return CallKey(self.job.records.key(f"finished {text}").digest, JOB)

    async def _messages(self) -> str:
        """A hash of the messages for the compared rows, which differs after a change of the prompt."""
        maker, seen = self.job.maker(), hashlib.sha256()
        for index, row in enumerate(islice(self.rows, self.compared)):
            if index % _LOOKED_AT == 0:
                await asyncio.sleep(0)
            seen.update(cast("CallKey", (await maker.call(index, row)).key).digest)
        return seen.hexdigest()

    async def _finished(self, source: str) -> JobResult | None:
        """The result of a job that is done; None if there is something left to do."""
        journal, out = self.journal, self.out
        if self.job.settings.refresh or journal is None or not isinstance(out, Path):
            return None
        (entry,) = await journal.find_all([self._finished_key(source)])
        match None if entry is None else CallRecords.note_of(entry):
            case {"rows": int(rows), "failed": int(failed), "out": list(written), "asks": str(asks)}:
                pass
            case _:
                return None
        if (failed and self.job.settings.retry_failed) or asks != await self._messages():
            return None
        if written != await asyncio.to_thread(self._written, out):
            return None
        state = await KeptRows(journal, self.job.records).begin()
        return JobResult(
            rows=rows,
            done=rows - failed,
            failed=failed,
            cached=rows,
            cost=state.spent,
            run_cost=Decimal(),
            finished=True,
        )

    def _written(self, out: Path) -> list[Json]:
        """The hashes of the file and of that of the rows that failed, each None if it is not there."""
        files = (out, Path(self.job.settings.errors or out))
        return [sha256_of(each) if each.is_file() else None for each in files]

    async def _keep(self, out: Path, result: JobResult) -> None:
        if self.journal is None:  # only without a file
            return
        note: dict[str, Json] = {
            "rows": result.rows,
            "failed": result.failed,
            "out": await asyncio.to_thread(self._written, out),
            "asks": await self._messages(),
        }
        entry = CallRecords.noted(JournalEntry(self.job.records.function, "finished", ()), note)
        await self.journal.keep_all([(self._finished_key(self.job.source), entry)])


def output_of(message: Message) -> object:
    """The value in the file for an answer: its text, or an object with its fields."""
    if isinstance(message, ParsedMessage):
        return cast("ParsedMessage[BaseModel]", message).parsed.model_dump(mode="json")
    if type(message) in _PLAIN and message.text is not None:
        return message.text
    fields = message.model_dump(mode="json")
    return {name: field for name, field in fields.items() if name != "text" or field is not None}


def sync_folder(folder: Path) -> None:
    """Make sure that a move within a folder is on the disk, where the system can do this."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
