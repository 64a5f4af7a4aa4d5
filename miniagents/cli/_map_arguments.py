"""The words of `miniagents map`, checked as far as that can be done without files and agents."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, Literal, TypeAlias

__all__ = ["MapOptions", "ProgressForm", "add_map", "map_options"]

ProgressForm: TypeAlias = Literal["auto", "bar", "plain", "none"]
"""How it is shown how far a job has come."""

_EPILOG: Final = """\
AGENT is MODULE:AGENT (looked for in the current folder first), openai:MODEL,
openai-responses:MODEL, anthropic:MODEL, or eliza, a program of rules that needs no key.
An agent is sent the row itself, a message with its columns as fields; --prompt or
--text-column says what else. A model needs one of them.

INPUT ends with .jsonl, .csv (both also with .gz) or .parquet; OUT with .jsonl, .jsonl.gz or
.parquet; - is a pipe of .jsonl. Each row of OUT is the row of INPUT with two more columns:
output, and error, which is null where there is an answer. Parquet, and the bar, need:
pip install 'miniagents[jobs]'

Every answer is kept in the journal as soon as it is there. Stopped or killed, the same
command goes on, and asks no row again that has an answer. OUT is written at the end.

Exit code: 0 when every row has an answer; 3 when rows have failed; 4 when the budget is
spent; 1 when something could not be written; 2 for wrong input, before any model is asked;
130 after Ctrl-C.
"""
_BUDGET_HELP: Final = (
    "stop before more than this is spent, by all runs on the journal together, those with --estimate included"
)
_RETRIES_HELP: Final = (
    "of a row, after errors that may pass: no connection, a timeout, an answer that was cut off, a refusal "
    "with status 408, 409, 425, 429 or 5xx (default: 3)"
)
_MILLION: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions:
    """What `miniagents map` was told.

    Attributes:
        agent: who is asked.
        source: the file of the rows, `-` for stdin.
        out: the file that is written, `-` for stdout; None if there is none, for an estimate.
        prompt: the template of what is sent; None for none.
        text_column: the column that is sent; None for the whole row.
        answer: `MODULE:CLASS` of the answers; None for texts.
        system: instructions for the model, None for none.
        base_url: where the provider's API is, None for the usual place.
        row_id: the column that tells rows apart; None for their content.
        concurrency: how many rows are asked at once.
        rpm: requests in a minute; None if the provider is to tell.
        tpm: tokens in a minute; None if the provider is to tell.
        retries: how often a row that fails is asked again.
        budget: the most that may be spent, in dollars; None for no limit.
        price: dollars for a token that is sent and one that is answered; None for the list of prices.
        estimate: how many rows are tried to estimate the whole; None to do all of them.
        journal: the file of answers; None for the usual place.
        version: of what the agent does.
        refresh: whether rows are asked anew that have an answer.
        retry_failed: whether rows are asked again that have failed.
        keep: what the journal keeps of what is sent.
        errors: the file of rows that have failed; None for the usual place.
        max_failures: how many rows, or which share of them, may fail; None for all.
        output_column: the name of the column of answers.
        progress: how it is shown how far the job has come.
        ray: the address of a cluster whose workers ask; None to ask from here.
        replicas: how many workers.
        words: of the command line, to say how to go on.
    """

    agent: str
    source: str
    out: str | None
    prompt: str | None = None
    text_column: str | None = None
    answer: str | None = None
    system: str | None = None
    base_url: str | None = None
    row_id: str | None = None
    concurrency: int = 64
    rpm: float | None = None
    tpm: float | None = None
    retries: int = 3
    budget: Decimal | None = None
    price: tuple[Decimal, Decimal] | None = None
    estimate: int | None = None
    journal: Path | None = None
    version: str = "1"
    refresh: bool = False
    retry_failed: bool = False
    keep: Literal["hash", "text"] = "hash"
    errors: Path | None = None
    max_failures: float | int | None = None
    output_column: str = "output"
    progress: ProgressForm = "auto"
    ray: str | None = None
    replicas: int = 4
    words: tuple[str, ...] = ()

    @property
    def error_column(self) -> str:
        """The name of the column of errors."""
        return "error" if self.output_column == "output" else f"{self.output_column}_error"


def add_map(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command.

    Args:
        parser: of the command.
    """
    parser.description = "Send each row of a file to an agent, and write its answers; no row is lost."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("agent", metavar="AGENT", help="who is asked")
    parser.add_argument("source", metavar="INPUT", help="the rows: .jsonl, .csv, .parquet or -")
    parser.add_argument("-o", "--out", metavar="OUT", help="gets the answers: .jsonl, .parquet or -")
    asked = parser.add_argument_group("what is asked")
    what = asked.add_mutually_exclusive_group()
    what.add_argument("--prompt", metavar="TEXT", help="such as 'Judge this: {text}'; {{ is a brace")
    what.add_argument("--text-column", metavar="COLUMN", help="what stands in this column is sent")
    asked.add_argument("--type", metavar="MODULE:CLASS", help="answers are values of this pydantic class")
    asked.add_argument("--system", metavar="TEXT", help="instructions for the model")
    asked.add_argument("--base-url", metavar="URL", help="where a compatible server of that provider answers")
    asked.add_argument("--id", metavar="COLUMN", help="tells rows apart; else their content does")
    asked.add_argument("--output-column", metavar="NAME", help="of OUT (default: output)", default="output")
    pace = parser.add_argument_group("pace and money")
    pace.add_argument(
        "--concurrency", metavar="N", type=_count, default=64, help="rows at once (default: 64)"
    )
    pace.add_argument("--rpm", metavar="N", type=_limit, help="requests a minute; else as the provider tells")
    pace.add_argument("--tpm", metavar="N", type=_limit, help="tokens a minute; else as the provider tells")
    pace.add_argument("--retries", metavar="N", type=_number, default=3, help=_RETRIES_HELP)
    pace.add_argument("--budget", metavar="DOLLARS", type=_money, help=_BUDGET_HELP)
    pace.add_argument(
        "--price", metavar="IN,OUT", type=_prices, help="dollars for a million tokens that are sent, answered"
    )
    pace.add_argument(
        "--estimate",
        metavar="ROWS",
        type=_count,
        nargs="?",
        const=100,
        help="try some rows (100), and tell what all of them would cost and take; OUT is not written",
    )
    kept = parser.add_argument_group("what is kept")
    kept.add_argument("--journal", metavar="FILE", help="keeps the answers (default: OUT.journal)")
    kept.add_argument("--version", metavar="TEXT", default="1", help="of the agent: another one asks anew")
    again = kept.add_mutually_exclusive_group()
    again.add_argument("--refresh", action="store_true", help="ask all rows anew")
    again.add_argument("--retry-failed", action="store_true", help="ask the rows again that have failed")
    kept.add_argument(
        "--keep",
        choices=("hash", "text"),
        default="hash",
        help="of what is sent, in the journal (default: hash)",
    )
    kept.add_argument("--errors", metavar="FILE", help="gets failed rows (default: OUT.errors.jsonl)")
    kept.add_argument(
        "--max-failures", metavar="N", type=_failures, help="stop when more rows have failed: 100, or 10%%"
    )
    many = parser.add_argument_group("many machines (pip install 'miniagents[ray]')")
    many.add_argument("--ray", metavar="ADDRESS", help="workers of Ray ask: HOST:PORT, auto or local")
    many.add_argument("--replicas", metavar="N", type=_count, help="how many workers (default: 4)")
    parser.add_argument(
        "--progress",
        choices=("auto", "bar", "plain", "none"),
        default="auto",
        help="on stderr: a bar, or a line each 10 seconds (default: auto, a bar at a terminal)",
    )


