"""Promises without agents: a value that comes once, or in pieces, and the context that owns them."""

from miniagents.streams import Promise, PromisingContext, StreamedPromise

__all__ = ["Promise", "PromisingContext", "StreamedPromise"]
