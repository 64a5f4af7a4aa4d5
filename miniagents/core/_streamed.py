"""``StreamedPromise``: a promise whose value comes in pieces; a buffer and a fold."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Generic, TypeVar, cast

from reactivex import Observable
from typing_extensions import override

from miniagents.core import NoReplayBuffer, ProducerTask, ReplayBuffer, Sink, Stream, fill, iterate

from ._owner import Context
from ._promise import Promise

T = TypeVar("T")
PIECE = TypeVar("PIECE", covariant=True)  # noqa: PLC0105 - the documented names of the two parameters
WHOLE = TypeVar("WHOLE", covariant=True)  # noqa: PLC0105


class StreamedPromise(Promise[WHOLE], Generic[PIECE, WHOLE]):
    """A stream of pieces that can be read as an Observable, as an async iterator, or awaited as a whole.

    * When does it start? At once, as a task of the active context.
    * How often? Once, however many read it.
    * What is kept? Every piece: each reader starts at the first, at its own pace.
    * What does ``break`` do? That reader is gone. When none can come any more, the source is stopped and
      closed.
    * When does an error come? After every piece that came before it, the very exception that was raised.

    Attributes:
        buffer: the stream underneath, for whoever builds on this floor; readers use the three faces.

    Args:
        streamer: called once; its async iterable gives the pieces.
        prefill_pieces: all the pieces, instead of a streamer.
        resolver: makes the whole of the tuple of all pieces, once. The tuple itself without it.
        replay: keep every piece for readers yet to come. Without it a piece is kept until all who read have
            taken it: a later reader begins with the oldest one that is kept. Who awaits the whole must do so
            before the first one has gone; from then on everything is kept.

    Raises:
        NoActiveContextError: no context is active.
        TypeError: it was given both a streamer and pieces, or neither.
        NotReplayedError: when awaited, with ``replay=False``, after readers have passed the beginning.

    Example:
        >>> from miniagents.core import PromisingContext, StreamedPromise
        >>> async def main() -> int:
        ...     return await StreamedPromise(prefill_pieces=[1, 2, 3], resolver=sum)
        >>> PromisingContext().run(main())
        6
    """

    __slots__ = ("_resolver",)

    buffer: ReplayBuffer[PIECE]  # type: ignore[assignment]  # of whichever pieces; a promise of a value alone only looks at one

    def __init__(
        self,
        streamer: Callable[[], AsyncIterable[PIECE]] | None = None,
        *,
        prefill_pieces: Iterable[PIECE] | None = None,
        resolver: Callable[[tuple[PIECE, ...]], WHOLE] | None = None,
        replay: bool = True,
    ) -> None:
        context = Context.current()
        if (streamer is None) == (prefill_pieces is None):
            msg = f"{type(self).__name__} takes either a streamer or prefill_pieces, and exactly one of them."
            raise TypeError(msg)
        buffer: ReplayBuffer[PIECE]
        if streamer is None:
            pieces = list(prefill_pieces or ())
            buffer = (
                ReplayBuffer(context, pieces, closed=True)
                if replay
                else NoReplayBuffer(context, pieces, closed=True)
            )
        else:
            buffer = ReplayBuffer(context) if replay else NoReplayBuffer(context)
            start_pump(context, getattr(streamer, "__name__", "streamer"), streamer, buffer)
        self._resolver = resolver
        self._show(buffer)

    def __aiter__(self) -> AsyncGenerator[PIECE]:
        """The pieces from the first one on, as they come."""
        return iterate(self.buffer, self)

    @property
    def pieces(self) -> Observable[PIECE]:
        """The pieces as an Observable: hot, replayed from the first one to every subscriber.

        * When does it start? The source runs whether anybody subscribes or not.
        * How often? It runs once; every subscriber gets every piece from the first on.
        * What is kept? Every piece, as long as the promise or a subscription lives.
        * What does ``break`` do? Disposing lets that subscriber go; when the last reader has left and none
          can come any more, the source is stopped and closed.
        * When does an error come? After every piece that came before it.
        """
        return Stream(self.buffer, self)

    @override
    def _fold(self, buffer: ReplayBuffer[object]) -> object:
        buffer.keep_all()
        pieces = cast("tuple[PIECE, ...]", tuple(buffer.items))
        resolver = getattr(self, "_resolver", None)  # a view made by `over` has none
        return pieces if resolver is None else resolver(pieces)

    @override
    def _again(self) -> "Callable[[], StreamedPromise[PIECE, WHOLE]]":
        view, resolver = super()._again(), getattr(self, "_resolver", None)

        def again() -> StreamedPromise[PIECE, WHOLE]:
            promise = cast("StreamedPromise[PIECE, WHOLE]", view())
            promise._resolver = resolver  # noqa: SLF001 - same class
            return promise

        return again


def start_pump(
    context: Context,
    name: str,
    streamer: Callable[[], AsyncIterable[T]],
    buffer: ReplayBuffer[T],
    sink: Sink | None = None,
) -> None:
    """Fill ``buffer`` from what ``streamer`` gives, as a task of ``context``; ``sink`` says how it ends."""
    driver = ProducerTask(name, context, buffer, sink or buffer, part=True)
    driver.start(lambda: fill(buffer, streamer()))
