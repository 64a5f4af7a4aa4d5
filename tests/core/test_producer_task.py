"""The task that produces a stream."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from miniagents.core import CURRENT_PRODUCER, Context, ProducerTask, ReplayBuffer, iterate, until_closed
from miniagents.values import DeadlockError, InquiryCancelledError
from tests.support.sources import keep, turns

Body = Callable[[], Coroutine[object, object, None]]


def open_scope() -> Context:
    """A context of the running loop."""
    context = Context(shutdown_timeout=1)
    context.open()
    return context


def start(context: Context, name: str, body: Body, *, part: bool = False) -> ReplayBuffer[int]:
    """The buffer that a new driver ends."""
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    ProducerTask(name, context, buffer, buffer, part=part).start(body)
    return buffer


def hanging(ended: list[str], name: str = "hanging") -> Body:
    """A body that waits until it is cancelled."""

    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    return body


async def read(buffer: ReplayBuffer[int]) -> list[int]:
    """All items."""
    return [item async for item in iterate(buffer, None)]


async def test_the_end_of_the_body_is_the_end_of_the_log() -> None:
    """When the body has ended, its buffer is finished, and nothing of the driver is left in the context."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def body() -> None:
        buffer.append(1)

    driver = ProducerTask("writer", context, buffer, buffer)
    driver.start(body)
    writer = buffer.producer
    assert writer is driver
    assert driver.task is not None
    assert "writer" == driver.task.get_name()
    assert [1] == await read(buffer)
    assert buffer.producer is None
    assert not context._drivers
    await context.drain()


async def test_an_error_of_the_body_is_the_error_of_the_log() -> None:
    """An error is the terminal of its stream; a note tells whose it was."""
    error = ValueError("broken")

    async def body() -> None:
        raise error

    buffer = start(open_scope(), "WRITER", body)
    with pytest.raises(ValueError, match="broken") as caught:
        await read(buffer)
    assert caught.value is error
    assert ["agents: WRITER"] == error.__notes__
    assert ("WRITER",) == buffer.chain


async def test_the_note_names_the_chain() -> None:
    """An error that goes through several drivers has one note that names them in order, but no parts."""
    context, error = open_scope(), ValueError("broken")

    async def fails() -> None:
        raise error

    part = start(context, "tokens", fails, part=True)

    async def reads_part() -> None:
        await read(part)

    first = start(context, "FIRST", reads_part)

    async def reads_first() -> None:
        await read(first)

    second = start(context, "SECOND", reads_first)
    with pytest.raises(ValueError, match="broken"):
        await read(second)
    assert ["agents: FIRST → SECOND"] == error.__notes__
    await context.drain()


async def test_an_error_on_two_ways() -> None:
    """An error that two drivers were told has a note for each way it went."""
    context, error = open_scope(), ValueError("broken")

    async def fails() -> None:
        raise error

    first = start(context, "FIRST", fails)

    async def reads_first() -> None:
        await read(first)

    ways = [start(context, name, reads_first) for name in ("LEFT", "RIGHT")]
    await asyncio.gather(*(until_closed(way) for way in ways))
    for way in ways:
        with pytest.raises(ValueError, match="broken"):
            await read(way)
    assert {"agents: FIRST → LEFT", "agents: FIRST → RIGHT"} == set(error.__notes__)


async def test_cancel() -> None:
    """Who is cancelled closes its buffer at once, after what had come, and gets its clean-up done."""
    context, ended = open_scope(), list[str]()
    buffer = start(context, "hanging", hanging(ended))
    buffer.append(1)
    await turns()
    assert buffer.producer is not None
    buffer.producer.cancel()
    items: list[int] = []
    with pytest.raises(InquiryCancelledError, match="hanging was cancelled before it had ended"):
        await keep(items, iterate(buffer, None))
    assert [1] == items
    await context.drain()
    assert ["hanging"] == ended


async def test_a_second_cancel_does_not_disturb_the_clean_up() -> None:
    """To cancel again, from wherever, does not interrupt a clean-up that waits."""
    context, ended = open_scope(), list[str]()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    driver = ProducerTask("hanging", context, buffer, buffer)
    driver.start(hanging(ended))
    await turns()
    driver.cancel()
    await turns(1)
    driver.cancel()
    await context.cancel_all()
    assert ["hanging"] == ended


async def test_cancelled_before_its_first_step() -> None:
    """A driver that is cancelled before it ran a step belongs to its context until its task has ended."""
    context, ended = open_scope(), list[str]()
    buffer = start(context, "never", hanging(ended))
    assert buffer.producer is not None
    buffer.producer.cancel()
    await context.drain()
    assert [asyncio.current_task()] == list(asyncio.all_tasks())
    assert ([], True) == (ended, buffer.closed)


