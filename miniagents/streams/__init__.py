"""THE WAY IN: the engine under every stream.

A `ReplayBuffer` is the one buffer, a `ProducerTask` the one task that fills it, a `Context` the owner of all drivers.
`from_async` and `to_async_iter` show the two worlds to each other: async iterables as Observables and back.
"""

from ._cursor import iterate, raise_error, started, until_closed, until_more
from ._demand import demand
from ._driver import CURRENT_PRODUCER, ProducerTask, current_ancestry
from ._face import Stream
from ._from_async import from_async
from ._log import NO_RESULT, UNBOUNDED, ReplayBuffer
from ._overflow import Overflow
from ._passing import NoReplayBuffer, ReaderPosition
from ._producer import DemandLink, Producer, Sink, Subscriber
from ._pump import close, fill, pump, until_room
from ._scope import CURRENT_CONTEXT, Context, current_context
from ._stepper import ReentrancyGuard
from ._to_async_iter import to_async_iter
from ._waits import chain_to

__all__ = [
    "CURRENT_PRODUCER",
    "CURRENT_CONTEXT",
    "NO_RESULT",
    "UNBOUNDED",
    "ReaderPosition",
    "ProducerTask",
    "Subscriber",
    "ReplayBuffer",
    "Stream",
    "Overflow",
    "DemandLink",
    "NoReplayBuffer",
    "Producer",
    "Context",
    "Sink",
    "ReentrancyGuard",
    "chain_to",
    "close",
    "current_ancestry",
    "current_context",
    "demand",
    "fill",
    "from_async",
    "iterate",
    "pump",
    "raise_error",
    "started",
    "to_async_iter",
    "until_closed",
    "until_more",
    "until_room",
]
