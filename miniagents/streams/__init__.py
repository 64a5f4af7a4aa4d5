"""THE WAY IN: the engine under every stream.

A `Log` is the one buffer, a `Driver` the one task that fills it, a `Scope` the owner of all drivers.
`from_async` and `to_async_iter` show the two worlds to each other: async iterables as Observables and back.
"""

from ._cursor import iterate, raise_error, started, until_closed, until_more
from ._demand import demand
from ._driver import CURRENT_DRIVER, Driver, current_lineage
from ._face import LogObservable
from ._from_async import from_async
from ._log import NOT_YET, UNBOUNDED, Log
from ._overflow import Overflow
from ._passing import Bookmark, PassingLog
from ._producer import Follower, Pacer, Producer, Sink
from ._pump import close, fill, pump, until_room
from ._scope import CURRENT_SCOPE, Scope, current_scope
from ._stepper import Stepper
from ._to_async_iter import to_async_iter
from ._waits import chain_to

__all__ = [
    "CURRENT_DRIVER",
    "CURRENT_SCOPE",
    "NOT_YET",
    "UNBOUNDED",
    "Bookmark",
    "Driver",
    "Follower",
    "Log",
    "LogObservable",
    "Overflow",
    "Pacer",
    "PassingLog",
    "Producer",
    "Scope",
    "Sink",
    "Stepper",
    "chain_to",
    "close",
    "current_lineage",
    "current_scope",
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
