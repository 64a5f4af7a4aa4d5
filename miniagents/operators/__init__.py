"""Operators for reactivex pipelines; each file has one, except for those of `_of_messages`.

Each is an ordinary reactivex operator, and can be combined with ``reactivex.operators``. Unless its own
docstring says otherwise:

* When does it start? At each subscription, in the contextvars and the context of the subscriber.
* How often? Once per subscription.
* What is kept? The messages of that subscription, until it ends.
* What does ``break`` do? Disposing unsubscribes from the source and stops all runs of this subscription; a
  message that your program still holds goes on streaming.
* When does an error come? In its place: the error of a message after its tokens, the error of the source
  after all items before it.

Example:
    >>> import reactivex as rx
    >>> from miniagents import MiniAgents
    >>> from miniagents.operators import as_messages, join, map_tokens, tokens
    >>> source = rx.of("one", "two")
    >>> MiniAgents().run(source.pipe(as_messages(), map_tokens(str.upper), join(" + "), tokens()))
    ['ONE', ' + ', 'TWO']
"""

from miniagents.streams import Overflow, from_async, to_async_iter

from ._chunk import chunk
from ._map_agent import map_agent
from ._map_async import map_async, switch_map_async
from ._map_messages import map_messages
from ._map_tokens import map_tokens
from ._of_messages import as_messages, errors_as_messages, flatten, join, split, tokens
from ._resolve import resolve
from ._share_bounded import share_bounded
from ._until import until

__all__ = [
    "Overflow",
    "as_messages",
    "chunk",
    "errors_as_messages",
    "flatten",
    "from_async",
    "join",
    "map_agent",
    "map_async",
    "map_messages",
    "map_tokens",
    "resolve",
    "share_bounded",
    "split",
    "switch_map_async",
    "to_async_iter",
    "tokens",
    "until",
]
