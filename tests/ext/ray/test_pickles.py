"""What goes to workers: by the name of what a module has."""

import pickle
import threading
from typing import cast

import pytest

from miniagents import MiniAgent, miniagent
from miniagents.ext.ray._pickles import dumps, loads
from tests.ext.ray.agents import Number, parrot, poet, square
from tests.support.fake_ray import FakeRay, fake_ray

__all__ = ["fake_ray"]


@pytest.mark.parametrize(
    "agent", [poet, square, parrot, poet.fork(words=5), poet | parrot, poet.timeout(total=1)]
)
def test_agents_of_modules(fake_ray: FakeRay, agent: MiniAgent) -> None:
    """An agent of a module is sent by its name, also as a part of another one, or with other keywords."""
    again = cast("MiniAgent", loads(dumps(agent)))
    assert (type(agent), agent.alias, agent.defaults) == (type(again), again.alias, again.defaults)
    for one, other in zip((agent, *agent.components), (again, *again.components), strict=True):
        if not one.components:
            assert one._function is other._function


def test_an_agent_that_no_module_has(fake_ray: FakeRay) -> None:
    """An agent of a function in a function is left to the pickles of Ray, which take it by value."""

    @miniagent
    async def inner(ctx: object) -> None:
        pass

    with pytest.raises((AttributeError, pickle.PicklingError)):
        dumps(inner)  # plain pickles, here


def test_values(fake_ray: FakeRay) -> None:
    """Everything else is pickled as ever; what cannot be is refused."""
    assert {"number": Number(number=1)} == loads(dumps({"number": Number(number=1)}))
    with pytest.raises(TypeError, match="lock"):
        dumps(threading.Lock())
