"""Async iterables to Observables and back, and `Stream`, the class of `promise.tokens` and its like."""

from ._adapters import from_async, to_async_iter
from ._context import PromisingContext
from ._promise import Promise, StreamedPromise
from ._pump import Overflow
from ._scheduler import loop_scheduler
from ._stream import Stream

__all__ = [
    "Overflow",
    "Promise",
    "PromisingContext",
    "Stream",
    "StreamedPromise",
    "from_async",
    "loop_scheduler",
    "to_async_iter",
]
