"""The context of an event loop: who uses it, who may not, how it begins and ends.

Crosses modules: the context, and what owns its tasks.
"""

import asyncio
import gc
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import ref

import pytest

from miniagents.messages import Message
from miniagents.streams import Promise, PromisingContext
from miniagents.streams._context import CURRENT_CONTEXT, Context, current_context
from miniagents.values import InquiryCancelledError, NoActiveContextError, WrongLoopError
from tests.support.sources import Source, turns


async def nowhere() -> Context:
    """What is active in a task that has inherited no context."""
    await turns()
    return Context.current()


async def without_own(work: Callable[[], Awaitable[Context]]) -> Context:
    """Do it in a task whose context variable is that of a fresh thread, as that of a web request is."""

    async def fresh() -> Context:
        CURRENT_CONTEXT.set(None)
        return await work()

    return await asyncio.create_task(fresh())


# -- who uses it -----------------------------------------------------------------------------------------


async def test_who_has_none_uses_it() -> None:
    """Whoever runs on its loop and has no context of their own uses it: tasks, callbacks, runs."""
    seen: list[Context] = []

    async def run() -> Context:
        seen.append(Context.current())
        return await Promise(nowhere)

    async with PromisingContext(app_wide=True) as app:
        assert app is await without_own(nowhere)
        assert app is await without_own(run)
        called = asyncio.Event()

        def callback() -> None:
            CURRENT_CONTEXT.set(None)
            seen.append(current_context())
            called.set()

        asyncio.get_running_loop().call_soon(callback)
        await called.wait()
    assert [app, app] == seen


async def test_order() -> None:
    """The context variable comes first, then the loop's context, then an error that shows both ways."""
    app = await PromisingContext(app_wide=True).start()
    async with PromisingContext() as own:
        assert own is Context.current()
        assert own is await asyncio.create_task(nowhere())
    assert app is Context.current()
    await app.stop()
    with pytest.raises(NoActiveContextError, match=r"async with MiniAgents.*app_wide=True"):
        Context.current()


async def test_who_outlives_their_own_context() -> None:
    """A task that outlives its own context gets an error, and never silently the app-wide one."""
    ended = asyncio.Event()

    async def late() -> Context:
        await ended.wait()
        return Context.current()

    async def later() -> None:
        await ended.wait()
        async with PromisingContext() as fresh:  # one of its own it may have: it says so
            assert fresh.parent is None

    app = await PromisingContext(app_wide=True).start()
    async with PromisingContext():
        task, other = asyncio.create_task(late()), asyncio.create_task(later())
    ended.set()
    with pytest.raises(NoActiveContextError, match="has ended"):
        await task
    await other
    assert app is Context.current()
    await app.stop()


async def test_after_the_app() -> None:
    """After its end whoever has no context is refused, whether the task is new or was there before."""
    ended = asyncio.Event()

    async def late() -> Context:
        CURRENT_CONTEXT.set(None)
        assert app is Context.current()
        await ended.wait()
        return Context.current()

    async with PromisingContext(app_wide=True) as app:
        task = asyncio.create_task(late())
        await turns()
    ended.set()
    for work in (task, asyncio.create_task(nowhere())):
        with pytest.raises(NoActiveContextError):
            await work


async def test_other_loops() -> None:
    """It is the context of its own loop alone: on another one there is none, or another one."""

    async def both() -> tuple[Context, Context]:
        app = await PromisingContext(app_wide=True).start()
        seen = Context.current()
        await app.stop()
        return app, seen

    async with PromisingContext(app_wide=True):
        # A thread that inherits the context variable: of a context that is of no use there.
        with pytest.raises(WrongLoopError):
            await asyncio.to_thread(asyncio.run, nowhere())
        app, seen = await asyncio.to_thread(asyncio.run, both())
        assert app is seen
    started = await PromisingContext(app_wide=True).start()
    with pytest.raises(NoActiveContextError):
        await asyncio.to_thread(asyncio.run, nowhere())
    await started.stop()
    await asyncio.get_running_loop().shutdown_default_executor()


def test_run_with_it() -> None:
    """A blocking run of an app-wide context has it on its loop, and leaves nothing."""

    async def main() -> Context:
        return await without_own(nowhere)

    app = PromisingContext(app_wide=True)
    assert app is app.run(main())
    assert app is app.run(main())


# -- its children ----------------------------------------------------------------------------------------


class Pool:
    """Something that contexts share."""

    async def close(self) -> None:
        """It is not used any more."""


