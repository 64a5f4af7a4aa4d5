"""The arguments of `miniagents map`, and their checks that need neither files nor agents."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from miniagents.parts import Usage

from ._help import adder, path
from ._journal import journal_name

ProgressForm: TypeAlias = Literal["auto", "bar", "plain", "none"]
"""How the command shows the progress of a job."""

_KINDS: Final = ("length", "empty", "refusal")
_COLUMNS: Final = ("finish", "usage", "cost")

_EPILOG: Final = """\
Examples:
  miniagents map eliza reviews.csv -o answers.jsonl --text-column text
  miniagents map openai:gpt-5.4-mini reviews.csv -o answers.jsonl \\
      --prompt 'Judge this review: {text}' --budget 5

A model (or eliza, a small program of rules that needs no key) is sent a text: give --prompt or --text-column.
An agent of your own is by default sent the row itself, as a message with the columns as fields. Python looks
for MODULE in the current folder first.

INPUT is .jsonl, .csv, .jsonl.gz, .csv.gz or .parquet; OUT is .jsonl, .jsonl.gz or .parquet; - is a pipe of
.jsonl. Each row of OUT is the row of INPUT with two more columns: output is the answer, and error is null, or
says why there is no answer. Parquet and the progress bar need:
  pip install 'miniagents[jobs]'

The journal keeps each answer as soon as it is complete. If the job is stopped or killed, run the same command
again: it continues, and no row that has an answer is sent again. OUT is there when all rows have ended; on
stdout, a row comes as soon as it and all rows before it have ended, and what agents print goes to stderr.

