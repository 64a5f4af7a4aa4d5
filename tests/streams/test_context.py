"""The owner of running tasks."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial

import anyio
import pytest

from miniagents import MiniAgents
from miniagents.messages import Message, MessagePromise
from miniagents.streams import Promise, PromisingContext
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import CURRENT_CONTEXT, Context, current_context
from miniagents.streams._pump import fill
from miniagents.streams._readers import until_closed
from miniagents.streams._run_task import ProducerTask
from miniagents.values import InquiryCancelledError, NoActiveContextError, WrongLoopError
from tests.support.sources import Source, turns

# -- the tasks that it owns ------------------------------------------------------------------------------


def open_context(*, shutdown_timeout: float = 1.0) -> Context:
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
    context = open_context()
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
    context = open_context()
    token = CURRENT_CONTEXT.set(context)
    assert current_context() is context
    context.close()
    with pytest.raises(NoActiveContextError):
        current_context()
    CURRENT_CONTEXT.reset(token)


async def test_drain_waits_for_what_is_started_meanwhile() -> None:
    """A context that drains waits for every task, also for one that is started while it waits."""
    context, ended = open_context(), list[str]()

    async def second() -> None:
        await turns(3)
        ended.append("second")

    async def first() -> None:
        await turns(3)
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        ProducerTask("second", buffer, buffer).start(second)
        ended.append("first")

    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    ProducerTask("first", buffer, buffer).start(first)
    await context.drain()
    assert ["first", "second"] == ended


async def test_drain_finishes_what_was_left_open() -> None:
    """What is fed from outside of every task is finished by a drain; what is not held is forgotten."""
    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    context.finish_at_end(buffer)
    context.finish_at_end(ReplayBuffer[int](context))
    await context.drain()
    assert buffer.closed


async def test_cancel_all() -> None:
    """All tasks are cancelled, their clean-up and what that starts is waited for; all streams are closed."""
    context, ended = open_context(), list[str]()
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
                ProducerTask("last", buffers[2], buffers[2], orphan=True).start(last)
                await turns(1)

    for buffer in buffers[:2]:
        ProducerTask("body", buffer, buffer).start(body)
    await turns(2)
    await context.cancel_all()
    assert ["body", "body", "last"] == ended
    assert all(isinstance(buffer.error, InquiryCancelledError) for buffer in buffers)


@pytest.mark.parametrize("seconds", [0, 0.02])
async def test_a_stubborn_task_is_left_behind(caplog: pytest.LogCaptureFixture, seconds: float) -> None:
    """A task that does not end within `shutdown_timeout` is logged by name; its stream is closed as well."""
    context, go = open_context(shutdown_timeout=seconds), asyncio.Event()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)

    async def stubborn() -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    ProducerTask("stubborn", buffer, buffer).start(stubborn)
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
    context, trace = open_context(), list[str]()

    def outer() -> None:
        trace.append("outer in")
        context.dispatch(lambda: trace.append("one"))
        context.dispatch(lambda: trace.append("two"))
        trace.append("outer out")

    context.dispatch(outer)
    assert ["outer in", "outer out", "one", "two"] == trace


async def test_a_push_that_raises_does_not_block_the_next() -> None:
    """When a push is interrupted, later ones still run."""
    context, trace = open_context(), list[str]()

    def interrupted() -> None:
        context.dispatch(lambda: trace.append("left over"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        context.dispatch(interrupted)
    context.dispatch(lambda: trace.append("next"))
    assert ["left over", "next"] == trace


async def test_callbacks_from_other_threads() -> None:
    """A callback from another thread runs on the loop; once the context is closed it does not run at all."""
    context, called = open_context(), asyncio.Event()
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
    context = open_context(shutdown_timeout=60)
    buffer: ReplayBuffer[str] = ReplayBuffer(context)

    async def body() -> None:
        raise AssertionError("it never begins")

    ProducerTask("writer", buffer, buffer).start(body)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    async with asyncio.timeout(5):
        await until_closed(buffer)
        await context.drain()
    assert isinstance(buffer.error, InquiryCancelledError)


async def test_an_error_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error of several streams is logged once, when the last has gone, unless a reader was told."""
    context, error = open_context(), ValueError("broken")
    one, two = ReplayBuffer[str](context), ReplayBuffer[str](context)
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


