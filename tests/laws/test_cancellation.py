"""Wherever a graph of agents is stopped, nothing of it is left, and nothing else is disturbed.

A graph is some jobs of `graph.py` at once, drawn by a seed; it is run once to its end, which says how many
steps there are and what its readers get. Then it is run again for each point: before a drawn step something
in it is stopped. Everything is in virtual time, and in an order that is drawn, too.

Here are some hundred points, fewer in plain `pytest`; `HYPOTHESIS_PROFILE=nightly` has some thousand.

A point that fails prints its graph, its seed and what it stopped; `Graph(seed).run(Stop(...))` has it again.
"""

import asyncio
import logging
import os
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random

import pytest
from typing_extensions import override

from miniagents import (
    AgentTimeoutError,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MiniAgents,
    NoActiveContextError,
    StopLoop,
    miniagent,
)
from miniagents.streams._context import CURRENT_CONTEXT
from miniagents.streams._lifetime import current_producer
from tests.laws.graph import JOBS, Job, PlannedError, ReaderLeftError
from tests.laws.stepped import SteppedLoop
from tests.support.amounts import amount

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
GRAPHS = 300 if NIGHTLY else amount(5, 25)
POINTS = 14
JOBS_AT_ONCE = 4
KINDS = ("context", "body", "inquiry", "reader", "leave", "task", "all")


@dataclass(frozen=True)
class Stop:
    """What is stopped, and when.

    Attributes:
        kind: the ``context`` by cancelling the task in it, or by an error of its ``body``; an ``inquiry``;
            the task of a ``reader``; a reader that is to ``leave``; any ``task``, or ``all`` of them by hand,
            as some do when a process is to end.
        step: before which step.
        which: draws which one of several.
    """

    kind: str
    step: int
    which: float


@dataclass
class Outcome:
    """What became of a run of a graph.

    Attributes:
        jobs: those that ran.
        steps: how many steps there were.
        touched: the job that something was stopped in, if it is known.
        end: how the context was left.
        left: what was still there afterwards.
        logged: what was logged.
    """

    jobs: list[Job]
    steps: int = 0
    touched: Job | None = None
    end: BaseException | None = None
    left: list[str] = field(default_factory=list[str])
    logged: list[logging.LogRecord] = field(default_factory=list[logging.LogRecord])


