"""``JobBudget``: money that is reserved before a row is sent, and settled after."""

from decimal import Decimal

from hypothesis import given, strategies as st

from miniagents.ext.jobs._budget import JobBudget


@given(
    amount=st.integers(1, 200),
    cost=st.integers(0, 20),
    at_once=st.integers(1, 10),
    before=st.integers(0, 50),
)
def test_never_passed(amount: int, cost: int, at_once: int, before: int) -> None:
    """Of rows that cost the same, as many are asked as the budget allows, however many are at once."""
    budget, running, asked = JobBudget(Decimal(amount), Decimal(before)), 0, 0
    while asked < 400:
        turn = budget.reserve()
        if turn == "go":
            asked += 1
            running += 1
        elif turn == "spent":
            break
        if running == at_once or (turn == "wait" and running):
            budget.settle(Decimal(cost))
            running -= 1
        assert turn != "wait" or running >= 0
    while running:
        budget.settle(Decimal(cost))
        running -= 1
    spent = budget.spent
    assert spent is not None
    if before >= amount:
        assert 0 == asked
    elif not cost:
        assert 400 == asked
    elif asked < 400:
        assert max(before + cost, amount - cost) <= spent <= max(before + cost, amount)


def test_a_dearer_row() -> None:
    """From a dear row on so much is set aside for each; an unknown price makes the sum unknown."""
    budget = JobBudget(Decimal(10))
    assert ("go", "wait") == (budget.reserve(), budget.reserve())
    budget.settle(Decimal(1))
    assert ["go"] * 3 == [budget.reserve() for _ in range(3)]
    budget.settle(Decimal(4))
    assert "wait" == budget.reserve()  # 5 are spent, and 2 that run may cost 4 each
    budget.settle(Decimal(1))
    budget.settle(Decimal(1))
    assert (Decimal(7), "spent") == (budget.spent, budget.reserve())
    assert "7 dollars, and one more may cost 4" in str(budget.error)
    free = JobBudget(None)
    free.reserve()
    free.settle(None)
    assert (None, "go") == (free.spent, free.reserve())


def test_what_is_known_of_earlier_runs() -> None:
    """Where only less is left than a row of an earlier run has cost, none is asked any more."""
    budget = JobBudget(Decimal("2.50"), Decimal(2))
    budget.note_cost(None)
    assert (None, "go") == (budget.highest_cost, budget.reserve())
    budget = JobBudget(Decimal("2.50"), Decimal(2))
    budget.note_cost(Decimal(1))
    budget.note_cost(Decimal("0.10"))
    assert (Decimal(1), "spent") == (budget.highest_cost, budget.reserve())


def test_failed_for_nothing() -> None:
    """A row that failed and has cost nothing lets no others go at once; an answer for nothing does."""
    budget = JobBudget(Decimal(1))
    assert ("go", "wait") == (budget.reserve(), budget.reserve())
    budget.settle(Decimal(), failed=True)
    assert ("go", "wait") == (budget.reserve(), budget.reserve())
    budget.settle(Decimal())
    assert ["go"] * 9 == [budget.reserve() for _ in range(9)]