async def test_a_context_that_is_opened_again() -> None:
    """A context that has drained bounds its sources again when it is opened again."""
    context = Context(prefetch=2)
    for _ in range(2):
        context.open()
        source: Source[int] = Source(range(10))
        buffer: ReplayBuffer[int] = ReplayBuffer(context)
        ProducerTask("pump", buffer, buffer).start(partial(fill, buffer, source))
        await turns(10)
        assert 2 == source.produced
        await context.drain()
        context.close()


# -- from its beginning to its end -----------------------------------------------------------------------


def closing(name: str, told: list[str], error: BaseException | None = None) -> Callable[[], Awaitable[None]]:
    """A callback for the end of a context."""

    async def close() -> None:
        await turns()
        told.append(name)
        if error is not None:
            raise error

    return close


# -- the active one ------------------------------------------------------------------------------------


async def test_the_current_one() -> None:
    """The active owner is the current one, if it is of the class that is asked for; outside there is none."""
    with pytest.raises(NoActiveContextError, match=r"use `async with MiniAgents\(\):`"):
        Context.current()
    async with Context() as owner:
        assert owner is Context.current()
        with pytest.raises(NoActiveContextError):
            MiniAgents.current()
        async with MiniAgents() as context:
            assert context is MiniAgents.current() is Context.current()
        assert owner is Context.current()


async def test_a_bare_context_is_no_context_of_a_subclass() -> None:
    """A bare context is found as such, and not as a context of a subclass."""
    context = Context()
    context.open()

    async def main() -> None:
        CURRENT_CONTEXT.set(context)
        assert context is Context.current()
        with pytest.raises(NoActiveContextError):
            MiniAgents.current()

    await asyncio.create_task(main())


async def test_the_contextvar_is_restored() -> None:
    """After the block the one that was active before is active again, however the block was left."""
    async with PromisingContext() as outer:
        with pytest.raises(ValueError, match="broken"):
            await failing()
        assert outer is CURRENT_CONTEXT.get()
    assert CURRENT_CONTEXT.get() is None


async def failing() -> None:
    """A block that is left by an error."""
    async with PromisingContext():
        raise ValueError("broken")


async def test_entering_an_active_one() -> None:
    """Entering a context that is active is refused with what to do instead, and it stays active."""
    async with PromisingContext() as context:
        with pytest.raises(RuntimeError, match=r"already active; make another one with MiniAgents\(\)"):
            await context.__aenter__()
        assert context is Context.current()
        assert 1 == await Promise(prefill_result=1)


async def test_using_it_again() -> None:
    """A context that has ended, in whatever way, may be entered again, on another event loop too."""
    context = PromisingContext()
    async with context:
        assert 1 == await Promise(prefill_result=1)

    async def broken() -> None:
        async with context:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await broken()

    async def again() -> str:
        async with context:
            return str(await Message.promise(Source(["a", "b"])))

    assert "ab" == await again()
    assert "ab" == await asyncio.to_thread(lambda: asyncio.run(again()))
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_left_in_another_context() -> None:
    """The block may be left in other contextvars than it was entered in; the end is complete all the same."""
    context, told = PromisingContext(), list[str]()

    async def enter() -> None:
        await context.__aenter__()
        context.on_close(closing("closed", told))

    async def leave() -> None:
        await context.__aexit__(None, None, None)
        assert CURRENT_CONTEXT.get() is None

    for step in (enter(), leave()):
        await asyncio.create_task(step, context=contextvars.copy_context())
    assert ["closed"] == told


# -- from elsewhere ------------------------------------------------------------------------------------


async def test_after_its_end() -> None:
    """Who kept a context beyond its end is told that it has ended."""
    seen: list[contextvars.Context] = []
    async with PromisingContext():
        seen.append(contextvars.copy_context())
    with pytest.raises(NoActiveContextError, match="has ended"):
        seen[0].run(Context.current)
    with pytest.raises(NoActiveContextError, match="has ended"):
        seen[0].run(Message.promise, Source(["a"]))