async def test_a_context_in_a_request() -> None:
    """A context that is entered where the app-wide one is in use is its child, also without the variable."""

    async def request() -> Context:
        async with PromisingContext(shutdown_timeout=2.0) as own:
            assert (app, 3, 2.0) == (own.parent, own.prefetch, own.shutdown_timeout)
            assert own.shared(Pool) is app.shared(Pool)
            assert own is await nowhere()
            async with PromisingContext() as inner:
                assert own is inner.parent
        return own

    async with PromisingContext(app_wide=True, prefetch=3) as app:
        assert (await without_own(request)).ended
        assert app is await without_own(nowhere)


async def test_drain_timeout_is_not_inherited() -> None:
    """A child waits for its own runs for ever unless it is told otherwise, also within an app-wide one."""
    async with PromisingContext(app_wide=True) as app, PromisingContext() as own:
        assert (10.0, None) == (app.drain_timeout, own.drain_timeout)


# -- one at most -----------------------------------------------------------------------------------------


async def test_a_second_one() -> None:
    """A second app-wide context on a loop is an error that names the first, as long as that goes on."""
    async with PromisingContext(app_wide=True) as app:
        for enter in (PromisingContext(app_wide=True).start, PromisingContext(app_wide=True).__aenter__):
            with pytest.raises(RuntimeError, match="has an app-wide context already") as caught:
                await enter()
            place = re.escape(f"PromisingContext(app_wide=True) of {__file__}:")
            assert re.search(rf"{place}\d+ \(test_a_second_one\)", str(caught.value))
        assert app is await without_own(nowhere)
    async with PromisingContext(app_wide=True) as second:
        assert second is Context.current()


async def test_of_a_loop_that_was_closed_without_its_end() -> None:
    """A context that nobody has stopped is let go of after its loop was closed, by the next app."""

    def forgotten() -> ref[Context]:
        return ref(asyncio.run(PromisingContext(app_wide=True).start()))

    left = await asyncio.to_thread(forgotten)
    await asyncio.get_running_loop().shutdown_default_executor()
    async with PromisingContext(app_wide=True):
        gc.collect()
        assert left() is None


# -- start and stop --------------------------------------------------------------------------------------


async def test_start_and_stop() -> None:
    """`start` needs no block: others use it until `stop`, which waits for the runs; it may start again."""
    source = Source(["a"], hold_at=0)
    context = PromisingContext(app_wide=True)
    for _ in range(2):
        assert context is await asyncio.create_task(context.start())
        assert context is Context.current()
        assert CURRENT_CONTEXT.get() is None
        promise = Message.promise(source)
        stopping = asyncio.create_task(context.stop())
        second = asyncio.create_task(context.stop())
        await turns()
        assert not stopping.done()
        assert not second.done()
        source.go.set()
        await asyncio.gather(stopping, second)
        assert promise.done
        await context.stop()  # nothing is left to be stopped
        with pytest.raises(NoActiveContextError):
            Context.current()


async def test_a_start_within_a_block() -> None:
    """Starting and stopping leave the context of a block as it is."""
    async with PromisingContext() as own:
        app = await PromisingContext(app_wide=True).start()
        assert (own, own) == (app.parent, Context.current())
        await app.stop()
        assert own is Context.current()


async def test_start_again() -> None:
    """`start(replace=True)` ends the one that is there as `stop` does; where there is none it is `start`."""
    source = Source(["a"])
    first = await PromisingContext(app_wide=True).start(replace=True)
    promise = Message.promise(source)
    second = await PromisingContext(app_wide=True).start(replace=True)
    assert (True, True, second) == (promise.done, first.ended, Context.current())
    assert second is await second.start(replace=True)
    await first.stop()
    assert second is Context.current()
    await second.stop()


async def test_what_start_and_stop_refuse() -> None:
    """Blocks end by themselves, a run does not stop its own context, and a plain context is not started."""
    with pytest.raises(RuntimeError, match=r"start.. is for MiniAgents.app_wide=True"):
        await PromisingContext().start()
    async with PromisingContext(app_wide=True) as app:
        with pytest.raises(RuntimeError, match="is an `async with` block"):
            await app.stop()
        with pytest.raises(RuntimeError, match="is an `async with` block"):
            await PromisingContext(app_wide=True).start(replace=True)
        with pytest.raises(RuntimeError, match="already active"):
            await app.start()
    started = await PromisingContext(app_wide=True).start()
    with pytest.raises(RuntimeError, match="and would wait for it"):
        await Promise(started.stop)
    with pytest.raises(WrongLoopError):
        await asyncio.to_thread(asyncio.run, started.stop())
    await started.stop()
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_stop_that_is_cancelled() -> None:
    """Who is cancelled while stopping cancels the runs, as at the end of a block."""
    source = Source(["a", "b"], hold_at=1)
    app = await PromisingContext(app_wide=True).start()
    promise = Message.promise(source)
    stopping = asyncio.create_task(app.stop())
    await turns(4)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert (1, True) == (source.closed, app.ended)
    with pytest.raises(InquiryCancelledError):
        await promise