class _Records(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self._records = records

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


class Graph:
    """Some jobs at once, the same for the same seed."""

    def __init__(self, seed: object) -> None:
        random = Random(f"graph {seed}")  # noqa: S311 - no secret
        self.names = random.sample(sorted(JOBS), JOBS_AT_ONCE)
        self._seed = seed
        self._prefetch = random.choice([1, 2, 5, 1024])
        self._readers_outlive = random.random() < 0.5
        self._stop: Stop | None = None
        self._outcome = Outcome([])

    def run(self, stop: Stop | None = None) -> Outcome:
        """Run all jobs, and stop what is to be stopped."""
        self._stop = stop
        self._outcome = Outcome([Job(name) for name in self.names])
        order = Random(f"order {self._seed}")  # noqa: S311 - no secret
        loggers = [logging.getLogger(name) for name in ("miniagents", "asyncio")]
        handler = _Records(self._outcome.logged)
        for logger in loggers:
            logger.addHandler(handler)
        try:
            with asyncio.Runner(loop_factory=lambda: SteppedLoop(order)) as runner:
                runner.run(self._watched())
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
        return self._outcome

    async def _watched(self) -> None:
        """Run the context in a task of its own, and look what is left when it has ended."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SteppedLoop)
        self._loop = loop
        outcome = self._outcome
        context = MiniAgents(prefetch=self._prefetch, shutdown_timeout=60)
        before = copy_context()
        with _generators() as generators:
            self._failing: asyncio.Future[None] = loop.create_future()
            self._outermost = asyncio.current_task()
            self._readers: list[asyncio.Task[None]] = []
            loop.stop_at(-1 if self._stop is None else self._stop.step, self._do_stop)
            self._main = asyncio.ensure_future(self._inside(context))
            await asyncio.wait([self._main])
            outcome.steps = loop.steps
            # What the context owned is gone now; readers that outlive it were told, and end by themselves.
            if context.tasks:
                outcome.left.append(f"producer tasks {context.tasks}")
            await asyncio.wait(self._readers or [self._main])
            outcome.end = None if self._main.cancelled() else self._main.exception()
            if self._main.cancelled():
                outcome.end = asyncio.CancelledError()
            outcome.left += [
                f"{each!r}" for each in asyncio.all_tasks() if each is not asyncio.current_task()
            ]
            outcome.left += [f"{each!r}" for each in generators()]
        if [*before.items()] != [*copy_context().items()]:
            outcome.left.append("context variables")

    async def _inside(self, context: MiniAgents) -> None:
        outer = CURRENT_CONTEXT.get(), current_producer()
        try:
            async with context:
                self._readers = [asyncio.ensure_future(job.run()) for job in self._outcome.jobs]
                try:
                    await self._until_read()
                finally:
                    if not self._readers_outlive:
                        for reader in self._readers:
                            reader.cancel()
                        await asyncio.wait(self._readers)
        finally:
            if outer != (CURRENT_CONTEXT.get(), current_producer()):
                self._outcome.left.append("the context, in its variable")

    async def _until_read(self) -> None:
        reading = set(self._readers)
        while reading and not self._failing.done():
            _, waiting = await asyncio.wait({*reading, self._failing}, return_when=asyncio.FIRST_COMPLETED)
            reading &= waiting
        if self._failing.done():
            raise PlannedError("the body")

    # -- the stop ------------------------------------------------------------------------------------------

    def _do_stop(self) -> None:
        assert self._stop is not None
        which = self._stop.which
        if self._stop.kind in {"inquiry", "reader", "leave"}:
            self._outcome.touched = self._outcome.jobs[int(which * len(self._outcome.jobs))]
            self._stop_job(self._stop.kind, self._outcome.touched)
        elif self._stop.kind == "body":
            self._failing.set_result(None)
        else:
            for task in self._tasks(self._stop.kind, which):
                task.cancel()

    def _stop_job(self, kind: str, job: Job) -> None:
        if kind == "leave":
            job.leave = True
        elif kind == "inquiry":
            for promise in job.promises[-1:]:
                promise.cancel()
        elif self._readers:
            self._readers[self._outcome.jobs.index(job)].cancel()

    def _tasks(self, kind: str, which: float) -> Sequence[asyncio.Task[object]]:
        if kind == "context":
            return [self._main]
        tasks = [each for each in self._loop.tasks if each is not self._outermost]
        if kind == "all":
            return tasks
        tasks = [each for each in tasks if each is not self._main]
        at = int(which * len(tasks))
        return tasks[at : at + 1]


@contextmanager
def _generators() -> Generator[Callable[[], list[object]]]:
    """All async generators that were started in the block and have not ended."""
    seen: list[weakref.ref[AsyncGenerator[object]]] = []
    hooks = sys.get_asyncgen_hooks()

    def first_iteration(generator: AsyncGenerator[object]) -> None:
        seen.append(weakref.ref(generator))
        if hooks.firstiter is not None:
            hooks.firstiter(generator)

    sys.set_asyncgen_hooks(firstiter=first_iteration)
    try:
        yield lambda: [each for ref in seen if getattr(each := ref(), "ag_frame", None) is not None]
    finally:
        sys.set_asyncgen_hooks(*hooks)


# -- what must hold --------------------------------------------------------------------------------------


def check(outcome: Outcome, whole: Outcome, stop: Stop) -> None:
    """Nothing is left; who was not stopped got everything; who was, a beginning and the right error."""
    assert [] == outcome.left
    changed = 0
    for job, reference in zip(outcome.jobs, whole.jobs, strict=True):
        assert [] == job.wrong
        assert job.begun == job.ended
        if stop.kind not in {"task", "all"}:  # a task that is cancelled by hand may be in its clean-up
            assert job.disturbed == 0
        if stop.kind in {"context", "body", "all"} or job is outcome.touched:
            check_stopped(job, reference, stop)
        elif told(job) != told(reference):
            changed += 1
            assert stop.kind == "task"
            check_stopped(job, reference, stop)
    assert changed <= 1
    check_end(outcome, stop)
    check_log(outcome)


def told(job: Job) -> tuple[list[tuple[str, str]], str]:
    """What a reader got, to compare."""
    return [(each.text, repr(each.error)) for each in job.got], repr(job.end)


def check_stopped(job: Job, reference: Job, stop: Stop) -> None:
    """What came is a beginning of what would have come, message by message, and errors are the right ones."""
    texts = reference.unread or tuple(each.text for each in reference.got)
    expected = iter(texts)
    for each in job.got:
        if each.error is None:
            assert each.text in reference.mended or each.text in expected, (
                f"{each.text!r} is no message of {texts}"
            )
        else:
            assert any(text.startswith(each.text) for text in ["", *texts])
            check_error(each.error, stop)
    if job.end is not None:
        check_error(job.end, stop)


def check_error(error: BaseException, stop: Stop) -> None:
    """A reader gets what says that it was stopped, or an error of the graph itself."""
    allowed: list[type[BaseException]] = [InquiryCancelledError, PlannedError, AgentTimeoutError]
    if stop.kind in {"context", "body", "all"}:
        allowed.append(NoActiveContextError)  # who goes on to ask after the end
    if stop.kind == "leave":
        allowed.append(ReaderLeftError)
    if stop.kind in {"reader", "task", "all", "context", "body"}:
        allowed.append(asyncio.CancelledError)
    assert isinstance(error, (*allowed, ReaderLeftError)), repr(error)


def check_end(outcome: Outcome, stop: Stop) -> None:
    """A context is left by what ended it, and by nothing else."""
    if stop.kind in {"context", "all"}:
        assert outcome.end is None or isinstance(outcome.end, asyncio.CancelledError)
    elif stop.kind == "body":
        assert outcome.end is None or isinstance(outcome.end, PlannedError)
    else:
        assert outcome.end is None


def check_log(outcome: Outcome) -> None:
    """Only errors of the graph itself are logged, those that no reader was told.

    And one warning: a run of it that waits for no stream, behind a pipe, may be told of its source.
    """
    for record in outcome.logged:
        if "had to wait, because" in record.getMessage():
            continue
        error = None if record.exc_info is None else record.exc_info[1]
        assert record.name == "miniagents", record.getMessage()
        assert isinstance(error, PlannedError | AgentTimeoutError | StopLoop), record.getMessage()


def points(seed: object, steps: int) -> list[Stop]:
    """Draw where a graph is stopped, each kind as often as the others."""
    random = Random(f"points {seed}")  # noqa: S311 - no secret
    kinds = [KINDS[number % len(KINDS)] for number in range(POINTS)]
    return [Stop(kind, random.randrange(steps), random.random()) for kind in kinds]


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_stopped_anywhere(seed: int) -> None:
    """Stopped before any step, whatever it is, a graph leaves nothing running and harms no other one."""
    graph = Graph(seed)
    whole = graph.run()
    assert (None, []) == (whole.end, whole.left)
    sys.stdout.write(f"Graph({seed}) is {graph.names}, {whole.steps} steps\n")
    for stop in points(seed, whole.steps):
        sys.stdout.write(f"{stop}\n")
        check(graph.run(stop), whole, stop)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("depth", [0, 4, 12, 40])
async def test_however_deep(depth: int) -> None:
    """No agent handles the cancellation of what was stopped together with it, however deep it is."""
    handled: list[str] = []

    @miniagent
    async def nest(ctx: InteractionContext, depth: int) -> None:
        try:
            if depth:
                inner = nest.timeout(total=99).retry().guard(after=lambda _: None)
                await inner.inquire(ctx.messages, depth=depth - 1)
            else:
                await ctx.messages
        except Exception as error:
            handled.append(f"{type(error).__name__} in {depth}")
            raise

    @miniagent
    async def outer(_: InteractionContext) -> None:
        await nest.inquire(Message.promise(endless), depth=depth)

    async with MiniAgents():
        replies = outer.inquire()
        await asyncio.sleep(1)
        replies.cancel()
        await asyncio.sleep(1)
    assert [] == handled


async def endless(metadata: MutableMapping[str, object]) -> AsyncIterator[str]:
    """A message that never ends."""
    del metadata
    yield "x"
    await asyncio.Event().wait()


@pytest.mark.loop(virtual=True)
async def test_however_long_a_clean_up_takes() -> None:
    """An agent whose caller cleans up for a while is stopped with it, and handles no cancellation before."""
    handled: list[str] = []

    @miniagent
    async def inner(ctx: InteractionContext) -> None:
        try:
            await ctx.messages
        except Exception as error:
            handled.append(type(error).__name__)
            raise

    @miniagent
    async def outer(_: InteractionContext) -> None:
        try:
            await inner.inquire(Message.promise(endless))
        finally:
            await asyncio.sleep(5)

    async with MiniAgents():
        replies = outer.inquire()
        await asyncio.sleep(1)
        replies.cancel()
        await asyncio.sleep(9)
    assert [] == handled


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("through", ["a stream", "a stream in a task", "an event"])
async def test_a_clean_up_that_needs_what_it_began(through: str) -> None:
    """A clean-up that waits for an agent is not waited for by that agent: it gets the cancellation and ends.

    If the clean-up waits for a stream, this is seen at once, else when `shutdown_timeout` is over.
    """
    ended: dict[str, float] = {}
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    @miniagent
    async def inner(ctx: InteractionContext) -> None:
        try:
            await ctx.messages
        except InquiryCancelledError:
            ctx.reply("what came is kept")
            ended["inner"] = loop.time()
            told.set()

    @miniagent
    async def outer(_: InteractionContext) -> None:
        message = Message.promise(endless)
        replies = inner.inquire(message)

        async def read() -> None:
            await replies

        try:
            await asyncio.sleep(99)
        finally:
            message.cancel()
            if through == "an event":
                await told.wait()
            elif through == "a stream":
                await replies
            else:
                await asyncio.wait_for(asyncio.ensure_future(read()), 9)
            ended["outer"] = loop.time()

    async with MiniAgents(shutdown_timeout=3):
        call = outer.inquire()
        await asyncio.sleep(1)
        began = loop.time()
        call.cancel()
        await asyncio.sleep(9)
    waited = 3 if through == "an event" else 0
    assert {"inner": began + waited, "outer": began + waited} == ended


@pytest.mark.loop(virtual=True)
async def test_what_is_cancelled_alone_is_an_error_of_its_reader() -> None:
    """An agent that reads a message which somebody cancels gets that as an error, and goes on."""

    @miniagent
    async def reads(ctx: InteractionContext) -> None:
        try:
            await ctx.messages
        except InquiryCancelledError:
            ctx.reply("it was cancelled")

    async with MiniAgents():
        message = Message.promise(endless)
        replies = reads.inquire(message)
        await asyncio.sleep(1)
        message.cancel()
        assert "it was cancelled" == str(await replies)