async def test_from_another_thread_or_loop() -> None:
    """From another thread, with or without an event loop of its own, it is a typed error that says so."""

    async def use() -> None:
        Context.current()

    async with PromisingContext():
        assert Context.current() is not None
        for elsewhere in (Context.current, lambda: asyncio.run(use())):
            with pytest.raises(WrongLoopError, match="another event loop or thread"):
                await asyncio.to_thread(elsewhere)
    await asyncio.get_running_loop().shutdown_default_executor()


# -- a normal end --------------------------------------------------------------------------------------


async def test_a_normal_end_waits() -> None:
    """A normal end waits for everything that runs, and for what that starts meanwhile."""
    ended: list[int] = []

    def nested(depth: int) -> Callable[[], Coroutine[object, object, int]]:
        async def run() -> int:
            await turns()
            if depth:
                Promise(nested(depth - 1))
            ended.append(depth)
            return depth

        return run

    async with PromisingContext():
        Promise(nested(3))
    assert [3, 2, 1, 0] == ended


async def test_an_inner_one_waits_for_its_own() -> None:
    """An inner context waits for its own runs, and not for those of the outer one."""
    source = Source(["a"], hold_at=0)
    async with PromisingContext():
        outer = Message.promise(source)
        async with PromisingContext():
            inner = Message.promise(Source(["inner"]))
        assert (True, False) == (inner.done, outer.done)
        source.go.set()
        assert "a" == str(await outer)
    assert "inner" == str(inner)


async def test_a_normal_end_that_is_cancelled() -> None:
    """Who is cancelled while it waits for the runs at a normal end cancels them and is cancelled."""
    source, told = Source(["a", "b"], hold_at=1), list[str]()

    async def main() -> None:
        async with PromisingContext() as context:
            context.on_close(closing("closed", told))
            Message.promise(source)

    task = asyncio.create_task(main())
    await turns(4)
    assert (1, 0) == (source.produced, source.closed)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (1, ["closed"]) == (source.closed, told)


# -- any other end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [ValueError("broken"), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(3), GeneratorExit()],
    ids=lambda error: type(error).__name__,
)
async def test_any_other_end_cancels(error: BaseException) -> None:
    """An end by an exception of any kind cancels all runs, waits for their clean-up and raises it again."""
    source, told, promises = Source(["a", "b"], hold_at=1), list[str](), list[MessagePromise[Message]]()

    async def main() -> None:
        async with PromisingContext() as context:
            context.on_close(closing("closed", told))
            promises.append(Message.promise(source))
            await turns()
            raise error

    caught: BaseException | None = None
    try:
        await main()
    except BaseException as raised:  # noqa: BLE001 - whatever it is, it must be the one that was raised
        caught = raised
    assert caught is error
    assert (1, ["closed"]) == (source.closed, told)
    assert CURRENT_CONTEXT.get() is None
    with pytest.raises(InquiryCancelledError):
        await promises[0]


@pytest.mark.loop(virtual=True)
async def test_a_stubborn_task_of_a_block_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    """A task that does not end within `shutdown_timeout` is logged by name, and the context ends."""
    go, ended, told = asyncio.Event(), asyncio.Event(), list[str]()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await go.wait()
            ended.set()

    async def main() -> None:
        async with PromisingContext(shutdown_timeout=60) as context:
            context.on_close(closing("closed", told))
            Promise(stubborn)
            await turns()
            raise ValueError("broken")

    with caplog.at_level(logging.ERROR, "miniagents"), pytest.raises(ValueError, match="broken"):
        await main()
    (record,) = caplog.records
    assert "stubborn did not end within shutdown_timeout=60 seconds" in record.getMessage()
    assert (["closed"], False) == (told, ended.is_set())
    go.set()
    await ended.wait()


