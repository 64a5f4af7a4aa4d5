"""Async iterables to Observables and back, and `Stream`, the class of `promise.tokens` and its like."""

from .core import Overflow, Stream, from_async, to_async_iter

__all__ = ["Overflow", "Stream", "from_async", "to_async_iter"]
