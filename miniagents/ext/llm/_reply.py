"""The reply of a model agent: one message, which names the model that is asked and the agent that asks."""

from miniagents.agents import InteractionContext
from miniagents.promising import AssistantMessage, Message

from ._answer import ModelCall

__all__ = ["reply_with"]


def reply_with(ctx: InteractionContext[Message, AssistantMessage], call: ModelCall) -> None:
    """Begin the call and reply its message; returns at once.

    Args:
        ctx: the conversation.
        call: the call, ready to be made.
    """
    alias = ctx.this_agent.alias
    ctx.reply(AssistantMessage.promise_of_parts(call.parts, model=call.model, agent_alias=alias))
