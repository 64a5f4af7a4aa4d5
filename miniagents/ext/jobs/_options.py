"""What a job is told: how fast, for how much, and where it keeps what it has done."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Final, Self, TypeAlias

from typing_extensions import TypedDict

from miniagents.agents import MiniAgent, RetryPolicy
from miniagents.core import Message
from miniagents.models import CallRecords, Price, UsageReport, dollars, unpriced_models
from miniagents.values import Usage, label_of

from .._journal import Journal, Keep
from ._rows import Progress

__all__ = ["JobOptions", "JobSettings", "Limits", "ProgressHandler"]

ProgressHandler: TypeAlias = Callable[[Progress], object]
"""Is told how far a job has come."""

_CONCURRENCY: Final = 64
_RETRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast models may be asked. Where nothing is said here, what a provider tells in its headers holds.

    Attributes:
        rpm: requests a minute; None if the provider is to tell.
        tpm: tokens a minute, of prompts and answers; None if the provider is to tell.

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
                raise ValueError(f"Limits({name}={limit}) lets nothing go; give a number greater than 0.")


class JobOptions(TypedDict, total=False):
    """The keywords that :func:`map_rows` and :func:`map_file` have in common.

    Attributes:
        journal: keeps what was answered, so that the job goes on where it stopped; or the path of one.
        keep: what a journal that is given as a path keeps of what agents are sent: ``"hash"`` or ``"text"``.
        version: of what the agent does: another one asks every row again.
        name: under which the calls are kept; the alias of the agent if it is not given.
        message_classes: of replies that the agent does not declare; from a journal, others come as plain
            messages with the same data.
        concurrency: how many rows are asked at once.
        retries: how often a row is asked again after an error that may pass; or a policy, which tells after
            which errors.
        limits: how fast models are asked.
        budget: dollars that the job may cost, its earlier runs on the same journal included.
        price: tells the price of tokens; else the list of prices of the extra ``prices`` does.
        max_failures: the job stops if more rows have failed: a number of rows; or below 1 a share of those
            that have ended, looked at from the hundredth row on.
        refresh: ask every row, whatever stands in the journal.
        retry_failed: ask rows again that failed in an earlier run.
        errors: the path of a file of JSON lines: the rows that failed, with why.
        progress: is told four times a second how far the job has come, and once at its end.

    Example:
        >>> options: JobOptions = {"concurrency": 8, "budget": Decimal(5)}
    """

    journal: Journal | str | Path | None
    keep: Keep
    version: str
    name: str | None
    message_classes: Sequence[type[Message]]
    concurrency: int
    retries: int | RetryPolicy
    limits: Limits | None
    budget: Decimal | float | str | None
    price: Price | None
    max_failures: float | None
    refresh: bool
    retry_failed: bool
    errors: str | Path | None
    progress: ProgressHandler | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """:class:`JobOptions` with every one of them, checked; the attributes are the same."""

    journal: Journal | str | Path | None = None
    keep: Keep = "hash"
    version: str = "1"
    name: str | None = None
    message_classes: Sequence[type[Message]] = ()
    concurrency: int = _CONCURRENCY
    retries: int | RetryPolicy = _RETRIES
    limits: Limits | None = None
    budget: Decimal | float | str | None = None
    price: Price | None = None
    max_failures: float | None = None
    refresh: bool = False
    retry_failed: bool = False
    errors: str | Path | None = None
    progress: ProgressHandler | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.concurrency < 1:
            raise ValueError(f"concurrency={self.concurrency}: at least 1 row must be asked at once.")
        if isinstance(self.retries, int) and self.retries < 0:
            raise ValueError(f"retries={self.retries}: give 0 or more.")
        if self.max_failures is not None and not self.max_failures >= 0:
            raise ValueError(f"max_failures={self.max_failures}: give 0 or more.")
        if self.dollars is not None and not (self.dollars.is_finite() and self.dollars > 0):
            raise ValueError(f"budget={self.budget} lets nothing go; give dollars, more than 0.")

    @classmethod
    def of(cls, options: JobOptions) -> Self:
        """The settings that these options are.

        Raises:
            TypeError: there is no such option.
            ValueError: a number makes no sense.
        """
        known = {each.name for each in fields(cls)}
        for name in options:
            if name not in known:
                raise TypeError(f"A job has no option {name!r}; it has: {', '.join(sorted(known))}.")
        return cls(**options)

    def open_journal(self, stack: ExitStack) -> Journal | None:
        """The journal; one that is opened here is closed with the stack.

        Args:
            stack: of what is closed.

        Raises:
            JournalError: it cannot be opened.
        """
        if self.journal is None or isinstance(self.journal, Journal):
            return self.journal
        return stack.enter_context(Journal(self.journal, keep=self.keep))

    def records(self, agent: MiniAgent[Message, Message]) -> CallRecords:
        """How the calls of an agent stand in the journal.

        Args:
            agent: that is asked.
        """
        return CallRecords(agent, version=self.version, name=self.name, message_classes=self.message_classes)

    def check_price(self, agent: MiniAgent[Message, Message]) -> None:
        """See that a budget can be kept, before anything is paid.

        Args:
            agent: that is going to be asked.

        Raises:
            LookupError: the price of a model that it asks is not known.
            ModuleNotFoundError: there is no list of prices.
        """
        if self.dollars is None:
            return
        if self.price is None:
            dollars(Usage(input_tokens=1), "")
        unknown = unpriced_models(agent, self.price or dollars)
        if unknown:
            raise LookupError(
                f"The price of {', '.join(unknown)} is not known, so a budget cannot be kept; give price=."
            )

    def check_told(self, report: UsageReport) -> None:
        """See that a budget can still be kept, after models have been asked.

        Args:
            report: what they have used.

        Raises:
            LookupError: the price of a model is not known, or an answer does not tell what it has used.
        """
        if self.dollars is None or not (report.untold or report.dollars is None):
            return
        names = ", ".join(sorted(label_of(name) or "a model" for name in report.by_model))
        if report.untold:
            raise LookupError(
                f"An answer of {names} does not tell what it has used, so a budget cannot be kept; ask a "
                "server that tells it, or go on without a budget."
            )
        raise LookupError(f"The price of {names} is not known, so a budget cannot be kept; give price=.")

    @property
    def dollars(self) -> Decimal | None:
        """The budget."""
        return None if self.budget is None else Decimal(str(self.budget))
