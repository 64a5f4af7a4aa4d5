"""A value that comes once, for everybody."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from miniagents.core import (
    Message,
    MessageSequencePromise,
    Promise,
    PromisingContext,
    ReplayBuffer,
    StreamedPromise,
)
from miniagents.core._promise import when_complete
from miniagents.values import (
    InquiryCancelledError,
    NoActiveContextError,
    UnresolvedPromiseError,
    WrongLoopError,
)
from tests.support.sources import Source, turns
from tests.support.typewriter import Typewriter


class Slow:
    """A resolver that waits to be told, and knows how often it was called and whether it ended."""

    def __init__(self, value: int = 42) -> None:
        self.value = value
        self.calls = 0
        self.ended = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        """The value, later."""
        self.calls += 1
        try:
            await self.go.wait()
            return self.value
        finally:
            await asyncio.sleep(0)
            self.ended += 1


async def test_it_starts_at_once_and_runs_once() -> None:
    """The resolver starts at once, as a task, and runs once, however many await it and how often."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        await turns()
        assert (1, False) == (slow.calls, promise.done)
        waiting = [asyncio.ensure_future(promise) for _ in range(3)]
        slow.go.set()
        assert [42, 42, 42, 42] == [*await asyncio.gather(*waiting), await promise]
        assert (1, True) == (slow.calls, promise.done)


async def test_a_value_that_is_there() -> None:
    """A value may be given instead of a resolver, `None` too."""
    async with PromisingContext():
        assert 7 == await Promise(prefill_result=7)
        assert await Promise[int | None](prefill_result=None) is None


async def test_without_a_context() -> None:
    """Without a context a promise is refused with a sentence that says what to do; so it is after its end."""
    with pytest.raises(NoActiveContextError, match=r"use `async with MiniAgents\(\):`"):
        Promise(prefill_result=1)

    async def late() -> None:
        await left.wait()
        Promise(prefill_result=1)

    left = asyncio.Event()
    async with PromisingContext():
        task = asyncio.create_task(late())
    left.set()
    with pytest.raises(NoActiveContextError, match="has ended"):
        await task


async def test_from_another_thread() -> None:
    """A promise that is made or cancelled in another thread is a typed error that says so."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        with pytest.raises(WrongLoopError, match="another event loop or thread"):
            await asyncio.to_thread(lambda: Promise(prefill_result=1))
        with pytest.raises(WrongLoopError):
            await asyncio.to_thread(promise.cancel)
        slow.go.set()
        assert 42 == await promise
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_the_error_itself() -> None:
    """Every reader gets the exception that was raised, the same object, so that `except ValueError` works."""
    error = ValueError("broken")

    async def fails() -> int:
        raise error

    async with PromisingContext():
        promise = Promise(fails)
        for _ in range(2):
            with pytest.raises(ValueError, match="broken") as caught:
                await promise
            assert caught.value is error


@pytest.mark.loop(virtual=True)
async def test_a_reader_that_times_out_harms_nobody() -> None:
    """A reader that times out or is cancelled leaves every other reader, now or later, unharmed."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        other = asyncio.ensure_future(promise)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await promise
        cancelled = asyncio.ensure_future(promise)
        await turns()
        cancelled.cancel()
        await turns()
        slow.go.set()
        assert 42 == await other == await promise
        assert cancelled.cancelled()


@pytest.mark.loop(virtual=True)
async def test_abandoned() -> None:
    """When the last reader has left and nobody can reach the promise, it is stopped within two loop turns."""
    gc.disable()
    try:
        async with PromisingContext():
            slow = Slow()
            promise = Promise(slow)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await promise
            await turns(3)
            assert 0 == slow.ended
            del promise
            await turns(2)
            assert 1 == slow.ended
    finally:
        gc.enable()


async def test_fire_and_forget() -> None:
    """A promise that nobody ever read runs to its end, though nobody can reach it."""
    async with PromisingContext():
        slow = Slow()
        Promise(slow)
        await turns(3)
        slow.go.set()
    assert 1 == slow.ended


