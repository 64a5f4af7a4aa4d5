"""The owner of running tasks."""

import asyncio
import logging
import threading
from functools import partial

import pytest

from miniagents.core import (
    CURRENT_CONTEXT,
    Context,
    ProducerTask,
    ReplayBuffer,
    current_context,
    fill,
    until_closed,
)
from miniagents.values import InquiryCancelledError, NoActiveContextError, WrongLoopError
from tests.support.sources import Source, turns


def open_scope(*, shutdown_timeout: float = 1.0) -> Context:
    """A context of the running loop."""
    context = Context(shutdown_timeout=shutdown_timeout)
    context.open()
    return context


def test_prefetch_is_at_least_one() -> None:
    """A pump that may not run ahead at all could never give a first piece, so that is refused."""
    with pytest.raises(ValueError, match="prefetch is 0"):
        Context(prefetch=0)


async def test_nothing_starts_before_it_is_open() -> None:
    """A context that was not entered, or has ended, starts nothing and says so."""
    context = Context()
    with pytest.raises(NoActiveContextError):
        _ = context.loop
    context.open()
    assert asyncio.get_running_loop() is context.loop
    context.close()
    with pytest.raises(NoActiveContextError, match="has ended"):
        context.check()


async def test_another_thread_is_refused() -> None:
    """A call from another thread or event loop is a typed error that says so."""
    context = open_scope()
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            context.check()
        except WrongLoopError as error:
            caught.append(error)
        assert not context.in_loop_thread()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "another event loop or thread" in str(caught[0])
    assert context.in_loop_thread()
    context.check()


async def test_the_current_scope() -> None:
    """Where no context is active, that is a typed error; where one is, it is found."""
    with pytest.raises(NoActiveContextError):
        current_context()
    context = open_scope()
    token = CURRENT_CONTEXT.set(context)
    assert current_context() is context
    context.close()
    with pytest.raises(NoActiveContextError):
        current_context()
    CURRENT_CONTEXT.reset(token)


async def test_drain_waits_for_what_is_started_meanwhile() -> None:
    """A context that drains waits for every task, also for one that is started while it waits."""
    context, ended = open_scope(), list[str]()

    async def second() -> None:
        await turns(3)
        ended.append("second")

    async def first() -> None:
        await turns(3)
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        ProducerTask("second", context, buffer, buffer).start(second)
        ended.append("first")

    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    ProducerTask("first", context, buffer, buffer).start(first)
    await context.drain()
    assert ["first", "second"] == ended


