"""Tests of the metaclass."""

import inspect

from pydantic import BaseModel

from miniagents.values import Frozen, FrozenMeta


def test_pydantic_still_has_its_metaclass() -> None:
    """The one private import of pydantic is there, and is what every model is made by."""
    assert issubclass(FrozenMeta, type(BaseModel))
    assert type(Frozen) is FrozenMeta


def test_it_adds_nothing_at_run_time() -> None:
    """A `__new__` of its own would hide the frame in which pydantic looks for local types."""
    assert not [name for name, value in vars(FrozenMeta).items() if inspect.isfunction(value)]


def test_local_types_are_found() -> None:
    """A field may name a class that is local to the function, in quotes."""

    class Local(Frozen):
        z: int

    class Outer(Frozen):
        locals_: "list[Local]"

    assert Outer(locals_=[Local(z=1)]).locals_[0].z == 1
