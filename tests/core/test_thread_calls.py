"""Calls from threads: a synchronous handler, a worker, and how they end when the app does."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TypeVar, assert_type

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from miniagents.core import CURRENT_CONTEXT, Context, Message, Promise, PromisingContext
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
        with pytest.raises(RuntimeError, match="Await what you call"):
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


async def test_a_call_that_comes_too_late() -> None:
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

    async with PromisingContext(app_wide=True) as app:
        app.on_close(close)
        CURRENT_CONTEXT.set(app)
    CURRENT_CONTEXT.set(None)
    with pytest.raises(NoActiveContextError):
        await late[0]
    assert set() == app.calls_from_threads
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_call_that_the_loop_never_comes_to() -> None:
    """A call that was sent and not begun when the context ends is refused then."""
    async with PromisingContext(app_wide=True) as app:
        pass
    refused: list[str] = []

    class Call:
        """One that stands there."""

        def refuse(self) -> None:
            """Note it."""
            refused.append("refused")

    async with app:
        app.calls_from_threads.add(Call())
    assert ["refused"] == refused


async def test_a_thread_that_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is interrupted while waiting (Ctrl-C) stops the call."""
    source, begun = Source(["a", "b"], hold_at=1), threading.Event()

    async def read() -> str:
        begun.set()
        return str(await Message.promise(source))

    def interrupted(_: object) -> object:
        begun.wait()
        raise KeyboardInterrupt

    def work() -> None:
        monkeypatch.setattr(concurrent.futures.Future, "result", interrupted)
        try:
            with pytest.raises(KeyboardInterrupt):
                PromisingContext.from_thread(read)
        finally:
            monkeypatch.undo()

    async with PromisingContext(app_wide=True):
        await in_thread(work)
    assert 1 == source.closed
