"""What an operator of the algebra sees of its parts."""

import asyncio
import math
from collections.abc import AsyncGenerator

import pytest

from miniagents import (
    AgentTimeoutError,
    InteractionContext,
    LLMError,
    Message,
    MessageSequencePromise,
    MiniAgents,
    RetryPolicy,
    identity,
    miniagent,
)
from miniagents.agents._algebra._operands import (
    Operand,
    first_sign,
    handle_first_error,
    input_complete,
    named,
)
from miniagents.messages._parts import is_content
from miniagents.parts import Finish, Part, Reasoning, ResponseHeaders, Retry, Usage
from miniagents.testing import scripted_model
from miniagents.values import check_seconds
from tests.support.sources import Source, turns
from tests.support.speakers import Speaker

GONE = ConnectionError("gone")


def now() -> float:
    """Return the virtual time, in seconds."""
    return asyncio.get_running_loop().time()


def test_names() -> None:
    """A part that is an operation itself stands in parentheses."""
    assert named(identity) == "identity"
    assert named(identity | identity) == "(identity | identity)"


async def test_what_is_a_part() -> None:
    """An agent is one; a promise is none, though it can be replied."""
    async with MiniAgents():
        assert isinstance(identity, Operand)
        assert not isinstance(identity.inquire(), Operand)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("script", "when"),
    [((5.0, [3.0, "a", 60.0, "b"]), 8), ((5.0, [3.0], [60.0, "a"]), 8), ((5.0,), 5)],
)
async def test_the_first_sign(script: tuple[float | list[float | str], ...], when: float) -> None:
    """The first token, a first message without any, or the end."""
    async with MiniAgents():
        replies = Speaker("A", *script).agent.inquire()
        await first_sign(replies)
        assert now() == when


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("failure", [GONE, [GONE]])
async def test_no_sign(failure: Exception | list[Exception]) -> None:
    """What fails before gives no sign, but its error."""
    async with MiniAgents():
        replies = Speaker("A", failure).agent.inquire()
        with pytest.raises(ConnectionError) as caught:
            await first_sign(replies)
        handle_first_error(replies)
    assert caught.value is GONE


@pytest.mark.loop(virtual=True)
async def test_a_complete_input() -> None:
    """The input is complete with its last message, and looking for that keeps nothing going."""
    async with MiniAgents():
        await input_complete(Speaker("A", 2.0, [5.0, "a"]).agent.inquire())
        assert now() == 7
        for count in (0, 1):  # before the task looks at the input, if tasks are not eager, and after that
            replies = Speaker("A", 60.0).agent.inquire()
            complete = input_complete(replies)
            await turns(count)
            complete.cancel()
            await asyncio.wait([complete])
            assert replies.buffer.readers == 0
        await input_complete(MessageSequencePromise("x"))
        assert now() == 7


@pytest.mark.loop(virtual=True)
async def test_a_paused_input() -> None:
    """An input without a reader is taken to its end, however little may come unread."""
    async with MiniAgents(prefetch=1):
        await input_complete(
            MessageSequencePromise([Message.promise(Source("abc")), Message.promise(Source("d"))])
        )


@pytest.mark.parametrize("seconds", [None, 0, 1.5, math.inf])
def test_times(seconds: float | None) -> None:
    """None, zero, and any number of seconds will do."""
    check_seconds("hedge", "after", seconds)


@pytest.mark.parametrize(
    ("seconds", "error", "sentence"),
    [
        (-0.1, ValueError, r"hedge\(after=-0.1\): give a number of seconds, 0 or more\."),
        (math.nan, ValueError, r"hedge\(after=nan\): give a number of seconds, 0 or more\."),
        ("1", TypeError, r"hedge\(after='1'\): give a number of seconds\."),
    ],
)
def test_no_times(seconds: object, error: type[Exception], sentence: str) -> None:
    """What is no time to wait is refused with a sentence."""
    with pytest.raises(error, match=sentence):
        check_seconds("hedge", "after", seconds)


def test_what_an_agent_says() -> None:
    """Text and thoughts begin an answer; headers, numbers, the end and a repeated request do not."""
    said: list[Part] = ["Hi", Reasoning("Hm.")]
    assert all(map(is_content, said))
    told: list[Part] = [Usage(1, 2), Finish("stop"), ResponseHeaders(200, "req-1"), Retry(1, 0.5, "busy")]
    assert not any(map(is_content, told))


@pytest.mark.loop(virtual=True)
async def test_a_repeated_request_is_no_answer() -> None:
    """While a model repeats its request, a hedge asks another one, a limit goes on, and a retry is free."""

    async def attempts(_: object) -> AsyncGenerator[Part]:
        yield Retry(1, 60.0, "busy")
        await asyncio.sleep(60)
        raise LLMError("busy")

    @miniagent(alias="BUSY")
    async def busy(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise_of_parts(attempts))

    async with MiniAgents():
        assert str(await busy.hedge(scripted_model("quick"), after=1).inquire()) == "quick"
        with pytest.raises(AgentTimeoutError, match="first_token=10"):
            await busy.timeout(first_token=10).inquire()
        again = busy.retry(RetryPolicy(attempts=2, delay=1, jitter=0)).inquire()
        with pytest.raises(LLMError, match="busy"):
            await again
    assert asyncio.get_running_loop().time() == pytest.approx(1 + 10 + 60 + 1 + 60)
