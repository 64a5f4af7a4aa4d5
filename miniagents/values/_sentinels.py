"""The two sentinels for lists of agents: `AWAIT` and `CLEAR`.

Each is the only member of an enum, so that type checkers narrow `x is AWAIT`, and a copy or a pickle is the
same object.
"""

from enum import Enum
from typing import Final

from typing_extensions import override


class Named(Enum):
    """Shows a member as its name."""

    @override
    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


class AwaitType(Named):
    """`AWAIT` in the list of `achain_loop`: all that has come is awaited before the next agent is called.

    Without it, the loop would begin turns for ever. This is its type.

    Example:
        >>> AWAIT, isinstance(AWAIT, AwaitType)
        (AWAIT, True)
    """

    AWAIT = "AWAIT"


class ClearType(Named):
    """`CLEAR` in the list of `achain_loop`: what has come is forgotten, and the next agent gets no messages.

    This is its type.

    Example:
        >>> CLEAR, isinstance(CLEAR, ClearType)
        (CLEAR, True)
    """

    CLEAR = "CLEAR"


AWAIT: Final = AwaitType.AWAIT
"""In a list of agents: wait until all messages so far are complete, then go on."""

CLEAR: Final = ClearType.CLEAR
"""In a list of agents: drop all messages so far."""
