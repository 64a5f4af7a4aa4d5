"""Models that stream by a diagram, and diagrams of what streams and readers did.

Crosses modules: `_recorder` reads what `_marbles` compares.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.scheduler.eventloop import AsyncIOScheduler

from miniagents import MiniAgents, Part, Promise, Reasoning, StreamedPromise, ToolCallDelta, race
from miniagents.testing import Marbles
from miniagents.testing._diagrams import DiagramError
from miniagents.testing._marbles import MarbleError

pytestmark = pytest.mark.loop(virtual=True)


async def after(milliseconds: int, values: Iterable[object]) -> AsyncGenerator[object]:
    """Yield values, each so long after the one before."""
    for value in values:
        await asyncio.sleep(milliseconds / 1000)
        yield value


async def test_a_model_streams_by_its_diagram() -> None:
    """The tokens of a model come when its diagram says, each time when it is asked."""
    marbles = Marbles()
    model = marbles.model("--b-c|", {"b": "Hel", "c": "lo"})
    async with MiniAgents():
        for _ in range(2):
            marbles.start()
            await marbles.expect(model.inquire("Hi")).to_be("--b-c|", {"b": "Hel", "c": "lo"})
        assert str(await model.inquire("Hi", temperature=1)) == "Hello"


async def test_parts() -> None:
    """A model streams parts, and so they are expected."""
    marbles = Marbles()
    values: dict[str, Part] = {"r": Reasoning("Hm."), "t": ToolCallDelta(0, "c-1", "now", "{}")}
    async with MiniAgents():
        replies = marbles.model("5s (rt) a|", values).inquire("Hi")
        await marbles.expect(replies.parts).to_be("5s (rt) a|", values)


async def test_what_can_be_expected() -> None:
    """Streams, Observables, promises and async iterables are read, in virtual time."""
    marbles = Marbles()
    async with MiniAgents():
        await marbles.expect(after(2, [1, 2])).to_be("--a-(b|)", {"a": 1, "b": 2})
        marbles.start()
        ticks = rx.interval(0.003, scheduler=AsyncIOScheduler(asyncio.get_running_loop()))
        await marbles.expect(ticks.pipe(ops.take(2))).to_be("---a--(b|)", {"a": 0, "b": 1})
        marbles.start()
        streamed: StreamedPromise[object, object] = StreamedPromise(lambda: after(1, "xy"))
        await marbles.expect(streamed).to_be("-x(y|)")
        marbles.start()
        await marbles.expect(Promise(lambda: asyncio.sleep(0.007, "seven"))).to_be("7ms (s|)", {"s": "seven"})
        marbles.start()
        model = marbles.model("-a-b|")
        (message,) = await model.inquire("Hi").messages
        await marbles.expect(message).to_be("-a-b|")


async def test_several_at_once() -> None:
    """Expectations that begin at the same time count from the same frame, also if awaited in turn."""
    marbles = Marbles()
    async with MiniAgents():
        one, other = (marbles.expect(marbles.model(text).inquire("Hi")) for text in ("a 1s |", "-b 2s |"))
        await other.to_be("-b 2s |")
        await one.to_be("a 1s |")


async def test_compared_later() -> None:
    """A diagram without an end is compared with its own frames, also when more has come already."""
    marbles = Marbles()
    async with MiniAgents():
        expectation = marbles.expect(marbles.model("a----b|").inquire("Hi"))
        await asyncio.sleep(1)
        await expectation.to_be("a--")


async def test_errors() -> None:
    """An error of a model is raised in its frame; what is expected is any, one of a class, or the same."""
    marbles = Marbles()
    model = marbles.model("-a#", error=ConnectionError("gone"))
    async with MiniAgents():
        for error in (None, OSError, ConnectionError("gone")):
            marbles.start()
            await marbles.expect(model.inquire("Hi")).to_be("-a#", error=error)
        for wrong in (ValueError, ConnectionError("lost"), OSError("gone")):
            marbles.start()
            with pytest.raises(AssertionError, match=r"at 2 ms: expected the error .*, got the error Conn"):
                await marbles.expect(model.inquire("Hi")).to_be("-a#", error=wrong)
        with pytest.raises(MarbleError, match=r"the # of '#'"):
            await marbles.model("#").inquire("Hi")


async def test_a_failure_shows_both_timelines() -> None:
    """A failure prints the timelines one below the other, with the values and what differs."""
    marbles = Marbles()
    async with MiniAgents():
        replies = marbles.model("--a--b|", {"b": "lo"}).inquire("Hi")
        with pytest.raises(AssertionError) as caught:
            await marbles.expect(replies).to_be("--a-b|", {"b": "lo"})
    assert str(caught.value).splitlines() == [
        "The stream is not what was expected:",
        "expected  --a-b|",
        "actual    --a--b|",
        "  a = 'a'",
        "  b = 'lo'",
        "at 4 ms: expected 'lo', got nothing",
        "at 5 ms: expected the end, got 'lo'",
        "at 6 ms: expected nothing, got the end",
    ]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("-a--b 5s c|", "-a--b 5s (cd|)"),
        ("-a|", "-a-(bc) 1s d|"),
        ("-a-(bc) 1s d|", "-a--b 5s (cd|)"),
        ("(ab)--c-#", "(abcd)|"),
        ("a 30ms b", "a-b"),
    ],
)
async def test_the_actual_row_can_be_expected(model: str, expected: str) -> None:
    """The row `actual` of a failure, given to `to_be` as it is, is what the stream does."""
    marbles = Marbles()
    async with MiniAgents():
        asked = marbles.model(model)
        with pytest.raises(AssertionError) as caught:
            await marbles.expect(asked.inquire("Hi")).to_be(expected)
        row = next(line for line in str(caught.value).splitlines() if line.startswith("actual"))
        marbles.start()
        await marbles.expect(asked.inquire("Hi")).to_be(row.removeprefix("actual").strip())


@pytest.mark.parametrize(
    ("model", "expected", "told"),
    [
        ("a|", "a", None),
        ("a-|", "a-", None),
        ("a|", "a-", "at 1 ms: expected nothing, got the end"),
        ("a", "a|", "at 1 ms: expected the end, got nothing"),
        ("ab|", "a-|", "at 1 ms: expected nothing, got 'b'"),
        ("a 500ms |", "a|", "at 501 ms: expected nothing, got the end"),
        ("(ab|)", "(ba|)", "at 0 ms: expected 'b' and then 'a' and then the end, got 'a' and then 'b'"),
        ("a#", "a|", "at 1 ms: expected the end, got the error MarbleError"),
    ],
)
async def test_ends(model: str, expected: str, told: str | None) -> None:
    """With an end the whole stream is compared, without one as many frames as the diagram has."""
    marbles = Marbles()
    failed = None
    async with MiniAgents():
        replies = marbles.model(model).inquire("Hi")
        try:
            await marbles.expect(replies).to_be(expected)
        except AssertionError as error:
            failed = str(error)
        replies.cancel()
    assert (told is None) == (failed is None)
    assert (told or "") in (failed or "")


async def test_reads() -> None:
    """It is told when a model was asked, and when and how that ended: by itself, failing, or cancelled."""
    marbles = Marbles()
    fast, slow, broken = marbles.model("--a|"), marbles.model("5s b|"), marbles.model("-#")
    async with MiniAgents():
        await race(fast, slow, broken).inquire("Hi")
        await asyncio.sleep(0.001)
        await fast.inquire("again")
        await marbles.expect_reads(fast).to_be("^--|", "----^--|")
        await marbles.expect_reads(slow).to_be("^--!")
        await marbles.expect_reads(slow).to_be("^--!---------")
        await marbles.expect_reads(broken).to_be("^#")
        await marbles.expect_reads(marbles.model("a|")).to_be()


async def test_a_reader_that_leaves() -> None:
    """A model is stopped in the frame in which its last reader leaves."""
    marbles = Marbles()
    model = marbles.model("--a--b 60m |")
    async with MiniAgents():
        await marbles.expect(model.inquire("Hi")).to_be("--a-")
        await marbles.expect_reads(model).to_be("^---!")


async def test_wrong_reads() -> None:
    """A failure of reads shows both timelines, or every call if their number is wrong."""
    marbles = Marbles()
    model = marbles.model("--a|")
    async with MiniAgents():
        await model.inquire("Hi")
    with pytest.raises(AssertionError) as caught:
        await marbles.expect_reads(model).to_be("^-!")
    assert str(caught.value).splitlines() == [
        "Call 1 of the model is not what was expected:",
        "expected  ^-!",
        "actual    ^--|",
        "at 2 ms: expected that it is cancelled, got nothing",
        "at 3 ms: expected nothing, got the end",
    ]
    with pytest.raises(AssertionError, match=r"asked 1 time\(s\), and 0 were expected:\ncall 1  \^--\|"):
        await marbles.expect_reads(model).to_be()
    with pytest.raises(ValueError, match="was not made by these marbles"):
        marbles.expect_reads(model.fork(model="m"))


async def test_mistakes() -> None:
    """What a diagram has no letter for, what cannot be read or streamed is refused."""
    marbles = Marbles()
    with pytest.raises(DiagramError, match=r"'a\|' has no letter 'b', but a value is given for it; it has a"):
        marbles.model("a|", {"b": "x"})
    with pytest.raises(TypeError, match=r"A model cannot stream 7, the 'a' of 'a\|'"):
        marbles.model("a|", {"a": 7})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]  # a mistake
    with pytest.raises(TypeError, match="A value of type int cannot be read"):
        marbles.expect(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a mistake


async def test_what_was_never_compared() -> None:
    """An expectation without `await ... to_be` is an error at the end, and is read no more."""
    marbles = Marbles()
    model = marbles.model("-a 1s |")
    async with MiniAgents():
        marbles.expect(model.inquire("Hi"))
        await asyncio.sleep(0.003)
        with pytest.raises(AssertionError, match=r"1 expectation\(s\) of marbles were never compared"):
            marbles.close()
        await marbles.expect_reads(model).to_be("^--!")
    marbles.close()


@pytest.mark.loop(virtual=False)
async def test_real_time() -> None:
    """On an event loop with real time marbles say what to do."""
    with pytest.raises(RuntimeError, match=r"need virtual time, and this event loop .* has real time: mark"):
        Marbles().expect(rx.of(1))