def map_options(given: argparse.Namespace, words: Sequence[str]) -> MapOptions:
    """What was told.

    Args:
        given: what was parsed.
        words: the command line.

    Raises:
        argparse.ArgumentTypeError: options that do not go together, or a name that is none.
    """
    if given.out is None and given.estimate is None:
        raise argparse.ArgumentTypeError("map needs -o OUT, the file that gets the answers")
    if given.replicas is not None and given.ray is None:
        raise argparse.ArgumentTypeError("--replicas is for workers of Ray; say which with --ray ADDRESS")
    for option in ("prompt", "text_column", "id", "output_column", "version", "ray"):
        if getattr(given, option) == "":
            raise argparse.ArgumentTypeError(f"--{option.replace('_', '-')} is empty")
    return MapOptions(
        agent=given.agent,
        source=given.source,
        out=given.out,
        prompt=given.prompt,
        text_column=given.text_column,
        answer=given.type,
        system=given.system or None,
        base_url=given.base_url,
        row_id=given.id,
        concurrency=given.concurrency,
        rpm=given.rpm,
        tpm=given.tpm,
        retries=given.retries,
        budget=given.budget,
        price=given.price,
        estimate=given.estimate,
        journal=_path("--journal", given.journal),
        version=given.version,
        refresh=given.refresh,
        retry_failed=given.retry_failed,
        keep=given.keep,
        errors=_path("--errors", given.errors),
        max_failures=given.max_failures,
        output_column=given.output_column,
        progress=given.progress,
        ray=given.ray,
        replicas=4 if given.replicas is None else given.replicas,
        words=tuple(words),
    )


def _path(option: str, name: str | None) -> Path | None:
    if name is None:
        return None
    if not name or "\0" in name:
        raise argparse.ArgumentTypeError(f"{option} needs the name of a file")
    return Path(name)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):  # noqa: PLR2004 - digits
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, such as 3")
    return int(text)


def _count(text: str) -> int:
    number = _number(text)
    if not number:
        raise argparse.ArgumentTypeError("0 is too few; give 1 or more")
    return number


def _limit(text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not (limit > 0 and math.isfinite(limit)):
        raise argparse.ArgumentTypeError(f"{text!r} is no limit; give a number greater than 0, such as 500")
    return limit


def _money(text: str) -> Decimal:
    amount = _decimal(text.removeprefix("$"))
    if amount is None or amount == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no sum of money; give dollars, such as 5.00")
    return amount


def _prices(text: str) -> tuple[Decimal, Decimal]:
    parts = [_decimal(each.strip().removeprefix("$")) for each in text.split(",")]
    match parts:
        case [Decimal() as sent, Decimal() as answered]:
            return sent / _MILLION, answered / _MILLION
        case _:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no price; give dollars for a million tokens that are sent and answered, such "
                "as 0.25,2.00"
            )


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def _failures(text: str) -> float | int:
    share = _decimal(text.removesuffix("%")) if text.endswith("%") else None
    if share is not None and share < 100:  # noqa: PLR2004 - per cent
        return float(share) / 100
    if text.isascii() and text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is no number of rows; give one, such as 100, or a share below 100%, such as 10%"
    )