async def test_cancelled_by_hand_before_its_first_step() -> None:
    """A task that somebody else cancels before its first step ends its stream and leaves its context."""
    context = open_scope()
    ended = list[str]()
    buffer = start(context, "never", hanging(ended))
    driver = buffer.producer
    assert isinstance(driver, ProducerTask)
    assert driver.task is not None
    driver.task.cancel()
    with pytest.raises(InquiryCancelledError, match="never was cancelled before it had ended"):
        await read(buffer)
    assert [] == ended
    assert not context._drivers


async def test_a_body_that_is_cancelled_by_another() -> None:
    """A `CancelledError` out of the body itself ends the run as cancelled, never as a value for readers."""

    async def body() -> None:
        raise asyncio.CancelledError

    buffer = start(open_scope(), "body", body)
    with pytest.raises(InquiryCancelledError):
        await read(buffer)


async def test_a_cancelled_run_cancels_what_it_started() -> None:
    """A cancelled run cancels the runs it started that nobody else reads; the ones that are read go on."""
    context, ended, buffers = open_scope(), list[str](), list[ReplayBuffer[int]]()

    async def parent() -> None:
        buffers.extend(start(context, name, hanging(ended, name)) for name in ("unread", "read"))
        await asyncio.Event().wait()

    buffer = start(context, "parent", parent)
    await turns()
    reader = asyncio.create_task(read(buffers[1]))
    await turns()
    assert buffer.producer is not None
    buffer.producer.cancel()
    await turns(4)
    assert ["unread"] == ended
    assert not buffers[1].closed
    buffers[1].finish()
    assert [] == await reader
    await context.cancel_all()


async def test_a_failing_run_cancels_what_it_started() -> None:
    """A failing run cancels the runs it started that nobody reads, but not what it had given away."""
    context, ended = open_scope(), list[str]()

    async def parent() -> None:
        start(context, "unread", hanging(ended, "unread"))
        start(context, "given away", hanging(ended, "given away")).kept = True
        await turns()
        raise ValueError("broken")

    buffer = start(context, "parent", parent)
    with pytest.raises(ValueError, match="broken"):
        await read(buffer)
    await turns(4)
    assert ["unread"] == ended
    await context.cancel_all()


async def test_what_a_run_started_survives_its_normal_end() -> None:
    """When a run ends normally, what it started goes on."""
    context, go, ended = open_scope(), asyncio.Event(), list[str]()

    async def child() -> None:
        await go.wait()
        ended.append("child")

    async def parent() -> None:
        start(context, "child", child)

    await read(start(context, "parent", parent))
    go.set()
    await context.drain()
    assert ["child"] == ended


async def test_an_orphan_is_nobodys_child() -> None:
    """An orphan does not end with the run that happens to start it."""
    context, ended = open_scope(), list[str]()

    async def parent() -> None:
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        ProducerTask("orphan", context, buffer, buffer, orphan=True).start(hanging(ended))
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    buffer = start(context, "parent", parent)
    await until_closed(buffer)
    await turns(4)
    assert [] == ended
    await context.cancel_all()
    assert ["hanging"] == ended


async def test_the_current_driver() -> None:
    """Within its body a driver is the current one; outside there is none."""
    seen: list[str] = []

    async def body() -> None:
        driver = CURRENT_PRODUCER.get()
        seen.append(driver.name if driver is not None else "")

    await read(start(open_scope(), "body", body))
    assert ["body"] == seen
    assert CURRENT_PRODUCER.get() is None


