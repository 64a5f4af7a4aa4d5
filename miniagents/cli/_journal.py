"""`miniagents journal`: prints the calls of a journal as lines or as JSON, and removes calls."""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from miniagents.ext.journal import Journal, StoredCall
from miniagents.utils import strip_control

from ._help import HelpFormatter

_EPILOG: Final = """\
Examples:
  miniagents journal show answers.jsonl.journal
  miniagents journal prune answers.jsonl.journal --unused-for 30d

show and export work also while a job writes the journal. prune does not wait: it is refused while another
process uses the journal. miniagents journal ACTION --help explains an action.

Exit code: 0; 2 for wrong input.
"""
_SHOW_EPILOG: Final = """\
Example:
  miniagents journal show answers.jsonl.journal

A line has the time of the call (UTC), the agent, its version, and the beginning of the answer. The last line
has the number of calls, how many of them failed, and their size.
"""
_EXPORT_EPILOG: Final = """\
Example:
  miniagents journal export answers.jsonl.journal > calls.jsonl

What the agent was sent is null ("asked"), unless the journal was written with keep="text" (--keep text).
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


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """The arguments of `miniagents journal`.

    Attributes:
        what: the action.
        file: the journal.
        older_than: `prune` removes calls that are older than this, in seconds.
        unused_for: `prune` removes calls that were not used for this long, in seconds.
        max_size: `prune` removes the least recently used calls until the others take at most this, in bytes.
    """

    what: Literal["show", "export", "prune"]
    file: Path
    older_than: float | None = None
    unused_for: float | None = None
    max_size: int | None = None


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Add the actions and options of the command.

    Args:
        parser: the parser of the command.
    """
    parser.description = (
        "Show, export or prune a journal: a file in which a job or an agent has recorded its calls."
    )
    parser.epilog = _EPILOG
    parser.formatter_class = HelpFormatter
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", dest="journal")
    made: dict[str, argparse.ArgumentParser] = {}
    for name, text, epilog in (
        ("show", "Print one line for each call, and how many there are.", _SHOW_EPILOG),
        ("export", "Print each call as a line of JSON.", _EXPORT_EPILOG),
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
        action.add_argument("file", metavar="FILE", type=Path, help="the journal")
        made[name] = action
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
        argparse.ArgumentTypeError: `prune` has no option that says which calls to remove.
    """
    limits = [getattr(given, name, None) for name in ("older_than", "unused_for", "max_size")]
    if given.journal == "prune" and limits == [None, None, None]:
        raise argparse.ArgumentTypeError(
            "journal prune does not know which calls to remove; give --older-than, --unused-for or --max-size"
        )
    return JournalOptions(given.journal, given.file, *limits)


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
        JournalError: the file is not a journal, cannot be read or written, or another process uses it.
    """
    if options.what != "prune":
        with suppress(BrokenPipeError):  # the reader of the pipe has left, as `head` does: a normal end
            (_show if options.what == "show" else _export)(options.file)
    else:
        next(Journal.read(options.file), None)  # checks that it is a journal, so that no file is created
        with Journal(options.file) as journal:
            removed = journal.prune(
                older_than=options.older_than, unused_for=options.unused_for, max_bytes=options.max_size
            )
        sys.stdout.write(f"{removed} calls removed\n")
    return 0


def _show(file: Path) -> None:
    calls = failed = size = 0
    for call in Journal.read(file):
        calls += 1
        failed += call.failed
        size += call.size
        sys.stdout.write(f"{_line(call)}\n")
    sys.stdout.write(f"{calls} calls, {failed} of them failed, {size / 1e6:.1f} MB\n")


def _export(file: Path) -> None:
    for call in Journal.read(file):
        sys.stdout.write(json.dumps(_data(call), ensure_ascii=True) + "\n")


def _line(call: StoredCall) -> str:
    text = "an error" if call.failed else call.text
    shown = " ".join(strip_control(text).split())
    cut = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
    run = f" {strip_control(call.run)}" if call.run else ""
    return f"{_moment(call.at)} {strip_control(call.name)} {strip_control(call.version)}{run}: {cut}"


def _data(call: StoredCall) -> dict[str, object]:
    return {
        "key": call.digest,
        "run": call.run,
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
