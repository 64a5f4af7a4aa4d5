"""`a.retry(policy)`: asked again as long as no reader has seen anything."""

import asyncio
import math

import pytest

from miniagents import (
    ErrorMessage,
    InquiryCancelledError,
    InteractionContext,
    MiniAgents,
    RetryPolicy,
    StopLoop,
    identity,
    miniagent,
)
from miniagents.errors import NestingError
from miniagents.testing import Marbles
from tests.support.speakers import Heard, Script, Speaker, heard

GONE = ConnectionError("gone")
NOTHING: tuple[str, ...] = ()
EXACT = RetryPolicy(attempts=3, delay=1.0, jitter=0.0)


class Moody:
    """An agent that is another one in each run."""

    def __init__(self, *speakers: Speaker) -> None:
        self._speakers = iter(speakers)
        self.agent = miniagent(alias="MOODY")(self._speak)

    async def _speak(self, ctx: InteractionContext) -> None:
        async for promise in next(self._speakers).agent.inquire(ctx.messages):
            ctx.reply(promise)


@pytest.mark.loop(virtual=True)
async def test_what_would_fail_again() -> None:
    """A nesting that is too deep is not tried again."""
    deep = NestingError("too deep")
    async with MiniAgents():
        agent = Moody(Speaker("A", deep), Speaker("A", "never")).agent.retry(EXACT)
        with pytest.raises(NestingError):
            await agent.inquire()


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("failure", [GONE, [GONE], [5.0, GONE]])
async def test_until_it_begins(failure: Exception | list[float | Exception]) -> None:
    """An agent, or its first message, that fails without a token is asked again; no reader sees it."""
    moody = Moody(Speaker("A", failure), Speaker("B", failure), Speaker("C", ["fine", 1.0, "!"]))
    async with MiniAgents():
        assert await heard(moody.agent.retry(EXACT).inquire()) == [("fine", "!")]


@pytest.mark.loop(virtual=True)
async def test_pauses() -> None:
    """Between the attempts it waits as the policy says."""
    marbles = Marbles()
    model = marbles.model("--#", error=GONE)
    async with MiniAgents():
        await marbles.expect(model.retry(EXACT).inquire()).to_be("3s ------#", error=GONE)
        await marbles.expect_reads(model).to_be("^-#", "1s --^-#", "3s ----^-#")


@pytest.mark.loop(virtual=True)
async def test_giving_up() -> None:
    """After the last attempt the error is the reader's, with a note of how often it was tried."""
    speaker = Speaker("A", [ValueError("mine")])
    async with MiniAgents():
        with pytest.raises(ValueError, match="mine") as caught:
            await speaker.agent.retry(EXACT).inquire()
    assert speaker.runs == 3
    assert "A.retry(3) gave up after 3 attempts." in caught.value.__notes__


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ((["half", GONE],), [("half", GONE)]),
        (("whole", GONE), [("whole",), GONE]),
        ((NOTHING, GONE), [(), GONE]),
    ],
)
async def test_not_after_it_began(script: tuple[Script, ...], expected: list[Heard]) -> None:
    """From the first token, or message, on an error is passed on: a restart would be seen."""
    speaker = Speaker("A", *script)
    async with MiniAgents():
        assert await heard(speaker.agent.retry(EXACT).inquire()) == expected
    assert speaker.runs == 1


@pytest.mark.loop(virtual=True)
async def test_what_failed_is_stopped() -> None:
    """A run whose first message failed is cancelled before the next one begins."""
    speaker = Speaker("A", [GONE], 3600.0)
    async with MiniAgents():
        assert await heard(speaker.agent.retry(EXACT).inquire()) == [(GONE,)]
    assert speaker.ended == ["cancelled", "cancelled", "done"]  # the last one is what readers get


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("error", "runs"), [(GONE, 3), (ValueError("no"), 1), (InquiryCancelledError(), 1), (StopLoop(), 1)]
)
async def test_which_errors(error: Exception, runs: int) -> None:
    """Only the errors of the policy are tried again, and never a cancellation or the end of a loop."""

    def all_but_values(each: Exception) -> bool:
        return not isinstance(each, ValueError)

    for errors in ((ConnectionError, InquiryCancelledError, StopLoop), all_but_values):
        speaker = Speaker("A", error)
        async with MiniAgents():
            policy = RetryPolicy(attempts=3, delay=0.0, errors=errors)
            assert await heard(speaker.agent.retry(policy).inquire()) == [error]
        assert speaker.runs == runs


