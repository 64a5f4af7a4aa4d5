"""What works on a promise of messages, lifted to Observables: how every operator of ours is subscribed to."""

from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar, cast

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.scheduler import CurrentThreadScheduler
from typing_extensions import override

from ._flattener import follow_observable
from ._message import Message
from ._promise import StreamedPromise
from ._sequence import MessageSequencePromise, open_sequence

B = TypeVar("B")


class Lifted(Observable[B]):
    """What ``transform`` makes of the messages of ``source``, anew for each subscriber.

    * When does it start? When someone subscribes, in their contextvars and their context.
    * How often? Once per subscription.
    * What is kept? The messages of that subscription, as long as it goes on.
    * What does ``break`` do? Disposing unsubscribes from ``source`` and abandons what ``transform`` began.
    * When does an error come? After everything that came before it.

    Args:
        source: its items may be any ``MessageType``.
        transform: is given what ``source`` emits as a promise; its result is what the subscriber gets.

    Attributes:
        source: what it is subscribed to.

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

    def _begin(self, observer: ObserverBase[B], scheduler: SchedulerBase | None = None) -> DisposableBase:
        del scheduler  # the event loop of the context is the only one there is
        flattener, received = open_sequence()
        source = self.source
        result = self._transform(received)
        leaving = _Subscription(received, result, result.pieces.subscribe(observer))
        variables = copy_context()

        def follow_source(*_: object) -> None:
            if flattener.ended:  # left already
                return
            try:
                variables.run(follow_observable, flattener, source)
            except Exception as error:  # noqa: BLE001 - whatever a source raises is its error
                flattener.fail(error)

        # Not here: each operator of a long pipeline would subscribe to the one before it on a deeper stack.
        CurrentThreadScheduler.singleton().schedule(follow_source)
        return leaving


class _Subscription(DisposableBase):
    """Leaving it abandons the result, which is less than cancelling it.

    After ``take(1)`` the message that was taken goes on streaming for its holder, together with what it still
    needs of the input. The rest stops.
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
        """Leave; idempotent."""
        received, self._received = self._received, None
        result, self._result = self._result, None
        if received is None or result is None:
            return
        self._subscription.dispose()
        received.buffer.expect_reader()  # from now on it ends when nothing needs it any more
        result.buffer.abandon()
