"""The money of a job: set aside before a row is asked, settled when it has ended."""

from decimal import Decimal
from typing import Final, Literal

from miniagents.values import BudgetExceededError

__all__ = ["Purse"]

_NOTHING: Final = Decimal()


class Purse:
    """What a job may cost, and has cost.

    For a row as much is set aside as the dearest one until now has cost, those of earlier runs included; as
    long as none is known everything, so that a row is asked alone. So rows that are asked at the same time
    cannot pass the budget together, unless one costs more than all before it.

    Args:
        amount: dollars; None for no limit.
        spent: what was spent before.

    Attributes:
        spent: dollars; None if a price is not known.
        dearest: what the dearest row has cost; None if none is known.

    Example:
        >>> purse = Purse(Decimal(3), Decimal(1))
        >>> purse.take(), purse.take()
        ('go', 'wait')
        >>> purse.settle(Decimal(1))
        >>> purse.take(), purse.take()
        ('go', 'wait')
        >>> purse.settle(Decimal(1))
        >>> purse.take()
        'spent'
    """

    __slots__ = ("_amount", "_running", "dearest", "spent")

    def __init__(self, amount: Decimal | None, spent: Decimal | None = _NOTHING) -> None:
        self.spent: Decimal | None = spent
        self._amount = amount
        self._running = 0
        self.dearest: Decimal | None = None

    def take(self) -> Literal["go", "wait", "spent"]:
        """Set a part aside for one more row, if there is enough; else whether some may be given back."""
        if self._amount is not None:
            left = self._amount - (self.spent or _NOTHING)
            if self.dearest is None:
                enough = left > 0 and not self._running
            else:
                enough = left > 0 and left >= self.dearest * (self._running + 1)
            if not enough:
                return "wait" if self._running else "spent"
        self._running += 1
        return "go"

    def learn(self, cost: Decimal | None) -> None:
        """A row has cost so much, now or in an earlier run.

        Args:
            cost: dollars; None if that is not known.
        """
        if cost is not None:
            self.dearest = max(self.dearest or _NOTHING, cost)

    def settle(self, cost: Decimal | None, *, failed: bool = False) -> None:
        """A row has ended.

        Args:
            cost: dollars; None if a price is not known.
            failed: it has no answer; if it has cost nothing then, that tells nothing of other rows.
        """
        self._running -= 1
        if cost or not failed:
            self.learn(cost or _NOTHING)
        self.spent = None if cost is None or self.spent is None else self.spent + cost

    @property
    def error(self) -> BudgetExceededError:
        """That nothing is left."""
        spent, next_one = self.spent or _NOTHING, self.dearest or _NOTHING
        text = (
            f"The budget of {self._amount} dollars is spent: {spent:f} dollars, and one more row may cost "
            f"{next_one:f}. What was answered is kept; give more to go on."
        )
        return BudgetExceededError(text, tokens=0, dollars=spent)