Exit code: 0 when every row has an answer; 3 when rows have failed; 4 when the budget is spent; 1 when the job
had to stop, because a file could not be written, the provider refused the key, or a price is not known; 2 for
wrong input, before any model is called; 130 after Ctrl-C.
"""
_BUDGET_HELP: Final = (
    "stop before the model calls of all runs on this journal, --estimate included, cost more (default: no "
    "limit)"
)
_RETRIES_HELP: Final = (
    "how often to send a row again after an error that may pass: no connection, a timeout, an incomplete "
    "answer, or status 408, 409, 425, 429 or 5xx (default: %(default)s)"
)
_MILLION: Final = Decimal(1_000_000)
_MOST: Final = _MILLION**3  # of any number


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions:
    """The arguments of `miniagents map`.

    Attributes:
        agent: the agent or model that answers, as the user wrote it.
        source: the file of rows, `-` for stdin.
        out: the file to write, `-` for stdout; None if an estimate writes none.
        prompt: the template of the text that is sent; None for none.
        text_column: the column that is sent; None for the whole row.
        answer: `MODULE:CLASS` of the answers; None for texts.
        system: instructions for the model, None for none.
        base_url: the address of the provider's API, None for the usual one.
        row_id: the column that identifies a row; None if there is none.
        concurrency: how many rows are in work at the same time.
        rpm: requests per minute; None for the limit that the provider reports.
        tpm: tokens per minute; None for the limit that the provider reports.
        retries: how often a row that fails is sent again.
        timeout: seconds for an attempt of a row; None for no limit.
        stall_timeout: seconds without a sign of life after which an attempt is stopped; None for no limit.
        keywords: keywords of the agent or model.
        accept: answers that count although they were cut off, are empty or are refusals.
        columns: further columns: the finish reason, the tokens, the cost.
        yes: whether to send all rows again without a question.
        budget: the most that all runs may cost, in dollars; None for no limit.
        price: returns the dollars of tokens; None for the price list.
        estimate: how many rows an estimate sends; None to send all rows.
        journal: the file, or the address of the database, that keeps the answers; None for the default.
        version: the version of the agent.
        refresh: whether to send rows again that have an answer.
        retry_failed: whether to send rows again that have failed.
        keep: whether the journal keeps a hash of each prompt, or its text.
        errors: the file for the rows that failed; None for the default.
        max_failures: how many rows may fail, or, as a `float`, which share of them; None for no limit.
        output_column: the name of the column for the answers.
        progress: how to show the progress.
        ray: the address of a Ray cluster whose workers run the agent; None to run it in this process.
        replicas: how many workers.
        words: the command line, from which the command to continue with is made.
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
    timeout: float | None = None
    stall_timeout: float | None = 600.0
    keywords: Mapping[str, object] = field(default_factory=dict[str, object])
    accept: tuple[Literal["length", "empty", "refusal"], ...] = ()
    columns: tuple[Literal["finish", "usage", "cost"], ...] = ()
    yes: bool = False
    budget: Decimal | None = None
    price: Callable[[Usage, str, str | None], Decimal] | None = None
    estimate: int | None = None
    journal: str | Path | None = None
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
        parser: the parser of the command.
    """
    parser.description = (
        "Send each row of a file to an agent or a model, and write the rows with their answers into another "
        "file."
    )
    parser.epilog = _EPILOG
    add = adder(parser)
    add(
        "agent AGENT",
        "who answers: openai:NAME, openai-responses:NAME, anthropic:NAME, eliza, or an agent of yours, "
        "MODULE:AGENT",
    )
    add("source INPUT", "file of rows: .jsonl, .csv, .parquet, or - for stdin")
    add("-o --out OUT", "file for the answers: .jsonl, .parquet, or - for stdout")
    group = parser.add_argument_group("what is sent and answered")
    sent, what = adder(group), adder(group.add_mutually_exclusive_group())
    what(
        "--prompt TEXT",
        "text to send, with columns in braces, such as 'Judge this: {text}'; write {{ for a brace",
    )
    what("--text-column COLUMN", "column whose text is sent")
    sent(
        "--type MODULE:CLASS",
        "pydantic class of the answers, which are written as JSON objects (default: answers are texts)",
        dest="answer",
    )
    sent("--system TEXT", "instructions for the model (default: none)")
    sent("--max-tokens N", "most tokens of an answer (default: the model's)", type=_count)
    sent("--temperature T", "from 0 to 2 (default: the model's)", type=_temperature)
    sent(
        "--param NAME=VALUE",
        "another keyword of the agent, or field of the request to the model, such as top_p=0.9 or "
        "reasoning_effort=low; VALUE is JSON or a text; can be given several times",
        type=_param,
        action="append",
        default=[],
    )
    sent(
        "--accept KINDS",
        "answers that count although they are by default errors of their rows, such as length,empty: "
        "length (cut off, because too long), empty, refusal",
        type=partial(_words, known=_KINDS),
    )
    sent(
        "--with COLUMNS",
        "further columns of OUT, such as finish,usage,cost: why the answer ended, tokens, dollars",
        dest="columns",
        type=partial(_words, known=_COLUMNS),
    )
    sent("--base-url URL", "address of another server with the API of that provider (default: the provider)")
    sent(
        "--id COLUMN",
        "column that identifies a row, so that equal texts with different ids are different rows "
        "(default: their order tells them apart)",
        dest="row_id",
    )
    sent("--output-column NAME", "column of OUT for the answers (default: %(default)s)")
    pace = adder(parser.add_argument_group("speed and money"))
    pace("--concurrency N", "how many rows are in work at the same time (default: %(default)s)", type=_count)
    pace("--rpm N", "most requests per minute (default: the limit that the provider reports)", type=_limit)
    pace(
        "--tpm N",
        "most tokens per minute, sent and answered (default: the limit that the provider reports)",
        type=_limit,
    )
    pace("--retries N", _RETRIES_HELP, type=_number)
    pace(
        "--timeout SECONDS",
        "stop an attempt of a row that takes longer; time in which it waits for --rpm and --tpm does "
        "not count (default: the limits of the models)",
        type=_limit,
    )
    pace(
        "--stall-timeout SECONDS",
        "stop an attempt of a row that shows nothing for so long: no part of an answer, no call that "
        "begins or ends; none for no limit (default: 600)",
        type=_limit_or_none,
    )
    pace("--budget DOLLARS", _BUDGET_HELP, type=_money)
    pace(
        "--price IN,OUT",
        "dollars per million tokens sent and answered, such as 0.25,2.00 (default: the price list of "
        "miniagents[prices])",
        type=_prices,
    )
    pace(
        "--estimate ROWS",
        "send only this many rows (%(const)s if no number is given), from all parts of INPUT, and print "
        "what all rows would cost and how long they would take; OUT is not written",
        type=_count,
        nargs="?",
        const=100,
    )
    group = parser.add_argument_group("what is kept")
    kept, again = adder(group), adder(group.add_mutually_exclusive_group())
    kept(
        "--journal FILE",
        "file that keeps the answers, so that the job can continue, or the address of a Postgres database "
        "(default: OUT.journal; none if OUT is -)",
        type=journal_name,
    )
    kept(
        "--version TEXT",
        "version of your agent; after you change it, all rows are sent again (default: %(default)s)",
    )
    again("--refresh", "send all rows again, also those with an answer in the journal")
    again("--retry-failed", "send the rows again that failed in an earlier run")
    kept(
        "--yes",
        "send all rows, also if the journal has many answers and none of them fits, because the prompt, "
        "the model or another option has changed (default: ask at a terminal, else refuse)",
    )
    kept(
        "--keep",
        "what the journal keeps of each prompt: a hash, or its text (default: %(default)s)",
        choices=("hash", "text"),
    )
    kept("--errors FILE", "file for the rows that failed (default: OUT.errors.jsonl)", type=path)
    kept(
        "--max-failures N",
        "stop when more rows than this have failed: a number such as 100, or a share such as 10%%, "
        "which counts from the hundredth row on (default: no limit)",
        type=_failures,
    )
    many = adder(parser.add_argument_group("many machines (pip install 'miniagents[ray]')"))
    many(
        "--ray ADDRESS",
        "run the agent in workers of a Ray cluster: HOST:PORT, auto for the cluster of this machine, or "
        "local for a new one (default: without Ray)",
    )
    many("--replicas N", "how many workers run the agent (default: 4)", type=_count)
    add(
        "--progress",
        "what stderr shows: a bar; plain, a line every 10 seconds; or none (default: auto, which is a "
        "bar in a terminal and else plain)",
        choices=("auto", "bar", "plain", "none"),
    )
    known = {each.name: each.default for each in fields(MapOptions) if each.default is not MISSING}
    parser.set_defaults(**(known | {"replicas": None}))


def map_options(given: argparse.Namespace, words: Sequence[str]) -> MapOptions:
    """The parsed arguments as checked options.

    Args:
        given: the parsed arguments.
        words: the command line.

    Raises:
        argparse.ArgumentTypeError: two options exclude each other, one is missing, or a value is empty.
    """
    if given.out is None and given.estimate is None:
        raise argparse.ArgumentTypeError("map needs -o OUT, the file for the answers")
    if given.replicas is not None and given.ray is None:
        raise argparse.ArgumentTypeError(
            "--replicas has a meaning only with Ray; add --ray ADDRESS, or leave it out"
        )
    for option in ("prompt", "text_column", "row_id", "output_column", "version", "ray"):
        if getattr(given, option) == "":
            raise argparse.ArgumentTypeError(
                f"--{option.removeprefix('row_').replace('_', '-')} is empty; give a value, or leave it out"
            )
    given.keywords, given.words = _keywords(given), tuple(words)
    given.system = given.system or None
    given.replicas = given.replicas or 4
    return MapOptions(**{each.name: getattr(given, each.name) for each in fields(MapOptions)})


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):  # noqa: PLR2004 - digits
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of at most 12 digits; write it like 3"
        )
    return int(text)


def _count(text: str) -> int:
    number = _number(text)
    if not number:
        raise argparse.ArgumentTypeError("0 is too few; give 1 or more")
    return number


def _limit(text: str) -> float:
    limit = _decimal(text)
    if not limit:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a limit; give a number greater than 0, such as 500"
        )
    return float(limit)


def _limit_or_none(text: str) -> float | None:
    return None if text == "none" else _limit(text)


def _temperature(text: str) -> float:
    temperature = _decimal(text)
    if temperature is None or temperature > 2:  # noqa: PLR2004 - the highest of all providers
        raise argparse.ArgumentTypeError(f"{text!r} is not a temperature; give a number from 0 to 2")
    return float(temperature)


def _param(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE; write it like top_p=0.9")
    return name, value


def _keywords(given: argparse.Namespace) -> dict[str, object]:
    """Return the keywords of the agent that the options give; those of --param as text."""
    keywords: dict[str, object] = {}
    named = [("max_tokens", given.max_tokens), ("temperature", given.temperature)]
    for name, value in (*((name, value) for name, value in named if value is not None), *given.param):
        if name in keywords:
            raise argparse.ArgumentTypeError(f"{name} is given twice; leave one out")
        keywords[name] = value
    return keywords


def _words(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(","))
    for word in words:
        if word not in known:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(known)}")
    return words


def _money(text: str) -> Decimal:
    amount = _decimal(text.removeprefix("$"))
    if not amount:
        raise argparse.ArgumentTypeError(f"{text!r} is not a sum of money; give dollars, such as 5.00")
    return amount


def _prices(text: str) -> Callable[[Usage, str, str | None], Decimal]:
    parts = [_decimal(each.strip().removeprefix("$")) for each in text.split(",")]
    match parts:
        case [Decimal() as sent, Decimal() as answered]:
            return lambda usage, _model, _provider: (
                (sent * (usage.input_tokens or 0) + answered * (usage.output_tokens or 0)) / _MILLION
            )
        case _:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a price; give dollars per million tokens sent and answered, such as "
                "0.25,2.00"
            )


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < _MOST else None


def _failures(text: str) -> float | int:
    share = _decimal(text.removesuffix("%")) if text.endswith("%") else None
    if share is not None and share < 100:  # noqa: PLR2004 - per cent
        return float(share) / 100
    if text.isascii() and text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a number of rows; give one, such as 100, or a share below 100%, such as 10%"
    )
