"""Async iterables to Observables and back, and the stream class that promises show their pieces with."""

from .core import Overflow, Stream, from_async, to_async_iter

__all__ = ["Overflow", "Stream", "from_async", "to_async_iter"]
