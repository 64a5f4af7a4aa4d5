"""What a model with tools replies: all turns, and the final answer as a projection of them."""

from typing import cast

from typing_extensions import override

from miniagents.core import AssistantMessage, MessageSequencePromise, Promise, ToolMessage

__all__ = ["ToolReplies"]


class ToolReplies(MessageSequencePromise[AssistantMessage | ToolMessage]):
    """The answers of a model and the results of the tools that it called, in order.

    `parts` is everything that all of them stream, in one stream; `final` the answer in which the model called
    nothing any more. Nothing is lost between a first text and the end.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, ToolCall, tool
        >>> from miniagents.testing import scripted_model
        >>> @tool
        ... def weather(city: str) -> str:
        ...     '''Tell the weather.'''
        ...     return f"snow in {city}"
        >>> call = ToolCall("call-1", "weather", '{"city": "Oslo"}')
        >>> model = scripted_model(AssistantMessage(parts=["Let me look.", call]), "Take a coat.")
        >>> async def main():
        ...     replies = model.with_tools(weather).inquire("Do I need a coat in Oslo?")
        ...     print([str(message) for message in await replies])
        ...     print(await replies.final)
        >>> MiniAgents().run(main())
        ['Let me look.', 'snow in Oslo', 'Take a coat.']
        Take a coat.
    """

    __slots__ = ()

    @classmethod
    def of(cls, replies: MessageSequencePromise[AssistantMessage | ToolMessage]) -> "ToolReplies":
        """Another view of the same replies; handlers are told of the first one only.

        Args:
            replies: those of a model with tools.
        """
        view = cls.__new__(cls)
        view.take(replies.buffer, announced=False)
        return view

    @property
    @override
    def final(self) -> Promise[AssistantMessage]:
        """The final answer, when it is there."""
        return cast("Promise[AssistantMessage]", super().final)
