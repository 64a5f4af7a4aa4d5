"""`miniagents map`: sends each row of a file to an agent, after all input was checked."""

import asyncio
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from miniagents import MiniAgent, MiniAgents
from miniagents.errors import BudgetExceededError, MiniAgentsError, SchemaError
from miniagents.ext.jobs import (
    JobOptions,
    JobResult,
    Limits,
    Progress,
    RowsError,
    RowSource,
    TooManyFailuresError,
    map_file,
    map_rows,
    read_rows,
)
from miniagents.ext.journal import JournalError
from miniagents.messages import Message
from miniagents.types import ModelAgent
from miniagents.utils import redact_keys

from ._arguments import BadInputError, ModelOptions, check_base_url, complain
from ._estimate import Estimate, sample_of
from ._imports import whole_imports
from ._map_arguments import MapOptions
from ._map_rows import Template, check_columns, message_maker
from ._models import choose_model, is_model
from ._named import named_object
from ._progress import ProgressView, counted, duration, money, progress_view
from ._ray import ClusterHead, run_by_workers
from ._signals import StoppedError, default_interrupt, until_signal

_FAILED: Final = 1
_WRONG_INPUT: Final = 2
_ROWS_FAILED: Final = 3
_BUDGET_SPENT: Final = 4
_STDIN: Final = "-"
_OF_INPUT: Final = (LookupError, ModuleNotFoundError, RowsError, JournalError)
_OWN_OPTIONS: Final = frozenset({"max_tokens", "temperature"})
_RETRY: Final = ("--retry-failed",)


