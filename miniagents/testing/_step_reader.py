"""``StepReader``: reads a stream step by step, only as far as a test wants."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Generic, Literal, Self, TypeVar, cast, overload

from reactivex import Observable

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.streams import Stream, StreamedPromise, to_async_iter

from ._diagrams import shown
from ._recorder import Readable, as_source

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class StepReader(Generic[T]):
    """Reads a stream in steps; each step requests only the values that it returns.

    It reads the tokens of replies and messages, the pieces of other streamed promises, and the value of other
    promises. ``MiniAgents(prefetch=...)`` sets how far a source may run ahead of its reader.

    At the end of the block it stops reading.

    Args:
        stream: a `Stream` or any other Observable, an async iterable, or a promise.
        within: seconds of the event loop that each step may take; None for no limit.

    Raises:
        TypeError: it cannot be read.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import Marbles, StepReader, virtual_time
        >>> async def main():
        ...     model = Marbles().model("a 5s b|", {"a": "Hel", "b": "lo"})
        ...     async with StepReader(model.inquire("Hi")) as stream:
        ...         print(await stream.next())
        ...         await stream.expect_no_more(within=5)
        ...         print(await stream.next())
        ...         await stream.expect_end()
        >>> with virtual_time():
        ...     MiniAgents().run(main())
        Hel
        lo
    """

    @overload
    def __init__(
        self: "StepReader[str]",
        stream: MessagePromise[Message] | MessageSequencePromise[Message],
        *,
        within: float | None = None,
    ) -> None: ...
    @overload
    def __init__(self, stream: StreamedPromise[T, object], *, within: float | None = None) -> None: ...
    @overload
    def __init__(self, stream: Readable[T], *, within: float | None = None) -> None: ...
    def __init__(self, stream: Readable[object], *, within: float | None = None) -> None:
        self._iterator = cast("AsyncIterator[T]", _iterator(stream))
        self._within = within
        self._step: asyncio.Task[_Came] | None = None
        self._read = 0

    async def next(self, *, within: float | None = None) -> T:
        """Return the next value.

        Args:
            within: seconds that it may take; None for the limit of the reader.

        Raises:
            AssertionError: the stream ended or failed, or no value came in time.
        """
        came = await self._come(within)
        if came.kind != "next":
            raise self._wrong(f"Value {self._read + 1}", came)
        self._step = None
        self._read += 1
        return cast("T", came.value)

    async def expect(self, *values: T, within: float | None = None) -> None:
        """Check that the next values are these.

        Args:
            *values: in order.
            within: seconds that each may take; None for the limit of the reader.

        Raises:
            AssertionError: another value came; or as :meth:`next`.
        """
        for value in values:
            came = await self.next(within=within)
            if came != value:
                raise AssertionError(f"Value {self._read} is {shown(came)}, but {shown(value)} was expected.")

    async def expect_no_more(self, *, within: float) -> None:
        """Check that no value and no error comes for some time; the end may come.

        The next step reads what comes later.

        Args:
            within: seconds of the event loop to wait.

        Raises:
            AssertionError: a value or an error came.
        """
        came = await self._come(within)
        if came.kind in {"next", "error"}:
            raise self._wrong("No more", came)

    async def expect_end(self, *, within: float | None = None) -> None:
        """Check that the stream ends now, without an error.

        Args:
            within: seconds that it may take; None for the limit of the reader.

        Raises:
            AssertionError: a value or an error came, or no end in time.
        """
        came = await self._come(within)
        if came.kind != "complete":
            raise self._wrong("The end", came)

    async def expect_error(self, kind: type[E], *, within: float | None = None) -> E:
        """Check that the stream fails now.

        Args:
            kind: the class of the error.
            within: seconds that it may take; None for the limit of the reader.

        Returns:
            The error.

        Raises:
            AssertionError: a value, the end or another error came, or nothing in time.
        """
        came = await self._come(within)
        if isinstance(came.value, kind) and came.kind == "error":
            return came.value
        raise self._wrong(f"An error of class {kind.__name__}", came)

    async def rest(self) -> list[T]:
        """Return all values that still come, read at full speed.

        Raises:
            AssertionError: the stream fails.
        """
        values: list[T] = []
        while (await self._come(None)).kind != "complete":
            values.append(await self.next())
        return values

    async def leave(self) -> None:
        """Stop reading the stream; may be called again."""
        step, self._step = self._step, None
        if step is not None:
            step.cancel()
            await asyncio.wait([step])
        iterator: AsyncIterator[object] = self._iterator
        if isinstance(iterator, AsyncGenerator):
            await cast("AsyncGenerator[object]", iterator).aclose()

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading the stream."""
        await self.leave()

    async def _come(self, within: float | None) -> "_Came":
        """Request the next value, unless it was requested, and wait until it comes or the time has passed."""
        if self._step is None:
            self._step = asyncio.create_task(self._advance())
        limit = self._within if within is None else within
        await asyncio.wait([self._step], timeout=limit)
        return self._step.result() if self._step.done() else _Came("nothing", limit)

    async def _advance(self) -> "_Came":
        try:
            return _Came("next", await anext(self._iterator))
        except StopAsyncIteration:
            return _Came("complete")
        except Exception as error:  # noqa: BLE001 - told by the step
            return _Came("error", error)

    def _wrong(self, expected: str, came: "_Came") -> AssertionError:
        match came.kind:
            case "next":
                told = f"value {self._read + 1} is {shown(came.value)}"
            case "complete":
                told = "the stream has ended"
            case "error":
                told = f"the stream failed with {shown(came.value)}"
            case _:
                told = f"nothing came in {came.value:g} s"
        error = AssertionError(f"{expected} was expected, but {told}.")
        error.__cause__ = came.value if isinstance(came.value, Exception) and came.kind == "error" else None
        return error


@dataclass(frozen=True, slots=True)
class _Came:
    """The result of a step: a value, the end, an error, or nothing within so many seconds."""

    kind: Literal["next", "complete", "error", "nothing"]
    value: object = None


def _iterator(stream: Readable[object]) -> AsyncIterator[object]:
    source = as_source(stream)
    if isinstance(source, Observable) and not isinstance(source, Stream):
        return aiter(to_async_iter(source))
    return aiter(cast("AsyncIterable[object]", source))
