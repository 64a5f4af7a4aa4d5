"""``map_file``: the rows of a file through an agent, into a file that is complete or not there."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, Never, cast

from pydantic import BaseModel
from typing_extensions import Unpack

from miniagents.agents import MiniAgent, Stage
from miniagents.core import (
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
from ._calls import Asker
from ._failures import TooManyFailuresError
from ._formats import read_rows, row_writer
from ._job import Job
from ._kept_rows import JOB
from ._map_rows import complete
from ._options import JobOptions, JobSettings
from ._row_files import FileForm, Row as FileRow, RowSource, form_of, sha256_of
from ._rows import JobResult, Row
from ._sources import batches_of

__all__ = ["map_file"]

_PLAIN: Final = frozenset({Message, UserMessage, AssistantMessage, SystemMessage, ToolMessage, ErrorMessage})
_LOOKED_AT: Final = 100  # rows, by which it is seen that a finished job asked the same


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
    r"""Ask an agent once for each row of a file, and write the rows with the answers into another one.

    Every row stands in ``out`` once, in the order of the input, with two columns more: the answer (a text, or
    an object of the fields of a typed one), and why there is none. ``out`` is written from the journal when
    all rows have ended, beside its place, and moved into it: it is complete, or as it was. Run again after
    whatever has happened, the job goes on, and asks nothing again that has been answered. A job that is done
    is recognised by the hashes of both files.

    Args:
        agent: its keywords must all have values.
        source: ``.jsonl``, ``.csv``, ``.parquet``, the first two also with ``.gz``; or what has rows.
        out: ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.
        id: the column that is the identity of a row; see :func:`map_rows`.
        message: what the agent is sent for a row; without it a message with the columns as fields.
        output_column: the column of the answer.
        error_column: the column of the error.
        **options: see :class:`JobOptions`. The journal is ``out`` with ``.journal`` behind it, and the errors
            stand in ``out`` with ``.errors.jsonl`` behind it, if others are not given.

    Returns:
        What was done; if the budget is spent, or too many rows have failed, ``stopped`` says so, and nothing
        was written.

    Raises:
        RowsError: a file cannot be used, before anything is asked.
        TypeError: a keyword of the agent has no value, or an option is unknown.
        ValueError: a number makes no sense, or a column is there already.
        LookupError: there is a budget, and the price of a model is not known.
        ModuleNotFoundError: there is a budget, and no list of prices.
        JournalError: the journal cannot be used; or the input was changed while the job ran.
        OSError: ``out`` cannot be written.
        LLMError: one that every row would get: no key, a wrong one.

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
                f"{rows.name} has a column {column!r} already; give the one of OUT another name."
            )
    with ExitStack() as stack:
        journal = settings.open_journal(stack)
        if journal is None:
            raise ValueError("map_file writes its file from a journal; give journal= a path.")
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
        """Ask what was not asked, and write the file."""
        source = await asyncio.to_thread(self._rows.sha256)
        finished = await self._finished(source)
        if finished is not None:
            return finished
        # A row that is none is found before any is paid for.
        total = await asyncio.to_thread(self._rows.count)
        result = await self._ask(total, source)
        if result.stopped is None:
            await self._write(source)
            await self._keep(source, result)
        return result

    async def _ask(self, total: int, source: str) -> JobResult:
        """Ask what was not asked; what this knows of rows goes before the file is written."""
        job = self._job(asks=True, total=total, source=source)
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

    def _job(self, *, asks: bool, total: int | None = None, source: str = "") -> Job[FileRow]:
        settings = replace(self._settings, journal=self._journal)
        if not asks:
            settings = replace(settings, progress=None, budget=None, max_failures=None)
        return Job(
            self._agent,
            cast("AsyncGenerator[list[FileRow]]", batches_of(self._rows)),
            settings,
            row_id=self._row_id,
            message=self._message,
            ordered=not asks,
            total=total,
            source=source,
            asks=asks,
        )

    # -- the file ------------------------------------------------------------------------------------------

    async def _write(self, source: str) -> None:
        """Write the file beside its place, and move it there.

        Raises:
            JournalError: the input was changed.
            OSError: it cannot be written.
        """
        beside = self._out.with_name(f"{self._out.name}.part")
        writer = row_writer(beside, self._form, like=self._rows, texts=self._columns[1:])
        try:
            async for row in self._job(asks=False).rows():
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
        """See that the input is the one that was asked.

        Raises:
            JournalError: it is not.
        """
        if source != await asyncio.to_thread(self._rows.sha256):
            raise JournalError(
                f"{self._rows.name} was changed while the job ran. Run it again; what has not changed is not "
                "asked again."
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
        """A hash of what is asked for the first rows: another prompt asks otherwise."""
        asker = Asker[FileRow](self._records, self._row_id, self._message)
        seen = hashlib.sha256()
        for index, row in enumerate(islice(self._rows, _LOOKED_AT)):
            seen.update(cast("CallKey", (await asker.call(index, row)).key).digest)
        return seen.hexdigest()

    async def _finished(self, source: str) -> JobResult | None:
        """What the job had done if it is done; None if there is something to do."""
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
        return JobResult(rows=rows, done=rows - failed, failed=failed, cached=rows, finished=True)

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
    """What stands in a file for an answer: its text, or an object of its fields.

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
    """What was moved in a folder is on the disk, where the system can tell.

    Args:
        folder: that has it.
    """
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
