import pytest

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.streams._context import PromisingContext
from miniagents.streams._unhandled import UnhandledErrors


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
