"""PURE: one operator, one file.

Each is an ordinary reactivex operator, usable beside ``reactivex.operators``.
"""

from miniagents.streams import from_async, to_async_iter

from ._as_messages import as_messages
from ._errors_as_messages import errors_as_messages
from ._flatten import flatten
from ._join import join
from ._map_messages import map_messages
from ._map_tokens import map_tokens
from ._resolve import resolve
from ._split import split
from ._tokens import tokens

__all__ = [
    "as_messages",
    "errors_as_messages",
    "flatten",
    "from_async",
    "join",
    "map_messages",
    "map_tokens",
    "resolve",
    "split",
    "to_async_iter",
    "tokens",
]
