"""What is wanted of a buffer that is written from another one is asked of that other one.

Rule of this room: **a link holds nothing back and asks for no more than is wanted.** So a chain of any length
runs at most ``prefetch`` pieces ahead of its reader, not that many at each link.
"""

from functools import partial

from ._log import UNBOUNDED, ReplayBuffer


def demand(source: ReplayBuffer[object], position: int, room: int, *, hungry: bool = False) -> None:
    """Let ``source`` run on as far as a link that reads it has room.

    Not for every single piece, which would cost more than the pieces: while half of ``prefetch`` is left,
    nothing is asked.

    Args:
        source: what the link reads.
        position: how many pieces of it the link has read.
        room: how many more the readers of the link want at most.
        hungry: they wait for the next one.

    Example:
        >>> from miniagents.core import ReplayBuffer, Context, demand
        >>> source = ReplayBuffer(Context(prefetch=10))
        >>> demand(source, 2, 10)
        >>> source.requested
        10
        >>> demand(source, 7, 10)
        >>> source.requested
        17
    """
    if source.closed:
        return
    wanted = UNBOUNDED if room >= UNBOUNDED else position + room
    more = wanted - source.requested
    if hungry or (more > 0 and (source.requested <= position or 2 * more >= source.context.prefetch)):
        source.context.dispatch(
            partial(source.grant, wanted, hungry=hungry)
        )  # not nested: chains may be long