@dataclass(slots=True)
class MapJob:
    """A job whose options, files and agent have been checked.

    Attributes:
        options: the arguments of the command line.
        agent: the agent that answers.
        base_url: the address that its model uses, if a server must answer there.
        source: the rows.
        message: makes the text to send from a row; None to send the row itself.
        out: the file to write; None for stdout, or for an estimate without one.
        journal: the file, or the address of the database, that keeps the answers; None if they are not kept.
        errors: the file for the rows that failed; None for none.
        head: the head of the cluster whose workers answer; None without a cluster.
        progress: the last report of the progress; None if no row was sent yet.
    """

    options: MapOptions
    agent: MiniAgent[Message, Message]
    base_url: str | None
    source: RowSource
    message: Template | None
    out: Path | None
    journal: str | Path | None
    errors: Path | None
    head: ClusterHead | None = None
    progress: Progress | None = None

    async def run(self) -> int:
        """Run the job.

        Returns:
            The exit code.

        Raises:
            BadInputError: no server answers at the address, a price is not known, the input has something
                that is not a row, or the journal cannot be opened; no model was called.
        """
        if self.base_url is not None:
            await check_base_url(self.base_url)
        try:
            async with MiniAgents():
                with progress_view(self.options.progress) as view:
                    work = self._all_rows(view) if self.options.estimate is None else self._try(view)
                    ended = await (work if self.head is None else self._with_head(work, self.head))
            return self._exit_code(ended)
        except BrokenPipeError:  # the reader of OUT has left, as `head` does: a normal end
            return 0
        except (LookupError, ModuleNotFoundError, OSError, MiniAgentsError) as error:
            if isinstance(error, LookupError) and type(error) is not LookupError:
                raise  # a bug, not an unknown price
            last = self.progress
            has_begun = last is not None and (last.done or last.failed or last.requests)
            if not has_begun and isinstance(error, _OF_INPUT):
                raise BadInputError(_reason(error)) from error
            complain(_reason(error))
            self.print_how_to_continue()
            return _FAILED

    async def _with_head(
        self, work: Coroutine[object, object, JobResult | Estimate], head: ClusterHead
    ) -> JobResult | Estimate:
        """Do the work as long as the head of the cluster is there.

        Raises:
            ConnectionError: the head is gone.
        """
        task, watching = asyncio.create_task(work), asyncio.create_task(head.until_gone())
        try:
            await asyncio.wait([task, watching], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            for each in (task, watching):
                each.cancel()
            await asyncio.wait([task, watching])
        raise ConnectionError(
            f"the head of the Ray cluster at {head.host}:{head.port} does not answer any more"
        )

    async def _all_rows(self, view: ProgressView) -> JobResult:
        options, job_options = self.options, self._job_options(view)
        job_options["errors"] = self.errors
        out = sys.stdout.buffer if self.out is None else self.out
        # What agents print, and the question to the user, are not among the rows.
        with nullcontext() if self.out is not None else redirect_stdout(sys.stderr):
            return await map_file(
                self.agent,
                self.source,
                out,
                id=options.row_id,
                message=self.message,
                output_column=options.output_column,
                error_column=options.error_column,
                columns=options.columns,
                confirm=lambda text: self._confirmed(text, view),
                **job_options,
            )

    def _confirmed(self, text: str, view: ProgressView) -> bool:
        """Whether the user wants to pay for all rows again: by --yes, or by an answer at a terminal."""
        complain(text)
        if self.options.yes:
            return True
        keep_both = "give another -o and --journal to keep both files"
        if self.options.retry_failed:
            keep_both += (
                "; for another prompt of the failed rows only, put the prompt into a column: "
                "--prompt '{how} {text}', with the old text in the other rows"
            )
        if sys.stdin is None or not sys.stdin.isatty():
            complain(f"no row was sent. Add --yes to send all rows, or {keep_both}.")
            return False
        with view.paused(), default_interrupt():
            answer = input("Send all rows? [y/N] ")
        if answer.strip().lower() in {"y", "yes"}:
            return True
        complain(f"no row was sent; {keep_both}.")
        return False

    async def _try(self, view: ProgressView) -> Estimate:
        """Send some rows; the journal keeps their answers, so the job does not pay for them again."""
        total = await asyncio.to_thread(self.source.count)
        estimate = Estimate(total, self.options.concurrency)
        sample = sample_of(self.source, total, self.options.estimate or total, estimate.see)
        with suppress(BudgetExceededError, TooManyFailuresError):  # the rows that ended before are reported
            options, row_id = self._job_options(view), self.options.row_id
            await estimate.take(map_rows(self.agent, sample, id=row_id, message=self.message, **options))
        if self.progress is not None:
            estimate.note(self.progress)
        return estimate

    def _job_options(self, view: ProgressView) -> JobOptions:
        def note(progress: Progress) -> None:
            self.progress = progress
            view.show(progress)

        options = self.options
        return JobOptions(
            journal=self.journal,
            keep=options.keep,
            version=options.version,
            concurrency=options.concurrency,
            retries=options.retries,
            limits=Limits(rpm=options.rpm, tpm=options.tpm),
            budget=options.budget,
            price=options.price,
            accept=options.accept,
            timeout=options.timeout,
            stall_timeout=options.stall_timeout,
            max_failures=options.max_failures,
            refresh=options.refresh,
            retry_failed=options.retry_failed,
            progress=note,
        )

    def _exit_code(self, result: JobResult | Estimate) -> int:
        """Report how the job ended, and return the exit code."""
        if isinstance(result, Estimate):
            for line in result.lines():
                complain(line)
            self._print_idle_limits()
            return 0 if result.answered or not result.total else _ROWS_FAILED
        if result.stopped == "declined":
            return _WRONG_INPUT  # the question has said all
        complain(self._sentence(result))
        self._print_idle_limits()
        if result.stopped is not None:
            self.print_how_to_continue(result.stopped)
        elif result.failed and self.journal is not None:
            complain(f"send the failed rows again with: {self._command('--retry-failed')}")
        if result.stopped == "budget":
            return _BUDGET_SPENT
        return _ROWS_FAILED if result.failed or result.stopped else 0

    def _print_idle_limits(self) -> None:
        """Report limits without an effect: rows were answered, but no model was called."""
        options, last = self.options, self.progress
        given = [name for name, limit in (("--rpm", options.rpm), ("--tpm", options.tpm)) if limit]
        if given and last is not None and last.done > last.cached and not last.requests:
            complain(
                f"{' and '.join(given)} had no effect, because {options.agent} called no model; use "
                "--concurrency to limit how many rows are in work at the same time."
            )

    def _sentence(self, result: JobResult) -> str:
        where = "written" if self.out is None else f"in {self.out}"
        kept = self.errors is not None and self.errors.exists()
        failed = f"{result.failed:,} failed{f' ({self.errors})' if kept else ''}" if result.failed else ""
        if result.finished and result.rows and result.cached == result.rows:
            before = f"the job was already done, and no row was sent{failed and f'; {failed}'}"
            cost = f"; {money(result.cost)} in all runs on this journal" if result.cost else ""
            return f"{counted(result.rows, 'row')} {where}: {before}{cost}."
        summary = "; ".join(self._parts_of_sentence(result, failed))
        if result.stopped == "budget":
            return f"the budget of {money(self.options.budget or Decimal())} is spent: {summary}."
        if result.stopped == "failures":
            return f"too many rows have failed: {summary}."
        return f"{counted(result.rows, 'row')} {where}: {summary}."

    @staticmethod
    def _parts_of_sentence(result: JobResult, failed: str) -> list[str]:
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
            parts.append(
                f"at most {counted(result.repeated, 'call')} of an earlier run, which was stopped, made again"
            )
        return parts

    def print_how_to_continue(self, stopped: Literal["budget", "failures", "declined"] | None = None) -> None:
        """Print the command that continues the job.

        Args:
            stopped: why the job stopped by itself; the same command would stop again.
        """
        if self.journal is None:
            kept = "only OUT has answers" if self.options.out == _STDIN else "the answers are lost"
            complain(f"{kept}, and the job cannot continue; give --journal FILE to keep all answers.")
            return
        kept = self._shown(f"the answers so far are in {self.journal}.")
        match stopped:
            case None | "declined":
                complain(f"{kept} Continue with: {self._command()}")
            case "budget":
                complain(f"{kept} Continue with a larger --budget: {self._command('--budget', 'NEW')}")
            case "failures":
                command = self._command("--max-failures", "NEW")
                complain(f"{kept} Continue with a larger --max-failures: {command}")
                if (
                    not self.options.refresh
                ):  # it replaces --refresh, and would take old answers from the journal
                    complain(f"or send the failed rows again with: {self._command('--retry-failed')}")

    def _command(self, *changed: str) -> str:
        """The command that the user gave, with an option added or replaced."""
        words = list(self.options.words)
        end = words.index("--") if "--" in words else len(words)
        kept: list[str] = []
        for at, word in enumerate(words[:end]):
            name = word.partition("=")[0]
            is_value = len(changed) > 1 and at > 0 and words[at - 1] == changed[0]
            if not is_value and name not in changed and not (changed == _RETRY and name == "--refresh"):
                kept.append(word)
        return self._shown(shlex.join(("miniagents", *kept, *changed, *words[end:])))

    def _shown(self, text: str) -> str:
        """Hide the password in the address of a journal."""
        name = str(self.journal)
        return text if isinstance(self.journal, Path) else text.replace(name, redact_keys(name))


def _reason(error: Exception) -> str:
    match error:
        case ModuleNotFoundError():
            return "--budget needs prices; give --price IN,OUT, or pip install 'miniagents[prices]'"
        case LookupError():
            return str(error).replace("; give price=.", "; give --price IN,OUT.")
        case ConnectionError():  # of the cluster
            return f"{error}."
        case OSError():
            return f"{error.filename or 'a file'} cannot be written: {error.strerror or error}"
        case RowsError() | JournalError():
            return str(error)
        case _:
            return f"{type(error).__name__}: {error}"


def run_map(options: MapOptions, environ: Mapping[str, str]) -> int:
    """Check all input, then run the job.

    Args:
        options: the arguments of the command line.
        environ: the environment variables.

    Returns:
        The exit code.

    Raises:
        BadInputError: some input cannot be used; no model was called.
        JournalError: the journal cannot be used.
        StoppedError: a signal came; the answers so far are kept.
    """
    try:
        with ExitStack() as stack:
            try:
                job = _prepared(options, environ, stack)
            except KeyboardInterrupt:
                complain("stopped before any row was sent.")
                raise StoppedError(signal.SIGINT) from None
            except OSError as error:
                complain(_reason(error))
                return _FAILED
            try:
                code = _done(job)
            except StoppedError as stopped:
                if job.head is not None:
                    job.head.leave_now(stopped.exit_code)
                raise
    except RowsError as error:
        raise BadInputError(str(error)) from error
    if job.head is not None:
        job.head.leave_now(code)
    return code


def _done(job: MapJob) -> int:
    try:
        return asyncio.run(until_signal(job.run(), "SIGINT", "SIGTERM", "SIGHUP"))
    except (StoppedError, KeyboardInterrupt) as stopped:
        if job.progress is None:
            complain("stopped before any row had ended.")
        else:
            total = "" if job.progress.total is None else f" of {job.progress.total:,}"
            complain(f"stopped after {job.progress.done + job.progress.failed:,}{total} rows.")
        job.print_how_to_continue()
        raise stopped if isinstance(stopped, StoppedError) else StoppedError(signal.SIGINT) from None


def _prepared(options: MapOptions, environ: Mapping[str, str], stack: ExitStack) -> MapJob:
    if options.out == _STDIN and sys.stdout is None:
        raise BadInputError("-o is -, and standard output is closed; name a file")
    if options.out == _STDIN and options.progress == "auto" and sys.stdout.isatty():
        options = replace(options, progress="plain")  # a bar and the rows do not fit into one terminal
    message = message_maker(options)
    source = _source(options, stack)
    out = None if options.out is None or options.out == _STDIN else Path(options.out)
    journal, errors = options.journal, options.errors
    if out is not None:
        journal = journal or out.with_name(f"{out.name}.journal")
        errors = errors or out.with_name(f"{out.name}.errors.jsonl")
    kept = journal if isinstance(journal, Path) else None
    _check_files(options, {"-o": out, "--journal": kept, "--errors": errors})
    check_columns(options, message, source)
    with whole_imports():
        agent, base_url = _answerer(options, environ, message)
        progress_view(options.progress)
    if options.ray is not None:
        agent = run_by_workers(agent, options.ray, options.replicas, options.concurrency, stack)
    head = None if options.ray is None else ClusterHead.of(options.ray)
    return MapJob(options, agent, base_url, source, message, out, journal, errors, head)


# -- files -----------------------------------------------------------------------------------------------


def _source(options: MapOptions, stack: ExitStack) -> RowSource:
    if options.source != _STDIN:
        return read_rows(options.source)
    if sys.stdin is None or sys.stdin.isatty():
        raise BadInputError(
            "INPUT is -, and nothing is piped in; write: command | miniagents map AGENT - ..."
        )
    # The rows are read twice: to send them, and to write them with their answers.
    copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miniagents-"))) / "stdin.jsonl"
    with copy.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return read_rows(copy, name="stdin")


def _check_files(options: MapOptions, files: Mapping[str, Path | None]) -> None:
    """Check that files can be written, and others next to them, and that no file is used for two things."""
    taken = {} if options.source == _STDIN else {Path(options.source).resolve(): "INPUT"}
    for option, path in files.items():
        if path is None:
            continue
        folder = path.parent
        if path.is_dir():
            raise BadInputError(f"{option}: {path} is a folder; name a file")
        if not folder.is_dir():
            raise BadInputError(
                f"{option}: the folder {folder} does not exist; create it, or name another one"
            )
        if not os.access(path if path.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK):
            raise BadInputError(
                f"{option}: {path} cannot be written; name a file in a folder where you may write"
            )
        other = taken.setdefault(path.resolve(), option)
        if other is not option:
            raise BadInputError(f"{option}: {path} is also the file of {other}; name another file")


# -- agents ----------------------------------------------------------------------------------------------


def _answerer(
    options: MapOptions, environ: Mapping[str, str], message: Template | None
) -> tuple[MiniAgent[Message, Message], str | None]:
    """The agent that answers, and the address at which a server must answer."""
    if is_model(options.agent):
        _check_text(options, message)
        chat = ModelOptions(options.agent, options.base_url, options.system)
        model = choose_model(chat, environ, is_terminal=False, option="")
        return _typed(options, _with_keywords(options, model.agent).bind()), model.base_url
    found = named_object(
        options.agent, what="agent", example="MODULE:AGENT, openai:MODEL, anthropic:MODEL or eliza"
    )
    if not isinstance(found, MiniAgent):
        raise BadInputError(f"{options.agent} is a {type(found).__name__}; name an agent")
    for option, value in (("--base-url", options.base_url), ("--system", options.system)):
        if value is not None:
            raise BadInputError(
                f"{option} is for models, and {options.agent} is an agent with its own; leave {option} out"
            )
    agent = _with_keywords(options, cast("MiniAgent[Message, Message, ...]", found))
    if needed := sorted(agent.required_keywords):
        raise BadInputError(
            f"{options.agent} needs a value for {', '.join(needed)}; give --param {needed[0]}=VALUE"
        )
    answerer = _typed(options, agent.bind())
    if agent.run_kind == "model":
        _check_text(options, message)
    return answerer, None


def _with_keywords(
    options: MapOptions, agent: MiniAgent[Message, Message, ...]
) -> MiniAgent[Message, Message, ...]:
    """Return the agent with the keywords of --max-tokens, --temperature and --param.

    Raises:
        BadInputError: it does not take one, or refuses its value.
    """
    given = {name: _fitting(agent, name, value) for name, value in options.keywords.items()}
    known = {name: value for name, value in given.items() if agent.takes_keyword(name)}
    others = {name: value for name, value in given.items() if name not in known}
    if others and isinstance(agent, ModelAgent) and agent.takes_keyword("extra"):
        known["extra"] = {**cast("Mapping[str, object]", agent.defaults.get("extra") or {}), **others}
    elif others:
        name = next(iter(others))
        option = f"--{name.replace('_', '-')}" if name in _OWN_OPTIONS else f"--param {name}"
        raise BadInputError(f"{option}: {options.agent} takes no keyword {name}; leave it out")
    if not known:
        return agent
    try:
        return agent.fork(**known)
    except (TypeError, ValueError, MiniAgentsError) as error:
        raise BadInputError(f"--param: {str(error).rstrip('.')}") from error


def _fitting(agent: MiniAgent[Message, Message, ...], name: str, given: object) -> object:
    """Return the value of a keyword: the JSON, or else the text, that fits the annotation of the agent.

    Raises:
        BadInputError: neither does.
    """
    if not isinstance(given, str):
        return given
    try:
        parsed: object = json.loads(given)
    except ValueError:
        parsed = given
    why = ""
    for value in (parsed, given):
        try:
            made = _validated(agent.keyword_types.get(name, object), value)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
        else:
            return value if made == value else made
    raise BadInputError(f"--param {name}: {given!r} does not fit: {why}")


def _validated(kind: object, value: object) -> object:
    try:
        return TypeAdapter(cast("type[object]", kind)).validate_python(value)
    except (PydanticUserError, NameError):  # a class of which no value can be made
        return value


def _check_text(options: MapOptions, message: Template | None) -> None:
    """Refuse a model without a text: a row that is a message of fields has no text for it."""
    if message is None:
        raise BadInputError(
            f"{options.agent} needs a text for each row; give --text-column COLUMN, or --prompt such as "
            "'Judge: {text}'"
        )


def _typed(options: MapOptions, agent: MiniAgent[Message, Message]) -> MiniAgent[Message, Message]:
    if options.answer is None:
        return agent
    answer = named_object(options.answer, what="class", example="MODULE:CLASS, such as reviews:Mood")
    if not (isinstance(answer, type) and issubclass(answer, BaseModel)):
        raise BadInputError(f"--type: {options.answer} is not a subclass of pydantic's BaseModel; name one")
    if not isinstance(agent, ModelAgent):
        raise BadInputError(
            f"--type: {options.agent} is not a language model, so it has no typed answers; leave --type out"
        )
    try:
        return agent.as_type(answer)
    except SchemaError as error:
        raise BadInputError(f"--type: {error}") from error