async def test_cancel() -> None:
    """`cancel()` stops it now: readers get `InquiryCancelledError`, the clean-up runs; twice is once."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        waiting = asyncio.ensure_future(promise)
        await turns()
        promise.cancel()
        promise.cancel()
        for each in (waiting, promise):
            with pytest.raises(InquiryCancelledError, match=r"Slow was cancelled|resolver was cancelled"):
                await each
        await turns(3)
        assert 1 == slow.ended
        done = Promise(prefill_result=1)
        done.cancel()
        assert 1 == await done


async def test_leaving_the_block_cancels() -> None:
    """Leaving `async with promise` cancels what still runs; what has its value keeps it."""
    async with PromisingContext():
        slow, quick = Slow(), Slow()
        quick.go.set()
        async with Promise(slow) as promise, Promise(quick) as kept:
            await kept
        assert promise.done
        with pytest.raises(InquiryCancelledError):
            await promise
        assert 42 == await kept
        await turns(2)
        assert 1 == slow.ended


async def test_readable_after_the_end() -> None:
    """What is already in a promise stays readable after its context ended, on another loop too."""
    async with PromisingContext():
        promise = Promise(prefill_result=42)
        not_async: Callable[[], Awaitable[int]] = Source[int]([], error=ValueError("no awaitable"))  # type: ignore[assignment]
        failing = Promise(not_async)
        with pytest.raises(TypeError):
            await failing
    assert 42 == await promise
    assert "42" == str(promise)
    with pytest.raises(TypeError):
        await failing

    async def read() -> int:
        return await promise

    assert 42 == await asyncio.to_thread(lambda: asyncio.run(read()))
    await asyncio.get_running_loop().shutdown_default_executor()


def _in_a_text(promise: Promise[int]) -> str:
    return f"{promise}"


def _formatted(promise: Promise[int]) -> str:
    return format(promise, ">4")


FORMS: tuple[Callable[[Promise[int]], str], ...] = (str, _in_a_text, _formatted)


async def test_text() -> None:
    """`str`, `format` and f-strings give the value once it is there; before that they say: await it first."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        for form in FORMS:
            with pytest.raises(UnresolvedPromiseError, match="await it first"):
                form(promise)
        slow.go.set()
        await promise
        assert ("42", "42", "  42") == (str(promise), f"{promise}", f"{promise:>4}")


async def test_asking_for_the_text_is_not_reading() -> None:
    """Who asks for the text too early has not begun to read: the promise still runs to its end unread."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        with pytest.raises(UnresolvedPromiseError):
            str(promise)
        del promise
        await turns(3)
        slow.go.set()
        await turns(3)
        assert 1 == slow.ended
        assert slow.go.is_set()


async def test_repr_never_prints_content() -> None:
    """`repr` never raises and never prints content, in any state."""
    async with PromisingContext():
        slow = Slow()
        promise = Promise(slow)
        secret = Promise(prefill_result="secret")
        assert "<Promise open, 0 pieces>" == repr(promise)
        assert "<Promise done, 1 pieces>" == repr(secret)
        promise.cancel()
        assert "<Promise failed, 0 pieces>" == repr(promise)
        assert "<Promise (not constructed)>" == repr(cast("Promise[object]", object.__new__(Promise)))


async def test_an_unseen_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader ever saw is logged once, when the promise is dropped or the context ends."""

    async def fails() -> int:
        raise ValueError("unseen")

    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            dropped = Promise(fails)
            kept = Promise(fails)
            await turns(3)
            assert not caplog.records
            del dropped
            assert 1 == len(caplog.records)
        assert 2 == len(caplog.records)
        del kept
    assert ["No reader ever saw this error: ValueError('unseen')"] * 2 == [
        record.getMessage() for record in caplog.records
    ]


