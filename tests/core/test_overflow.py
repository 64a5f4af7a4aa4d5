"""`Overflow`: what becomes of items that nobody has had time to read."""

import pytest

from miniagents.core import Overflow


def test_by_name() -> None:
    """Each policy is made by its name; 1,024 items are kept unless told otherwise."""
    dropped: list[object] = []
    made = [Overflow.block(), Overflow.drop_oldest(5, on_drop=dropped.append), Overflow.fail(1)]
    assert [("block", 1024), ("drop_oldest", 5), ("fail", 1)] == [(one.policy, one.capacity) for one in made]


@pytest.mark.parametrize("make", [Overflow.block, Overflow.drop_oldest, Overflow.fail])
def test_something_must_be_kept(make: type[Overflow]) -> None:
    """A capacity under 1 is refused where it is given."""
    with pytest.raises(ValueError, match=r"The capacity of Overflow\.\w+ is 0; at least 1"):
        make(0)  # type: ignore[arg-type]  # each of them takes the capacity first
