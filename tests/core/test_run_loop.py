"""A blocking run on an event loop of its own, which ends in order, whatever it ends by."""

import asyncio

import pytest

from miniagents.core import Message, Promise, PromisingContext
from miniagents.core._run_loop import run_loop
from miniagents.testing import StuckLoopError, virtual_time
from tests.support.sources import Source, turns


async def slow_to_leave(left: list[str]) -> None:
    """Wait for ever, and clean up in several loop turns."""
    try:
        await asyncio.Event().wait()
    finally:
        await turns(5)
        left.append("cleaned up")


def test_like_asyncio_run() -> None:
    """It gives what the coroutine returns, and raises what it raises."""

    async def main() -> int:
        return 5

    async def failing() -> int:
        raise ValueError("broken")

    assert run_loop(main) == 5
    with pytest.raises(ValueError, match="broken"):
        run_loop(failing)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_leaves_at_once(kind: type[BaseException]) -> None:
    """What a task raises past everybody leaves the run after what the run began has cleaned up."""
    left: list[str] = []

    async def leaving() -> None:
        await turns(3)
        raise kind

    async def main() -> None:
        async with PromisingContext():
            Promise(lambda: slow_to_leave(left))
            await Promise(leaving)

    with pytest.raises(kind):
        run_loop(main)
    assert left == ["cleaned up"]


def test_sources_are_closed() -> None:
    """`sys.exit` in a run closes every source, also one whose clean-up waits."""
    source = Source(["a", "b"], hold_at=1)

    async def leaving() -> None:
        await turns(3)
        raise SystemExit(3)

    async def main() -> None:
        Message.promise(source)
        await Promise(leaving)

    with pytest.raises(SystemExit) as caught:
        PromisingContext().run(main())
    assert (caught.value.code, source.closed) == (3, 1)


def test_stuck() -> None:
    """So does the error of a loop on which nothing can happen any more."""
    left: list[str] = []

    async def main() -> None:
        promises = [
            Promise(lambda: slow_to_leave(left)) for _ in range(20)
        ]  # in whatever order they are stopped
        for promise in promises:
            await promise

    with virtual_time(), pytest.raises(StuckLoopError):
        PromisingContext().run(main())
    assert left == ["cleaned up"] * 20
