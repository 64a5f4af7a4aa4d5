"""`miniagents journal`: shows what a journal has, answers questions, and removes calls."""

import argparse
import asyncio
import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, cast

from miniagents.errors import QuestionError
from miniagents.ext.console import OutputError, Screen
from miniagents.ext.journal import (
    Journal,
    JournalError,
    PostgresJournal,
    Question,
    RunRecord,
    StoredCall,
    answer_question,
    events_of_run,
    open_journal,
    open_questions,
)
from miniagents.ext.timeline import Timeline
from miniagents.runs import cassette_of_run
from miniagents.tools import Allow, Reject
from miniagents.utils import strip_control

from ._help import HelpFormatter, adder, path

_EPILOG: Final = """\
Examples:
  miniagents journal show answers.jsonl.journal
  miniagents journal runs CHAT.journal
  miniagents journal timeline CHAT.journal RUN --out run.html
  miniagents journal cassette CHAT.journal RUN > tests/cassettes/chat.jsonl
  miniagents journal questions CHAT.journal
  miniagents journal prune answers.jsonl.journal --unused-for 30d

FILE is a journal in SQLite, or the address of one in Postgres (postgresql://...). All actions work while
others use the journal. miniagents journal ACTION --help explains an action.

Exit code: 0; 1 if the output could not be written; 2 for wrong input.
"""
_RUNS_EPILOG: Final = """\
Example:
  miniagents journal runs CHAT.journal

A line has the time at which the run began (UTC), its id, the version of its last server, how it ended or its
state, its owner and what it belongs to. The newest runs come first. A run that has not ended, and has no
server, says so if none of its version is there.
"""
_SHOW_EPILOG: Final = """\
Examples:
  miniagents journal show answers.jsonl.journal
  miniagents journal show CHAT.journal RUN

Without RUN, a line has the time of a recorded call (UTC), the agent, its version, and the beginning of the
answer. The last line has the number of calls, how many of them failed, and their size. With RUN, a line has
an event of the run: its position, its kind, the call, and the beginning of the data.
"""
_TIMELINE_EPILOG: Final = """\
Examples:
  miniagents journal timeline CHAT.journal RUN
  miniagents journal timeline CHAT.journal RUN --out run.html

Without --out, the timeline is drawn with characters.
"""
_CASSETTE_EPILOG: Final = """\
Example:
  miniagents journal cassette CHAT.journal RUN > tests/cassettes/chat.jsonl

Each complete call of a model is written with what it was sent, and with every part of its answer and its
time. A test replays them with `cassette(model, "tests/cassettes/chat.jsonl")` (miniagents.testing).
"""
_QUESTIONS_EPILOG: Final = """\
Example:
  miniagents journal questions CHAT.journal

A line has the ids of the run and of the question, its kind, and what is asked: the call of a tool that needs
approval, or was cut off, or a text and the JSON schema of its answer. Runs that began first come first. A
question whose answer no server has checked yet says so, with the version of the server that checks it.
"""
_ANSWER_EPILOG: Final = """\
Examples:
  miniagents journal answer CHAT.journal RUN QUESTION --allow
  miniagents journal answer CHAT.journal RUN QUESTION --arguments '{"amount": 5}'
  miniagents journal answer CHAT.journal RUN QUESTION --reject 'Ask the owner first.'
  miniagents journal answer CHAT.journal RUN QUESTION --value '"Friday"'

A server that uses the journal goes on with the run at once; if there is none, the next one does.
"""
_EXPORT_EPILOG: Final = """\
Examples:
  miniagents journal export answers.jsonl.journal > calls.jsonl
  miniagents journal export CHAT.journal RUN > events.jsonl

Without RUN, each recorded call is a line of JSON. What the agent was sent is null ("asked"), unless the
journal was written with keep="text" (--keep text). With RUN, each event of the run is a line.
"""
_PRUNE_EPILOG: Final = """\
Examples:
  miniagents journal prune answers.jsonl.journal --older-than 30d
  miniagents journal prune answers.jsonl.journal --unused-for 12h
  miniagents journal prune answers.jsonl.journal --max-size 500MB

Give at least one option. With more than one, a call is removed if any of them applies to it. TIME is a number
and s, m, h, d or w (seconds, minutes, hours, days, weeks); SIZE is a number and B, KB, MB or GB. A call that
was removed is made again the next time it is needed.
"""
_SECONDS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800})
_BYTES: Final = MappingProxyType({"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9})
_SHOWN: Final = 60  # characters of an answer
_MOST_RUNS: Final = 10_000
_CHECKED: Final = 2.0  # seconds until the run has checked an answer, if a server works on it


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """The arguments of `miniagents journal`.

    Attributes:
        what: the action.
        file: the path or the address of the journal.
        run: the id of a run.
        out: the file to which `timeline` writes; None for stdout.
        question: the id of the question that `answer` answers.
        answer: `Allow`, `Reject` or a value.
        by: the name of who answers; None if it was not given.
        older_than: `prune` removes calls that are older than this, in seconds.
        unused_for: `prune` removes calls that were not used for this long, in seconds.
        max_size: `prune` removes the least recently used calls until the others take at most this, in bytes.
    """

    what: Literal["runs", "show", "timeline", "cassette", "export", "questions", "answer", "prune"]
    file: str | Path
    run: str | None = None
    out: Path | None = None
    question: str = ""
    answer: object = None
    by: str | None = None
    older_than: float | None = None
    unused_for: float | None = None
    max_size: int | None = None


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Add the actions and options of the command.

    Args:
        parser: the parser of the command.
    """
    parser.description = (
        "Show, export or prune a journal, which has the calls of jobs and agents, and what runs did; answer "
        "the questions of runs."
    )
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", dest="what")
    made: dict[str, argparse.ArgumentParser] = {}
    for name, text, epilog in (
        ("runs", "Print one line for each run.", _RUNS_EPILOG),
        ("show", "Print one line for each call, or for each event of a run.", _SHOW_EPILOG),
        ("timeline", "Draw which agent called which in a run, and when each token came.", _TIMELINE_EPILOG),
        ("cassette", "Print the calls of models in a run as a cassette for tests.", _CASSETTE_EPILOG),
        ("export", "Print each call, or each event of a run, as a line of JSON.", _EXPORT_EPILOG),
        ("questions", "Print one line for each question that waits for an answer.", _QUESTIONS_EPILOG),
        ("answer", "Answer a question of a run.", _ANSWER_EPILOG),
        ("prune", "Remove old or unused calls.", _PRUNE_EPILOG),
    ):
        action = actions.add_parser(
            name,
            help=f"{text[0].lower()}{text[1:-1]}",
            description=text,
            epilog=epilog,
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        add = adder(action)
        add("file FILE", "the journal", type=journal_name)
        if name in {"show", "timeline", "cassette", "export", "answer"}:
            optional = name in {"show", "export"}
            add("run RUN", "the id of a run", nargs="?" if optional else None)
        made[name] = action
    _add_answer(made["answer"])
    adder(made["timeline"])("--out OUT", "write a page (.html) or a picture (.svg) to this file", type=path)
    prune = adder(made["prune"])
    prune(
        "--older-than TIME",
        "remove calls that were made, and runs that ended, longer ago, such as 30d",
        type=_seconds,
    )
    prune("--unused-for TIME", "remove calls that were not used for this long, such as 12h", type=_seconds)
    prune(
        "--max-size SIZE",
        "remove the calls that were not used for the longest time, until the others take no more than "
        "SIZE, such as 500MB",
        type=_bytes,
    )


def _add_answer(answer: argparse.ArgumentParser) -> None:
    add = adder(answer)
    add("question QUESTION", "the id of a question")
    add("--by NAME", "who answers; it is kept with the answer")
    how = adder(answer.add_mutually_exclusive_group(required=True))
    how("--allow", "allow the call", dest="answer", action="store_const", const=Allow())
    how(
        "--arguments JSON",
        "allow the call with these arguments instead of its own",
        dest="answer",
        type=_arguments,
    )
    how("--reject WHY", "do not allow it, and tell the model why", dest="answer", type=Reject)
    how("--value JSON", "the answer to a question; a text in quotes", dest="answer", type=_json)


def _json(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not JSON ({error}); write a text in quotes, as '\"Friday\"'"
        ) from None


def _arguments(text: str) -> Allow:
    given = _json(text)
    if not isinstance(given, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object, such as {{"amount": 5}}')
    return Allow(cast("dict[str, object]", given))


def journal_name(text: str) -> str | Path:
    """The type of `--journal`: the address of a database, or the path of a file.

    Args:
        text: as it was given.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    return text if "://" in text else path(text)


def journal_options(given: argparse.Namespace) -> JournalOptions:
    """The parsed arguments as checked options.

    Args:
        given: the parsed arguments.

    Raises:
        argparse.ArgumentTypeError: `prune` has no option that says which calls to remove, or `--out` has no
            name of a timeline.
    """
    options = JournalOptions(
        **{each.name: getattr(given, each.name) for each in fields(JournalOptions) if each.name in given}
    )
    if options.what == "prune" and {options.older_than, options.unused_for, options.max_size} == {None}:
        raise argparse.ArgumentTypeError(
            "journal prune does not know which calls to remove; give --older-than, --unused-for or --max-size"
        )
    if options.out is not None:
        try:
            Timeline.check_path(options.out)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return options


def _seconds(text: str) -> float:
    return _number(text, _SECONDS, "a time, such as 90s, 12h or 30d")


def _bytes(text: str) -> int:
    return int(_number(text, _BYTES, "a size, such as 500MB"))


def _number(text: str, units: Mapping[str, int], meant: str) -> float:
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([A-Za-z]+)", text)
    if found is None or found[2] not in units:
        raise argparse.ArgumentTypeError(f"{text!r} is not {meant}")
    return float(found[1]) * units[found[2]]


def run_journal(options: JournalOptions) -> int:
    """Show, export or prune a journal, or answer a question of a run.

    Args:
        options: the checked arguments.

    Returns:
        The exit code.

    Raises:
        JournalError: it is not a journal, or cannot be read or written, or has no such run, or the question
            cannot be answered like this.
        OutputError: the output, or the timeline, cannot be written.
    """
    screen = Screen.of_process()
    if options.what == "prune":
        with open_journal(options.file, create=False) as journal:
            removed = journal.prune(
                older_than=options.older_than, unused_for=options.unused_for, max_bytes=options.max_size
            )
        screen.text(f"{removed} calls and ended runs removed\n")
    elif options.what in {"runs", "questions"} or options.run is not None:
        asyncio.run(_of_runs(options, screen))
    elif options.what == "show":
        _show(options.file, screen)
    else:
        for call in _calls(options.file):
            screen.text(f"{json.dumps(_data(call))}\n")
    return 0


async def _of_runs(options: JournalOptions, screen: Screen) -> None:
    async with open_journal(options.file, create=False) as journal:
        if options.run is not None:
            await _of_run(journal, options.run, options, screen)
            return
        if options.what == "runs":
            records, served = await journal.find(limit=_MOST_RUNS), await journal.served_versions()
            lines = [_run_line(record, served) for record in records]
        else:
            lines = [_question_line(each) for each in await open_questions(journal, answered=True)]
        screen.text("".join(f"{line}\n" for line in lines))


async def _of_run(
    journal: Journal | PostgresJournal, run: str, options: JournalOptions, screen: Screen
) -> None:
    match options.what:
        case "answer":
            try:
                taken = await answer_question(
                    journal, run, options.question, options.answer, by=options.by, wait=_CHECKED
                )
            except QuestionError as error:
                raise JournalError(f"The question {options.question} cannot be answered: {error}") from None
            later = "recorded; the run checks it when a server goes on with it\n"
            screen.text("answered\n" if taken else later)
        case "timeline":
            timeline = Timeline()
            await events_of_run(journal, run, timeline)
            if options.out is None:
                screen.text(f"{timeline}\n")
                return
            try:
                timeline.save(options.out)
            except OSError as error:
                raise OutputError(f"the timeline could not be written: {error}") from error
        case "cassette":
            lines = cassette_of_run((await journal.read(run)).events)
            if len(lines) == 1:  # its version
                raise JournalError(f"The log of the run {run!r} has no complete call of a model.")
            screen.text("".join(f"{json.dumps(line)}\n" for line in lines))
        case what:
            for position, event in enumerate((await journal.read(run)).events, start=1):
                data = json.dumps(event, ensure_ascii=True)
                # The data of an answer say who gave it, and when.
                shown = _cut(data, 500 if event[0] == "answer" else _SHOWN)
                line = data if what == "export" else f"{position} {event[0]} {event[1]} {shown}"
                screen.text(f"{line}\n")


def _calls(place: str | Path) -> Iterator[StoredCall]:
    if isinstance(place, Path):
        yield from Journal.read_calls(place)
        return
    with open_journal(place, create=False) as journal:
        calls = list(journal.calls())
    yield from calls


def _run_line(record: RunRecord, served: Container[str]) -> str:
    state = record.how or record.state
    if record.restart == "server" and record.state in {"left", "parked"} and record.version not in served:
        state += " (no server of its version is there)"
    words = (_moment(record.began), record.run, record.version, state, record.owner, record.topic)
    return _one_line(" ".join(filter(None, words)))


def _question_line(question: Question) -> str:
    """All that is asked: who answers decides about the whole."""
    shown = question.shown
    what, data = (shown["tool"], "arguments") if "tool" in shown else (shown.get("text"), "schema")
    due = "" if question.due is None else f" (until {_moment(question.due)})"
    if question.answered:
        by = "" if question.by is None else f" by {question.by}"
        due = f" (answered{by}; a server of version {question.version} checks it)"
    words = (question.run, question.id, question.kind, " ".join(str(what).split()))
    return _one_line(f"{' '.join(words)} {json.dumps(shown.get(data), ensure_ascii=False)}{due}")


def _show(file: str | Path, screen: Screen) -> None:
    calls = failed = size = 0
    for call in _calls(file):
        calls += 1
        failed += call.failed
        size += call.size
        screen.text(f"{_line(call)}\n")
    screen.text(f"{calls} calls, {failed} of them failed, {size / 1e6:.1f} MB\n")


def _line(call: StoredCall) -> str:
    text = "an error" if call.failed else call.text
    run = f" {call.scope}" if call.scope else ""
    return _one_line(f"{_moment(call.at)} {call.name} {call.version}{run}: {_cut(text)}")


def _one_line(text: str) -> str:
    """A text for the terminal, of which no part looks like a line of its own."""
    return strip_control(text).replace("\n", " ")


def _cut(text: str, longest: int = _SHOWN) -> str:
    shown = " ".join(strip_control(text).split())
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _data(call: StoredCall) -> dict[str, object]:
    return {
        "key": call.digest,
        "run": call.scope,
        "number": call.number,
        "name": call.name,
        "version": call.version,
        "at": _moment(call.at),
        "used": _moment(call.used),
        "failed": call.failed,
        "asked": None if call.asked is None else json.loads(call.asked),
        "text": call.text,
        "events": [[event.what, event.message, event.data] for event in call.events],
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
