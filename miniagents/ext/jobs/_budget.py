"""The budget of a job: money is reserved before a row is sent, and settled when the row has ended."""

from decimal import Decimal
from typing import Final, Literal

from miniagents.errors import BudgetExceededError

_NOTHING: Final = Decimal()


class JobBudget:
    """The budget of a job, and what the job has cost.

    For each row, the cost of the most expensive row so far is reserved, earlier runs included. As long as no
    cost is known, everything is reserved, so that the first row runs alone. So rows that run at the same time
    cannot exceed the budget together, unless one costs more than all before it.

    Args:
        amount: the budget in dollars; None for no limit.
        spent: the dollars of earlier runs.

    Attributes:
        spent: dollars of all runs; None if a price is not known.
        highest_cost: the cost of the most expensive row; None if none is known.

    Example:
        >>> budget = JobBudget(Decimal(3), Decimal(1))
        >>> budget.reserve(), budget.reserve()
        ('go', 'wait')
        >>> budget.settle(Decimal(1))
        >>> budget.reserve(), budget.reserve()
        ('go', 'wait')
        >>> budget.settle(Decimal(1))
        >>> budget.reserve()
        'spent'
    """

    def __init__(self, amount: Decimal | None, spent: Decimal | None = _NOTHING) -> None:
        self._amount = amount
        self._running = 0
        self.highest_cost: Decimal | None = None
        self.begin(spent)

    def begin(self, spent: Decimal | None) -> None:
        """Begin a run, after earlier ones that cost so many dollars; None if a price was not known."""
        self.spent: Decimal | None = spent
        self._before = spent

    @property
    def spent_now(self) -> Decimal | None:
        """The dollars of this run; None if a price is not known."""
        return None if self.spent is None or self._before is None else self.spent - self._before

    def reserve(self) -> Literal["go", "wait", "spent"]:
        """Reserve money for one more row: "go", "wait" (until other rows are settled) or "spent"."""
        if not self._suffices(self._running + 1) or (
            self._amount and self.highest_cost is None and self._running
        ):
            return "wait" if self._running else "spent"
        self._running += 1
        return "go"

    def release(self) -> None:
        """Release the money of a row that is sent again later, and then reserves anew."""
        self._running -= 1

    def _suffices(self, rows: int) -> bool:
        left = None if self._amount is None else self._amount - (self.spent or _NOTHING)
        return left is None or (left > 0 and left >= (self.highest_cost or _NOTHING) * rows)

    def note_cost(self, cost: Decimal | None) -> None:
        """Take the cost of a row of this or an earlier run into account; None if it is not known."""
        if cost is not None:
            self.highest_cost = max(self.highest_cost or _NOTHING, cost)

    def settle(self, cost: Decimal | None, *, failed: bool = False) -> None:
        """Count the cost of a row that has ended; a failed one without cost does not lower `highest_cost`."""
        self._running -= 1
        if cost or not failed:
            self.note_cost(cost or _NOTHING)
        self.charge(cost)

    def charge(self, cost: Decimal | None) -> None:
        """Count a cost of a row that has not ended."""
        self.spent = None if cost is None or self.spent is None else self.spent + cost

    @property
    def error(self) -> BudgetExceededError:
        """The error for a spent budget."""
        spent, next_one = self.spent or _NOTHING, self.highest_cost or _NOTHING
        text = (
            f"The budget of {self._amount} dollars is spent: the rows so far cost {spent:f} dollars, and one "
            f"more may cost {next_one:f}. The answers are kept; continue with a larger budget."
        )
        return BudgetExceededError(text, tokens=0, dollars=spent)
