"""The errors of compositions of agents."""

import copy
import pickle

import pytest

from miniagents import AgentTimeoutError, MiniAgentsError, UnroutedMessageError, partial_text
from miniagents.values import set_partial_text

TIMEOUT = AgentTimeoutError(
    "too slow", agent="A", limit="stall", seconds=5.0, elapsed=9.0, tokens=3, partial_text="Hel"
)
UNROUTED = UnroutedMessageError("no case", message_class="Bug", cases=("Question",))


def test_families() -> None:
    """They are errors of the house, and what anybody would take them for."""
    assert isinstance(TIMEOUT, MiniAgentsError)
    assert isinstance(TIMEOUT, TimeoutError)
    assert isinstance(UNROUTED, MiniAgentsError)
    assert isinstance(UNROUTED, TypeError)


@pytest.mark.parametrize("error", [TIMEOUT, UNROUTED], ids=lambda error: type(error).__name__)
def test_they_travel(error: MiniAgentsError) -> None:
    """Pickled or copied they know what they knew."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)


def test_the_text_that_had_come() -> None:
    """`partial_text` of the error is what had come when it was made, whatever is stored later."""
    set_partial_text(TIMEOUT, "Hello")
    assert (TIMEOUT.partial_text, partial_text(TIMEOUT)) == ("Hel", "Hel")
    assert AgentTimeoutError().partial_text == ""


def test_without_a_word() -> None:
    """They say what they are if nobody says more."""
    assert str(AgentTimeoutError()) == "an agent took too long"
    assert str(UnroutedMessageError()) == "a message has a class that no case is for"