async def test_drain_finishes_what_was_left_open() -> None:
    """What is fed from outside of every task is finished by a drain; what nobody holds is forgotten."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    context.finish_at_end(buffer)
    context.finish_at_end(ReplayBuffer[int](context))
    await context.drain()
    assert buffer.closed


async def test_cancel_all() -> None:
    """All tasks are cancelled, their clean-up and what that starts is waited for; all streams are closed."""
    context, ended = open_scope(), list[str]()
    buffers = [ReplayBuffer[int](context) for _ in range(3)]

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("last")

    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await turns(3)
            ended.append("body")
            if len(ended) == 1:
                ProducerTask("last", context, buffers[2], buffers[2], orphan=True).start(last)
                await turns(1)

    for buffer in buffers[:2]:
        ProducerTask("body", context, buffer, buffer).start(body)
    await turns(2)
    await context.cancel_all()
    assert ["body", "body", "last"] == ended
    assert all(isinstance(buffer.error, InquiryCancelledError) for buffer in buffers)


@pytest.mark.parametrize("seconds", [0, 0.02])
async def test_a_stubborn_task_is_left_behind(caplog: pytest.LogCaptureFixture, seconds: float) -> None:
    """A task that does not end within `shutdown_timeout` is logged by name; its stream is closed as well."""
    context, go = open_scope(shutdown_timeout=seconds), asyncio.Event()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def stubborn() -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    ProducerTask("stubborn", context, buffer, buffer).start(stubborn)
    await turns(2)
    with caplog.at_level(logging.ERROR, "miniagents"):
        await context.cancel_all()
    (record,) = caplog.records
    assert f"stubborn did not end within shutdown_timeout={seconds} seconds" in record.getMessage()
    await until_closed(buffer)
    go.set()
    await context.drain()


async def test_pushes_are_not_nested() -> None:
    """A push that is caused by another push runs after it, in the order in which they were caused."""
    context, trace = open_scope(), list[str]()

    def outer() -> None:
        trace.append("outer in")
        context.dispatch(lambda: trace.append("one"))
        context.dispatch(lambda: trace.append("two"))
        trace.append("outer out")

    context.dispatch(outer)
    assert ["outer in", "outer out", "one", "two"] == trace


async def test_a_push_that_raises_does_not_block_the_next() -> None:
    """When a push is interrupted, later ones still run."""
    context, trace = open_scope(), list[str]()

    def interrupted() -> None:
        context.dispatch(lambda: trace.append("left over"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        context.dispatch(interrupted)
    context.dispatch(lambda: trace.append("next"))
    assert ["left over", "next"] == trace


async def test_callbacks_from_other_threads() -> None:
    """A callback from another thread runs on the loop; once the context is closed it does not run at all."""
    context, called = open_scope(), asyncio.Event()
    threads: list[int] = []

    def callback() -> None:
        threads.append(threading.get_ident())
        called.set()

    thread = threading.Thread(target=context.call_soon, args=(callback,))
    thread.start()
    thread.join()
    await called.wait()
    context.close()
    context.call_soon(callback)
    await turns()
    assert [threading.get_ident()] == threads


async def test_tasks_cancelled_by_hand_before_they_began() -> None:
    """A task that somebody cancels before its first step leaves its context, and its readers are told."""
    context = open_scope(shutdown_timeout=60)
    buffer: ReplayBuffer[str] = ReplayBuffer(context)

    async def body() -> None:
        raise AssertionError("it never begins")

    ProducerTask("writer", context, buffer, buffer).start(body)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    async with asyncio.timeout(5):
        await until_closed(buffer)
        await context.drain()
    assert isinstance(buffer.error, InquiryCancelledError)


async def test_an_error_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error of several streams is logged once, when the last has gone, unless a reader was told."""
    context, error = open_scope(), ValueError("broken")
    one, two = object(), object()
    with caplog.at_level(logging.ERROR, "miniagents"):
        context.unhandled.watch(one, error)
        context.unhandled.watch(two, error)
        context.unhandled.drop(one, error)
        assert not caplog.records
        context.unhandled.drop(two, error)
        context.unhandled.drop(two, error)
        assert 1 == len(caplog.records)
        context.unhandled.watch(one, error)
        context.unhandled.forget(error)
        context.unhandled.drop(one, error)
        context.unhandled.report()
        assert 1 == len(caplog.records)
        context.unhandled.watch(one, error)
        context.unhandled.report()
        context.unhandled.report()
    assert ["No reader ever saw this error: ValueError('broken')"] * 2 == [
        record.getMessage() for record in caplog.records
    ]


def test_calls_when_the_loop_is_closed() -> None:
    """What another thread wants run on a loop that is closed by now is dropped, without an error."""
    context, called = Context(), list[str]()

    async def main() -> None:
        context.open()

    asyncio.run(main())
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            context.on_loop_thread(called.append)("at home")
            context.call_soon(lambda: called.append("soon"))
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert ([], []) == (called, raised)


async def test_a_scope_that_is_opened_again() -> None:
    """A context that has drained bounds its sources again when it is opened again."""
    context = Context(prefetch=2)
    for _ in range(2):
        context.open()
        source: Source[int] = Source(range(10))
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        ProducerTask("pump", context, buffer, buffer).start(partial(fill, buffer, source))
        await turns(10)
        assert 2 == source.produced
        await context.drain()
        context.close()
