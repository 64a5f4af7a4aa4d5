"""The owner of running tasks."""

import asyncio
import logging
import threading
from functools import partial

import pytest

from miniagents.streams import CURRENT_SCOPE, Driver, Log, Scope, current_scope, fill, until_closed
from miniagents.values import InquiryCancelledError, NoActiveContextError, WrongLoopError
from tests.support.sources import Source, turns


def open_scope(*, shutdown_timeout: float = 1.0) -> Scope:
    """A scope of the running loop."""
    scope = Scope(shutdown_timeout=shutdown_timeout)
    scope.open()
    return scope


def test_prefetch_is_at_least_one() -> None:
    """A pump that may not run ahead at all could never give a first piece, so that is refused."""
    with pytest.raises(ValueError, match="prefetch is 0"):
        Scope(prefetch=0)


async def test_nothing_starts_before_it_is_open() -> None:
    """A scope that was not entered, or has ended, starts nothing and says so."""
    scope = Scope()
    with pytest.raises(NoActiveContextError):
        _ = scope.loop
    scope.open()
    assert asyncio.get_running_loop() is scope.loop
    scope.close()
    with pytest.raises(NoActiveContextError, match="has ended"):
        scope.check()


async def test_another_thread_is_refused() -> None:
    """A call from another thread or event loop is a typed error that says so."""
    scope = open_scope()
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            scope.check()
        except WrongLoopError as error:
            caught.append(error)
        assert not scope.on_own_thread()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "another event loop or thread" in str(caught[0])
    assert scope.on_own_thread()
    scope.check()


async def test_the_current_scope() -> None:
    """Where no scope is active, that is a typed error; where one is, it is found."""
    with pytest.raises(NoActiveContextError):
        current_scope()
    scope = open_scope()
    token = CURRENT_SCOPE.set(scope)
    assert current_scope() is scope
    scope.close()
    with pytest.raises(NoActiveContextError):
        current_scope()
    CURRENT_SCOPE.reset(token)


async def test_drain_waits_for_what_is_started_meanwhile() -> None:
    """A scope that drains waits for every task, also for one that is started while it waits."""
    scope, ended = open_scope(), list[str]()

    async def second() -> None:
        await turns(3)
        ended.append("second")

    async def first() -> None:
        await turns(3)
        log: Log[int] = Log(scope)
        Driver("second", scope, log, log).start(second)
        ended.append("first")

    log: Log[int] = Log(scope)
    Driver("first", scope, log, log).start(first)
    await scope.drain()
    assert ["first", "second"] == ended


async def test_drain_finishes_what_was_left_open() -> None:
    """What is fed from outside of every task is finished by a drain; what nobody holds is forgotten."""
    scope = open_scope()
    log: Log[int] = Log(scope)
    scope.leave_open(log)
    scope.leave_open(Log[int](scope))
    await scope.drain()
    assert log.closed


async def test_cancel_all() -> None:
    """All tasks are cancelled, their clean-up and what that starts is waited for; all streams are closed."""
    scope, ended = open_scope(), list[str]()
    logs = [Log[int](scope) for _ in range(3)]

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
                Driver("last", scope, logs[2], logs[2], orphan=True).start(last)
                await turns(1)

    for log in logs[:2]:
        Driver("body", scope, log, log).start(body)
    await turns(2)
    await scope.cancel_all()
    assert ["body", "body", "last"] == ended
    assert all(isinstance(log.error, InquiryCancelledError) for log in logs)


@pytest.mark.parametrize("seconds", [0, 0.02])
async def test_a_stubborn_task_is_left_behind(caplog: pytest.LogCaptureFixture, seconds: float) -> None:
    """A task that does not end within `shutdown_timeout` is logged by name; its stream is closed as well."""
    scope, go = open_scope(shutdown_timeout=seconds), asyncio.Event()
    log: Log[int] = Log(scope)

    async def stubborn() -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    Driver("stubborn", scope, log, log).start(stubborn)
    await turns(2)
    with caplog.at_level(logging.ERROR, "miniagents"):
        await scope.cancel_all()
    (record,) = caplog.records
    assert f"stubborn did not end within shutdown_timeout={seconds} seconds" in record.getMessage()
    await until_closed(log)
    go.set()
    await scope.drain()


