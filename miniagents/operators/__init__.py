"""PURE: one operator, one file.

Each is an ordinary reactivex operator, usable beside ``reactivex.operators``.
"""

from miniagents.streams import Overflow, from_async, to_async_iter

from ._as_messages import as_messages
from ._errors_as_messages import errors_as_messages
from ._flatten import flatten
from ._item_replies import ItemReplies
from ._join import join
from ._map_agent import AgentMap, Inquired, map_agent
from ._map_messages import map_messages
from ._map_tokens import map_tokens
from ._resolve import resolve
from ._split import split
from ._tokens import tokens

__all__ = [
    "AgentMap",
    "Inquired",
    "ItemReplies",
    "Overflow",
    "as_messages",
    "errors_as_messages",
    "flatten",
    "from_async",
    "join",
    "map_agent",
    "map_messages",
    "map_tokens",
    "resolve",
    "split",
    "to_async_iter",
    "tokens",
]
