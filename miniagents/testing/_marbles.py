"""``Marbles``: models that follow a marble diagram, and expectations of streams as diagrams."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message
from miniagents.models import ModelAgent, model_agent
from miniagents.streams._readers import NEXT_TURN
from miniagents.values import MiniAgentsError, Part, PartValue

from ._diagrams import Diagram, DiagramError, EventKind, MarbleEvent, differences, drawn, read_diagram
from ._recorder import Readable, Recorder
from ._virtual_time import VirtualClock

_FRAME: Final = 0.001  # seconds
_GRACE: Final = 1000  # frames after the diagram that are still recorded, for the picture of a failure

Error = Exception | type[Exception]


class MarbleError(MiniAgentsError):
    """The error of a `#` in the diagram of a model, if no other error is given.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import Marbles, virtual_time
        >>> async def main():
        ...     await Marbles().model("--#").inquire("Hi")
        >>> with virtual_time():
        ...     MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...MarbleError: the # of '--#'...
    """


@dataclass(slots=True)
class _Read:
    """One call of a model: when it began and how it ended, in seconds of the event loop."""

    began: float
    ended: float | None = None
    how: EventKind = "left"

    def events(self, zero: float) -> list[MarbleEvent]:
        """Return the call as events of a diagram."""
        began = MarbleEvent(_frame(self.began, zero), "began")
        return [began] if self.ended is None else [began, MarbleEvent(_frame(self.ended, zero), self.how)]


def _frame(at: float, zero: float) -> int:
    return round((at - zero) / _FRAME)


class Marbles:
    """Models and expectations that are written as marble diagrams, in the syntax of rxjs, in virtual time.

    In a diagram, ``-`` is a frame of a millisecond in which nothing comes, a letter is a value (which takes a
    frame, too), ``|`` is the end and ``#`` an error. The values of ``(ab|)`` come at the same time, and the
    group takes as many frames as it has characters. ``1s``, ``20ms`` and ``1.5m``, with spaces around them,
    are times without values; other spaces are only for alignment. The frames of all diagrams count from the
    same moment: the first call of one of these models, or the first expectation. :meth:`start` sets it anew.

    Example:
        >>> from miniagents import MiniAgents, race
        >>> from miniagents.testing import Marbles, virtual_time
        >>> async def main():
        ...     marbles = Marbles()
        ...     slow, fast = marbles.model("5s a|"), marbles.model("--b-c|")
        ...     await marbles.expect(race(slow, fast).inquire("Hi")).to_be("-----(bc|)")
        ...     await marbles.expect_reads(fast).to_be("^----|")
        ...     await marbles.expect_reads(slow).to_be("^----!")
        >>> with virtual_time():
        ...     MiniAgents().run(main())
    """

    def __init__(self) -> None:
        self._zero: float | None = None
        self._models: list[tuple[ModelAgent[...], list[_Read]]] = []
        self._open: list[Expectation | ReadExpectation] = []

    def start(self) -> float:
        """Count frames from now on.

        Returns:
            The time of frame 0, in seconds of the event loop.

        Raises:
            RuntimeError: the running event loop has no virtual time.
        """
        loop = asyncio.get_running_loop()
        if not VirtualClock.drives(loop):
            raise RuntimeError(
                f"Marbles need virtual time, and this event loop ({type(loop).__name__}) has real time: mark "
                "the test with @pytest.mark.virtual_time, or make the loop inside `with virtual_time():`."
            )
        self._zero = loop.time()
        return self._zero

    @property
    def zero(self) -> float:
        """The time of frame 0, in seconds of the event loop; if there is none yet, frame 0 is now."""
        return self.start() if self._zero is None else self._zero

    def model(
        self,
        diagram: str,
        values: Mapping[str, Part] | None = None,
        *,
        error: Exception | None = None,
        alias: str = "MARBLE_MODEL",
    ) -> ModelAgent[...]:
        """Make a model that streams a diagram at each call; the frames count from the call.

        Without ``|`` or ``#``, its answer never ends.

        Args:
            diagram: the parts of the answer, and their times.
            values: a text or a part for each letter; a letter without a value is a text itself.
            error: the error of ``#``; None for a :class:`MarbleError`.
            alias: the name of the agent in errors and records.

        Returns:
            An agent that takes any keywords.

        Raises:
            DiagramError: the diagram cannot be read.
            TypeError: a model cannot stream a value.
        """
        read = read_diagram(diagram)
        named = _named(read, values)
        for name, value in named.items():
            if not isinstance(value, str | PartValue):
                raise TypeError(
                    f"A model cannot stream {value!r}, the {name!r} of {diagram!r}; give a text or a part."
                )
        reads: list[_Read] = []

        async def answer(ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object) -> None:
            await ctx.messages
            name = str(keywords.get("model", "marbles"))
            ctx.reply(AssistantMessage.promise_of_parts(parts, model=name))

        async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            _ = self.zero
            loop = asyncio.get_running_loop()
            mine = _Read(loop.time())
            reads.append(mine)
            try:
                for event in read.events:
                    await _until(mine.began + event.frame * _FRAME)
                    if event.kind == "error":
                        mine.how = "error"
                        raise MarbleError(f"the # of {diagram!r}") if error is None else error
                    if event.kind == "next":
                        value = named[str(event.value)]
                        if isinstance(value, str | PartValue):
                            yield value  # type: ignore[misc]  # pyright: ignore[reportReturnType]  # checked above
                if not read.ended:
                    await loop.create_future()
                metadata_so_far.setdefault("finish_reason", "stop")
                mine.how = "complete"
            finally:
                mine.ended = loop.time()

        agent: ModelAgent[...] = model_agent(alias=alias, description="Streams by a diagram.")(answer)
        self._models.append((agent, reads))
        return agent

    def expect(self, stream: Readable[object]) -> "Expectation":
        """Begin to read a stream, at full speed; :meth:`Expectation.to_be` compares it with a diagram.

        Args:
            stream: a `Stream` or any other Observable, an async iterable, or a promise. Replies and messages
                give their tokens, other streamed promises their pieces, other promises their value. For other
                parts, give ``replies.parts``.

        Raises:
            RuntimeError: the event loop has no virtual time.
            TypeError: it cannot be read.
        """
        zero = self.zero
        expectation = Expectation(Recorder(stream), zero)
        self._open.append(expectation)
        return expectation

    def expect_reads(self, model: ModelAgent[...]) -> "ReadExpectation":
        """Begin an expectation of the calls of a model: when each begins, and when and how it ends.

        Args:
            model: made by :meth:`model`.

        Raises:
            ValueError: these marbles did not make the model.
        """
        for agent, reads in self._models:
            if agent is model:
                expectation = ReadExpectation(reads, self)
                self._open.append(expectation)
                return expectation
        raise ValueError(
            f"{model!r} was not made by these marbles; give the agent that marbles.model(...) returned, not "
            "one that fork() or an operator made of it."
        )

    def close(self) -> None:
        """Stop reading all streams.

        Raises:
            AssertionError: an expectation was never compared with a diagram.
        """
        pending = [each for each in self._open if not each.compared]
        self._open.clear()
        for each in pending:
            each.leave()
        if pending:
            raise AssertionError(
                f"{len(pending)} expectation(s) of marbles were never compared; write "
                '`await marbles.expect(stream).to_be("--a|")`, with the await.'
            )


async def _until(at: float) -> None:
    """Wait for a time of the event loop."""
    delay = at - asyncio.get_running_loop().time()
    if delay > _FRAME / 1000:  # what floats do
        await asyncio.sleep(delay)
    else:
        await NEXT_TURN


def _named(diagram: Diagram, values: Mapping[str, object] | None) -> dict[str, object]:
    """Return the value of each letter of a diagram.

    Raises:
        DiagramError: a value has a letter that is not in the diagram.
    """
    letters = sorted({str(event.value) for event in diagram.events if event.kind == "next"})
    values = {} if values is None else values
    unknown = [name for name in values if name not in letters]
    if unknown:
        raise DiagramError(
            f"{diagram.text!r} has no letter {unknown[0]!r}, but a value is given for it; it has "
            f"{', '.join(letters) or 'no letters'}."
        )
    return {name: values.get(name, name) for name in letters}


class Expectation:
    """The expectation of a stream; :meth:`Marbles.expect` makes it.

    Args:
        recorder: reads the stream.
        zero: the time of frame 0, in seconds of the event loop.

    Attributes:
        compared: whether it was compared with a diagram.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import Marbles, virtual_time
        >>> async def main():
        ...     marbles = Marbles()
        ...     await marbles.expect(marbles.model("--a--b|").inquire()).to_be("--a-b|")
        >>> with virtual_time():
        ...     MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        AssertionError: The stream is not what was expected:
        expected  --a-b|
        actual    --a--b|
          a = 'a'
          b = 'b'
        at 4 ms: expected 'b', got nothing
        at 5 ms: expected the end, got 'b'
        at 6 ms: expected nothing, got the end
    """

    def __init__(self, recorder: Recorder, zero: float) -> None:
        self.compared: bool = False
        self._recorder = recorder
        self._zero = zero

    async def to_be(
        self, diagram: str, values: Mapping[str, object] | None = None, *, error: Error | None = None
    ) -> None:
        """Wait until the time of the diagram has passed, compare the stream with it, and stop reading.

        A diagram with ``|`` or ``#`` is compared with the whole stream. A diagram without an end is compared
        with as many frames as it has, and the stream must not end in them.

        Args:
            diagram: the expected events.
            values: the value of each letter; a letter without a value is a text itself.
            error: the expected error of ``#``: a class, or an error of the same class and text; None for any.

        Raises:
            AssertionError: the stream differs; the text has both timelines, one below the other.
            DiagramError: the diagram cannot be read.
        """
        self.compared = True
        try:
            read = read_diagram(diagram)
            named = _named(read, values)
            await self._pass(read)
        finally:
            await self._recorder.stop()
        expected = [_expected(event, named, error) for event in read.events]
        actual = [
            MarbleEvent(_frame(each.at, self._zero), each.kind, each.value)
            for each in self._recorder.happened
        ]
        if not read.ended:
            actual = [event for event in actual if event.frame < read.frames]
        _compare("The stream", expected, actual, named)

    async def _pass(self, diagram: Diagram) -> None:
        frames = 2 * diagram.frames + _GRACE if diagram.ended else diagram.frames - 0.5
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._zero + frames * _FRAME):
                await self._recorder.ended.wait()

    def leave(self) -> None:
        """Stop reading."""
        self._recorder.leave()


class ReadExpectation:
    """The expectation of the calls of a model; :meth:`Marbles.expect_reads` makes it.

    Args:
        reads: the calls of the model.
        marbles: know the time of frame 0.

    Attributes:
        compared: whether it was compared with diagrams.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import Marbles, virtual_time
        >>> async def main():
        ...     marbles = Marbles()
        ...     model = marbles.model("--a--b|")
        ...     await model.inquire()
        ...     await marbles.expect_reads(model).to_be("^-----|")
        >>> with virtual_time():
        ...     MiniAgents().run(main())
    """

    def __init__(self, reads: list[_Read], marbles: Marbles) -> None:
        self.compared: bool = False
        self._reads = reads
        self._marbles = marbles

    async def to_be(self, *diagrams: str) -> None:
        """Wait until the time of the longest diagram has passed, and compare each call with its diagram.

        ``^`` is the time of the call, ``|`` the time at which its answer was complete, ``#`` that of its
        error, and ``!`` the time at which it was stopped, because it was cancelled or its last reader left.
        Calls before frame 0 do not count.

        Args:
            *diagrams: one for each call, in order; none if the model must not have been called.

        Raises:
            AssertionError: a call differs; the text has both timelines, one below the other.
            DiagramError: a diagram cannot be read.
        """
        self.compared = True
        read = [read_diagram(diagram, of_reads=True) for diagram in diagrams]
        zero = self._marbles.zero
        if read:
            longest = max(each.frames for each in read)
            await _until(zero + (longest - 0.5) * _FRAME)
        calls = [each.events(zero) for each in self._reads if each.began >= zero]
        if len(calls) != len(read):
            rows = {f"call {number}": call for number, call in enumerate(calls, start=1)}
            found = f"The model was asked {len(calls)} time(s), and {len(read)} were expected:"
            raise AssertionError("\n".join([found, *drawn(rows, {})]))
        for number, (diagram, call) in enumerate(zip(read, calls, strict=True), start=1):
            expected = [MarbleEvent(event.frame, event.kind) for event in diagram.events]
            seen = call if diagram.ended else [event for event in call if event.frame < diagram.frames]
            _compare(f"Call {number} of the model", expected, seen, {})

    def leave(self) -> None:
        """Do nothing: this expectation reads no stream."""


def _expected(event: MarbleEvent, named: Mapping[str, object], error: Error | None) -> MarbleEvent:
    values = {"next": named.get(str(event.value)), "error": error}
    return MarbleEvent(event.frame, event.kind, values.get(event.kind))


def _compare(
    what: str, expected: Sequence[MarbleEvent], actual: Sequence[MarbleEvent], named: Mapping[str, object]
) -> None:
    found = differences(expected, actual, _same)
    if found:
        picture = drawn({"expected": expected, "actual": actual}, named)
        raise AssertionError("\n".join([f"{what} is not what was expected:", *picture, *found]))


def _same(expected: MarbleEvent, actual: MarbleEvent) -> bool:
    if expected.kind != actual.kind:
        return False
    wanted, came = expected.value, actual.value
    if expected.kind == "error":
        if wanted is None or isinstance(wanted, type):
            return wanted is None or isinstance(came, wanted)
        return type(wanted) is type(came) and str(wanted) == str(came)
    return bool(wanted == came)
