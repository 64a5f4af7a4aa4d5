"""The task that produces a stream."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lease, TaskLife, current_producer
from miniagents.streams._readers import iterate, until_closed
from miniagents.streams._run_task import ProducerTask
from miniagents.values import InquiryCancelledError, WrongLoopError
from tests.support.sources import keep, turns

Body = Callable[[], Coroutine[object, object, None]]


def open_context() -> Context:
    """A context of the running loop."""
    context = Context(shutdown_timeout=1)
    context.open()
    return context


def start(context: Context, name: str, body: Body, *, part: bool = False) -> ReplayBuffer[int]:
    """The buffer that a new producer task ends."""
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    ProducerTask(name, buffer, buffer, part=part).start(body)
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


async def test_the_end_of_the_body_is_the_end_of_the_buffer() -> None:
    """When the body has ended, its buffer is finished, and nothing of its task is left in the context."""
    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def body() -> None:
        buffer.append(1)

    producer = ProducerTask("writer", buffer, buffer)
    producer.start(body)
    writer = buffer.producer
    assert writer is producer
    assert producer.task is not None
    assert "writer" == producer.task.get_name()
    assert [1] == await read(buffer)
    assert buffer.producer is None
    assert not context.tasks
    await context.drain()


async def test_an_error_of_the_body_is_the_error_of_the_buffer() -> None:
    """An error is the terminal of its stream; a note tells whose it was."""
    error = ValueError("broken")

    async def body() -> None:
        raise error

    buffer = start(open_context(), "WRITER", body)
    with pytest.raises(ValueError, match="broken") as caught:
        await read(buffer)
    assert caught.value is error
    assert ["agents: WRITER"] == error.__notes__
    assert ("WRITER",) == buffer.chain


async def test_the_note_names_the_chain() -> None:
    """An error that goes through several tasks has one note that names them in order, but no parts."""
    context, error = open_context(), ValueError("broken")

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
    """An error that two producer tasks were told has a note for each way it went."""
    context, error = open_context(), ValueError("broken")

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
    context, ended = open_context(), list[str]()
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
    context, ended = open_context(), list[str]()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    producer = ProducerTask("hanging", buffer, buffer)
    producer.start(hanging(ended))
    await turns()
    producer.cancel()
    await turns(1)
    producer.cancel()
    await context.cancel_all()
    assert ["hanging"] == ended


async def test_cancelled_before_its_first_step() -> None:
    """A producer task that is cancelled before its first step belongs to its context until it has ended."""
    context, ended = open_context(), list[str]()
    buffer = start(context, "never", hanging(ended))
    assert buffer.producer is not None
    buffer.producer.cancel()
    await context.drain()
    assert [asyncio.current_task()] == list(asyncio.all_tasks())
    assert ([], True) == (ended, buffer.closed)


async def test_cancelled_by_hand_before_its_first_step() -> None:
    """A task that somebody else cancels before its first step ends its stream and leaves its context."""
    context = open_context()
    ended = list[str]()
    buffer = start(context, "never", hanging(ended))
    producer = buffer.producer
    assert isinstance(producer, ProducerTask)
    assert producer.task is not None
    producer.task.cancel()
    with pytest.raises(InquiryCancelledError, match="never was cancelled before it had ended"):
        await read(buffer)
    assert [] == ended
    assert not context.tasks


async def test_a_body_that_is_cancelled_by_another() -> None:
    """A `CancelledError` out of the body itself ends the run as cancelled, never as a value for readers."""

    async def body() -> None:
        raise asyncio.CancelledError

    buffer = start(open_context(), "body", body)
    with pytest.raises(InquiryCancelledError):
        await read(buffer)


async def test_a_cancelled_run_cancels_what_it_started() -> None:
    """A cancelled run cancels the runs it started that have no other reader; the ones that are read go on."""
    context, ended, buffers = open_context(), list[str](), list[ReplayBuffer[int]]()

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
    """A failing run stops the runs it started that nothing can read, but not what it had given away."""
    context, ended = open_context(), list[str]()
    keeps: ReplayBuffer[int] = ReplayBuffer(context)
    held: list[Lease] = []

    async def parent() -> None:
        Lease(start(context, "unread", hanging(ended, "unread")))
        held.append(Lease(start(context, "held", hanging(ended, "held"))))
        start(context, "given away", hanging(ended, "given away")).contain(keeps)
        await turns()
        raise ValueError("broken")

    buffer = start(context, "parent", parent)
    with pytest.raises(ValueError, match="broken"):
        await read(buffer)
    await turns(4)
    assert ["unread"] == ended
    held.clear()
    await turns(4)
    assert ["unread", "held"] == ended
    await context.cancel_all()


async def test_what_a_run_started_survives_its_normal_end() -> None:
    """When a run ends normally, what it started goes on."""
    context, go, ended = open_context(), asyncio.Event(), list[str]()

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
    context, ended = open_context(), list[str]()

    async def parent() -> None:
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        ProducerTask("orphan", buffer, buffer, orphan=True).start(hanging(ended))
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    buffer = start(context, "parent", parent)
    await until_closed(buffer)
    await turns(4)
    assert [] == ended
    await context.cancel_all()
    assert ["hanging"] == ended


async def test_the_current_driver() -> None:
    """Within its body a producer task is the current one; outside there is none."""
    seen: list[str] = []

    async def body() -> None:
        producer = current_producer()
        seen.append(producer.name if producer is not None else "")

    await read(start(open_context(), "body", body))
    assert ["body"] == seen
    assert current_producer() is None


async def test_abandoning_keeps_what_is_held() -> None:
    """An abandoned run ends what it started, except what somebody else holds; that goes on for them."""
    context, ended, buffers = open_context(), list[str](), dict[str, ReplayBuffer[int]]()
    leases: dict[str, Lease] = {}

    async def parent() -> None:
        for name in ("held", "dropped"):
            buffers[name] = start(context, name, hanging(ended, name), part=True)
            leases[name] = Lease(buffers[name])
        del leases["dropped"]
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
        context = open_context()
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
    context, ended, parts = open_context(), list[str](), list[ReplayBuffer[int]]()

    async def body() -> None:
        parts.append(start(context, "part", hanging(ended, "part"), part=True))
        await hanging(ended, "run")()

    buffer = start(context, "run", body)
    await turns(3)
    reading = asyncio.create_task(read(parts[0]))
    await turns()
    assert buffer.producer is not None
    buffer.producer.cancel()
    with pytest.raises(InquiryCancelledError, match="run was cancelled"):
        await reading
    await context.drain()
    assert ["part", "run"] == sorted(ended)


async def test_what_has_ended_is_forgotten_by_who_started_it() -> None:
    """A run that goes on keeps nothing of those that it started and that have ended."""
    context, go = open_context(), asyncio.Event()
    producers: list[TaskLife] = []

    async def nothing() -> None:
        pass

    async def body() -> None:
        producer = current_producer()
        assert producer is not None
        producers.append(producer)
        for _ in range(3):
            await until_closed(start(context, "child", nothing))
        await go.wait()

    start(context, "parent", body)
    await turns(12)
    (producer,) = producers
    assert isinstance(producer, TaskLife)
    assert not producer.children
    go.set()
    await context.drain()


# -- what it keeps open for ----------------------------------------------------------------------------


def keeping(context: Context, *awaitables: Awaitable[object]) -> ReplayBuffer[int]:
    """The buffer of a run that has nothing to do but to wait for these."""
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    task = ProducerTask("keeping", buffer, buffer)

    async def body() -> None:
        for awaitable in awaitables:
            task.keep_open_for(awaitable)

    task.start(body)
    return buffer


async def _never(ended: list[str], name: str) -> object:
    try:
        return await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        ended.append(name)


async def test_what_is_added_meanwhile_is_waited_for_too() -> None:
    """A run ends when there is nothing more to wait for, not when what was there first has ended."""
    context, loop = open_context(), asyncio.get_running_loop()
    second = loop.create_future()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    task = ProducerTask("keeping", buffer, buffer)

    async def first() -> None:
        task.keep_open_for(second)

    async def body() -> None:
        task.keep_open_for(first())

    task.start(body)
    await turns(5)
    assert not buffer.closed
    second.set_result(None)
    await context.drain()
    assert (True, None) == (buffer.closed, buffer.error)


async def test_the_first_error_ends_the_rest() -> None:
    """What fails of that fails the run; the rest is stopped and waited for."""
    context, ended = open_context(), list[str]()
    failing = asyncio.get_running_loop().create_future()
    buffer = keeping(context, failing, _never(ended, "second"))
    await turns(4)
    failing.set_exception(ValueError("of the first"))
    with pytest.raises(ValueError, match="of the first"):
        await read(buffer)
    await context.drain()
    assert ["second"] == ended


async def test_what_is_released_has_ended() -> None:
    """Each is cancelled with the run, and its clean-up is waited for, also when one of them fails in that."""
    context, ended = open_context(), list[str]()

    async def fails() -> object:
        try:
            return await asyncio.Event().wait()
        finally:
            raise ValueError("in its clean-up")

    buffer = keeping(context, _never(ended, "one"), fails(), _never(ended, "two"))
    await turns(4)
    buffer.cancel()
    await context.drain()
    assert ({"one", "two"}, True) == (set(ended), buffer.closed)
    assert [asyncio.current_task()] == list(asyncio.all_tasks())


async def test_kept_open_from_elsewhere() -> None:
    """A run is kept open on its own event loop only; from another thread it is a typed error."""
    context, loop = open_context(), asyncio.get_running_loop()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    task = ProducerTask("keeping", buffer, buffer)
    future = loop.create_future()
    with pytest.raises(WrongLoopError):
        await asyncio.to_thread(task.keep_open_for, future)
    await asyncio.get_running_loop().shutdown_default_executor()


def test_a_task_without_work() -> None:
    """A task that is started without a body, and is no subclass that has work, says so."""

    async def main() -> None:
        context = open_context()
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        ProducerTask("idle", buffer, buffer).start()
        with pytest.raises(TypeError, match=r"The task idle was started without a body\."):
            await read(buffer)

    asyncio.run(main())
