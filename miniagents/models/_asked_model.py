"""Which model an agent is going to call, as far as it is known before the call."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AskedModel:
    """The model that a call goes to, and its server.

    Attributes:
        model: its name; None if it is not known before the call.
        provider: its provider, such as ``"openai"``; None if it is not known.
        server: identifies the server: an address, or any value that is equal for the same server.
        key: identifies the API key: a value that is equal for the same key, but never the key itself.

    Example:
        >>> AskedModel("m-1", server="http://localhost:8000/v1")
        AskedModel(model='m-1', provider=None, server='http://localhost:8000/v1', key=None)
    """

    model: str | None
    provider: str | None = None
    server: Hashable = None
    key: Hashable = None


TellsModel: TypeAlias = Callable[[Mapping[str, object]], AskedModel]
"""Returns, from the keywords of a call, the model to which it goes; it must not raise an error."""
