"""From messages to turns: who said what, in the order a model wants to read it.

* The role is the message's own (`UserMessage`, `AssistantMessage`, ..., or the `role` of a plain `Message`).
* System messages, wherever they stand, are gathered in order, after the agent's own `system` text.
* Error messages are left out: they are for people and programs, no one in the conversation said them.
* What is blank is left out: providers refuse it.
* An answer in the middle of which tools were called (its parts hold their results) is several turns again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from miniagents.core import AssistantMessage, Message, ToolMessage, UserMessage
from miniagents.values import (
    Attachment,
    Citation,
    Content,
    LLMConfigError,
    Reasoning,
    Refusal,
    ToolCall,
    ToolResult,
)

from ._surrogates import encodable

__all__ = ["Conversation", "Role", "Turn", "conversation_of", "joined_turns"]

Role: TypeAlias = Literal["user", "assistant", "tool"]
"""Who says a turn; ``tool`` are the results of calls."""

_BETWEEN = "\n\n"
_SYSTEM = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said.

    Attributes:
        role: which side: `user` or `assistant`, or `tool` for the results of calls.
        content: what it said, in order; no text in it is blank.

    Example:
        >>> Turn("user", ("Hi",)).text
        'Hi'
    """

    role: Role
    content: tuple[Content, ...]

    @property
    def text(self) -> str:
        """The texts alone, joined as they stand."""
        return "".join(part for part in self.content if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a model is given.

    Attributes:
        system: the system text, ``""`` if there is none.
        turns: at least one.

    Example:
        >>> from miniagents import AssistantMessage, UserMessage
        >>> said = [UserMessage("Hi"), AssistantMessage("Hello!"), UserMessage("How are you?")]
        >>> [turn.role for turn in conversation_of(said).turns]
        ['user', 'assistant', 'user']
    """

    system: str
    turns: tuple[Turn, ...]

    @property
    def prompt(self) -> str:
        """Everything that is said in it, for whoever must not quote it."""
        said = [_told(part) for turn in self.turns for part in turn.content]
        return "\n".join([self.system, *said])

    @property
    def attached(self) -> bool:
        """Whether there are images or files in it."""
        return any(isinstance(part, Attachment) for turn in self.turns for part in turn.content)


def conversation_of(messages: Iterable[Message], system: str | None = None) -> Conversation:
    r"""Turn messages into a conversation.

    Args:
        messages: what the agent was given, complete.
        system: the agent's own system text; it comes before the system messages.

    Returns:
        The system texts joined by a blank line, and the turns as they were, neighbours not joined.

    Raises:
        LLMConfigError: if nothing is left to answer, or a role is unknown.

    Example:
        >>> from miniagents.core import Message, SystemMessage
        >>> conversation_of([SystemMessage("Be brief."), Message("Hi")], system="You are Bo.")
        Conversation(system='You are Bo.\n\nBe brief.', turns=(Turn(role='user', content=('Hi',)),))
    """
    systems = [encodable(system)] if system and system.strip() else []
    turns: list[Turn] = []
    errors = 0
    for position, message in enumerate(messages):
        role: object = message.role  # its own data of this name, else that of its class
        content = _content_of(message)
        if role == "error":
            errors += 1
        elif role in _SYSTEM:
            systems += [part for part in content if isinstance(part, str)]
        elif role == "tool" and not any(isinstance(part, ToolResult) for part in content):
            raise LLMConfigError(
                f"message {position} is of a tool and has no results; send a ToolMessage with parts"
            )
        elif role == "user" or role == "assistant" or role == "tool":  # noqa: PLR1714 - this form narrows
            turns += _turns_of(role, content)
        else:
            raise LLMConfigError(
                f"message {position} has the unknown role {role!r}; use user, assistant, "
                "tool, system or error"
            )
    if not turns:
        raise LLMConfigError(_nothing_to_answer(errors))
    return Conversation(_BETWEEN.join(systems), tuple(turns))


def joined_turns(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    r"""Join neighbours of one role by a blank line, for providers that want the roles to alternate.

    Args:
        turns: in order.

    Example:
        >>> joined_turns([Turn("user", ("a",)), Turn("user", ("b",))])
        (Turn(role='user', content=('a\n\nb',)),)
    """
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1] = Turn(turn.role, _joined(joined[-1].content, turn.content))
        else:
            joined.append(turn)
    return tuple(joined)


def _joined(before: tuple[Content, ...], after: tuple[Content, ...]) -> tuple[Content, ...]:
    last, first = before[-1], after[0]
    if isinstance(last, str) and isinstance(first, str):
        return (*before[:-1], last + _BETWEEN + first, *after[1:])
    return (*before, *after)


def _content_of(message: Message) -> tuple[Content, ...]:
    content: tuple[Content, ...] = (str(message),)
    if isinstance(message, UserMessage | AssistantMessage | ToolMessage) and message.parts:
        content = message.content
    return tuple(_encodable(part) for part in content if not (isinstance(part, str) and not part.strip()))


def _encodable(part: Content) -> Content:
    match part:
        case str():
            return encodable(part)
        case Reasoning() | Refusal():
            return replace(part, text=encodable(part.text))
        case ToolResult():
            return replace(part, content=encodable(part.content))
        case _:
            return part


def _turns_of(role: Role, content: tuple[Content, ...]) -> Iterable[Turn]:
    said: list[Content] = []
    side: Role = role
    for part in content:
        its: Role = "tool" if isinstance(part, ToolResult) else role
        if its != side and said:
            yield Turn(side, tuple(said))
            said = []
        side = its
        said.append(part)
    if said:
        yield Turn(side, tuple(said))


def _told(part: Content) -> str:
    match part:
        case str():
            return part
        case Reasoning() | Refusal() | Citation():
            return part.text
        case ToolCall():
            return part.arguments
        case ToolResult():
            return part.content
        case _:
            return ""


def _nothing_to_answer(errors: int) -> str:
    left_out = f" ({errors} error message{'s' if errors > 1 else ''} left out)" if errors else ""
    return f"there is nothing to answer: no user or assistant has said anything{left_out}; give a message"
