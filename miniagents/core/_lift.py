"""`Lifted`: turns a function of a promise of messages into an operator on Observables."""

from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar, cast

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.scheduler import CurrentThreadScheduler
from typing_extensions import override

from ._flattener import follow_observable
from ._message import Message
from ._promise import StreamedPromise
from ._sequence import MessageSequencePromise, open_sequence

B = TypeVar("B")

_NO_ITEMS: Final = (
    "An Observable has no items yet: subscribe to it, or await it first with `pipe(operators.to_list())` "
    "for a list of all items."
)


class Lifted(Observable[B]):
    """The result of ``transform`` for the messages of ``source``, computed again for each subscriber.

    * When does it start? At each subscription, in the subscriber's contextvars and context.
    * How often? Once per subscription.
    * What is kept? The messages of that subscription, until it ends.
    * What does ``break`` do? Disposing unsubscribes from ``source`` and abandons what ``transform`` began.
    * When does an error come? After everything that came before it.

    Args:
        source: an Observable whose items may be any ``MessageType``.
        transform: called with a promise of the messages that ``source`` emits; the subscriber gets its
            result.

    Attributes:
        source: the Observable to subscribe to.

    Raises:
        NoActiveContextError: on subscribing, when no context is active.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import Lifted, tokens_of
        >>> MiniAgents().run(Lifted(rx.of("one", "two"), tokens_of))
        ['one', 'two']
    """

    def __init__(
        self,
        source: Observable[object],
        transform: Callable[[MessageSequencePromise[Message]], StreamedPromise[B, object]],
    ) -> None:
        super().__init__(self._begin)
        self.source: Observable[object] = source
        self._transform = transform

    if not TYPE_CHECKING:  # for type checkers no Observable has it; without it `for` would never end

        def __iter__(self) -> NoReturn:
            raise TypeError(_NO_ITEMS)

    def _begin(self, observer: ObserverBase[B], scheduler: SchedulerBase | None = None) -> DisposableBase:
        del scheduler  # there is no other scheduler than the event loop of the context
        flattener, received = open_sequence()
        source = self.source
        result = self._transform(received)
        leaving = _Subscription(received, result, result.pieces.subscribe(observer))
        variables = copy_context()

        def follow_source(*_: object) -> None:
            if flattener.ended:  # the subscriber has left already
                return
            try:
                variables.run(follow_observable, flattener, source)
            except Exception as error:  # noqa: BLE001 - any error of a source is its terminal event
                flattener.fail(error)

        # Not here: each operator of a long pipeline would subscribe to the one before it on a deeper stack.
        CurrentThreadScheduler.singleton().schedule(follow_source)
        return leaving


class _Subscription(DisposableBase):
    """A subscription; disposing it abandons the result, which is weaker than cancelling it.

    After ``take(1)`` the taken message goes on streaming if something holds it, together with the input that
    it needs. The rest stops.
    """

    __slots__ = ("_received", "_result", "_subscription")

    def __init__(
        self,
        received: MessageSequencePromise[Message],
        result: StreamedPromise[B, object],
        subscription: DisposableBase,
    ) -> None:
        self._received: MessageSequencePromise[Message] | None = received
        self._result = cast("StreamedPromise[object, object] | None", result)
        self._subscription = subscription

    @override
    def dispose(self) -> None:
        """Unsubscribe; idempotent."""
        received, self._received = self._received, None
        result, self._result = self._result, None
        if received is None or result is None:
            return
        self._subscription.dispose()
        received.buffer.expect_reader()  # from now on it ends when nothing needs it any more
        result.buffer.abandon()
