"""The tool loop: ask, call, tell, ask again, until the model has nothing more to call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.core import AssistantMessage, Message, MessageType, ToolMessage
from miniagents.values import Finish

from ._errors import MaxTurnsError, ToolDefinitionError
from ._tool_call import Calls

__all__ = ["ToolLoop"]


@dataclass(frozen=True, slots=True)
class ToolLoop:
    """The function of an agent that lets a model call tools.

    Everything is replied as it comes, in order: each answer of the model, and the result of each tool that
    it called, as a message of its own. All calls of one answer run at once. The model is sent its own answers
    back as they were, so a provider finds its signatures and call ids.

    Attributes:
        model: replies one message, and takes the keyword ``tools``.
        calls: answers the calls.
        max_turns: how many answers the model may give.
    """

    model: MiniAgent[Message, AssistantMessage, ...]
    calls: Calls
    max_turns: int

    @property
    def components(self) -> tuple[MiniAgent[Message, Message, ...], ...]:
        """The model."""
        return (cast("MiniAgent[Message, Message, ...]", self.model),)

    async def __call__(
        self, ctx: InteractionContext[Message, AssistantMessage | ToolMessage], /, **keywords: object
    ) -> None:
        """Run the loop.

        Args:
            ctx: the conversation.
            **keywords: those of the model.

        Raises:
            ToolDefinitionError: the keywords have tools of their own.
            MaxTurnsError: the last answer that the model may give still calls tools. (What the model raises,
                or the approval of a call, stands in the replies, in its place.)
        """
        if keywords.get("tools"):
            raise ToolDefinitionError(
                f"{self.model.alias} was given tools= beside with_tools, and nobody would call those; "
                "give all of them to with_tools."
            )
        given: Mapping[str, object] = {**keywords, "tools": self.calls.toolbox.specs}
        conversation: list[MessageType] = [ctx.messages]
        for _ in range(self.max_turns):
            turn = self.model.inquire(conversation, **given)
            ctx.reply(turn)
            try:
                answers = await turn
                results = [
                    self.calls.start(call, cut=Finish(answer.finish_reason or "").cut)
                    for answer in answers
                    for call in answer.tool_calls
                ]
                ctx.reply(results)
                conversation += [answers, [await result for result in results]]
            except Exception:  # noqa: BLE001 - it stands in the replies already, where it happened
                return
            if not results:
                return
        raise MaxTurnsError(
            f"{self.model.alias} still calls tools in turn {self.max_turns}, its last one; "
            "raise max_turns, or tell it to come to an end."
        )
