"""Messages with a role: user, system, assistant, tool; and errors as messages.

The constructors are written out for type checkers, so that `parts` can be any iterable.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from miniagents.values import Content, Finish, Part, Reasoning, Refusal, ToolCall, ToolResult, Usage

from ._message import ContentMessage, Message


class UserMessage(ContentMessage, deferred=True):
    """A message of a user; `parts` may hold images and files.

    Example:
        >>> from miniagents import Image, UserMessage
        >>> message = UserMessage("What is this?", parts=[Image(path="cat.png")])
        >>> message.role, message.content[0]
        ('user', 'What is this?')
    """

    role: ClassVar[str] = "user"

    if TYPE_CHECKING:

        def __init__(self, /, text: str | None = None, *, parts: Iterable[Content] = ()) -> None: ...


class Summary(UserMessage, deferred=True):
    """A summary of the beginning of a conversation, for a model; :func:`compact` makes it.

    Attributes:
        replaces: the hash keys of the messages that it replaces, the first ones without system messages.
        among: how many messages, without system messages, the conversation had when it was made.

    Example:
        >>> Summary("They greet each other.", replaces=["0f3a9c"]).role
        'user'
    """

    replaces: tuple[str, ...] = ()
    among: int = 0

    if TYPE_CHECKING:

        def __init__(
            self, /, text: str | None = None, *, replaces: Iterable[str] = (), among: int = 0
        ) -> None: ...


class InputMessage(UserMessage, deferred=True):
    """A message for an agent that may be working: input of ``agent.interactive()``.

    Attributes:
        when: ``"steer"``: the next request to a model has it; ``"queue"``: after what runs and what waits;
            ``"interrupt"``: the answer that is being written ends now; ``"rollback"``: the same, and that
            answer and its question leave the conversation.
        input_id: a message that is sent again with the same id counts once; ``""``: it has none.
        replaces: how many messages just before it have left the conversation; set when a rollback is taken.

    Example:
        >>> from miniagents.types import InputMessage
        >>> InputMessage("I meant Paris, Texas.", when="interrupt").role
        'user'
    """

    when: Literal["steer", "queue", "interrupt", "rollback"] = "steer"
    input_id: str = ""
    replaces: int = 0

    if TYPE_CHECKING:

        def __init__(
            self,
            /,
            text: str | None = None,
            *,
            parts: Iterable[Content] = (),
            when: Literal["steer", "queue", "interrupt", "rollback"] = "steer",
            input_id: str = "",
            replaces: int = 0,
        ) -> None: ...


class SystemMessage(Message, deferred=True):
    """Instructions for a model; each provider gets them in the place where its API has them.

    Example:
        >>> from miniagents import SystemMessage
        >>> SystemMessage("Answer in one sentence.").role
        'system'
    """

    role: ClassVar[str] = "system"


class AssistantMessage(ContentMessage, deferred=True):
    """A message of a model.

    Attributes:
        model: the name of the model.
        response_id: the provider's id of the answer.
        finish_reason: why the answer ended, in the provider's own word ("stop", "end_turn", "length").
        usage: the tokens that the answer cost.

    Example:
        >>> from miniagents import AssistantMessage, Reasoning, ToolCall
        >>> message = AssistantMessage(parts=[Reasoning("Far north."), "Let me look.", ToolCall("1", "look")])
        >>> message.text, message.reasoning, message.tool_calls[0].name
        ('Let me look.', 'Far north.', 'look')
    """

    role: ClassVar[str] = "assistant"
    model: str | None = Field(default=None, exclude_if=lambda value: value is None)
    response_id: str | None = Field(default=None, exclude_if=lambda value: value is None)
    finish_reason: str | None = Field(default=None, exclude_if=lambda value: value is None)
    usage: Usage | None = Field(default=None, exclude_if=lambda value: value is None)

    if TYPE_CHECKING:

        def __init__(
            self,
            /,
            text: str | None = None,
            *,
            parts: Iterable[Content] = (),
            model: str | None = None,
            response_id: str | None = None,
            finish_reason: str | None = None,
            usage: Usage | None = None,
        ) -> None: ...

    @property
    def reasoning(self) -> str | None:
        """The model's thoughts, as far as the provider shows them; None if it shows nothing."""
        return (
            "\n\n".join(each.text for each in self.parts if isinstance(each, Reasoning) and each.text) or None
        )

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that the model requests, in order."""
        return tuple(each for each in self.parts if isinstance(each, ToolCall))

    @property
    def refusal(self) -> str | None:
        """The text with which the model refused; None if it did not."""
        return "".join(each.text for each in self.parts if isinstance(each, Refusal)) or None

    @override
    def _streamed(self) -> list[Part]:
        told: list[Part] = []
        if self.usage is not None:
            told.append(self.usage)
        if self.finish_reason is not None:
            told.append(Finish(self.finish_reason))
        if told and not self.parts:
            return [self.text, *told] if self.text else told
        return [*super()._streamed(), *told]


class ToolMessage(ContentMessage, deferred=True):
    """The results of the tool calls in the answer before; its text is all results.

    Attributes:
        edited_arguments: with which the call was made instead of those of the model, as JSON; else None.

    Example:
        >>> from miniagents import ToolMessage, ToolResult
        >>> ToolMessage(parts=[ToolResult("call-1", "12 °C")]).text
        '12 °C'
    """

    role: ClassVar[str] = "tool"
    __newer_fields__: ClassVar[tuple[str, ...]] = ("edited_arguments",)
    edited_arguments: str | None = Field(default=None, exclude_if=lambda value: value is None)

    if TYPE_CHECKING:

        def __init__(
            self,
            /,
            text: str | None = None,
            *,
            parts: Iterable[Content] = (),
            edited_arguments: str | None = None,
        ) -> None: ...

    @classmethod
    @override
    def _text_of(cls, parts: Iterable[Content]) -> str:
        return "\n\n".join(each.text for each in parts if isinstance(each, ToolResult))


class ErrorMessage(Message, deferred=True):
    """A message in the place of an error that was not raised (``errors_as_messages``).

    Args:
        text: the type and the text of the error.
        error_type: the name of the exception's class.
        error_text: the text of the exception.
        agent_alias: the agent that raised it; None if no agent did.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def oracle(ctx):
        ...     raise ValueError("the fumes are bad today")
        >>> async def main():
        ...     (message,) = await oracle.errors_as_messages().inquire()
        ...     print(message.error_type, "of", message.agent_alias, "|", message)
        >>> MiniAgents().run(main())
        ValueError of ORACLE | ValueError: the fumes are bad today
    """

    role: ClassVar[str] = "error"
    error_type: str = ""
    error_text: str = ""
    agent_alias: str | None = None
