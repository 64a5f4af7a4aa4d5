import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping

import pytest
import reactivex as rx
from reactivex import operators as ops

from miniagents import InquiryCancelledError, InteractionContext, Message, MiniAgents, miniagent
from miniagents.operators import map_async
from miniagents.streams import StreamedPromise, from_async, to_async_iter
from miniagents.streams._context import PromisingContext
from miniagents.streams._unhandled import UnhandledErrors
from tests.support.sources import keep, turns


class Stream:
    """A stream that failed."""

    def __init__(self) -> None:
        self.error_handled = False
        self.context = PromisingContext()


def test_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error that no reader was told is logged once, with its traceback, however many streams have it."""
    unseen, error = UnhandledErrors(), ValueError("lost")
    unseen.watch(Stream(), error)
    unseen.watch(Stream(), error)
    unseen.report()
    unseen.report()
    (record,) = caplog.records
    assert "No reader ever saw this error: ValueError('lost')" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """A5: neither its text nor its traceback in the log has a key that the message of the error has."""
    unseen = UnhandledErrors()
    unseen.watch(Stream(), ValueError("Incorrect API key provided: sk-abcdefghij0123456789"))
    unseen.report()
    assert "abcdefghij" not in caplog.text
    assert 2 == caplog.text.count("Incorrect API key provided: [redacted]")


def test_told(caplog: pytest.LogCaptureFixture) -> None:
    """One reader of any stream is enough."""
    unseen, error = UnhandledErrors(), ValueError("heard")
    unseen.watch(Stream(), error)
    unseen.forget(error)
    unseen.report()
    assert caplog.records == []


def test_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged when the last stream that it stands in has gone, not before."""
    unseen, error, first, last = UnhandledErrors(), ValueError("lost"), Stream(), Stream()
    unseen.watch(first, error)
    unseen.watch(last, error)
    unseen.drop(first, error)
    assert caplog.records == []
    unseen.drop(last, error)
    assert len(caplog.records) == 1


def test_equal_errors_are_two(caplog: pytest.LogCaptureFixture) -> None:
    """Two errors that look alike are two."""
    unseen = UnhandledErrors()
    unseen.watch(Stream(), ValueError("same"))
    unseen.watch(Stream(), ValueError("same"))
    unseen.report()
    assert len(caplog.records) == 2


@miniagent
async def failing_agent(ctx: InteractionContext) -> None:
    """Fail."""
    raise ValueError("lost")


@miniagent
async def nesting_agent(ctx: InteractionContext) -> None:
    """Fail with an error out of a context of its own."""
    async with MiniAgents():
        await failing_agent.inquire()


@pytest.mark.parametrize("read", [True, False])
async def test_out_of_a_nested_context(*, read: bool, caplog: pytest.LogCaptureFixture) -> None:
    """An error that a run gets in a nested context is logged only if no reader of the run gets it."""
    async with MiniAgents():
        replies = nesting_agent.inquire()
        if read:
            with pytest.raises(ValueError, match="lost"):
                await replies
    assert (not read) == caplog.text.count("No reader ever saw this error")


async def broken_clean_up(*_: object) -> AsyncGenerator[str]:
    """Write for ever, with a clean-up that fails."""
    try:
        while True:
            yield "a"
            await asyncio.sleep(0)
    finally:
        raise ValueError("of the clean-up")


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what was sent."""
    ctx.reply(ctx.message_promises)


async def fails_late(item: str) -> str:
    """Never return, with a clean-up that fails."""
    try:
        return await asyncio.sleep(3_600, item)
    finally:
        raise ValueError("of the clean-up")


async def itself(item: str) -> str:
    """Return the item."""
    return item


def refused(_: object) -> None:
    """Raise, as a subscriber that is broken."""
    raise KeyError("mine")


async def first_of(items: AsyncIterable[object]) -> None:
    """Read one item, and leave."""
    async for _ in items:
        break


async def a_call() -> None:
    """Leave while the call of an item runs."""
    reading = asyncio.ensure_future(first_of(to_async_iter(rx.of("a").pipe(map_async(fails_late)))))
    await turns(20)
    reading.cancel()
    await asyncio.wait([reading])


async def a_subscriber() -> None:
    """Leave because a subscriber raises."""
    from_async(broken_clean_up()).subscribe(refused)


async def a_cancelled_promise() -> None:
    """Cancel, with a reader that gets this."""
    promise = StreamedPromise[str, tuple[str, ...]](broken_clean_up)
    await anext(aiter(promise))
    promise.cancel()
    with pytest.raises(InquiryCancelledError):
        await promise


async def an_inquiry() -> None:
    """Leave the replies of an agent."""
    async with echo_agent.inquire(broken_clean_up()) as replies:
        await first_of(replies)


LEFT: Mapping[str, Callable[[], Awaitable[None]]] = {
    "from_async": lambda: first_of(to_async_iter(from_async(broken_clean_up()))),
    "a pipe": lambda: first_of(to_async_iter(from_async(broken_clean_up()).pipe(map_async(itself)))),
    "an operator": lambda: keep([], to_async_iter(from_async(broken_clean_up()).pipe(ops.take(2)))),
    "a promise": lambda: first_of(StreamedPromise[str, tuple[str, ...]](broken_clean_up)),
    "a message": lambda: first_of(Message.promise(broken_clean_up)),
    "a call": a_call,
    "a subscriber": a_subscriber,
    "a cancelled promise": a_cancelled_promise,
    "an inquiry": an_inquiry,
}


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.logs("A subscriber raised")
async def test_a_clean_up_that_fails(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """An error in the clean-up of a source that was left is logged once: no reader can get it."""
    async with MiniAgents():
        await LEFT[name]()
        await turns(50)
    assert 1 == caplog.text.count("No reader ever saw this error: ValueError('of the clean-up")
