"""``map_file``: sends the rows of a file to an agent, and writes a file that is always complete."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Final, Never, cast

from pydantic import BaseModel
from typing_extensions import Unpack

from miniagents.agents import MiniAgent, Stage
from miniagents.messages import (
    AssistantMessage,
    ErrorMessage,
    Message,
    MessageType,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.models import CallKey, JournalEntry, JournalError, Json, ParsedMessage
from miniagents.values import BudgetExceededError, redact_keys

from .._journal import Journal
from ._calls import CallMaker
from ._failures import TooManyFailuresError
from ._formats import read_rows, row_writer
from ._job import Job
from ._kept_rows import JOB, KeptRows
from ._map_rows import complete
from ._options import JobOptions, JobSettings
from ._row_files import FileForm, Row as FileRow, RowSource, form_of, sha256_of
from ._rows import JobResult, Row
from ._sources import batches_of

__all__ = ["map_file"]

_PLAIN: Final = frozenset({Message, UserMessage, AssistantMessage, SystemMessage, ToolMessage, ErrorMessage})
_LOOKED_AT: Final = 100  # first rows that are compared to recognise a finished job


async def map_file(
    agent: Stage[Never, Message],
    source: str | Path | RowSource,
    out: str | Path,
    *,
    id: str | None = None,  # noqa: A002 - as the field calls it
    message: Callable[[dict[str, object]], MessageType] | None = None,
    output_column: str = "output",
    error_column: str = "error",
    **options: Unpack[JobOptions],
) -> JobResult:
    r"""Send each row of a file to an agent, and write the rows with their answers into another file.

    ``out`` has every row once, in the order of the input, with two more columns: the answer (a text, or an
    object with the fields of a typed answer), and the error if there is no answer. When all rows have ended,
    ``out`` is written from the journal next to its place and then moved there, so it is never half a file.
    Run again after a stop or a crash, the job continues, and sends no row again that has an answer. A job
    that is done is recognised by the hashes of both files.

    Args:
        agent: its keywords must all have values.
        source: a ``.jsonl``, ``.csv`` or ``.parquet`` file, the first two also with ``.gz``; or a
            :class:`RowSource`.
        out: a ``.jsonl``, ``.jsonl.gz`` or ``.parquet`` file.
        id: the column that identifies a row; see :func:`map_rows`.
        message: makes the message for the agent from a row; by default a message with the columns as fields.
        output_column: the name of the column for the answer.
        error_column: the name of the column for the error.
        **options: see :class:`JobOptions`. By default the journal is ``out`` with ``.journal`` added to its
            name, and ``errors`` is ``out`` with ``.errors.jsonl`` added.

    Returns:
        The result of the job. If the budget is spent, or too many rows have failed, ``stopped`` says so, and
        ``out`` was not written.

    Raises:
        RowsError: a file cannot be used; no row was sent.
        TypeError: a keyword of the agent has no value, or an option is unknown.
        ValueError: a number is out of range, or the input already has one of the new columns.
        LookupError: there is a budget, and the price of a model is not known.
        ModuleNotFoundError: there is a budget, and no price list is installed.
        JournalError: the journal cannot be used; or the input was changed while the job ran.
        OSError: ``out`` cannot be written.
        LLMError: an error that every row would get, such as a wrong key.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main(folder):
        ...     path = Path(folder, "reviews.csv")
        ...     _ = path.write_text("stars,text\n5,Lovely.\n1,Broken.\n")
        ...     model, out = scripted_model(then="fine"), Path(folder, "out.jsonl")
        ...     result = await map_file(model, path, out, message=lambda row: str(row["text"]))
        ...     print(result.done, out.read_text())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     MiniAgents().run(main(folder))
        2 {"stars": "5", "text": "Lovely.", "output": "fine", "error": null}
        {"stars": "1", "text": "Broken.", "output": "fine", "error": null}
        <BLANKLINE>
    """
    began = time.monotonic()
    out = Path(out)
    options.setdefault("journal", f"{out}.journal")
    options.setdefault("errors", f"{out}.errors.jsonl")
    asked, settings = complete(agent), JobSettings.of(options)
    settings.check_price(asked)
    form = form_of(out, written=True)
    rows = read_rows(source) if isinstance(source, str | Path) else source
    for column in (output_column, error_column):
        if column in rows.columns or output_column == error_column:
            raise ValueError(
                f"{rows.name} already has a column {column!r}; give another output_column= or error_column=."
            )
    with ExitStack() as stack:
        journal = settings.open_journal(stack)
        if journal is None:
            raise ValueError("map_file cannot work without a journal; give journal= a path, or leave it out.")
        job = _FileJob(
            asked,
            rows,
            out,
            settings,
            journal,
            form=form,
            row_id=id,
            message=message,
            columns=(output_column, error_column),
        )
        result = await job.run()
    return replace(result, seconds=time.monotonic() - began)


class _FileJob:
    """One run of :func:`map_file`."""

    def __init__(
        self,
        agent: MiniAgent[Message, Message],
        rows: RowSource,
        out: Path,
        settings: JobSettings,
        journal: Journal,
        *,
        form: FileForm,
        row_id: str | None,
        message: Callable[[FileRow], MessageType] | None,
        columns: tuple[str, str],
    ) -> None:
        self._agent = agent
        self._rows = rows
        self._out = out
        self._form = form
        self._settings = settings
        self._journal = journal
        self._row_id = row_id
        self._message = message
        self._columns = columns
        self._records = settings.records(agent)

    async def run(self) -> JobResult:
        """Send the rows without an answer, and write the file."""
        source = await asyncio.to_thread(self._rows.sha256)
        finished = await self._finished(source)
        if finished is not None:
            return finished
        # A wrong line is found before any row is paid for.
        total = await asyncio.to_thread(self._rows.count)
        result = await self._send(total, source)
        if result.stopped is None:
            await self._write(source)
            await self._keep(source, result)
        return result

    async def _send(self, total: int, source: str) -> JobResult:
        """Send the rows without an answer; the memory for rows is released before the file is written."""
        job = self._job(sends=True, total=total, source=source)
        with suppress(BudgetExceededError, TooManyFailuresError):
            async for _ in job.rows():
                pass
        progress = job.progress
        return JobResult(
            rows=progress.done + progress.failed,
            done=progress.done,
            failed=progress.failed,
            cached=progress.cached,
            repeated=job.repeated,
            changed=job.changed,
            cost=progress.cost,
            run_cost=job.run_cost,
            requests=progress.requests,
            usage=progress.usage,
            stopped=job.stopped,
        )

    def _job(self, *, sends: bool, total: int | None = None, source: str = "") -> Job[FileRow]:
        settings = replace(self._settings, journal=self._journal)
        if not sends:
            settings = replace(settings, progress=None, budget=None, max_failures=None)
        return Job(
            self._agent,
            cast("AsyncGenerator[list[FileRow]]", batches_of(self._rows)),
            settings,
            row_id=self._row_id,
            message=self._message,
            ordered=not sends,
            total=total,
            source=source,
            sends=sends,
        )

    # -- the file ------------------------------------------------------------------------------------------

    async def _write(self, source: str) -> None:
        """Write the file next to its place, and move it there.

        Raises:
            JournalError: the input was changed.
            OSError: it cannot be written.
        """
        beside = self._out.with_name(f"{self._out.name}.part")
        writer = row_writer(beside, self._form, like=self._rows, texts=self._columns[1:])
        try:
            async for row in self._job(sends=False).rows():
                writer.write(self._line(row))
            await self._check_unchanged(source)
            writer.close()
        except BaseException:
            writer.discard()
            beside.unlink(missing_ok=True)
            raise
        beside.replace(self._out)
        sync_folder(self._out.parent)

    async def _check_unchanged(self, source: str) -> None:
        """Check that the input has not changed.

        Raises:
            JournalError: it has.
        """
        if source != await asyncio.to_thread(self._rows.sha256):
            raise JournalError(
                f"{self._rows.name} was changed while the job ran. Run the job again; rows that have not "
                "changed are not sent again."
            )

    def _line(self, row: Row[FileRow, Message]) -> FileRow:
        output, error = self._columns
        said = None if row.error is None else f"{type(row.error).__name__}: {redact_keys(str(row.error))}"
        return {**row.input, output: None if row.error is not None else output_of(row.value), error: said}

    # -- a job that is done --------------------------------------------------------------------------------

    def _finished_key(self, source: str) -> CallKey:
        said = json.dumps([source, self._row_id, self._columns, self._form.name, self._form.zipped])
        return CallKey(self._records.key(f"finished {said}").digest, JOB)

    async def _first_rows(self) -> str:
        """A hash of the messages for the first rows, which differs after a change of the prompt."""
        maker = CallMaker[FileRow](self._records, self._row_id, self._message)
        seen = hashlib.sha256()
        for index, row in enumerate(islice(self._rows, _LOOKED_AT)):
            seen.update(cast("CallKey", (await maker.call(index, row)).key).digest)
        return seen.hexdigest()

    async def _finished(self, source: str) -> JobResult | None:
        """The result of a job that is done; None if there is something left to do."""
        if self._settings.refresh:
            return None
        (entry,) = await self._journal.find_all([self._finished_key(source)])
        match None if entry is None else self._records.note_of(entry):
            case {"rows": int(rows), "failed": int(failed), "out": str(written), "asks": str(asks)}:
                pass
            case _:
                return None
        if failed and self._settings.retry_failed:
            return None
        if asks != await self._first_rows() or not self._out.is_file():
            return None
        if written != await asyncio.to_thread(sha256_of, self._out):
            return None
        state = await KeptRows(self._journal, self._records).begin()
        return JobResult(
            rows=rows,
            done=rows - failed,
            failed=failed,
            cached=rows,
            cost=state.spent,
            run_cost=Decimal(),
            finished=True,
        )

    async def _keep(self, source: str, result: JobResult) -> None:
        said: dict[str, Json] = {
            "rows": result.rows,
            "failed": result.failed,
            "out": await asyncio.to_thread(sha256_of, self._out),
            "asks": await self._first_rows(),
        }
        entry = self._records.noted(JournalEntry(self._records.function, "finished", ()), said)
        await self._journal.keep_all([(self._finished_key(source), entry)])


def output_of(message: Message) -> object:
    """The value in the file for an answer: its text, or an object with its fields.

    Args:
        message: the answer.
    """
    if isinstance(message, ParsedMessage):
        return cast("ParsedMessage[BaseModel]", message).parsed.model_dump(mode="json")
    if type(message) in _PLAIN and message.text is not None:
        return message.text
    said = message.model_dump(mode="json")
    return {name: field for name, field in said.items() if name != "text" or field is not None}


def sync_folder(folder: Path) -> None:
    """Make sure that a move within a folder is on the disk, where the system can do this.

    Args:
        folder: the folder.
    """
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
