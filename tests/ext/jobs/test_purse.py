"""``Purse``: money that is set aside before a row is asked, and settled after."""

from decimal import Decimal

from hypothesis import given, strategies as st

from miniagents.ext.jobs._purse import Purse


@given(
    amount=st.integers(1, 200),
    cost=st.integers(0, 20),
    at_once=st.integers(1, 10),
    before=st.integers(0, 50),
)
def test_never_passed(amount: int, cost: int, at_once: int, before: int) -> None:
    """Of rows that cost the same, as many are asked as the budget allows, however many are at once."""
    purse, running, asked = Purse(Decimal(amount), Decimal(before)), 0, 0
    while asked < 400:
        turn = purse.take()
        if turn == "go":
            asked += 1
            running += 1
        elif turn == "spent":
            break
        if running == at_once or (turn == "wait" and running):
            purse.settle(Decimal(cost))
            running -= 1
        assert turn != "wait" or running >= 0
    while running:
        purse.settle(Decimal(cost))
        running -= 1
    spent = purse.spent
    assert spent is not None
    if before >= amount:
        assert 0 == asked
    elif not cost:
        assert 400 == asked
    elif asked < 400:
        assert max(before + cost, amount - cost) <= spent <= max(before + cost, amount)


def test_a_dearer_row() -> None:
    """From a dear row on so much is set aside for each; an unknown price makes the sum unknown."""
    purse = Purse(Decimal(10))
    assert ("go", "wait") == (purse.take(), purse.take())
    purse.settle(Decimal(1))
    assert ["go"] * 3 == [purse.take() for _ in range(3)]
    purse.settle(Decimal(4))
    assert "wait" == purse.take()  # 5 are spent, and 2 that run may cost 4 each
    purse.settle(Decimal(1))
    purse.settle(Decimal(1))
    assert (Decimal(7), "spent") == (purse.spent, purse.take())
    assert "7 dollars, and one more may cost 4" in str(purse.error)
    free = Purse(None)
    free.take()
    free.settle(None)
    assert (None, "go") == (free.spent, free.take())


def test_what_is_known_of_earlier_runs() -> None:
    """Where only less is left than a row of an earlier run has cost, none is asked any more."""
    purse = Purse(Decimal("2.50"), Decimal(2))
    purse.learn(None)
    assert (None, "go") == (purse.dearest, purse.take())
    purse = Purse(Decimal("2.50"), Decimal(2))
    purse.learn(Decimal(1))
    purse.learn(Decimal("0.10"))
    assert (Decimal(1), "spent") == (purse.dearest, purse.take())


def test_failed_for_nothing() -> None:
    """A row that failed and has cost nothing lets no others go at once; an answer for nothing does."""
    purse = Purse(Decimal(1))
    assert ("go", "wait") == (purse.take(), purse.take())
    purse.settle(Decimal(), failed=True)
    assert ("go", "wait") == (purse.take(), purse.take())
    purse.settle(Decimal())
    assert ["go"] * 9 == [purse.take() for _ in range(9)]
