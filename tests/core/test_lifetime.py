from miniagents.core._lifetime import Ancestry


def test_a_run_began_itself_and_what_it_began() -> None:
    """A run began itself, what it began, and what that began; not who began it, nor a stranger."""
    first = Ancestry(None)
    second = Ancestry(first)
    third = Ancestry(second)
    assert first.began(first)
    assert first.began(third)
    assert not third.began(first)
    assert not second.began(Ancestry(first))


def test_nobody_began_what_comes_from_outside() -> None:
    """What no run began was begun by no run."""
    assert not Ancestry(None).began(None)


def test_long_lines() -> None:
    """Runs begun by runs, 100,000 deep, are no deep recursion."""
    first = last = Ancestry(None)
    for _ in range(100_000):
        last = Ancestry(last)
    assert first.began(last)
    while last.parent is not None:  # let go from the young end: a deep chain would be freed recursively
        last = last.parent
