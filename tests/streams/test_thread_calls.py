"""Calls from threads: a synchronous handler, a worker, and how they end when the app does."""

import asyncio
import concurrent.futures
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from textwrap import dedent
from typing import TypeVar, assert_type

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from miniagents.messages import Message
from miniagents.streams import Promise, PromisingContext
from miniagents.streams._context import CURRENT_CONTEXT, Context
from miniagents.values import InquiryCancelledError, NoActiveContextError
from tests.support.sources import Source, turns

T = TypeVar("T")
NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


async def in_thread(work: Callable[[], T]) -> T:
    """Do it in a thread that inherits no context variable, as a worker's is; it has ended then."""
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised below
            outcome.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        return await asyncio.wrap_future(outcome)
    finally:
        thread.join()


async def place(suffix: str = "") -> tuple[Context, int, str]:
    """Where this is."""
    await turns()
    return Context.current(), threading.get_ident(), NAME.get() + suffix


async def test_from_a_worker() -> None:
    """A thread that has inherited nothing calls in the app-wide context, on its loop, and gets the result."""

    def work() -> tuple[Context, int, str]:
        NAME.set("worker")
        result = PromisingContext.from_thread(place, suffix="!")
        assert_type(result, tuple[Context, int, str])
        return result

    async with PromisingContext(app_wide=True) as app:
        assert (app, threading.get_ident(), "worker!") == await in_thread(work)


async def test_a_stream() -> None:
    """A12: a thread iterates over a stream while it is written."""
    source = Source("abc", hold_at=2)
    seen: list[str] = []

    def work() -> None:
        for piece in PromisingContext.iterate_from_thread(lambda: source):
            assert_type(piece, str)
            seen.append(piece)
            if len(seen) == 2:
                app.call_soon(source.go.set)

    async with PromisingContext(app_wide=True) as app:
        await in_thread(work)
    assert (["a", "b", "c"], 1) == (seen, source.closed)


