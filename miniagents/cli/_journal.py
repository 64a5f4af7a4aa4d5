"""`miniagents journal`: what a journal has, as lines or as JSON, and less of it."""

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

from miniagents.ext.journal import Journal, StoredCall, read_calls
from miniagents.values import strip_control

_EPILOG: Final = """\
show and export read a journal also while a job is writing it; prune waits for nobody:
it is refused as long as another process uses the journal.

Exit code: 0; 2 for wrong input.
"""
_SECONDS: Final = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800})
_BYTES: Final = MappingProxyType({"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9})
_SHOWN: Final = 60  # characters of an answer


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """What `miniagents journal` was told.

    Attributes:
        what: is to be done.
        file: the journal.
        older_than: calls that were kept longer ago are removed, in seconds.
        unused_for: so are calls that were not used for so long, in seconds.
        max_size: and those that were not used for longest, until this is left, in bytes.
    """

    what: Literal["show", "export", "prune"]
    file: Path
    older_than: float | None = None
    unused_for: float | None = None
    max_size: int | None = None


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Add the actions and options of the command.

    Args:
        parser: of the command.
    """
    parser.description = "Show, export or prune a journal: a file of recorded calls."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", dest="journal")
    made: dict[str, argparse.ArgumentParser] = {}
    for name, text in (
        ("show", "a line for each call, and how many there are"),
        ("export", "each call as a line of JSON"),
        ("prune", "remove calls"),
    ):
        action = actions.add_parser(name, help=text, description=f"Journals: {text}.", allow_abbrev=False)
        action.add_argument("file", metavar="FILE", type=Path, help="the journal")
        made[name] = action
    prune = made["prune"]
    prune.add_argument("--older-than", metavar="TIME", type=_seconds, help="kept longer ago: 30d, 12h")
    prune.add_argument("--unused-for", metavar="TIME", type=_seconds, help="not played for so long")
    prune.add_argument("--max-size", metavar="SIZE", type=_bytes, help="the least used: keep 500MB")


def journal_options(given: argparse.Namespace) -> JournalOptions:
    """What was told.

    Args:
        given: what was parsed.

    Raises:
        argparse.ArgumentTypeError: nothing says what is to be pruned.
    """
    limits = [getattr(given, name, None) for name in ("older_than", "unused_for", "max_size")]
    if given.journal == "prune" and limits == [None, None, None]:
        raise argparse.ArgumentTypeError(
            "journal prune needs --older-than, --unused-for or --max-size, so that it does not remove all"
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
    """Do it.

    Args:
        options: what was told.

    Returns:
        The exit code.

    Raises:
        JournalError: the file is no journal, cannot be read or written, or another process uses it.
    """
    if options.what != "prune":
        with suppress(BrokenPipeError):  # the reader of the pipe has left, as `head` does: a normal end
            (_show if options.what == "show" else _export)(options.file)
    else:
        next(read_calls(options.file), None)  # it is one: no file is made here
        with Journal(options.file) as journal:
            removed = journal.prune(
                older_than=options.older_than, unused_for=options.unused_for, max_bytes=options.max_size
            )
        sys.stdout.write(f"{removed} calls removed\n")
    return 0


def _show(file: Path) -> None:
    calls = failed = size = 0
    for call in read_calls(file):
        calls += 1
        failed += call.failed
        size += call.size
        sys.stdout.write(f"{_line(call)}\n")
    sys.stdout.write(f"{calls} calls, {failed} of them failed, {size / 1e6:.1f} MB\n")


def _export(file: Path) -> None:
    for call in read_calls(file):
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
