"""`miniagents map`: each row of a file through an agent; all is checked before the first one is asked."""

import asyncio
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel

from miniagents.agents import MiniAgent, MiniAgents
from miniagents.core import Message
from miniagents.errors import BudgetExceededError, MiniAgentsError, SchemaError
from miniagents.ext.jobs import (
    JobOptions,
    JobResult,
    Limits,
    Progress,
    RowsError,
    RowSource,
    Stopped,
    TooManyFailuresError,
    form_of,
    map_file,
    map_rows,
    read_rows,
)
from miniagents.ext.journal import JournalError
from miniagents.ext.usage import Price, dollars
from miniagents.models import ModelAgent, unpriced_models
from miniagents.values import Usage

from ._arguments import BadInputError, ModelOptions, check_base_url, complain
from ._estimate import Estimate, sample_of
from ._map_arguments import MapOptions
from ._map_rows import MakeMessage, check_columns, message_maker
from ._models import choose_model, is_model
from ._named import named_object
from ._progress import ProgressView, counted, duration, money, progress_view
from ._ray import asked_by_workers
from ._signals import StoppedError, until_signal

__all__ = ["MapJob", "run_map"]

_FAILED: Final = 1
_ROWS_FAILED: Final = 3
_BUDGET_SPENT: Final = 4
_STDIN: Final = "-"
_RETRY: Final = ("--retry-failed",)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked.

    Attributes:
        agent: is sent what is made of a row.
        base_url: the address that must answer, None when that is not to be checked.
    """

    agent: MiniAgent[Message, Message]
    base_url: str | None = None


@dataclass(slots=True)
class MapJob:
    """A job whose options, files and agent have been looked at.

    Attributes:
        options: of the command line.
        asked: who is asked.
        source: the rows.
        message: makes of a row what is sent; None for the row itself.
        out: the file that is written.
        journal: the file that keeps the answers.
        errors: the file of rows that have failed.
        progress: the last that was heard of it; None if no row was asked yet.
    """

    options: MapOptions
    asked: _Asked
    source: RowSource
    message: MakeMessage | None
    out: Path
    journal: Path
    errors: Path
    progress: Progress | None = None

    async def run(self) -> int:
        """Do it.

        Returns:
            The exit code.

        Raises:
            BadInputError: nothing answers at the address.
            RowsError: something in the input is no row.
            JournalError: the journal cannot be opened.
        """
        if self.asked.base_url is not None:
            await check_base_url(self.asked.base_url)
        try:
            async with MiniAgents():
                with progress_view(self.options.progress) as view:
                    ended = await (self._all_rows(view) if self.options.estimate is None else self._try(view))
            return self._told(ended)
        except LookupError as error:
            if type(error) is not LookupError:  # a fault, and no price that is not known
                raise
            complain(str(error).replace("; give price=.", "; give --price IN,OUT."))
            self.tell_how_to_go_on()
            return _FAILED
        except BrokenPipeError:  # the reader of OUT has left, as `head` does: a normal end
            return 0
        except (OSError, MiniAgentsError) as error:
            if isinstance(error, RowsError) or (isinstance(error, JournalError) and not self._has_begun):
                raise  # wrong input: nothing was asked
            complain(_reason(error))
            self.tell_how_to_go_on()
            return _FAILED

    @property
    def _has_begun(self) -> bool:
        """Whether a row was looked at, or a model asked."""
        last = self.progress
        return last is not None and bool(last.done or last.failed or last.requests)

    async def _all_rows(self, view: ProgressView) -> JobResult:
        def note(progress: Progress) -> None:
            self.progress = progress
            view.show(progress)

        options, job_options = self.options, self._job_options(note)
        job_options["errors"] = self.errors
        return await map_file(
            self.asked.agent,
            self.source,
            self.out,
            id=options.row_id,
            message=self.message,
            output_column=options.output_column,
            error_column=options.error_column,
            **job_options,
        )

    async def _try(self, view: ProgressView) -> Estimate:
        """Try some rows; what they are answered is kept, and not paid again."""
        total = await asyncio.to_thread(self.source.count)
        estimate = Estimate(total, self.options.concurrency)

        def note(progress: Progress) -> None:
            self.progress = progress
            estimate.note(progress)
            view.show(progress)

        sample = sample_of(self.source, total, self.options.estimate or total)
        with suppress(BudgetExceededError, TooManyFailuresError):  # what came until then is told
            await estimate.take(
                map_rows(
                    self.asked.agent,
                    sample,
                    id=self.options.row_id,
                    message=self.message,
                    **self._job_options(note),
                )
            )
        return estimate

    def _job_options(self, note: Callable[[Progress], None]) -> JobOptions:
        options = self.options
        return JobOptions(
            journal=self.journal,
            keep=options.keep,
            version=options.version,
            concurrency=options.concurrency,
            retries=options.retries,
            limits=Limits(rpm=options.rpm, tpm=options.tpm),
            budget=options.budget,
            price=self._price,
            max_failures=options.max_failures,
            refresh=options.refresh,
            retry_failed=options.retry_failed,
            progress=note,
        )

    @property
    def _price(self) -> Price | None:
        """What tells the price of tokens; None for the list of prices."""
        given = self.options.price
        if given is None:
            return None
        sent, answered = given

        def price(usage: Usage, model: str, provider: str | None) -> Decimal:
            del model, provider
            return sent * (usage.input_tokens or 0) + answered * (usage.output_tokens or 0)

        return price

    def _told(self, result: JobResult | Estimate) -> int:
        """Say how it ended; the exit code."""
        if isinstance(result, Estimate):
            for line in result.lines():
                complain(line)
            self._tell_idle_limits()
            return 0 if result.answered or not result.total else _ROWS_FAILED
        if self.options.out == _STDIN and result.stopped is None:
            with self.out.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        complain(self._sentence(result))
        self._tell_idle_limits()
        if result.stopped is not None:
            self.tell_how_to_go_on(result.stopped)
        elif result.failed and not self._is_forgotten:
            complain(f"ask what has failed again with: {self._command('--retry-failed')}")
        if result.stopped == "budget":
            return _BUDGET_SPENT
        return _ROWS_FAILED if result.failed or result.stopped else 0

    def _tell_idle_limits(self) -> None:
        """Say so if limits were given, and rows were answered without a call that they could hold."""
        options, last = self.options, self.progress
        given = [name for name, limit in (("--rpm", options.rpm), ("--tpm", options.tpm)) if limit]
        if given and last is not None and last.done > last.cached and not last.requests:
            complain(
                f"{' and '.join(given)} had no effect: {options.agent} called no model, and only calls of "
                "models are limited; --concurrency says how many rows are asked at once."
            )

    def _sentence(self, result: JobResult) -> str:
        where = "written" if self.options.out == _STDIN else f"in {self.out}"
        kept = (self.options.out != _STDIN or self.options.errors is not None) and self.errors.exists()
        failed = f"{result.failed:,} failed{f' ({self.errors})' if kept else ''}" if result.failed else ""
        if result.finished:
            before = f"the job was done before, and nothing was asked{failed and f'; {failed}'}"
            return f"{counted(result.rows, 'row')} {where}: {before}."
        parts = [f"{result.done:,} answered{failed and f', {failed}'}"]
        if result.cached:
            parts.append(f"{result.cached:,} of them from the journal")
        if result.requests:
            tokens = (result.usage.input_tokens or 0) + (result.usage.output_tokens or 0)
            parts.append(f"{counted(result.requests, 'call')}, {counted(tokens, 'token')}")
        if result.cost:
            run = result.run_cost
            all_runs = money(result.cost)
            if run is not None and run != result.cost:
                all_runs = f"{money(run)} in this run, {all_runs} in all runs on this journal"
            parts.append(all_runs)
        parts.append(duration(result.seconds))
        if result.repeated:
            parts.append(f"at most {counted(result.repeated, 'call')} of a run that was stopped made again")
        told = "; ".join(parts)
        match result.stopped:
            case None:
                return f"{counted(result.rows, 'row')} {where}: {told}."
            case "budget":
                return f"the budget of {money(self.options.budget or Decimal())} is spent: {told}."
            case "failures":
                return f"too many rows have failed: {told}."

    @property
    def _is_forgotten(self) -> bool:
        """Whether the answers are gone when the command ends."""
        return self.options.out == _STDIN and self.options.journal is None

    def tell_how_to_go_on(self, stopped: Stopped | None = None) -> None:
        """Say which command goes on.

        Args:
            stopped: why the job itself has stopped, so that the same command would stop again.
        """
        if self._is_forgotten:
            complain(
                "nothing is kept of it, since it writes to a pipe; give --journal FILE to go on another time."
            )
            return
        kept = f"the answers until now are in {self.journal}."
        match stopped:
            case None:
                complain(f"{kept} Go on with: {self._command()}")
            case "budget":
                complain(f"{kept} Go on with a larger --budget: {self._command('--budget', 'NEW')}")
            case "failures":
                command = self._command("--max-failures", "NEW")
                complain(f"{kept} Go on with a larger --max-failures: {command}")
                if not self.options.refresh:  # it would play what was not asked anew yet
                    complain(f"or ask what has failed again with: {self._command('--retry-failed')}")

    def _command(self, *changed: str) -> str:
        """The command that was given, with an option in place of the one it had."""
        words = list(self.options.words)
        end = words.index("--") if "--" in words else len(words)
        kept: list[str] = []
        for at, word in enumerate(words[:end]):
            name = word.partition("=")[0]
            is_value = len(changed) > 1 and at > 0 and words[at - 1] == changed[0]
            if not is_value and name not in changed and not (changed == _RETRY and name == "--refresh"):
                kept.append(word)
        return shlex.join(("miniagents", *kept, *changed, *words[end:]))


def _reason(error: OSError | MiniAgentsError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'} cannot be written: {error.strerror or error}"
    return f"{type(error).__name__}: {error}"


def run_map(options: MapOptions, environ: Mapping[str, str]) -> int:
    """Check everything, then do it.

    Args:
        options: of the command line.
        environ: the environment variables.

    Returns:
        The exit code.

    Raises:
        BadInputError: something of what was told cannot be used; no model was asked.
        JournalError: the journal cannot be used.
        StoppedError: a signal came; what had been answered is kept.
    """
    with ExitStack() as stack:
        try:
            return _done(_prepared(options, environ, stack))
        except RowsError as error:
            raise BadInputError(str(error)) from error


def _done(job: MapJob) -> int:
    try:
        return asyncio.run(until_signal(job.run(), "SIGINT", "SIGTERM", "SIGHUP"))
    except StoppedError:
        if job.progress is not None:
            total = "" if job.progress.total is None else f" of {job.progress.total:,}"
            complain(f"stopped after {job.progress.done + job.progress.failed:,}{total} rows.")
        job.tell_how_to_go_on()
        raise


def _prepared(options: MapOptions, environ: Mapping[str, str], stack: ExitStack) -> MapJob:
    message = message_maker(options)
    source = _source(options, stack)
    out = _out(options, stack)
    journal = _beside("--journal", options.journal or out.with_name(f"{out.name}.journal"))
    errors = _beside("--errors", options.errors or out.with_name(f"{out.name}.errors.jsonl"))
    _check_different(options, {"-o": out, "--journal": journal, "--errors": errors})
    check_columns(options, message, source)
    asked = _asked(options, environ, message)
    _check_price(options, asked.agent)
    progress_view(options.progress)
    if options.ray is not None:
        workers = asked_by_workers(asked.agent, options.ray, options.replicas, options.concurrency, stack)
        asked = replace(asked, agent=workers)
    return MapJob(options, asked, source, message, out, journal, errors)


# -- files -----------------------------------------------------------------------------------------------


def _source(options: MapOptions, stack: ExitStack) -> RowSource:
    if options.source != _STDIN:
        return read_rows(options.source)
    if sys.stdin is None or sys.stdin.isatty():
        raise BadInputError(
            "INPUT is -, and nothing is piped in; write: command | miniagents map AGENT - ..."
        )
    # It is read more than once: to be asked, and to be written with the answers.
    copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miniagents-"))) / "stdin.jsonl"
    with copy.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return read_rows(copy, name="stdin")


def _out(options: MapOptions, stack: ExitStack) -> Path:
    if options.out is None or options.out == _STDIN:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miniagents-"))) / "out.jsonl"
    form_of(options.out, written=True)
    return _beside("-o", Path(options.out))


def _check_different(options: MapOptions, files: Mapping[str, Path]) -> None:
    """Refuse to write over what is read, or twice into one file."""
    taken = {} if options.source == _STDIN else {Path(options.source).resolve(): "INPUT"}
    for option, path in files.items():
        other = taken.setdefault(path.resolve(), option)
        if other is not option:
            raise BadInputError(f"{option}: {path} is that of {other} itself; name another file")


def _beside(option: str, path: Path) -> Path:
    """A file that can be written, with others beside it."""
    folder = path.parent
    if path.is_dir():
        raise BadInputError(f"{option}: {path} is a folder; name a file")
    if not folder.is_dir():
        raise BadInputError(f"{option}: there is no folder {folder}; make it, or name another one")
    if not os.access(path if path.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK):
        raise BadInputError(f"{option}: {path} cannot be written; name a file in a folder of yours")
    return path


# -- agents ----------------------------------------------------------------------------------------------


def _asked(options: MapOptions, environ: Mapping[str, str], message: MakeMessage | None) -> _Asked:
    if is_model(options.agent):
        if message is None:
            raise BadInputError(
                f"{options.agent} is sent a text; say which with --text-column COLUMN, or with --prompt "
                "'Judge: {text}'"
            )
        chat = ModelOptions(options.agent, options.base_url, options.system)
        model = choose_model(chat, environ, is_terminal=False, option="")
        agent = _typed(options, model.agent)
        return _Asked(agent, model.base_url)
    found = named_object(
        options.agent, what="agent", example="MODULE:AGENT, openai:MODEL, anthropic:MODEL or eliza"
    )
    if not isinstance(found, MiniAgent):
        raise BadInputError(f"{options.agent} is a {type(found).__name__}; name an agent")
    for option, value in (("--base-url", options.base_url), ("--system", options.system)):
        if value is not None:
            raise BadInputError(f"{option} is for models of providers; {options.agent} has its own")
    agent = cast("MiniAgent[Message, Message, ...]", found)
    try:
        return _Asked(_typed(options, agent.bind()))
    except TypeError as error:
        raise BadInputError(
            f"{options.agent}: {error}; name an agent that is bound to its keywords"
        ) from error


def _typed(options: MapOptions, agent: MiniAgent[Message, Message]) -> MiniAgent[Message, Message]:
    if options.answer is None:
        return agent
    answer = named_object(options.answer, what="class", example="MODULE:CLASS, such as reviews:Mood")
    if not (isinstance(answer, type) and issubclass(answer, BaseModel)):
        raise BadInputError(f"--type: {options.answer} is no class of pydantic's BaseModel")
    if not isinstance(agent, ModelAgent):
        raise BadInputError(f"--type: {options.agent} is no language model, so it has no typed answers")
    try:
        return agent.as_type(answer)
    except SchemaError as error:
        raise BadInputError(f"--type: {error}") from error


def _check_price(options: MapOptions, agent: MiniAgent[Message, Message]) -> None:
    if options.budget is None or options.price is not None:
        return
    try:
        dollars(Usage(1, 1), "")
    except ModuleNotFoundError:
        raise BadInputError(
            "--budget needs prices: give --price IN,OUT, or pip install 'miniagents[prices]'"
        ) from None
    unknown = unpriced_models(agent, dollars)
    if unknown:
        raise BadInputError(f"--budget: the price of {', '.join(unknown)} is not known; give --price IN,OUT")
