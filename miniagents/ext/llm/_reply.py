"""The reply of a model agent: one message, which names the model that is asked and the agent that asks."""

from miniagents.agents import InteractionContext
from miniagents.core import AssistantMessage, Message

from ._answer import ModelCall

__all__ = ["reply_with"]


def reply_with(ctx: InteractionContext[Message, AssistantMessage], call: ModelCall) -> None:
    """Begin the call and reply its message; returns at once.

    Args:
        ctx: the conversation.
        call: the call, ready to be made.

    Example:
        >>> from miniagents import LLMError, MiniAgents, miniagent
        >>> from miniagents.ext.llm import SDKErrors, Wire
        >>> class AcmeError(Exception): ...
        >>> errors = SDKErrors(AcmeError, TimeoutError, ConnectionError, AcmeError, AcmeError)
        >>> wire = Wire("acme", errors, lambda: lambda _: [], lambda _: [], "x-id", "end")
        >>> def ask():
        ...     raise ConnectionError("no route")
        >>> @miniagent
        ... async def acme_agent(ctx):
        ...     reply_with(ctx, ModelCall(wire, ask, model="m-1", server="api.acme.example", max_retries=0))
        >>> async def main():
        ...     try:
        ...         await acme_agent.inquire("Hi")
        ...     except LLMError as error:
        ...         print(type(error).__name__, error.model)
        >>> MiniAgents().run(main())
        LLMConnectionError m-1
    """
    alias = ctx.this_agent.alias
    ctx.reply(AssistantMessage.promise_of_parts(call.parts, model=call.model, agent_alias=alias))
