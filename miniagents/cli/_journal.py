"""`miniagents journal`: prints the calls of a journal as lines or as JSON, and removes calls."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from miniagents.ext.journal import Journal, PostgresJournal, RunRecord, StoredCall, events_of_run
from miniagents.ext.timeline import Timeline
from miniagents.utils import strip_control

from ._help import HelpFormatter

_EPILOG: Final = """\
Examples:
  miniagents journal show answers.jsonl.journal
  miniagents journal runs CHAT.journal
  miniagents journal timeline CHAT.journal RUN --out run.html
  miniagents journal prune answers.jsonl.journal --unused-for 30d

FILE is a journal in SQLite, or the address of one in Postgres (postgresql://...). All actions work while
others use the journal. miniagents journal ACTION --help explains an action.

Exit code: 0; 2 for wrong input.
"""
_RUNS_EPILOG: Final = """\
Example:
  miniagents journal runs CHAT.journal

A line has the time at which the run began (UTC), its id, its version, how it ended or its state, its owner
and what it belongs to. The newest runs come first.
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


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """The arguments of `miniagents journal`.

    Attributes:
        what: the action.
        file: the path or the address of the journal.
        run: the id of a run.
        out: the file to which `timeline` writes; None for stdout.
        older_than: `prune` removes calls that are older than this, in seconds.
        unused_for: `prune` removes calls that were not used for this long, in seconds.
        max_size: `prune` removes the least recently used calls until the others take at most this, in bytes.
    """

    what: Literal["runs", "show", "timeline", "export", "prune"]
    file: str
    run: str | None = None
    out: Path | None = None
    older_than: float | None = None
    unused_for: float | None = None
    max_size: int | None = None


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Add the actions and options of the command.

    Args:
        parser: the parser of the command.
    """
    parser.description = (
        "Show, export or prune a journal, which has the calls of jobs and agents, and what runs did."
    )
    parser.epilog = _EPILOG
    parser.formatter_class = HelpFormatter
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", dest="journal")
    made: dict[str, argparse.ArgumentParser] = {}
    for name, text, epilog in (
        ("runs", "Print one line for each run.", _RUNS_EPILOG),
        ("show", "Print one line for each call, or for each event of a run.", _SHOW_EPILOG),
        ("timeline", "Draw which agent called which in a run, and when each token came.", _TIMELINE_EPILOG),
        ("export", "Print each call, or each event of a run, as a line of JSON.", _EXPORT_EPILOG),
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
        action.add_argument("file", metavar="FILE", help="the journal")
        if name in {"show", "timeline", "export"}:
            action.add_argument(
                "run", metavar="RUN", nargs=None if name == "timeline" else "?", help="the id of a run"
            )
        made[name] = action
    made["timeline"].add_argument(
        "--out", metavar="OUT", type=Path, help="write a page (.html) or a picture (.svg) to this file"
    )
    prune = made["prune"]
    prune.add_argument(
        "--older-than",
        metavar="TIME",
        type=_seconds,
        help="remove calls that were made longer ago, such as 30d",
    )
    prune.add_argument(
        "--unused-for",
        metavar="TIME",
        type=_seconds,
        help="remove calls that were not used for this long, such as 12h",
    )
    prune.add_argument(
        "--max-size",
        metavar="SIZE",
        type=_bytes,
        help="remove the calls that were not used for the longest time, until the others take no more than "
        "SIZE, such as 500MB",
    )


def journal_options(given: argparse.Namespace) -> JournalOptions:
    """The parsed arguments as checked options.

    Args:
        given: the parsed arguments.

    Raises:
        argparse.ArgumentTypeError: `prune` has no option that says which calls to remove, or `--out` has no
            name of a timeline.
    """
    limits = [getattr(given, name, None) for name in ("older_than", "unused_for", "max_size")]
    if given.journal == "prune" and limits == [None, None, None]:
        raise argparse.ArgumentTypeError(
            "journal prune does not know which calls to remove; give --older-than, --unused-for or --max-size"
        )
    out = getattr(given, "out", None)
    if out is not None:
        try:
            Timeline.check_path(out)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return JournalOptions(given.journal, given.file, getattr(given, "run", None), out, *limits)


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
    """Show, export or prune a journal.

    Args:
        options: the checked arguments.

    Returns:
        The exit code.

    Raises:
        JournalError: it is not a journal, or cannot be read or written, or has no such run.
        OSError: the timeline cannot be written.
    """
    with suppress(BrokenPipeError):  # the reader of the pipe has left, as `head` does: a normal end
        if options.what == "prune":
            _check(options.file)
            with journal_at(options.file) as journal:
                removed = journal.prune(
                    older_than=options.older_than, unused_for=options.unused_for, max_bytes=options.max_size
                )
            sys.stdout.write(f"{removed} calls removed\n")
        elif options.what == "runs" or options.run is not None:
            _check(options.file)
            asyncio.run(_of_runs(options))
        elif options.what == "show":
            _show(options.file)
        else:
            _export(options.file)
    return 0


async def _of_runs(options: JournalOptions) -> None:
    async with journal_at(options.file) as journal:
        if options.run is None:
            for record in await journal.find(limit=_MOST_RUNS):
                sys.stdout.write(f"{_run_line(record)}\n")
        elif options.what == "timeline":
            timeline = Timeline()
            await events_of_run(journal, options.run, timeline)
            if options.out is None:
                sys.stdout.write(f"{timeline}\n")
            else:
                timeline.save(options.out)
        else:
            for position, event in enumerate((await journal.read(options.run)).events, start=1):
                data = json.dumps(event, ensure_ascii=True)
                line = data if options.what == "export" else f"{position} {event[0]} {event[1]} {_cut(data)}"
                sys.stdout.write(f"{line}\n")


def journal_at(place: str) -> Journal | PostgresJournal:
    """Open a journal.

    Args:
        place: a path, or the address of a database (``postgresql://...``).

    Raises:
        JournalError: it cannot be used.
    """
    return PostgresJournal(place) if _is_address(place) else Journal(place)


def _is_address(place: str) -> bool:
    return place.startswith(("postgresql://", "postgres://"))


def _check(place: str) -> None:
    """Check that a file is a journal, so that none is created."""
    if not _is_address(place):
        next(Journal.read_calls(place), None)


def _calls(place: str) -> Iterator[StoredCall]:
    if not _is_address(place):
        yield from Journal.read_calls(place)
        return
    with journal_at(place) as journal:
        calls = list(journal.calls())
    yield from calls


def _run_line(record: RunRecord) -> str:
    state = record.how or record.state
    words = (_moment(record.began), record.run, record.version, state, record.owner, record.topic)
    return strip_control(" ".join(filter(None, words)))


def _show(file: str) -> None:
    calls = failed = size = 0
    for call in _calls(file):
        calls += 1
        failed += call.failed
        size += call.size
        sys.stdout.write(f"{_line(call)}\n")
    sys.stdout.write(f"{calls} calls, {failed} of them failed, {size / 1e6:.1f} MB\n")


def _export(file: str) -> None:
    for call in _calls(file):
        sys.stdout.write(json.dumps(_data(call), ensure_ascii=True) + "\n")


def _line(call: StoredCall) -> str:
    text = "an error" if call.failed else call.text
    run = f" {strip_control(call.scope)}" if call.scope else ""
    return f"{_moment(call.at)} {strip_control(call.name)} {strip_control(call.version)}{run}: {_cut(text)}"


def _cut(text: str) -> str:
    shown = " ".join(strip_control(text).split())
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


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
