"""The life of a stream: who holds it, what becomes of it, and what its error keeps."""

import contextlib
import gc
import traceback
import weakref

import pytest

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Ancestry, Lease
from miniagents.streams._readers import iterate
from tests.support.sources import turns


def test_a_run_began_itself_and_what_it_began() -> None:
    """A run began itself, what it began, and what that began; not who began it, nor a stranger."""
    first = Ancestry(None)
    second = Ancestry(first)
    third = Ancestry(second)
    assert first.began(first)
    assert first.began(third)
    assert not third.began(first)
    assert not second.began(Ancestry(first))


def test_nobody_began_what_comes_from_outside() -> None:
    """What no run began was begun by no run."""
    assert not Ancestry(None).began(None)


def test_long_lines() -> None:
    """Runs begun by runs, 100,000 deep, are no deep recursion."""
    first = last = Ancestry(None)
    for _ in range(100_000):
        last = Ancestry(last)
    assert first.began(last)
    while last.parent is not None:  # let go from the young end: a deep chain would be freed recursively
        last = last.parent


class Held:
    """Something in the frame of a reader."""


def fails_with(error: Exception) -> ReplayBuffer[int]:
    """A buffer that has failed, of a context of the running loop."""
    context = Context()
    context.open()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    buffer.fail(error)
    return buffer


async def test_a_caught_error_keeps_no_frame_of_a_reader() -> None:
    """What a reader held in the frame that caught an error goes with the frame, one turn later at most."""
    buffer = fails_with(ValueError("broken"))
    alive: list[weakref.ref[Held]] = []

    async def reads() -> None:
        held = Held()
        alive.append(weakref.ref(held))
        with contextlib.suppress(ValueError):
            await anext(iterate(buffer, None))
        assert held is not None

    gc.disable()
    try:
        await reads()
        await turns(2)
        assert alive[0]() is None
        assert buffer.error is not None
        assert buffer.error.__traceback__ is buffer.traceback
    finally:
        gc.enable()


async def test_each_reader_has_the_traceback_of_the_error() -> None:
    """After one reader has caught the error, the next one gets the very object with its first traceback."""
    error = ValueError("broken")
    try:
        raise error
    except ValueError:
        pass
    first = error.__traceback__
    buffer = fails_with(error)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken") as caught:
            await anext(iterate(buffer, None))
        assert caught.value is error
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert frames[-1] == "test_each_reader_has_the_traceback_of_the_error"
        await turns(2)
        assert error.__traceback__ is first


class Source:
    """A producer that notes that it was stopped."""

    name = "a source"

    def __init__(self) -> None:
        self.stopped = 0

    def blocked_by(self) -> None:
        """It waits for no producer."""

    def cancel(self) -> None:
        """Stop."""
        self.stopped += 1

    abandon = cancel


async def test_what_becomes_of_a_stream() -> None:
    """What nothing can read runs on if nothing ever has, is stopped if it was read, dropped if it ended."""
    context = Context()
    context.open()
    unread, read = ReplayBuffer[int](context), ReplayBuffer[int](context)
    ended = ReplayBuffer[int](context, [1], closed=True)
    read.expect_reader()
    ended.expect_reader()
    sources = [Source(), Source()]
    for buffer, source in zip((unread, read), sources, strict=True):
        buffer.produce_with(source)
    leases = [Lease(each) for each in (unread, read, ended)]
    assert ([0, 0], [1]) == ([each.stopped for each in sources], ended.items)
    leases.clear()
    assert ([0, 1], []) == ([each.stopped for each in sources], ended.items)
    assert (1, 0) == (unread.unlimited, read.unlimited)


def test_leases_are_counted() -> None:
    """Each lease counts; only when the last one has gone the stream is out of reach."""
    buffer: ReplayBuffer[int] = ReplayBuffer(Context())
    leases = [Lease(buffer) for _ in range(3)]
    for left in (2, 1):
        leases.pop()
        assert (left, True) == (buffer.leases, buffer.reachable)
    leases.pop()
    assert (0, False) == (buffer.leases, buffer.reachable)


class Link:
    """A producer that holds a lease on what it reads as long as it lives; it notes how deep it is stopped."""

    name = ""

    def __init__(self, writes: ReplayBuffer[int], reads: Lease | None, depths: list[int]) -> None:
        self.writes = writes
        self.reads = reads
        self.depths = depths

    def blocked_by(self) -> None:
        """It can go on by itself."""

    def cancel(self) -> None:
        """Note the depth of the stack, and end."""
        self.depths.append(len(list(traceback.walk_stack(None))))
        self.writes.end_cancelled()

    abandon = cancel


def linked(context: Context, reads: Lease | None, depths: list[int]) -> Lease:
    """A lease on a stream that was read, and whose producer reads another one."""
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    buffer.expect_reader()
    buffer.produce_with(Link(buffer, reads, depths))
    return Lease(buffer)


async def test_a_chain_is_stopped_without_nested_calls() -> None:
    """When the end of a chain of streams is left, each producer is stopped at the same depth of the stack."""
    context = Context()
    context.open()
    depths: list[int] = []
    last = linked(context, None, depths)
    for _ in range(99):
        last = linked(context, last, depths)
    del last
    assert (100, 1) == (len(depths), len({*depths}))


def test_a_lease_of_nothing() -> None:
    """A lease whose constructor raised gives nothing back."""
    lease = Lease.__new__(Lease)
    del lease