async def test_the_search_for_deadlocks_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a call of a thread runs, waits of runs are still looked at."""
    monkeypatch.setattr("miniagents.streams._deadlocks.INTERVAL", 0.001)
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, failed: errors.append(failed["exception"]))

    async def slow() -> int:
        await asyncio.sleep(0.02)
        return 1

    async def waits() -> int:
        return await Promise(slow)

    async with PromisingContext(app_wide=True):
        assert 1 == await in_thread(lambda: PromisingContext.from_thread(lambda: Promise(waits)))
    assert [] == errors


async def test_a_stream_that_is_left() -> None:
    """A12: a thread that breaks leaves the stream, and its source ends."""
    source = Source("abc", hold_at=2)

    def work() -> str:
        return next(iter(PromisingContext.iterate_from_thread(lambda: source)))

    async with PromisingContext(app_wide=True):
        assert "a" == await in_thread(work)
        await turns()
        assert 1 == source.closed


async def test_a_stream_that_fails() -> None:
    """A12: the error comes after the items before it."""
    source = Source("ab", error=ValueError("broken"))
    seen: list[str] = []

    def work() -> None:
        seen.extend(PromisingContext.iterate_from_thread(lambda: source))

    async with PromisingContext(app_wide=True):
        with pytest.raises(ValueError, match="broken"):
            await in_thread(work)
    assert 1 == source.closed


async def test_from_a_thread_of_a_block() -> None:
    """A thread that has inherited the context variable calls in that context: a plain one, or a child."""

    def work() -> Context:
        return PromisingContext.from_thread(place)[0]

    async with PromisingContext(app_wide=True), PromisingContext() as own:
        assert own is await asyncio.to_thread(work)
        assert own is await anyio.to_thread.run_sync(work)
    async with PromisingContext() as plain:
        assert plain is await asyncio.to_thread(work)
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_what_is_called() -> None:
    """A promise is awaited, a plain value is returned as it is, an error is raised as it was."""
    error = ValueError("broken")

    def promise() -> Promise[str]:
        return Promise(prefill_result="promised")

    def number(value: int) -> int:
        return value

    async def fail() -> None:
        raise error

    def work() -> None:
        assert_type(PromisingContext.from_thread(promise), str)
        assert "promised" == PromisingContext.from_thread(promise)
        assert 5 == PromisingContext.from_thread(number, 5)
        with pytest.raises(ValueError, match="broken") as caught:
            PromisingContext.from_thread(fail)
        assert caught.value is error

    async with PromisingContext(app_wide=True):
        await in_thread(work)


async def test_nothing_is_kept() -> None:
    """A call that has failed keeps nothing alive, also without a garbage collection."""

    async def fail() -> None:
        raise ValueError("broken")

    def work() -> None:
        with suppress(ValueError):
            PromisingContext.from_thread(fail)

    async with PromisingContext(app_wide=True):
        gc.collect()
        gc.disable()
        try:
            await in_thread(work)
            await turns()
            assert [] == [each for each in gc.get_objects() if type(each).__name__ == "ThreadCall"]
        finally:
            gc.enable()


async def test_by_other_means() -> None:
    """What asyncio and anyio have for threads does the same with an app-wide context."""
    loop = asyncio.get_running_loop()

    async with PromisingContext(app_wide=True) as app:
        by_asyncio = lambda: asyncio.run_coroutine_threadsafe(place(), loop).result()  # noqa: E731 - a short one
        assert app is (await in_thread(by_asyncio))[0]
        by_anyio = lambda: anyio.from_thread.run(place)  # noqa: E731 - another one
        CURRENT_CONTEXT.set(None)
        assert app is (await anyio.to_thread.run_sync(by_anyio))[0]


async def test_where_it_would_block_a_loop() -> None:
    """On a thread where an event loop runs it is refused, with what to do."""
    called: list[str] = []
    async with PromisingContext(app_wide=True):
        with pytest.raises(RuntimeError, match="Await the function itself"):
            PromisingContext.from_thread(called.append, "never")
    assert [] == called


async def test_without_a_context() -> None:
    """Without an active context it is an error that shows the ways; so it is after one's own has ended."""

    def work() -> None:
        with pytest.raises(NoActiveContextError, match="app_wide=True"):
            PromisingContext.from_thread(place)

    def late() -> None:
        with pytest.raises(NoActiveContextError, match="has ended"):
            PromisingContext.from_thread(place)

    await in_thread(work)
    async with PromisingContext(app_wide=True):
        async with PromisingContext() as own:
            pass
        CURRENT_CONTEXT.set(own)
        await asyncio.to_thread(late)
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_with_several_apps() -> None:
    """Of several loops with an app-wide context none is guessed: the error names both and shows the way."""

    def work() -> None:
        with pytest.raises(NoActiveContextError, match=r"2 event loops .*run_coroutine_threadsafe"):
            PromisingContext.from_thread(place)

    async def other() -> None:
        async with PromisingContext(app_wide=True):
            await in_thread(work)

    async with PromisingContext(app_wide=True):
        await in_thread(lambda: asyncio.run(other()))


async def test_the_end_waits_for_it() -> None:
    """A normal end waits for a call that is under way, as for a run, and the thread gets its result."""
    source, begun = Source(["a"], hold_at=0), asyncio.Event()

    async def read() -> str:
        begun.set()
        return str(await Message.promise(source))

    async def main() -> asyncio.Task[str]:
        async with PromisingContext(app_wide=True):
            task = asyncio.create_task(in_thread(lambda: PromisingContext.from_thread(read)))
            await begun.wait()
            asyncio.get_running_loop().call_soon(source.go.set)
        return task

    assert "a" == await (await main())


async def test_the_end_cancels_it() -> None:
    """Any other end cancels a call that is under way; the thread is told, and does not wait."""
    source, begun = Source(["a", "b"], hold_at=1), asyncio.Event()
    tasks: list[asyncio.Task[str]] = []

    async def read() -> str:
        begun.set()
        return str(await Message.promise(source))

    with suppress(KeyError):
        async with PromisingContext(app_wide=True):
            tasks.append(asyncio.create_task(in_thread(lambda: PromisingContext.from_thread(read))))
            await begun.wait()
            await turns()
            raise KeyError
    with pytest.raises(InquiryCancelledError):
        await tasks[0]
    assert 1 == source.closed