async def test_a_seen_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An error that a reader saw is not logged, nor a cancellation, nor one that can still be seen."""

    async def fails() -> int:
        await asyncio.sleep(0)
        raise ValueError("seen")

    async def handler(promise: object, result: object) -> None: ...

    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext(on_promise_resolved=handler):
            seen, cancelled = Promise(fails), Promise(Slow())
            await turns(5)
            with pytest.raises(ValueError, match="seen"):
                await seen
            cancelled.cancel()
    assert not caplog.records


@pytest.mark.loop(virtual=True)
async def test_dropped_from_another_thread() -> None:
    """A promise whose last reference goes in another thread is stopped on its own loop."""
    async with PromisingContext():
        slow = Slow()
        held = [Promise(slow)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await held[0]
        await asyncio.to_thread(held.clear)
        await turns(4)
        assert 1 == slow.ended
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_handlers_are_told_of_each_promise() -> None:
    """A handler is awaited with every promise that resolved and its value, before the context ends."""
    told: list[tuple[object, object]] = []

    async def handler(promise: object, result: object) -> None:
        await turns(3)
        told.append((promise, result))

    async with PromisingContext(on_promise_resolved=handler):
        one = Promise(prefill_result=1)
        slow = Slow()
        two = Promise(slow)
        await turns(3)
        slow.go.set()
        await two
        cancelled = Promise(Slow())
        await turns()
        cancelled.cancel()
        three = StreamedPromise(prefill_pieces=[1, 2], resolver=sum)
    assert [1, 42, 3] == [result for _, result in told]
    assert all(isinstance(promise, Promise) for promise, _ in told)
    assert 3 == await three
    del one


async def test_nothing_is_built_without_handlers() -> None:
    """Without handlers no watcher and no event is built."""
    async with PromisingContext() as context:
        promise = Promise(Slow())
        assert promise.buffer._watchers is None
        assert not context.events._queue
        promise.cancel()


async def test_when_complete() -> None:
    """`when_complete` calls once when the stream and all its parts have ended; it looks at each once."""
    async with PromisingContext() as context:
        buffer, called, asked = ReplayBuffer[ReplayBuffer[object]](context), list[int](), 0
        parts = [ReplayBuffer[object](context) for _ in range(100)]

        def all_parts() -> list[ReplayBuffer[object]]:
            nonlocal asked
            asked += 1
            return buffer.items

        when_complete(buffer, all_parts, lambda seen: called.append(len(seen)))
        buffer.extend(parts)
        buffer.finish()
        buffer.reachable = False
        buffer.forget()  # who watches has them by now
        for part in parts:
            assert [] == called
            part.finish()
        assert [100] == called
        assert asked <= 2


async def test_dropped_from_another_thread_before_its_end() -> None:
    """A promise that another thread drops is abandoned on the loop of its context."""
    slow = Slow()
    async with PromisingContext():
        held = [Promise(slow)]
        leaving = asyncio.ensure_future(held[0])
        await turns()
        leaving.cancel()
        await asyncio.wait([leaving])
        del leaving
        gc.collect()
        await asyncio.to_thread(held.clear)  # a debugged loop refuses whatever is not of its thread
        await turns(5)
        assert 1 == slow.ended


async def test_leaving_the_block_lets_the_clean_up_begin() -> None:
    """Right after the block the source has taken its way out, as far as that does not wait."""
    left: list[str] = []

    async def endless() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            left.append("left")
        return 1

    async with PromisingContext():
        async with Promise(endless):
            await turns()
        assert ["left"] == left


async def test_a_whole_that_lost_its_parts_has_not_resolved() -> None:
    """Handlers are not told of a sequence that was dropped before its messages were complete."""
    told: list[object] = []

    async def tell(promise: Promise[object], result: object) -> None:
        told.append(type(promise).__name__)

    typewriter = Typewriter("a")
    async with PromisingContext(on_promise_resolved=tell):
        sequence = MessageSequencePromise(Message.promise(typewriter))
        promise = await anext(aiter(sequence))
        del sequence
        typewriter.stop()
        assert "a" == str(await promise)
    assert ["MessagePromise"] == told