@pytest.mark.loop(virtual=True)
async def test_a_cleanup_is_let_finish(caplog: pytest.LogCaptureFixture) -> None:
    """A clean-up that takes its time within `shutdown_timeout` is waited for, with what it starts."""
    ended: list[str] = []

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("late")

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            Promise(late)
            await asyncio.sleep(59)
            ended.append("careful")

    async def main() -> None:
        async with PromisingContext(shutdown_timeout=60):
            Promise(careful)
            await turns()
            raise ValueError("broken")

    with caplog.at_level(logging.ERROR, "miniagents"), pytest.raises(ValueError, match="broken"):
        await main()
    assert ["careful", "late"] == ended
    assert not caplog.records


@pytest.mark.parametrize("drains", [False, True])
async def test_a_cancel_scope_of_anyio(*, drains: bool) -> None:
    """A cancel scope that cancels again and again leaves no task behind: the clean-up is waited for.

    Whether the block still does something or the context waits for its runs at a normal end.
    """
    ended: list[str] = []

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.append("careful")

    with anyio.move_on_after(0.05) as moved:
        async with PromisingContext(shutdown_timeout=5):
            Promise(careful)
            if not drains:
                await asyncio.Event().wait()
    assert moved.cancelled_caught
    assert ["careful"] == ended
    assert [asyncio.current_task()] == list(asyncio.all_tasks())


@pytest.mark.loop(virtual=True)
async def test_a_cancel_scope_of_anyio_keeps_no_loop_busy() -> None:
    """While the clean-up waits the event loop is idle: here time goes on only then."""

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)

    begun = asyncio.get_running_loop().time()
    with anyio.move_on_after(1) as moved:
        async with PromisingContext(shutdown_timeout=5):
            Promise(careful)
    assert (True, 4) == (moved.cancelled_caught, asyncio.get_running_loop().time() - begun)


async def test_a_cancel_scope_of_anyio_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """Within a cancel scope, too, a clean-up is waited for `shutdown_timeout` seconds at most."""
    go = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await go.wait()

    with anyio.move_on_after(0.01):
        async with PromisingContext(shutdown_timeout=0.1):
            Promise(stubborn)
    assert "did not end within shutdown_timeout=0.1 seconds" in caplog.text
    go.set()
    await turns(4)


# -- what it closes ------------------------------------------------------------------------------------


async def test_closers() -> None:
    """Callbacks are awaited after all runs, the last one added first, those that are added meanwhile too."""
    told: list[str] = []
    source = Source(["a"], hold_at=0)

    async def last() -> None:
        assert 1 == source.closed
        told.append("last")
        context.on_close(closing("added meanwhile", told))

    async with PromisingContext() as context:
        context.on_close(closing("first", told))
        context.on_close(last)
        Message.promise(source)
        source.go.set()
        await turns()
        assert [] == told
    assert ["last", "added meanwhile", "first"] == told
    async with context:
        pass
    assert 3 == len(told)  # once each, not at every end


