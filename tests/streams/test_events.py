"""Events for handlers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from miniagents.messages import Message, MessageSequencePromise
from miniagents.streams import Promise, PromisingContext
from miniagents.streams._promise import Handler, call_handlers, post_event
from tests.support.sources import Source, turns


def event(name: str, told: list[str], *, error: BaseException | None = None) -> Callable[[], Awaitable[None]]:
    """An event that takes some loop turns and tells when it begins and ends."""

    async def happen() -> None:
        told.append(f"{name} begins")
        await turns(3)
        if error is not None:
            raise error
        told.append(f"{name} ends")

    return happen


async def test_one_at_a_time_in_order() -> None:
    """Events happen one at a time, each after the one before has ended, in the order of posting."""
    told: list[str] = []
    async with PromisingContext() as context:
        for name in "ab":
            post_event(context, event(name, told))
        assert [] == told  # nothing of a handler runs within what it is told about
        await turns(2)
        post_event(context, event("c", told))
    assert [f"{name} {step}" for name in "abc" for step in ("begins", "ends")] == told


async def test_again_after_a_rest() -> None:
    """When all have happened nothing keeps running; what is posted later happens, too."""
    told: list[str] = []
    async with PromisingContext() as context:
        for name in "ab":
            post_event(context, event(name, told))
            await turns(8)
            assert f"{name} ends" == told[-1]
            assert not context.tasks
    assert 4 == len(told)


async def test_the_context_waits() -> None:
    """The context does not end before all events have happened, those that events post included."""
    told: list[str] = []
    async with PromisingContext() as context:

        async def posting() -> None:
            await turns(3)
            post_event(context, event("posted", told))

        post_event(context, posting)
    assert ["posted begins", "posted ends"] == told


async def test_a_failing_event_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An event that raises is logged with its traceback; those after it happen."""
    told: list[str] = []
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext() as context:
            post_event(context, event("bad", told, error=OSError("disk full")))
            post_event(context, event("good", told))
    assert ["bad begins", "good begins", "good ends"] == told
    assert ["The handler happen raised; the run that it was called for is not affected."] == [
        record.getMessage() for record in caplog.records
    ]
    assert "disk full" in caplog.text


async def test_a_handler_that_is_not_async(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that cannot be awaited is logged by its name: no line of it is in the traceback."""

    def keep(promise: int, result: int) -> None: ...

    with caplog.at_level(logging.ERROR, "miniagents"):
        await call_handlers([cast("Handler[int, int]", keep)], 1, 2)
    assert "The handler keep raised; the run that it was called for is not affected." in caplog.text


async def test_handlers_are_guarded_against_each_other(caplog: pytest.LogCaptureFixture) -> None:
    """Every handler is called, in order, whatever the others raise; one added meanwhile is not."""
    told: list[tuple[str, int, int]] = []

    async def first(promise: int, result: int) -> None:
        told.append(("first", promise, result))
        handlers.append(first)
        raise ValueError("first")

    async def second(promise: int, result: int) -> None:
        told.append(("second", promise, result))

    def third(promise: int, result: int) -> Awaitable[None]:
        raise TypeError("not even a coroutine")

    async def fourth(promise: int, result: int) -> None:
        told.append(("fourth", promise, result))

    handlers = [first, second, third, fourth]
    with caplog.at_level(logging.ERROR, "miniagents"):
        async with PromisingContext():
            await call_handlers(handlers, 1, 2)
    assert [(name, 1, 2) for name in ("first", "second", "fourth")] == told
    assert 2 == len(caplog.records)


async def test_nothing_is_built_without_handlers() -> None:
    """Without handlers no watcher, no event and no task is built."""
    async with PromisingContext() as context:
        promises: list[Promise[object]] = [
            Promise(prefill_result=1),
            Message.promise(Source(["a"], hold_at=0)),
            MessageSequencePromise(["a"]),
        ]
        for promise in promises:
            assert promise.buffer._watchers is None
            assert promise.buffer._watchers is None
        assert not context.event_queue
        assert not context.handling_events
        promises[1].cancel()


async def test_cancelled_with_its_context() -> None:
    """An end by an error cancels the event that is happening; a later use of the context has events again."""
    told: list[str] = []
    context = PromisingContext()
    error = ValueError("broken")

    async def main() -> None:
        async with context:
            post_event(context, event("a", told))
            await turns(2)
            raise error

    with pytest.raises(ValueError, match="broken"):
        await main()
    assert ["a begins"] == told
    async with context:
        post_event(context, event("b", told))
    assert ["a begins", "b begins", "b ends"] == told


async def test_a_handler_may_make_promises() -> None:
    """A handler may await promises of its own; it belongs to no run, so the failure of one harms it not."""
    results: list[object] = []
    context = PromisingContext()
    held = asyncio.Event()

    @context.on_promise_resolved
    async def ask(promise: Promise[object], result: object) -> None:
        if result == "x":
            await held.wait()
            results.append(await Promise(prefill_result="asked"))

    async def run() -> None:
        Promise(prefill_result="x")
        await turns(3)
        raise ValueError("broken")

    async with context:
        with pytest.raises(ValueError, match="broken"):
            await Promise(run)
        await turns(3)
        held.set()
    assert ["asked"] == results
