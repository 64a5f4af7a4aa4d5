"""The options of a job: its limits, its budget, and where it keeps its answers."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, Self, TypeAlias

from typing_extensions import TypedDict

from miniagents import MiniAgent, RetryPolicy
from miniagents.messages import Message
from miniagents.parts import Usage
from miniagents.values import check_count, is_limit

from ..journal import CallRecords, CallStore, open_journal
from ..usage import RunUsage, dollars
from ._failures import ACCEPTABLE
from ._rows import Progress

ProgressHandler: TypeAlias = Callable[[Progress], object]
"""Is called with the progress of a job."""

Price: TypeAlias = Callable[[Usage, str, str | None], Decimal | None]
"""Returns the dollars of tokens from the usage, the model and its provider; None if it does not know them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast a job may call models. Without a limit here, the limits in the provider's headers apply.

    Attributes:
        rpm: requests per minute; None for the limit that the provider reports.
        tpm: tokens per minute, of prompts and answers; None for the limit that the provider reports.

    Raises:
        ValueError: a limit is not greater than 0.

    Example:
        >>> Limits(rpm=500, tpm=200_000).rpm
        500
    """

    rpm: float | None = None
    tpm: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, limit in (("rpm", self.rpm), ("tpm", self.tpm)):
            if limit is not None and not limit > 0:
                raise ValueError(f"Limits({name}={limit}) would allow no call; give a number greater than 0.")


class JobOptions(TypedDict, total=False):
    """The keywords that :func:`map_rows` and :func:`map_file` have in common.

    The page "Data jobs" has their details.

    Attributes:
        journal, keep, name, version: keeps the answers, or its name; what of messages; of the calls.
        message_classes: of replies that the agent does not declare.
        concurrency, retries, limits: rows at once (64); retries of a row (3); how fast to call.
        budget, price: dollars for all runs on the journal; the price of tokens.
        accept: cut, empty or refused answers that count.
        timeout, stall_timeout: seconds for an attempt; seconds without a sign of life (600).
        max_failures: how many rows may fail, or a share.
        refresh, retry_failed: whether all rows, or failed ones, are sent again.
        errors, progress: a file for failed rows; called often.

    Example:
        >>> options: JobOptions = {"concurrency": 8, "budget": Decimal(5)}
    """

    journal: CallStore | str | Path | None
    keep: Literal["hash", "text"]
    version: str
    name: str | None
    message_classes: Sequence[type[Message]]
    concurrency: int
    retries: int | RetryPolicy
    limits: Limits | None
    budget: Decimal | float | str | None
    price: Price | None
    accept: Collection[Literal["length", "empty", "refusal"]]
    timeout: float | None
    stall_timeout: float | None
    max_failures: float | None
    refresh: bool
    retry_failed: bool
    errors: str | Path | None
    progress: ProgressHandler | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """:class:`JobOptions` with every one of them, checked; the attributes are the same."""

    journal: CallStore | str | Path | None = None
    keep: Literal["hash", "text"] = "hash"
    version: str = "1"
    name: str | None = None
    message_classes: Sequence[type[Message]] = ()
    concurrency: int = 64
    retries: int | RetryPolicy = 3
    limits: Limits | None = None
    budget: Decimal | float | str | None = None
    price: Price | None = None
    accept: Collection[str] = ()
    timeout: float | None = None
    stall_timeout: float | None = 600.0
    max_failures: float | None = None
    refresh: bool = False
    retry_failed: bool = False
    errors: str | Path | None = None
    progress: ProgressHandler | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count("map_rows", "concurrency", self.concurrency, least=1)
        if not isinstance(self.retries, RetryPolicy):
            check_count("map_rows", "retries", self.retries, least=0)
        unknown = [each for each in self.accept if each not in ACCEPTABLE]
        if unknown or isinstance(self.accept, str):
            raise ValueError(f"accept={self.accept!r} is no list of {', '.join(map(repr, ACCEPTABLE))}.")
        for name, seconds in (("timeout", self.timeout), ("stall_timeout", self.stall_timeout)):
            if seconds is not None and not is_limit(seconds):
                raise ValueError(
                    f"{name}={seconds} is not a time; give seconds above 0, or None for no limit."
                )
        if self.max_failures is not None and not self.max_failures >= 0:
            raise ValueError(f"max_failures={self.max_failures} is not a limit; give 0 or more.")
        if self.dollars is not None and not (self.dollars.is_finite() and self.dollars > 0):
            raise ValueError(f"budget={self.budget} would allow no call; give dollars, more than 0.")

    @classmethod
    def of(cls, options: JobOptions) -> Self:
        """Check options, and add the defaults.

        Raises:
            TypeError: an option is unknown.
            ValueError: a number is out of range.
        """
        known = {each.name for each in fields(cls)}
        for name in options:
            if name not in known:
                raise TypeError(f"A job has no option {name!r}; it has: {', '.join(sorted(known))}.")
        return cls(**options)

    def open_journal(self, stack: ExitStack) -> CallStore | None:
        """Return the journal; if it is a name, open it and close it with the stack.

        Raises:
            JournalError: it cannot be opened.
        """
        if isinstance(self.journal, str | Path):
            return stack.enter_context(open_journal(self.journal, keep=self.keep))
        return self.journal

    def records(self, agent: MiniAgent[Message, Message]) -> CallRecords:
        """Return the keys and entries of the journal for calls of an agent."""
        return CallRecords(agent, version=self.version, name=self.name, message_classes=self.message_classes)

    def check_price(self, agent: MiniAgent[Message, Message]) -> None:
        """Check that a budget can be kept, before the job spends money.

        Raises:
            LookupError: the price of a model that it calls is not known.
            ModuleNotFoundError: no price list is installed.
        """
        if self.dollars is None:
            return
        if self.price is None:
            dollars(Usage(input_tokens=1), "")
        unknown = RunUsage(self.price).unpriced(agent)
        if unknown:
            raise LookupError(
                f"The price of {', '.join(unknown)} is not known, so a budget cannot be kept; give price=."
            )

    def check_calls(self, models: Iterable[str], *, told: bool, priced: bool) -> None:
        """Check that a budget can still be kept, after calls of models.

        Args:
            models: their names.
            told: whether each answer reports its tokens.
            priced: whether the prices are known.

        Raises:
            LookupError: the price of a model is not known, or an answer does not report its tokens.
        """
        if self.dollars is None or (told and priced):
            return
        names = ", ".join(models)
        if not told:
            raise LookupError(
                f"An answer of {names} does not report its tokens, so a budget cannot be kept; use a server "
                "that reports them, or continue without a budget."
            )
        raise LookupError(f"The price of {names} is not known, so a budget cannot be kept; give price=.")

    @property
    def dollars(self) -> Decimal | None:
        """The budget.

        Raises:
            ValueError: it is no number.
        """
        try:
            return None if self.budget is None else Decimal(str(self.budget))
        except InvalidOperation:
            raise ValueError(f"budget={self.budget!r} is no number; give dollars, such as 5.00.") from None
