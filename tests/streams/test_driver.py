"""The task that produces a stream."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from miniagents.streams import CURRENT_DRIVER, Driver, Log, Scope, iterate, until_closed
from miniagents.values import DeadlockError, InquiryCancelledError
from tests.support.sources import keep, turns

Body = Callable[[], Coroutine[object, object, None]]


def open_scope() -> Scope:
    """A scope of the running loop."""
    scope = Scope(shutdown_timeout=1)
    scope.open()
    return scope


def start(scope: Scope, name: str, body: Body, *, part: bool = False) -> Log[int]:
    """The log that a new driver ends."""
    log: Log[int] = Log(scope)
    Driver(name, scope, log, log, part=part).start(body)
    return log


def hanging(ended: list[str], name: str = "hanging") -> Body:
    """A body that waits until it is cancelled."""

    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    return body


async def read(log: Log[int]) -> list[int]:
    """All items."""
    return [item async for item in iterate(log, None)]


async def test_the_end_of_the_body_is_the_end_of_the_log() -> None:
    """When the body has ended, its log is finished, and nothing of the driver is left in the scope."""
    scope = open_scope()
    log: Log[int] = Log(scope)

    async def body() -> None:
        log.append(1)

    driver = Driver("writer", scope, log, log)
    driver.start(body)
    writer = log.producer
    assert writer is driver
    assert driver.task is not None
    assert "writer" == driver.task.get_name()
    assert [1] == await read(log)
    assert log.producer is None
    assert not scope._drivers
    await scope.drain()


async def test_an_error_of_the_body_is_the_error_of_the_log() -> None:
    """An error is the terminal of its stream; a note tells whose it was."""
    error = ValueError("broken")

    async def body() -> None:
        raise error

    log = start(open_scope(), "WRITER", body)
    with pytest.raises(ValueError, match="broken") as caught:
        await read(log)
    assert caught.value is error
    assert ["agents: WRITER"] == error.__notes__
    assert ("WRITER",) == log.chain


async def test_the_note_names_the_chain() -> None:
    """An error that goes through several drivers has one note that names them in order, but no parts."""
    scope, error = open_scope(), ValueError("broken")

    async def fails() -> None:
        raise error

    part = start(scope, "tokens", fails, part=True)

    async def reads_part() -> None:
        await read(part)

    first = start(scope, "FIRST", reads_part)

    async def reads_first() -> None:
        await read(first)

    second = start(scope, "SECOND", reads_first)
    with pytest.raises(ValueError, match="broken"):
        await read(second)
    assert ["agents: FIRST → SECOND"] == error.__notes__
    await scope.drain()


async def test_an_error_on_two_ways() -> None:
    """An error that two drivers were told has a note for each way it went."""
    scope, error = open_scope(), ValueError("broken")

    async def fails() -> None:
        raise error

    first = start(scope, "FIRST", fails)

    async def reads_first() -> None:
        await read(first)

    ways = [start(scope, name, reads_first) for name in ("LEFT", "RIGHT")]
    await asyncio.gather(*(until_closed(way) for way in ways))
    for way in ways:
        with pytest.raises(ValueError, match="broken"):
            await read(way)
    assert {"agents: FIRST → LEFT", "agents: FIRST → RIGHT"} == set(error.__notes__)


async def test_cancel() -> None:
    """Who is cancelled closes its log at once, after what had come, and gets its clean-up done."""
    scope, ended = open_scope(), list[str]()
    log = start(scope, "hanging", hanging(ended))
    log.append(1)
    await turns()
    assert log.producer is not None
    log.producer.cancel()
    items: list[int] = []
    with pytest.raises(InquiryCancelledError, match="hanging was cancelled before it had ended"):
        await keep(items, iterate(log, None))
    assert [1] == items
    await scope.drain()
    assert ["hanging"] == ended


async def test_a_second_cancel_does_not_disturb_the_clean_up() -> None:
    """To cancel again, from wherever, does not interrupt a clean-up that waits."""
    scope, ended = open_scope(), list[str]()
    log: Log[int] = Log(scope)
    driver = Driver("hanging", scope, log, log)
    driver.start(hanging(ended))
    await turns()
    driver.cancel()
    await turns(1)
    driver.cancel()
    await scope.cancel_all()
    assert ["hanging"] == ended


async def test_cancelled_before_its_first_step() -> None:
    """A driver that is cancelled before it ran a step belongs to its scope until its task has ended."""
    scope, ended = open_scope(), list[str]()
    log = start(scope, "never", hanging(ended))
    assert log.producer is not None
    log.producer.cancel()
    await scope.drain()
    assert [asyncio.current_task()] == list(asyncio.all_tasks())
    assert ([], True) == (ended, log.closed)


async def test_cancelled_by_hand_before_its_first_step() -> None:
    """A task that somebody else cancels before its first step ends its stream and leaves its scope."""
    scope = open_scope()
    ended = list[str]()
    log = start(scope, "never", hanging(ended))
    driver = log.producer
    assert isinstance(driver, Driver)
    assert driver.task is not None
    driver.task.cancel()
    with pytest.raises(InquiryCancelledError, match="never was cancelled before it had ended"):
        await read(log)
    assert [] == ended
    assert not scope._drivers


async def test_a_body_that_is_cancelled_by_another() -> None:
    """A `CancelledError` out of the body itself ends the run as cancelled, never as a value for readers."""

    async def body() -> None:
        raise asyncio.CancelledError

    log = start(open_scope(), "body", body)
    with pytest.raises(InquiryCancelledError):
        await read(log)


async def test_a_cancelled_run_cancels_what_it_started() -> None:
    """A cancelled run cancels the runs it started that nobody else reads; the ones that are read go on."""
    scope, ended, logs = open_scope(), list[str](), list[Log[int]]()

    async def parent() -> None:
        logs.extend(start(scope, name, hanging(ended, name)) for name in ("unread", "read"))
        await asyncio.Event().wait()

    log = start(scope, "parent", parent)
    await turns()
    reader = asyncio.create_task(read(logs[1]))
    await turns()
    assert log.producer is not None
    log.producer.cancel()
    await turns(4)
    assert ["unread"] == ended
    assert not logs[1].closed
    logs[1].finish()
    assert [] == await reader
    await scope.cancel_all()


async def test_a_failing_run_cancels_what_it_started() -> None:
    """A failing run cancels the runs it started that nobody reads, but not what it had given away."""
    scope, ended = open_scope(), list[str]()

    async def parent() -> None:
        start(scope, "unread", hanging(ended, "unread"))
        start(scope, "given away", hanging(ended, "given away")).kept = True
        await turns()
        raise ValueError("broken")

    log = start(scope, "parent", parent)
    with pytest.raises(ValueError, match="broken"):
        await read(log)
    await turns(4)
    assert ["unread"] == ended
    await scope.cancel_all()


async def test_what_a_run_started_survives_its_normal_end() -> None:
    """When a run ends normally, what it started goes on."""
    scope, go, ended = open_scope(), asyncio.Event(), list[str]()

    async def child() -> None:
        await go.wait()
        ended.append("child")

    async def parent() -> None:
        start(scope, "child", child)

    await read(start(scope, "parent", parent))
    go.set()
    await scope.drain()
    assert ["child"] == ended


async def test_an_orphan_is_nobodys_child() -> None:
    """An orphan does not end with the run that happens to start it."""
    scope, ended = open_scope(), list[str]()

    async def parent() -> None:
        log: Log[int] = Log(scope)
        Driver("orphan", scope, log, log, orphan=True).start(hanging(ended))
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    log = start(scope, "parent", parent)
    await until_closed(log)
    await turns(4)
    assert [] == ended
    await scope.cancel_all()
    assert ["hanging"] == ended


async def test_the_current_driver() -> None:
    """Within its body a driver is the current one; outside there is none."""
    seen: list[str] = []

    async def body() -> None:
        driver = CURRENT_DRIVER.get()
        seen.append(driver.name if driver is not None else "")

    await read(start(open_scope(), "body", body))
    assert ["body"] == seen
    assert CURRENT_DRIVER.get() is None


async def test_waiting_for_oneself() -> None:
    """A run that waits for its own stream gets a `DeadlockError` that says so."""
    scope = open_scope()
    log: Log[int] = Log(scope)

    async def body() -> None:
        await until_closed(log)

    Driver("A", scope, log, log).start(body)
    with pytest.raises(DeadlockError, match=r"^A → A"):
        await read(log)
    await scope.drain()


@pytest.mark.loop(fifo=True)  # who begins last closes the circle
async def test_a_circle_is_found_when_it_closes() -> None:
    """A circle of waiting is raised in the run that closed it, as the chain of names."""
    scope = open_scope()
    logs = {name: Log[int](scope) for name in "ABC"}
    caught: list[str] = []

    def waits(name: str, other: str) -> Body:
        async def body() -> None:
            try:
                await read(logs[other])
            except DeadlockError as error:
                caught.append(f"{name}: {error}")

        return body

    for name, other in ("AB", "BC", "CA"):
        Driver(name, scope, logs[name], logs[name]).start(waits(name, other))
    await scope.drain()
    assert ["C: C → A → B → C"] == caught


@pytest.mark.loop(virtual=True)
async def test_a_wait_that_is_over_closes_no_circle() -> None:
    """A run that has stopped waiting, by a timeout, is not in the way of others."""
    scope = open_scope()
    first, second = Log[int](scope), Log[int](scope)
    gave_up = asyncio.Event()

    async def first_body() -> None:
        try:
            async with asyncio.timeout(60):
                await until_closed(second)
        except TimeoutError:
            gave_up.set()
        await asyncio.sleep(60)

    async def second_body() -> None:
        await gave_up.wait()
        await until_closed(first)

    Driver("first", scope, first, first).start(first_body)
    Driver("second", scope, second, second).start(second_body)
    await until_closed(second)
    assert second.error is None
    await scope.drain()


async def test_waiting_in_a_task_of_its_own_is_not_the_run() -> None:
    """A task that a run made may wait for the run: the run itself goes on, so it is no deadlock."""
    scope = open_scope()
    log: Log[int] = Log(scope)
    tasks: list[asyncio.Task[list[int]]] = []

    async def body() -> None:
        tasks.append(asyncio.create_task(read(log)))
        await asyncio.sleep(0)
        log.append(1)

    Driver("A", scope, log, log).start(body)
    await scope.drain()
    assert [1] == await tasks[0]


async def test_abandoning_keeps_what_is_held() -> None:
    """An abandoned run ends what it started, except what somebody else holds; that goes on for them."""
    scope, ended, logs = open_scope(), list[str](), dict[str, Log[int]]()

    async def parent() -> None:
        for name in ("held", "dropped"):
            logs[name] = start(scope, name, hanging(ended, name), part=True)
            logs[name].show()
        logs["dropped"].hide()
        await asyncio.Event().wait()

    log = start(scope, "parent", parent)
    await turns()
    assert log.producer is not None
    log.producer.abandon()
    await turns(4)
    assert ["dropped"] == ended
    assert not logs["held"].closed
    await scope.cancel_all()
    assert ["dropped", "held"] == ended


async def test_interrupts_leave_through_the_loop() -> None:
    """`KeyboardInterrupt` is no error of a stream: readers get a cancellation, the loop the interrupt."""
    held: list[Log[int]] = []

    async def interrupted() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        scope = open_scope()
        held.append(start(scope, "interrupted", interrupted))
        await asyncio.Event().wait()

    def run() -> None:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())

    await asyncio.to_thread(run)
    assert isinstance(held[0].error, InquiryCancelledError)
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_cancel_ends_the_messages_that_are_read() -> None:
    """A part of what is cancelled (a message that it writes) ends with it, also for those who read that."""
    scope, ended, parts = open_scope(), list[str](), list[Log[int]]()

    async def body() -> None:
        parts.append(start(scope, "part", hanging(ended, "part"), part=True))
        await hanging(ended, "run")()

    log = start(scope, "run", body)
    await turns(3)
    reading = asyncio.create_task(read(parts[0]))
    await turns()
    assert log.producer is not None
    log.producer.cancel()
    with pytest.raises(InquiryCancelledError, match="part was cancelled"):
        await reading
    await scope.drain()
    assert ["part", "run"] == sorted(ended)


async def test_what_has_ended_is_forgotten_by_who_started_it() -> None:
    """A run that goes on keeps nothing of those that it started and that have ended."""
    scope, go = open_scope(), asyncio.Event()
    drivers: list[Driver] = []

    async def nothing() -> None:
        pass

    async def body() -> None:
        driver = CURRENT_DRIVER.get()
        assert driver is not None
        drivers.append(driver)
        for _ in range(3):
            await until_closed(start(scope, "child", nothing))
        await go.wait()

    start(scope, "parent", body)
    await turns(12)
    (driver,) = drivers
    assert set() == driver._children
    go.set()
    await scope.drain()


async def test_a_wait_that_is_refused() -> None:
    """Who may not wait is left nothing to wait on: the future that it had made is cancelled."""
    scope, told = open_scope(), list[bool]()
    log: Log[int] = Log(scope)

    async def body() -> None:
        driver = CURRENT_DRIVER.get()
        assert driver is not None
        future = log.starve()
        log.readers += 1
        with pytest.raises(DeadlockError):
            driver.wait_for(log, future)  # type: ignore[arg-type]  # as its caller casts it
        told.append(future.cancelled())

    Driver("A", scope, log, log).start(body)
    await scope.drain()
    assert [True] == told


async def test_a_circle_of_a_run_that_nobody_reads() -> None:
    """A run that has opened a call may be waited for, although nobody reads it: its circle is found."""
    scope, errors = open_scope(), list[Exception]()
    log: Log[int] = Log(scope)
    called: Log[int] = Log(scope)

    async def calls() -> None:
        driver = CURRENT_DRIVER.get()
        assert driver is not None
        driver.calls = True
        called.producer = driver  # whoever is called waits for what this one sends
        try:
            await until_closed(called)
        except DeadlockError as error:
            errors.append(error)

    Driver("A", scope, log, log).start(calls)
    await scope.drain()
    assert ["A → A"] == [str(error) for error in errors]
