"""How agents and errors travel: by the name of what a module has, and by value where no module has it.

An agent of `@miniagent` stands in its module in the place of its function. So pickles would not find the
function under its name, and take it by value with all that it uses: clients, locks, context variables.
Here it is sent as what it is: the function of the agent of that name.
"""

import io
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from operator import attrgetter
from types import FunctionType
from typing import Protocol, cast

from miniagents import MiniAgent

from ._library import ray_library


class _Pickler(Protocol):
    reducer_override: Callable[[object], object]

    def dump(self, value: object, /) -> None: ...


def dumps(value: object) -> bytes:
    """Pickle anything, also what a program defines itself.

    Args:
        value: an agent, keywords, an error.

    Raises:
        ImportError: Ray is not installed.
        Exception: it cannot be pickled; which one depends on what it is.
    """
    stream = io.BytesIO()
    pickler = cast("Callable[[io.BytesIO], _Pickler]", ray_library().cloudpickle.CloudPickler)(stream)
    pickler.reducer_override = partial(_reduced, pickler.reducer_override)
    pickler.dump(value)
    return stream.getvalue()


def loads(pickled: bytes) -> object:
    """What was pickled.

    Args:
        pickled: by this program, or by a worker that runs its code.

    Raises:
        Exception: it cannot be made here.
    """
    return cast("object", pickle.loads(pickled))  # noqa: S301 - our own


def _reduced(otherwise: Callable[[object], object], value: object) -> object:
    """How a value is pickled: the function of an agent by the agent's name."""
    if isinstance(value, FunctionType) and value.__module__ != "__main__":
        place = value.__module__, value.__qualname__
        with suppress(AttributeError, KeyError):
            found: object = attrgetter(place[1])(sys.modules[place[0]])
            if isinstance(found, MiniAgent) and _function_of(cast("MiniAgent", found)) is value:
                return _function_at, place
    return otherwise(value)


def _function_at(module: str, name: str) -> object:
    """The function of the agent of that name; what pickles call."""
    __import__(module)
    return _function_of(cast("MiniAgent", attrgetter(name)(sys.modules[module])))


def _function_of(agent: MiniAgent) -> object:
    return agent._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
