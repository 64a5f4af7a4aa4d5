"""Time that passes without waiting."""

import asyncio
import time

import pytest
import reactivex as rx

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.testing import VirtualClock, virtual_time
from miniagents.testing._virtual_loop import StuckLoopError

HOUR = 3600


@miniagent
async def sleepy_agent(ctx: InteractionContext, seconds: float = HOUR) -> None:
    """Reply after a while."""
    await asyncio.sleep(seconds)
    ctx.reply(f"{seconds:g}")


def test_an_hour_takes_no_time() -> None:
    """An hour of sleep is an hour for the loop and the clock, and nothing for the test that waits."""
    begun = time.monotonic()

    async def main() -> float:
        await asyncio.sleep(HOUR)
        return asyncio.get_running_loop().time()

    with virtual_time() as clock:
        assert (clock.time(), asyncio.run(main()), clock.time()) == (0, HOUR, HOUR)
    assert time.monotonic() - begun < HOUR / 100


def test_in_the_order_of_the_clock() -> None:
    """What sleeps ends in the order in which it would have ended."""
    ended: list[int] = []

    async def sleep(seconds: int) -> None:
        await asyncio.sleep(seconds)
        ended.append(seconds)

    async def main() -> None:
        await asyncio.gather(*(sleep(seconds) for seconds in (30, 10, 86_400 * 3, 20)))

    with virtual_time():
        asyncio.run(main())
    assert ended == [10, 20, 30, 86_400 * 3]


def test_a_timeout() -> None:
    """A timeout comes when it is due, and not before."""

    async def within(seconds: float) -> str:
        async with asyncio.timeout(seconds):
            return str(await sleepy_agent.inquire())

    with virtual_time() as clock:
        assert MiniAgents().run(within(HOUR + 0.001)) == "3600"
        with pytest.raises(TimeoutError):
            MiniAgents().run(within(HOUR - 0.001))
    assert clock.time() == pytest.approx(2 * HOUR - 0.001)


def test_every_way_to_run() -> None:
    """`asyncio.run`, `asyncio.Runner`, `MiniAgents().run` and pipelines all have it, with the same clock."""
    with virtual_time() as clock:
        asyncio.run(asyncio.sleep(1))
        with asyncio.Runner() as runner:
            runner.run(asyncio.sleep(1))
        MiniAgents().run(asyncio.sleep(1))
        MiniAgents().run(rx.of("now").pipe(sleepy_agent.fork(seconds=1)))
        assert clock.time() == 4


@pytest.mark.logs("Executing")  # the outer run stands still for an hour
def test_a_run_within_a_run() -> None:
    """A blocking run on a thread of its own has it too."""

    async def main() -> None:
        MiniAgents().run(asyncio.sleep(HOUR))

    with virtual_time() as clock:
        MiniAgents().run(main())
        assert clock.time() == HOUR


def test_only_inside() -> None:
    """Loops made before and after the block, and inside after an inner block, have the time they should."""

    def kind() -> str:
        loop = asyncio.new_event_loop()
        loop.close()
        return type(loop).__name__

    before = kind()
    with virtual_time() as outer:
        with virtual_time() as inner:
            asyncio.run(asyncio.sleep(1))
        assert (inner.time(), outer.time()) == (1, 0)
        asyncio.run(asyncio.sleep(2))
    assert outer.time() == 2
    assert kind() == before != "VirtualEventLoop"


def test_as_a_decorator() -> None:
    """It decorates a function whose loops are to have virtual time."""

    @virtual_time()
    def sleep() -> float:
        asyncio.run(asyncio.sleep(HOUR))
        return 1

    assert [sleep(), sleep()] == [1, 1]


async def test_not_in_a_running_loop() -> None:
    """Inside a running loop it is refused, since that loop would keep its real time."""
    with pytest.raises(RuntimeError, match="inside a running event loop"), virtual_time():
        pytest.fail("the block was entered")


def test_a_clock_as_a_loop_factory() -> None:
    """A clock makes loops without a block."""
    clock = VirtualClock()
    for expected in (5, 10):
        with asyncio.Runner(loop_factory=clock.new_event_loop) as runner:
            runner.run(asyncio.sleep(5))
        assert clock.time() == expected


def test_waiting_for_ever() -> None:
    """What would wait for ever is an error that names the tasks and where they wait; nothing hangs."""

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.sleep(3)
        await asyncio.create_task(for_ever(), name="the waiting one")

    with virtual_time(), pytest.raises(StuckLoopError) as caught:
        asyncio.run(main())
    text = str(caught.value)
    assert "at 3 s of virtual time" in text
    assert "the waiting one in Event.wait (locks.py:" in text
    assert "test_waiting_for_ever.<locals>.main (test_virtual_time.py:" in text


def test_waiting_for_ever_for_a_stream() -> None:
    """The error names the line that reads a stream of ours, not one of ours."""

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        await asyncio.Event().wait()

    async def awaiting() -> None:
        await waiting_agent.inquire()

    async def reading() -> None:
        async for _ in waiting_agent.inquire().tokens:
            pytest.fail("there is a token")

    for main in (awaiting, reading):
        with virtual_time(), pytest.raises(StuckLoopError) as caught:
            MiniAgents().run(main())
        assert f"{main.__qualname__} (test_virtual_time.py:" in str(caught.value)


def test_waiting_for_ever_cleans_up() -> None:
    """The tasks that would wait for ever are cancelled, and a context ends as by any other cancellation."""
    closed: list[str] = []

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("run")

    async def main() -> None:
        await waiting_agent.inquire()

    with virtual_time(), pytest.raises(StuckLoopError, match="WAITING_AGENT in Event"):
        MiniAgents().run(main())
    assert closed == ["run"]


def test_many_waiting() -> None:
    """Of many tasks the error names some, and says how many more there are."""

    async def main() -> None:
        await asyncio.gather(*(asyncio.Event().wait() for _ in range(100)))

    with virtual_time(), pytest.raises(StuckLoopError, match="and 91 more"):
        asyncio.run(main())


def test_debug_mode(caplog: pytest.LogCaptureFixture) -> None:
    """In debug mode nothing is called slow: no time passes while something runs."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 1e-9
        await asyncio.sleep(0.25)
        return loop.time()

    with virtual_time():
        assert asyncio.run(main(), debug=True) == 0.25
    assert [] == caplog.records


def test_tokens_on_a_clock() -> None:
    """Two runs on one clock interleave as they would in time, every time in the same way."""
    heard: list[str] = []

    async def tick(name: str, every: float) -> None:
        for count in range(3):
            await asyncio.sleep(every)
            heard.append(f"{name}{count}")

    async def main() -> None:
        await asyncio.gather(tick("a", 2), tick("b", 3.5))

    with virtual_time():
        asyncio.run(main())
    assert heard == ["a0", "b0", "a1", "a2", "b1", "b2"]
