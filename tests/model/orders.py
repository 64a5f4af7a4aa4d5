"""All orders of small scenarios: the second half of the executable specification.

    python -m tests.model.orders                      all scenarios: how many orders, and which are wrong
    python -m tests.model.orders NAME                 one of them: how often each outcome, and wrong orders
    python -m tests.model.orders NAME --order 0,2,1   one order, step by step

The exit code is the number of scenarios that are not as they are listed: wrong, or right with a known defect.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from typing_extensions import override

from tests.model.scenarios import SCENARIOS
from tests.model.stage import Outcome, Scenario, played
from tests.model.turns import Choices, orders

__all__ = ["Explored", "TooManyOrdersError", "explored"]

SHOWN: Final = 3
"""Wrong orders of one outcome that are printed: the shortest ones."""

MOST: Final = 50_000
"""Orders of one scenario; one with more would take minutes."""

Order = tuple[int, ...]


class TooManyOrdersError(Exception):
    """A scenario has more orders than can be tried."""


@dataclass(slots=True)
class Explored:
    """What all orders of a scenario led to.

    Attributes:
        scenario: which one.
        counts: the orders of each outcome.
        wrong: the orders that led to an outcome that is not right, by that outcome.
    """

    scenario: Scenario
    counts: Counter[str] = field(default_factory=Counter[str])
    wrong: dict[str, list[Order]] = field(default_factory=dict[str, list[Order]])

    @property
    def count(self) -> int:
        """How many orders there are."""
        return self.counts.total()

    @override
    def __str__(self) -> str:
        """What is wrong, with the orders that repeat it."""
        name = self.scenario.name
        lines = [f"{name}: {sum(map(len, self.wrong.values()))} of {self.count} orders are wrong."]
        for outcome, found in self.wrong.items():
            lines.append(f"  {outcome}")
            lines += [
                f"    python -m tests.model.orders {name} --order {_text(each)}" for each in found[:SHOWN]
            ]
        lines.append("Right is:")
        lines += [f"  {_shown(right)}" for right in self.scenario.right]
        return "\n".join(lines)


def explored(scenario: Scenario, first: int | None = None) -> Explored:
    """Play a scenario in all orders.

    Args:
        scenario: which one.
        first: only so many of them.

    Raises:
        TooManyOrdersError: there are more than :data:`MOST`.
    """
    result = Explored(scenario)
    for choices, outcome in islice(orders(lambda choices: played(scenario, choices)), first):
        shown = _shown(outcome)
        result.counts[shown] += 1
        if result.count > MOST:
            raise TooManyOrdersError(
                f"{scenario.name} has more than {MOST} orders: let fewer tasks meet in it."
            )
        if outcome not in scenario.right:
            result.wrong.setdefault(shown, []).append(choices.order)
    for found in result.wrong.values():
        found.sort(key=len)
    return result


def _shown(outcome: Outcome) -> str:
    return "; ".join(f"{who}: {outcome[who]}" for who in sorted(outcome))


def _text(order: Order) -> str:
    return ",".join(map(str, order)) or "0"


def _show_order(scenario: Scenario, order: Order) -> bool:
    """Print every step of one order, and return whether its outcome is right."""
    choices = Choices(order)
    outcome = played(scenario, choices)
    for step in choices.steps:
        others = (
            ""
            if step.choice is None
            else f"   [{step.choice.taken} of {', '.join(step.choice.alternatives)}]"
        )
        sys.stdout.write(f"{step.time:9.2f} s  {step.name}{others}\n")
    right = outcome in scenario.right
    sys.stdout.write(f"{'right' if right else 'WRONG'}: {_shown(outcome)}\n")
    return right


def _show(scenario: Scenario) -> bool:
    """Explore and print one scenario; return whether it is as it is listed."""
    result = explored(scenario)
    sys.stdout.write(f"{scenario.name}: {scenario.sentence}\n")
    for shown, count in result.counts.most_common():
        sys.stdout.write(f"{count:8d}  {'WRONG ' if shown in result.wrong else ''}{shown}\n")
    if result.wrong:
        sys.stdout.write(f"{result}\n")
    return bool(result.wrong) == bool(scenario.defect)


def _show_all() -> int:
    """Explore all scenarios, and return how many are not as they are listed."""
    odd = 0
    for scenario in SCENARIOS.values():
        result = explored(scenario)
        odd += bool(result.wrong) != bool(scenario.defect)
        state = f"red: {scenario.defect}" if result.wrong else "ok"
        sys.stdout.write(f"{result.count:8d} orders  {scenario.name}: {state}\n")
    return odd


def main(arguments: Sequence[str] | None = None) -> int:
    """Explore what the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.model.orders", description="Try all orders of tasks."
    )
    parser.add_argument("name", nargs="?", choices=[*SCENARIOS], help="the scenario (default: all)")
    parser.add_argument("--order", help="the choices of one order: numbers with commas between them")
    given = parser.parse_args(arguments)
    name: str | None = given.name
    order: str | None = given.order
    if name is None:
        return _show_all()
    if order is None:
        return int(not _show(SCENARIOS[name]))
    return int(not _show_order(SCENARIOS[name], tuple(int(each) for each in order.split(","))))


if __name__ == "__main__":
    sys.exit(main())