@pytest.mark.loop(virtual=True)
async def test_where_errors_become_messages() -> None:
    """In a context with `errors_as_messages` it tries again all the same, and then gives one."""
    speaker = Speaker("A", GONE)
    async with MiniAgents(errors_as_messages=True):
        (error,) = await speaker.agent.retry(EXACT).inquire()
    assert isinstance(error, ErrorMessage)
    assert (speaker.runs, error.error_type) == (3, "ConnectionError")


@pytest.mark.loop(virtual=True)
async def test_the_input_is_sent_again() -> None:
    """Each attempt gets all the messages, also those that come while it waits."""
    seen: list[str] = []

    @miniagent
    async def reading_agent(ctx: InteractionContext) -> None:
        seen.append(str(await ctx.messages))
        if len(seen) < 3:
            raise GONE
        ctx.reply("fine")

    async with MiniAgents():
        slow = Speaker("SLOW", "one", 10.0, "two").agent.inquire()
        assert str(await reading_agent.retry(EXACT).inquire(slow)) == "fine"
    assert seen == ["one\n\ntwo"] * 3


@pytest.mark.loop(virtual=True)
async def test_cancelled_while_it_waits() -> None:
    """Cancelled between two attempts, it makes no further one."""
    speaker = Speaker("A", GONE)
    async with MiniAgents():
        replies = speaker.agent.retry(RetryPolicy(delay=3600.0, max_delay=3600.0, jitter=0.0)).inquire()
        await asyncio.sleep(60)
        replies.cancel()
    assert (speaker.runs, asyncio.get_running_loop().time()) == (1, 60)


def test_the_jitter() -> None:
    """The jitter is what chance takes off the pause."""
    policy = RetryPolicy(delay=8.0, jitter=0.5, chance=lambda: 0.25)
    assert [policy.pause(after) for after in (1, 2, 3)] == [7.0, 14.0, 26.25]


def test_many_attempts() -> None:
    """However many attempts there were, the pause is the longest one, not an overflow."""
    assert RetryPolicy(jitter=0.0).pause(100_000) == 30.0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"attempts": 0}, r"RetryPolicy\(attempts=0\): it must be at least 1\."),
        ({"delay": -1.0}, r"delay=-1.0"),
        ({"delay": math.nan}, r"delay=nan"),
        ({"factor": 0.5}, r"factor=0.5\): it must be at least 1\."),
        ({"max_delay": -0.1}, r"max_delay=-0.1"),
        ({"jitter": 2.0}, r"jitter=2.0\): it must be at least 0 and at most 1\."),
    ],
)
def test_a_policy_that_makes_no_sense(wrong: dict[str, float], sentence: str) -> None:
    """A number that makes no sense is refused where it is written."""
    with pytest.raises(ValueError, match=sentence):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_what_is_no_policy() -> None:
    """What is no policy, and a class of errors where a tuple is wanted, is refused where it is written."""
    with pytest.raises(TypeError, match=r"retry\(5\): give a RetryPolicy"):
        identity.retry(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"RetryPolicy\(errors=OSError\): give a tuple, \(OSError,\)\."):
        RetryPolicy(errors=OSError)  # type: ignore[arg-type]
    for wrong in ([OSError], (OSError, "x"), "OSError"):
        with pytest.raises(
            TypeError, match=r"RetryPolicy\(errors=.*: give a tuple of classes of errors, or a"
        ):
            RetryPolicy(errors=wrong)  # type: ignore[arg-type]


def test_attempts_are_whole() -> None:
    """Half an attempt, with which an agent would be called for ever, is refused where it is written."""
    with pytest.raises(TypeError, match=r"RetryPolicy\(attempts=2\.5\): give an integer\."):
        RetryPolicy(attempts=2.5)  # type: ignore[arg-type]