async def test_a_failing_closer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that fails is logged; the others are awaited and the context ends as it would have."""
    told: list[str] = []
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext() as context:
            context.on_close(closing("first", told))
            context.on_close(closing("bad", told, OSError("no connection")))
            context.on_close(closing("last", told))
    assert ["last", "bad", "first"] == told
    (record,) = caplog.records
    assert "failed while its context was being closed" in record.getMessage()
    assert "no connection" in caplog.text


async def test_a_closer_that_is_interrupted() -> None:
    """A cancellation within a callback is raised after all the others were awaited; it ends nothing else."""
    context, told = PromisingContext(), list[str]()

    async def main() -> None:
        async with context:
            context.on_close(closing("first", told))
            context.on_close(closing("bad", told, asyncio.CancelledError()))

    with pytest.raises(asyncio.CancelledError):
        await main()
    assert ["bad", "first"] == told
    with pytest.raises(NoActiveContextError):
        context.check()
    async with context:
        assert context is Context.current()


# -- a context inside another -----------------------------------------------------------------------------


class Pool:
    """Something that contexts share."""

    def __init__(self) -> None:
        self.closings = 0

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self.closings > 0

    async def close(self) -> None:
        """It is not used any more."""
        self.closings += 1


async def test_shared_until_the_outermost_ends() -> None:
    """What is shared is made once, whoever asks first, and is closed with the outermost context."""
    async with PromisingContext() as outer:
        async with PromisingContext(), PromisingContext() as inner:
            pool = inner.shared(Pool)
        async with PromisingContext() as second:
            assert pool is second.shared(Pool) is outer.shared(Pool)
        before = pool.closings
    assert (0, 1) == (before, pool.closings)
    async with outer:
        assert pool is not outer.shared(Pool)


async def test_shared_with_nobody() -> None:
    """Contexts side by side share nothing, nor does one that goes on after the outer one has ended."""
    ended, going = asyncio.Event(), asyncio.Event()

    async def work() -> tuple[Pool, bool]:
        async with PromisingContext() as inner:
            before = inner.shared(Pool)
            going.set()
            await ended.wait()
            assert inner.parent is None
            own = inner.shared(Pool)
            assert own is not before
            was_closed = own.closed
        return own, was_closed

    async with PromisingContext() as outer:
        pool = outer.shared(Pool)
        task = asyncio.create_task(work())
        await going.wait()
    ended.set()
    own, was_closed = await task
    assert (True, False, True) == (pool.closed, was_closed, own.closed)
    async with PromisingContext() as other:
        assert pool is not other.shared(Pool)


async def test_a_context_in_a_closer() -> None:
    """A context that is entered while another one closes has no parent: it would outlive what that shares."""
    parents: list[Context | None] = []
    outer = PromisingContext()

    async def close() -> None:
        CURRENT_CONTEXT.set(outer)
        async with PromisingContext() as inner:
            parents.append(inner.parent)
        CURRENT_CONTEXT.set(None)

    async with outer:
        outer.on_close(close)
    assert parents == [None]


async def test_settings_of_the_parent() -> None:
    """What was not given to a context is as in the one around it, and as usual where there is none."""
    loose, given = PromisingContext(), PromisingContext(prefetch=5, shutdown_timeout=2.0)
    async with PromisingContext(prefetch=3, shutdown_timeout=4.0) as outer:
        async with loose:
            assert (outer, 3, 4.0) == (loose.parent, loose.prefetch, loose.shutdown_timeout)
            async with given:
                assert (loose, 5, 2.0) == (given.parent, given.prefetch, given.shutdown_timeout)
        assert loose.parent is None
    async with loose:
        assert (None, 1024, 10.0) == (loose.parent, loose.prefetch, loose.shutdown_timeout)


async def test_a_nested_run_is_no_child() -> None:
    """A blocking run inside a context has a loop of its own, so it shares nothing with that."""

    async def main() -> tuple[Context | None, int]:
        context = Context.current()
        return context.parent, context.prefetch

    async with PromisingContext(prefetch=3):
        assert (None, 1024) == PromisingContext().run(main())


async def test_a_child_ends_its_own_runs() -> None:
    """An error in an inner block cancels the runs of that, and none of the outer one."""
    outer_source, inner_source = Source(["a", "b"], hold_at=1), Source(["a", "b"], hold_at=1)
    async with PromisingContext():
        outer = Message.promise(outer_source)
        inner: MessagePromise[Message] | None = None
        with suppress(KeyError):
            async with PromisingContext():
                inner = Message.promise(inner_source)
                await turns(3)
                raise KeyError
        assert inner is not None
        assert (True, False) == (inner.buffer.closed, outer.buffer.closed)
        assert (1, 0) == (inner_source.closed, outer_source.closed)
        outer_source.go.set()
        assert "ab" == str(await outer)


async def test_unseen_errors_are_logged_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader saw by then is logged when the context ends, though its promise is held."""
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            held = Message.promise(Source(["a"], error=ValueError("unseen")))
            await turns(4)
            assert not caplog.records
        assert 1 == len(caplog.records)
    assert "unseen" in caplog.text
    with pytest.raises(ValueError, match="unseen"):
        await held


def test_settings() -> None:
    """It keeps its bounds; one that allows no piece at all is refused."""
    owner = Context(prefetch=3, shutdown_timeout=2.5)
    assert (3, 2.5) == (owner.prefetch, owner.shutdown_timeout)
    with pytest.raises(ValueError, match="at least 1 piece"):
        Context(prefetch=0)
