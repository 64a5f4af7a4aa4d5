"""From messages to turns: who said what, in the order a model wants to read it.

* The role is the message's own (`UserMessage`, `AssistantMessage`, ..., or the `role` of a plain `Message`).
* System messages, wherever they stand, are gathered in order, after the agent's own `system` text.
* Error messages are left out: they are for people and programs, no one in the conversation said them.
* Messages without any text are left out: providers refuse them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from miniagents.promising import Message
from miniagents.values import LLMConfigError

from ._surrogates import encodable

__all__ = ["Conversation", "Role", "Turn", "conversation_of", "joined_turns"]

Role: TypeAlias = Literal["user", "assistant"]
"""Who says a turn."""

_BETWEEN = "\n\n"
_SYSTEM = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said.

    Attributes:
        role: which side: `user` or `assistant`.
        text: what it said; never blank.

    Example:
        >>> Turn("user", "Hi").text
        'Hi'
    """

    role: Role
    text: str


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
        >>> from miniagents.promising import Message, SystemMessage
        >>> conversation_of([SystemMessage("Be brief."), Message("Hi")], system="You are Bo.")
        Conversation(system='You are Bo.\n\nBe brief.', turns=(Turn(role='user', text='Hi'),))
    """
    systems = [encodable(system)] if system and system.strip() else []
    turns: list[Turn] = []
    errors = 0
    for position, message in enumerate(messages):
        role: object = message.role  # its own data of this name, else that of its class
        text = encodable(str(message))
        if role == "error":
            errors += 1
        elif not text.strip():
            continue
        elif role in _SYSTEM:
            systems.append(text)
        elif role == "user" or role == "assistant":  # noqa: PLR1714 - this form narrows
            turns.append(Turn(role, text))
        else:
            raise LLMConfigError(
                f"message {position} has the unknown role {role!r}; use user, assistant, system or error"
            )
    if not turns:
        raise LLMConfigError(_nothing_to_answer(errors))
    return Conversation(_BETWEEN.join(systems), tuple(turns))


def joined_turns(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    r"""Join neighbours of one role by a blank line, for providers that want the roles to alternate.

    Args:
        turns: in the order of the conversation.

    Example:
        >>> joined_turns([Turn("user", "a"), Turn("user", "b")])
        (Turn(role='user', text='a\n\nb'),)
    """
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1] = Turn(turn.role, joined[-1].text + _BETWEEN + turn.text)
        else:
            joined.append(turn)
    return tuple(joined)


def _nothing_to_answer(errors: int) -> str:
    left_out = f" ({errors} error message{'s' if errors > 1 else ''} left out)" if errors else ""
    return f"there is nothing to answer: no user or assistant has said anything{left_out}; give a message"
