"""``achain_loop``: a loop over agents, in which each gets the replies of the one before."""

from collections.abc import Iterable
from typing import Never, TypeAlias, cast

from miniagents.messages import Message, Messages, MessageSequencePromise, MessageType
from miniagents.messages._flattener import Flattener, ObservableProducer
from miniagents.values import AWAIT, CLEAR, AwaitType, ClearType

from ._agent import MiniAgent
from ._call import AgentCall
from ._run import Inquiry
from ._signals import END_OF_LOOP, looping

ChainItem: TypeAlias = (
    MiniAgent[Never, Message, ...]
    | AgentCall[Never, Message]
    | MessageSequencePromise[Message]
    | AwaitType
    | ClearType
    | None
)
"""An item of a chain: an agent of any messages, a running call, an inquiry, None or a sentinel.

Annotate a list with it, since type checkers find no common type of its items: ``chain: list[ChainItem] =
[user_agent, AWAIT]``.
"""


async def achain_loop(
    agents: Iterable[ChainItem], *, initial: MessageType = None, max_turns: int | None = None
) -> Messages:
    """Pass messages from agent to agent, and from the last one to the first one again.

    Args:
        agents: an item is an agent (it gets the replies of the one before), None (skipped), ``AWAIT`` (wait
            until all messages so far are complete), ``CLEAR`` (drop all messages so far), or an inquiry, in
            the first round only. If it has no messages, it is sent the replies before it.
        initial: the messages that the first agent gets.
        max_turns: how many rounds at most; None for no limit.

    Returns:
        The last messages that were resolved. The loop ends when an agent raises ``StopLoop`` or ``EOFError``,
        or after ``max_turns``; a list with only inquiries is processed once.

    Raises:
        ValueError: the list has agents but no ``AWAIT``.
        TypeError: an item is of another type.
        Exception: any other error of an agent.

    Example:
        >>> from miniagents import AWAIT, MiniAgents, achain_loop, miniagent
        >>> @miniagent
        ... async def double(ctx):
        ...     ctx.reply(str(await ctx.messages) * 2)
        >>> MiniAgents().run(achain_loop([double, AWAIT], initial="ha", max_turns=3))[0].text
        'hahahahahahahaha'
    """
    items = [item for item in agents if item is not None]
    has_agents = any(isinstance(item, MiniAgent) for item in items)
    if has_agents and AWAIT not in items:
        raise ValueError(
            "A chain of agents needs an AWAIT in its list; without one it would schedule turns for ever."
        )
    turns = max_turns if has_agents else 1
    inputs = [each for each in map(_open_input, items) if each is not None]  # before they begin
    last: Messages = Messages()
    try:
        with looping():
            last = await MessageSequencePromise(initial)
            current: MessageType = last
            while turns is None or turns > 0:
                for item in items:
                    if item is AWAIT:
                        last = await MessageSequencePromise(current)
                        current = last
                    else:
                        current = _next(item, current)
                items = [item for item in items if not isinstance(item, AgentCall | MessageSequencePromise)]
                turns = None if turns is None else turns - 1
            last = await MessageSequencePromise(current)
    except END_OF_LOOP:
        pass
    finally:
        for each in inputs:
            each.finish()
    return last


def _next(item: ChainItem, current: MessageType) -> MessageType:
    """Return the messages after one item of the chain."""
    if item is CLEAR:
        return None
    if isinstance(item, MiniAgent):
        return cast("MiniAgent", item).inquire(current)
    if isinstance(item, AgentCall):
        return cast("AgentCall", item).send_message(current).reply_sequence()
    pending = _open_input(item)
    if pending is not None:
        pending.feed(current)
        pending.finish()
        current = None
    if isinstance(item, MessageSequencePromise):
        return item if current is None else [current, item]
    kind = type(item).__name__
    raise TypeError(f"A chain takes agents, None, AWAIT, CLEAR and inquiries; this item is of type {kind}.")


def _open_input(item: object) -> Flattener | None:
    """Return what writes the input of a run that was called without messages and has not begun; keep it open.

    The run cannot stop this loop, which writes that input from now on.
    """
    pending = item.pending if isinstance(item, Inquiry) else None
    if pending is None or pending.ended:
        return None
    pending.feeder = ObservableProducer()
    return pending
