"""The reply of a model agent: one message, and a run that lasts as long as it.

A run that replied a stream may end at once, and then cancelling it stops nothing any more. This one stays
until its message is complete, so `replies.cancel()`, and leaving ``async with agent.inquire(...)``, stop the
model.
"""

import asyncio

from miniagents.agents import InteractionContext
from miniagents.promising import AssistantMessage, Message, when_complete

from ._answer import ModelCall

__all__ = ["reply_with"]


def reply_with(ctx: InteractionContext[Message, AssistantMessage], call: ModelCall) -> None:
    """Begin the call and reply its message; returns at once.

    Args:
        ctx: the conversation.
        call: the call, ready to be made.
    """
    promise = AssistantMessage.promise(call.tokens, model=call.model)
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end() -> None:
        if not ended.done():  # a cancelled run has cancelled it
            ended.set_result(None)

    # This watches and does not read: a message that nobody wants any more is still given up.
    when_complete(promise.log, lambda: (), end)
    ctx.reply(promise)
    ctx.wait_for(ended)
