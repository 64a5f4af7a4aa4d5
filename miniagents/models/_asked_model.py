"""Which model an agent is going to ask, as far as that is known before it is asked."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["AskedModel", "TellsModel"]


@dataclass(frozen=True, slots=True)
class AskedModel:
    """Which model is asked, and where.

    Attributes:
        model: its name; None if that is not known before it is asked.
        provider: whose it is, such as ``"openai"``; None if that is not known.
        server: where it is asked: an address, or what stands for one; equal for the same server.
        key: what stands for the key with which it is asked, and never the key; equal for the same key.

    Example:
        >>> AskedModel("m-1", server="http://localhost:8000/v1")
        AskedModel(model='m-1', provider=None, server='http://localhost:8000/v1', key=None)
    """

    model: str | None
    provider: str | None = None
    server: Hashable = None
    key: Hashable = None


TellsModel: TypeAlias = Callable[[Mapping[str, object]], AskedModel]
"""Tells from the keywords of a call which model it is going to ask; it raises nothing."""
