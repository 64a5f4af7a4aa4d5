"""Tests of the mark of frozen values."""

import pytest

from miniagents.values import Frozen
from miniagents.values._marks import FrozenValue
from miniagents.values._path import Path


def test_every_frozen_model_has_it() -> None:
    """`freeze` and the hash keys know a frozen model by the mark."""
    assert issubclass(Frozen, FrozenValue)


def test_it_answers_nothing_itself() -> None:
    """Who has the mark must answer."""
    with pytest.raises(NotImplementedError):
        FrozenValue().__frozen_depth__()
    with pytest.raises(NotImplementedError):
        FrozenValue().__hash_key_of__(Path(None, "x"))
