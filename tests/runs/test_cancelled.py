"""A cancellation at any await of a method that writes runs leaves nothing behind, and loses nothing.

Crosses modules: journals, durable blocks, the runs of `ext.web`.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import pytest
from typing_extensions import override

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.ext.journal import (
    Journal,
    JournalError,
    Lease,
    MemoryJournal,
    RunRecord,
    durable,
    send_event as send_event_to,
)
from miniagents.ext.web import Runs
from miniagents.testing import scripted_model
from miniagents.tools import ask, wait_for_event
from tests.runs.test_questions import eventually, texts

Store: TypeAlias = MemoryJournal | Journal
Cutting: TypeAlias = Callable[..., Awaitable[object]]


class Cut:
    """Cancels its task at one of the awaits of a coroutine.

    Args:
        coroutine: what is cancelled.
        at: the number of the await.
        late: whether what it waits for has happened then.
    """

    def __init__(self, coroutine: Coroutine[object, None, object], at: int, *, late: bool) -> None:
        self.reached = False
        self._coroutine = coroutine
        self._at = at
        self._late = late

    def __await__(self) -> Generator[object, None, object]:
        steps, at = self._coroutine.__await__(), 0
        error: BaseException | None = None
        while True:
            try:
                waits = next(steps) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            task, error = asyncio.current_task(), None
            assert task is not None
            if at == self._at:
                self.reached = True
                if self._late and isinstance(waits, asyncio.Future):
                    waits.add_done_callback(lambda _, task=task: task.cancel())  # type: ignore[misc]
                else:
                    task.cancel()
            at += 1
            try:
                yield waits
            except BaseException as raised:  # noqa: BLE001 - for the coroutine
                error = raised


async def cut_at_each_await(case: Callable[[Store, Cutting], Awaitable[None]], journal: Store) -> None:
    """Run a case again and again; what it passes to its argument is cancelled one await later each time."""
    for late in (False, True):
        at, more = 0, True
        while more:
            more = False

            async def cut(
                coroutine: Coroutine[object, None, object], at: int = at, *, late: bool = late
            ) -> None:
                nonlocal more
                cutting = Cut(coroutine, at, late=late)
                with suppress(asyncio.CancelledError):
                    await asyncio.create_task(_of(cutting))
                more = more or cutting.reached

            async with asyncio.timeout(30):
                await case(journal, cut)
            at += 1
            assert at < 1000


async def _of(cut: Cut) -> object:
    return await cut


@miniagent(alias="ASKS")
async def asks(ctx: InteractionContext) -> None:
    """Ask a person."""
    ctx.reply(await ask("Why?"))


@miniagent(alias="WAITS")
async def waits(ctx: InteractionContext) -> None:
    """Wait for an event."""
    ctx.reply(await wait_for_event("paid", str))


@asynccontextmanager
async def running(journal: Store) -> AsyncGenerator[Runs]:
    """Runs of this process; at the end no run is left that a process works on."""
    async with MiniAgents(drain_timeout=5.0):
        agents = {"asks": asks, "waits": waits, "says": scripted_model(then="Hello", delay=0.01).bind()}
        yield Runs(journal, agents=agents, linger=1000.0)
    assert [] == [each for each in await journal.find() if each.state == "live"]
    for each in await journal.find():
        await journal.delete(each.run)


async def begin(journal: Store, cut: Cutting) -> None:
    """A run ends, and is not forgotten here before."""
    async with running(journal) as runs:
        await cut(runs.begin("says", "Hi", topic="chat"))
        await cut(runs.start(scripted_model("Hello").inquire("Hi"), topic="chat"))
        for record in await journal.find():
            assert [] != [_ async for _ in runs.frames(record.run)]
        await asyncio.sleep(0)
        assert {} == runs._live


async def answer(journal: Store, cut: Cutting) -> None:
    """The same answer again changes nothing."""
    async with running(journal) as runs:
        run = await runs.begin("asks")
        question = (await eventually(lambda: runs.questions(run)))[0].id
        await cut(runs.answer(run, question, "So."))
        with suppress(Exception):
            await runs.answer(run, question, "So.")  # the same again changes nothing
        assert (["So."], "finished") == await texts(runs, run)


async def send_event(journal: Store, cut: Cutting) -> None:
    """The run gets the value."""
    async with running(journal) as runs:
        run = await runs.begin("waits")
        await cut(runs.send_event("paid", "yes"))
        await runs.send_event("paid", "yes")
        assert (["yes"], "finished") == await texts(runs, run)


async def send_early(journal: Store, cut: Cutting) -> None:
    """A run that waits later gets the value."""
    async with running(journal) as runs:
        await cut(runs.send_event("paid", "yes"))
        await runs.send_event("paid", "yes")
        assert [] == [each for each in await journal.find() if each.state == "live"]
        assert (["yes"], "finished") == await texts(runs, await runs.begin("waits"))


async def stop(journal: Store, cut: Cutting) -> None:
    """The run is stopped."""
    async with running(journal) as runs:
        run = await runs.begin("asks")
        await cut(runs.stop(run))
        await runs.stop(run)
        assert "stopped" == (await texts(runs, run))[1]


async def delete(journal: Store, cut: Cutting) -> None:
    """Nothing is kept."""
    async with running(journal) as runs:
        run = await runs.begin("asks")
        await cut(runs.delete(run))
        await runs.delete(run)
        assert [] == await journal.find()


async def opened(journal: Store, cut: Cutting) -> None:
    """A run can begin."""
    async with running(journal) as runs:
        await cut(runs.open())
        assert (["Hello"], "finished") == await texts(runs, await runs.begin("says", "Hi"))


async def read(journal: Store, cut: Cutting) -> None:
    """Another reader gets all."""
    async with running(journal) as runs:
        run = await runs.begin("says", "Hi")

        async def frames() -> None:
            async for _ in runs.frames(run):
                pass

        await cut(frames())
        assert (["Hello"], "finished") == await texts(runs, run)


async def block(journal: Store, cut: Cutting) -> None:
    """The block goes on."""

    async def block() -> str:
        async with durable(journal, run_id="7"):
            return str(await scripted_model(then="Hello", delay=0.01).inquire("Hi"))

    async with MiniAgents():
        await cut(block())
        assert "Hello" == await block()
    assert [("ended", "finished")] == [(each.state, each.how) for each in await journal.find()]
    await journal.delete("7")


async def join(journal: Store, cut: Cutting) -> None:
    """A server that has not joined does not keep runs from others."""

    async def join() -> None:
        (await journal.join("old", lambda: None))()

    await journal.begin(lease := Lease(RunRecord("7", version="old")), [["began", 0, None]])
    await journal.leave(lease)
    await cut(join())
    await eventually(lambda: journal.take("new", 1))  # else a server that serves "old" would take it
    await journal.delete("7")


CASES = (begin, answer, send_event, send_early, stop, delete, opened, read, block, join)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("cannot", "No reader", "were not used")
async def test_in_memory() -> None:
    """A method that is cancelled at any await leaves no run behind; the same call then does the rest."""
    for case in CASES:
        await cut_at_each_await(case, MemoryJournal())


@pytest.mark.gate
@pytest.mark.logs("cannot", "No reader", "were not used")
async def test_in_a_file(tmp_path: Path) -> None:
    """The same with a journal file."""
    with Journal(tmp_path / "runs.journal") as journal:
        for case in CASES:
            await cut_at_each_await(case, journal)


async def test_a_name_that_is_taken() -> None:
    """What is cancelled while the journal refuses the name of an event leaves no error of a task behind."""
    began, goes_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryJournal):
        @override
        async def begin(self, lease: Lease, events: object, /) -> None:
            del events
            began.set()
            await goes_on.wait()
            raise JournalError(f"a run already has the id {lease.run}.", "exists")

    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: errors.append(about))
    sending = asyncio.create_task(send_event_to(Slow(), "paid", "yes"))
    await began.wait()
    sending.cancel()
    await asyncio.sleep(0.01)
    goes_on.set()
    await asyncio.wait((sending,))
    gc.collect()
    assert [] == errors