@pytest.mark.parametrize("more", [0, 5])
async def test_a_call_that_comes_too_late(more: int) -> None:
    """A call that the context cannot begin any more is refused, whenever it comes: no thread is left."""
    late: list[asyncio.Task[object]] = []
    sent = threading.Event()

    def work() -> object:
        sent.set()
        return PromisingContext.from_thread(place)

    async def close() -> None:
        late.append(asyncio.create_task(asyncio.to_thread(work)))
        await turns()
        sent.wait()
        while not app.calls_from_threads and not late[0].done():
            await turns()
        await turns(more)  # as long as it closes, or after that

    async with PromisingContext(app_wide=True) as app:
        app.on_close(close)
        CURRENT_CONTEXT.set(app)
    CURRENT_CONTEXT.set(None)
    with pytest.raises(NoActiveContextError):
        await late[0]
    assert set() == app.calls_from_threads
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_call_that_is_cancelled_before_its_first_step() -> None:
    """A call that is cancelled when it has just begun is told to its thread, too, and holds nobody up."""
    app = await PromisingContext(app_wide=True, drain_timeout=0).start()
    task = asyncio.create_task(in_thread(lambda: PromisingContext.from_thread(place)))
    while not app.tasks:
        await asyncio.sleep(0)
        for each in app.tasks:
            each.cancel()
    with pytest.raises(InquiryCancelledError):
        await task
    await app.stop()


@pytest.mark.logs("did not end within shutdown_timeout")
async def test_a_call_that_is_left_behind() -> None:
    """A call whose clean-up goes on after `shutdown_timeout` still gives its thread what comes of it."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def stubborn() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await go.wait()
            return "late"  # noqa: B012 # what is tried

    app = await PromisingContext(app_wide=True, drain_timeout=0, shutdown_timeout=0).start()
    task = asyncio.create_task(in_thread(lambda: PromisingContext.from_thread(stubborn)))
    await begun.wait()
    await app.stop()
    go.set()
    assert "late" == await task


async def test_a_call_that_the_loop_never_comes_to() -> None:
    """A call that was sent and not begun when the context ends is refused then."""
    async with PromisingContext(app_wide=True) as app:
        pass
    refused: list[str] = []
    async with app:
        app.calls_from_threads.add(lambda: refused.append("refused"))
    assert ["refused"] == refused


def test_a_loop_that_is_closed_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to a loop that is closed without an end of its context is refused all the same."""
    waiting, wait = threading.Event(), concurrent.futures.wait

    def noted(calls: Iterable[concurrent.futures.Future[object]], _: float) -> object:
        waiting.set()
        return wait(calls, 0.01)

    monkeypatch.setattr(concurrent.futures, "wait", noted)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(PromisingContext(app_wide=True).start())
    refused: list[BaseException] = []

    def work() -> None:
        try:
            PromisingContext.from_thread(place)
        except NoActiveContextError as error:
            refused.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    waiting.wait()
    loop.close()
    thread.join()
    assert 1 == len(refused)


FORK = dedent("""
    import asyncio, os, threading
    from contextvars import copy_context
    from miniagents import MiniAgents, NoActiveContextError, WrongLoopError

    async def answer():
        return MiniAgents.current().app_wide

    def told():
        try:
            return MiniAgents.from_thread(answer)
        except (NoActiveContextError, WrongLoopError) as error:
            return type(error).__name__

    def in_thread(work):
        result = []
        thread = threading.Thread(target=lambda: result.append(work()))
        thread.start()
        thread.join()
        return result[0]

    async def begun():
        asyncio.get_running_loop().slow_callback_duration = 60
        async with MiniAgents(app_wide=True):
            return await asyncio.get_running_loop().run_in_executor(None, told)

    async def main():
        asyncio.get_running_loop().slow_callback_duration = 60  # a fork is slow on a busy machine
        child = os.fork()
        if child == 0:
            inherited = copy_context()
            found = [in_thread(told), in_thread(lambda: inherited.run(told))]
            print(*found, in_thread(lambda: asyncio.run(begun())), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    MiniAgents(app_wide=True).run(main())
""")


@pytest.mark.gate("starts a program")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork() -> None:
    """In a forked process the contexts of its parent are nobody's; one of its own is found."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", FORK]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - it is ours
    assert ("NoActiveContextError WrongLoopError True\n", "") == (run.stdout, run.stderr)


async def test_a_thread_that_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is interrupted while waiting (Ctrl-C) stops the call."""
    source, begun = Source(["a", "b"], hold_at=1), threading.Event()

    async def read() -> str:
        begun.set()
        return str(await Message.promise(source))

    def interrupted(*_: object) -> object:
        begun.wait()
        raise KeyboardInterrupt

    def work() -> None:
        monkeypatch.setattr(concurrent.futures, "wait", interrupted)
        try:
            with pytest.raises(KeyboardInterrupt):
                PromisingContext.from_thread(read)
        finally:
            monkeypatch.undo()

    async with PromisingContext(app_wide=True):
        await in_thread(work)
        await turns(5)
        assert 1 == source.closed