async def test_waiting_for_oneself() -> None:
    """A run that waits for its own stream gets a `DeadlockError` that says so."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def body() -> None:
        await until_closed(buffer)

    ProducerTask("A", context, buffer, buffer).start(body)
    with pytest.raises(DeadlockError, match=r"^A → A"):
        await read(buffer)
    await context.drain()


@pytest.mark.loop(fifo=True)  # who begins last closes the circle
async def test_a_circle_is_found_when_it_closes() -> None:
    """A circle of waiting is raised in the run that closed it, as the chain of names."""
    context = open_scope()
    buffers = {name: ReplayBuffer[int](context) for name in "ABC"}
    caught: list[str] = []

    def waits(name: str, other: str) -> Body:
        async def body() -> None:
            try:
                await read(buffers[other])
            except DeadlockError as error:
                caught.append(f"{name}: {error}")

        return body

    for name, other in ("AB", "BC", "CA"):
        ProducerTask(name, context, buffers[name], buffers[name]).start(waits(name, other))
    await context.drain()
    assert ["C: C → A → B → C"] == caught


@pytest.mark.loop(virtual=True)
async def test_a_wait_that_is_over_closes_no_circle() -> None:
    """A run that has stopped waiting, by a timeout, is not in the way of others."""
    context = open_scope()
    first, second = ReplayBuffer[int](context), ReplayBuffer[int](context)
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

    ProducerTask("first", context, first, first).start(first_body)
    ProducerTask("second", context, second, second).start(second_body)
    await until_closed(second)
    assert second.error is None
    await context.drain()


async def test_waiting_in_a_task_of_its_own_is_not_the_run() -> None:
    """A task that a run made may wait for the run: the run itself goes on, so it is no deadlock."""
    context = open_scope()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    tasks: list[asyncio.Task[list[int]]] = []

    async def body() -> None:
        tasks.append(asyncio.create_task(read(buffer)))
        await asyncio.sleep(0)
        buffer.append(1)

    ProducerTask("A", context, buffer, buffer).start(body)
    await context.drain()
    assert [1] == await tasks[0]


async def test_abandoning_keeps_what_is_held() -> None:
    """An abandoned run ends what it started, except what somebody else holds; that goes on for them."""
    context, ended, buffers = open_scope(), list[str](), dict[str, ReplayBuffer[int]]()

    async def parent() -> None:
        for name in ("held", "dropped"):
            buffers[name] = start(context, name, hanging(ended, name), part=True)
            buffers[name].show()
        buffers["dropped"].hide()
        await asyncio.Event().wait()

    buffer = start(context, "parent", parent)
    await turns()
    assert buffer.producer is not None
    buffer.producer.abandon()
    await turns(4)
    assert ["dropped"] == ended
    assert not buffers["held"].closed
    await context.cancel_all()
    assert ["dropped", "held"] == ended


async def test_interrupts_leave_through_the_loop() -> None:
    """`KeyboardInterrupt` is no error of a stream: readers get a cancellation, the loop the interrupt."""
    held: list[ReplayBuffer[int]] = []

    async def interrupted() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        context = open_scope()
        held.append(start(context, "interrupted", interrupted))
        await asyncio.Event().wait()

    def run() -> None:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())

    await asyncio.to_thread(run)
    assert isinstance(held[0].error, InquiryCancelledError)
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_cancel_ends_the_messages_that_are_read() -> None:
    """A part of what is cancelled (a message that it writes) ends with it, also for those who read that."""
    context, ended, parts = open_scope(), list[str](), list[ReplayBuffer[int]]()

    async def body() -> None:
        parts.append(start(context, "part", hanging(ended, "part"), part=True))
        await hanging(ended, "run")()

    buffer = start(context, "run", body)
    await turns(3)
    reading = asyncio.create_task(read(parts[0]))
    await turns()
    assert buffer.producer is not None
    buffer.producer.cancel()
    with pytest.raises(InquiryCancelledError, match="part was cancelled"):
        await reading
    await context.drain()
    assert ["part", "run"] == sorted(ended)


async def test_what_has_ended_is_forgotten_by_who_started_it() -> None:
    """A run that goes on keeps nothing of those that it started and that have ended."""
    context, go = open_scope(), asyncio.Event()
    drivers: list[ProducerTask] = []

    async def nothing() -> None:
        pass

    async def body() -> None:
        driver = CURRENT_PRODUCER.get()
        assert driver is not None
        drivers.append(driver)
        for _ in range(3):
            await until_closed(start(context, "child", nothing))
        await go.wait()

    start(context, "parent", body)
    await turns(12)
    (driver,) = drivers
    assert set() == driver._children
    go.set()
    await context.drain()


async def test_a_wait_that_is_refused() -> None:
    """Who may not wait is left nothing to wait on: the future that it had made is cancelled."""
    context, told = open_scope(), list[bool]()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def body() -> None:
        driver = CURRENT_PRODUCER.get()
        assert driver is not None
        future = buffer.wait_for_more()
        buffer.readers += 1
        with pytest.raises(DeadlockError):
            driver.wait_for(buffer, future)  # type: ignore[arg-type]  # as its caller casts it
        told.append(future.cancelled())

    ProducerTask("A", context, buffer, buffer).start(body)
    await context.drain()
    assert [True] == told


async def test_a_circle_of_a_run_that_nobody_reads() -> None:
    """A run that has opened a call may be waited for, although nobody reads it: its circle is found."""
    context, errors = open_scope(), list[Exception]()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    called: ReplayBuffer[int] = ReplayBuffer(context)

    async def calls() -> None:
        driver = CURRENT_PRODUCER.get()
        assert driver is not None
        driver.calls = True
        called.producer = driver  # whoever is called waits for what this one sends
        try:
            await until_closed(called)
        except DeadlockError as error:
            errors.append(error)

    ProducerTask("A", context, buffer, buffer).start(calls)
    await context.drain()
    assert ["A → A"] == [str(error) for error in errors]
