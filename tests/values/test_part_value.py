"""The ground of parts: plain data with a hash key and a depth."""

from dataclasses import dataclass

from miniagents.values import MAX_NESTING, Frozen, PartValue, freeze


@dataclass(frozen=True, slots=True)
class Pair(PartValue):
    """A part of a test."""

    left: object
    right: object = None


def test_data() -> None:
    """Its data are its fields, those of their default too."""
    assert Pair(1).as_data() == {"left": 1, "right": None}


def test_frozen() -> None:
    """It is frozen already, so it is kept as it is."""
    pair = Pair(1)
    assert freeze([pair]) == (pair,)
    assert Frozen(pair=pair).model_extra == {"pair": pair}


def test_hash_key() -> None:
    """The key of a message tells parts apart by class and by data."""
    keys = {Frozen(part=part).hash_key for part in (Pair(1), Pair(2), Pair(1, 2), {"left": 1, "right": None})}
    assert len(keys) == 4


def test_depth() -> None:
    """It is one level, and one more than what it holds."""
    assert Pair(1).__frozen_depth__() == 1
    assert Pair(Pair((1,))).__frozen_depth__() == 3
    assert MAX_NESTING > 3