async def test_pushes_are_not_nested() -> None:
    """A push that is caused by another push runs after it, in the order in which they were caused."""
    scope, trace = open_scope(), list[str]()

    def outer() -> None:
        trace.append("outer in")
        scope.dispatch(lambda: trace.append("one"))
        scope.dispatch(lambda: trace.append("two"))
        trace.append("outer out")

    scope.dispatch(outer)
    assert ["outer in", "outer out", "one", "two"] == trace


async def test_a_push_that_raises_does_not_block_the_next() -> None:
    """When a push is interrupted, later ones still run."""
    scope, trace = open_scope(), list[str]()

    def interrupted() -> None:
        scope.dispatch(lambda: trace.append("left over"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scope.dispatch(interrupted)
    scope.dispatch(lambda: trace.append("next"))
    assert ["left over", "next"] == trace


async def test_callbacks_from_other_threads() -> None:
    """A callback from another thread runs on the loop; once the scope is closed it does not run at all."""
    scope, called = open_scope(), asyncio.Event()
    threads: list[int] = []

    def callback() -> None:
        threads.append(threading.get_ident())
        called.set()

    thread = threading.Thread(target=scope.call_soon, args=(callback,))
    thread.start()
    thread.join()
    await called.wait()
    scope.close()
    scope.call_soon(callback)
    await turns()
    assert [threading.get_ident()] == threads


async def test_tasks_cancelled_by_hand_before_they_began() -> None:
    """A task that somebody cancels before its first step leaves its scope, and its readers are told."""
    scope = open_scope(shutdown_timeout=60)
    log: Log[str] = Log(scope)

    async def body() -> None:
        raise AssertionError("it never begins")

    Driver("writer", scope, log, log).start(body)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    async with asyncio.timeout(5):
        await until_closed(log)
        await scope.drain()
    assert isinstance(log.error, InquiryCancelledError)


async def test_an_error_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error of several streams is logged once, when the last has gone, unless a reader was told."""
    scope, error = open_scope(), ValueError("broken")
    one, two = object(), object()
    with caplog.at_level(logging.ERROR, "miniagents"):
        scope.unseen.watch(one, error)
        scope.unseen.watch(two, error)
        scope.unseen.drop(one, error)
        assert not caplog.records
        scope.unseen.drop(two, error)
        scope.unseen.drop(two, error)
        assert 1 == len(caplog.records)
        scope.unseen.watch(one, error)
        scope.unseen.forget(error)
        scope.unseen.drop(one, error)
        scope.unseen.report()
        assert 1 == len(caplog.records)
        scope.unseen.watch(one, error)
        scope.unseen.report()
        scope.unseen.report()
    assert ["No reader ever saw this error: ValueError('broken')"] * 2 == [
        record.getMessage() for record in caplog.records
    ]


def test_calls_when_the_loop_is_closed() -> None:
    """What another thread wants run on a loop that is closed by now is dropped, without an error."""
    scope, called = Scope(), list[str]()

    async def main() -> None:
        scope.open()

    asyncio.run(main())
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            scope.at_home(called.append)("at home")
            scope.call_soon(lambda: called.append("soon"))
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert ([], []) == (called, raised)


async def test_a_scope_that_is_opened_again() -> None:
    """A scope that has drained bounds its sources again when it is opened again."""
    scope = Scope(prefetch=2)
    for _ in range(2):
        scope.open()
        source: Source[int] = Source(range(10))
        log: Log[int] = Log(scope)
        Driver("pump", scope, log, log).start(partial(fill, log, source))
        await turns(10)
        assert 2 == source.produced
        await scope.drain()
        scope.close()