class Halt(BaseException):
    """Like what test runners raise."""


async def test_an_exit_that_nobody_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    """What is no `Exception` and ends a run where nobody is in the block is logged, not swallowed."""

    async def halting() -> None:
        raise Halt("stop the tests")

    @asynccontextmanager
    async def fixture() -> AsyncGenerator[None]:
        async with PromisingContext(app_wide=True):
            yield

    app = await PromisingContext(app_wide=True).start()
    with pytest.raises(InquiryCancelledError):
        await Promise(halting)
    await app.stop()
    assert "stop the tests" in caplog.text
    caplog.clear()
    block = fixture()
    await asyncio.create_task(block.__aenter__())  # as a fixture is, whose task ends then
    with pytest.raises(InquiryCancelledError):
        await asyncio.create_task(_awaited(halting))
    await block.__aexit__(None, None, None)
    assert "stop the tests" in caplog.text


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await Promise(work)


# -- how long it waits -----------------------------------------------------------------------------------


async def sleeping(seconds: float, ended: list[str]) -> None:
    """A run that takes its time, also for its clean-up."""
    try:
        await asyncio.sleep(seconds)
        ended.append("done")
    except asyncio.CancelledError:
        await asyncio.sleep(3)
        ended.append("cleaned up")
        raise


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("app_wide", [False, True])
async def test_drain_timeout(caplog: pytest.LogCaptureFixture, *, app_wide: bool) -> None:
    """A normal end waits for the runs `drain_timeout` seconds, cancels the rest, and waits for clean-ups."""
    ended: list[str] = []
    loop = asyncio.get_running_loop()

    async def quick() -> None:
        await sleeping(1, ended)

    async def slow() -> None:
        await sleeping(8, ended)

    with caplog.at_level(logging.WARNING, "miniagents"):
        async with PromisingContext(drain_timeout=2, app_wide=app_wide):
            begun = loop.time()
            for run in (quick, slow):
                Promise(run)
    assert (["done", "cleaned up"], 5.0) == (ended, loop.time() - begun)
    (record,) = caplog.records
    assert "slow had not ended drain_timeout=2 seconds after the end of their context" in record.getMessage()
    assert "quick" not in record.getMessage()


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(("drain_timeout", "waited"), [("auto", 13.0), (None, 100.0), (0, 3.0)])
@pytest.mark.logs("had not ended drain_timeout")
async def test_how_long_an_app_waits(drain_timeout: float | None, waited: float) -> None:
    """An app-wide context waits for 10 seconds unless told otherwise; None: for ever, 0: not at all."""
    ended: list[str] = []
    begun = asyncio.get_running_loop().time()
    app = PromisingContext(app_wide=True, drain_timeout=drain_timeout)
    await app.start()
    Promise(lambda: sleeping(100, ended))
    await turns()
    await app.stop()
    assert waited == asyncio.get_running_loop().time() - begun


@pytest.mark.loop(virtual=True)
async def test_not_to_wait_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """Runs that were not to be waited for (`drain_timeout=0`) are cancelled without a warning."""
    async with PromisingContext(drain_timeout=0):
        Promise(lambda: asyncio.sleep(8))
    assert "" == caplog.text


@pytest.mark.loop(virtual=True)
async def test_then_the_shutdown_timeout(caplog: pytest.LogCaptureFixture) -> None:
    """A clean-up that goes on is left behind `shutdown_timeout` seconds after the drain."""
    ended: list[str] = []
    begun = asyncio.get_running_loop().time()
    async with PromisingContext(drain_timeout=2, shutdown_timeout=1):
        Promise(lambda: sleeping(8, ended))
    assert (3.0, []) == (asyncio.get_running_loop().time() - begun, ended)
    assert "did not end within shutdown_timeout=1" in caplog.text
    await asyncio.sleep(5)
    assert ["cleaned up"] == ended


@pytest.mark.loop(virtual=True)
async def test_many_that_do_not_end(caplog: pytest.LogCaptureFixture) -> None:
    """Of many runs that are cancelled the warning has the first names, and how many more there are."""
    async with PromisingContext(drain_timeout=1):
        for _ in range(8):
            Promise(lambda: sleeping(8, []))
    assert "and 3 more had not ended" in caplog.text


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_drain_timeout_that_is_none(seconds: float) -> None:
    """Less than nothing is no time to wait, and is refused."""
    with pytest.raises(ValueError, match="drain_timeout="):
        PromisingContext(drain_timeout=seconds)
