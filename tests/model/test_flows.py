"""Random flows of messages do what a model on lists of texts says, and leave nothing."""

import pytest

from tests.model.__main__ import run
from tests.model.flows import Flow, Reader, Source, Step, Written, check, drawn
from tests.model.shrink import shrunk
from tests.support.amounts import amount

FEW = amount(50, 200)
MANY = 1_000


def test_messages_flow_as_the_model_says() -> None:
    """Readers of random flows get what the model says, whatever the demand; nothing hangs or is left."""
    assert [] == run(range(FEW), "asyncio", others="flows").failed


@pytest.mark.gate("1,000 flows")
@pytest.mark.loop(timeout=300.0)
def test_many_messages_flow_as_the_model_says() -> None:
    """The same of many."""
    assert [] == run(range(FEW, FEW + MANY), "asyncio", others="flows").failed


@pytest.mark.parametrize("order", range(6))
def test_messages_without_tokens_are_collected(order: int) -> None:
    """Messages without tokens go on through pipes which emit only when they have several."""
    steps = (Step("agent_errors_as_messages"), Step("concat"), Step("chunk", 5))
    source = Source((Written((), streams=True),) * 6)
    assert [] == check(Flow(source, steps, (Reader("whole"),), prefetch=4, order=order)).wrong


def test_who_waits_is_known_at_once() -> None:
    """What is asked before there is anything to read is told that a reader waits: behind `catching`, too."""
    steps = (Step("taken_over"), Step("collected"), Step("waits"))
    source = Source((Written(("c", "a"), streams=True),))
    assert [] == check(Flow(source, steps, (Reader("messages"),))).wrong


def test_a_flow_that_fails_is_made_smaller() -> None:
    """What has no part in a failure is left out."""

    def fails(flow: Flow) -> bool:
        return any(step.name == "split" for step in flow.steps)

    least = shrunk(next(flow for flow in map(drawn, range(1_000)) if fails(flow)), fails)
    assert (least.steps, least.source.messages, len(least.readers)) == ((Step("split"),), (), 1)
