"""From messages to a conversation: who said what, in the order in which a model wants to read it.

* The role is the message's own (`UserMessage`, `AssistantMessage`, ..., or the `role` of a plain `Message`).
* System messages, wherever they stand, are gathered in order, after the agent's own `system` text.
* Error messages are left out: they are for people and programs, no one in the conversation said them.
* What is blank is left out: providers refuse it.
* An answer in the middle of which tools were called (its parts hold their results) is several turns again.
* Images and files that stand at paths are read (`loaded`) before a provider is asked.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from miniagents.core import AssistantMessage, Message, ToolMessage, UserMessage
from miniagents.values import (
    Attachment,
    Citation,
    Content,
    File,
    Image,
    LLMConfigError,
    Reasoning,
    Refusal,
    ToolCall,
    ToolResult,
    media_type_of,
)

from ._json import encodable

__all__ = [
    "Conversation",
    "Role",
    "Turn",
    "conversation_of",
    "data_url",
    "encoded",
    "joined_turns",
    "loaded",
    "name_of",
]

Role: TypeAlias = Literal["user", "assistant", "tool"]
"""Who says a turn; ``tool`` are the results of calls."""

_BETWEEN: Final = "\n\n"
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_CLASSES_WITH_PARTS: Final = (UserMessage, AssistantMessage, ToolMessage)
_LARGEST_FILE: Final = 64 * 2**20
"""Bytes; no provider takes more in a request."""


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
        """All text that is said in it: an error may quote none of it."""
        said = [_text_in(part) for turn in self.turns for part in turn.content]
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
        elif role in _SYSTEM_ROLES:
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
    """Join what one side said in two turns."""
    last, first = before[-1], after[0]
    if isinstance(last, str) and isinstance(first, str):
        return (*before[:-1], last + _BETWEEN + first, *after[1:])
    return (*before, *after)


def _content_of(message: Message) -> tuple[Content, ...]:
    """Return what a message says, without blank texts."""
    if isinstance(message, _CLASSES_WITH_PARTS) and message.parts:
        said = (part for part in message.content if not (isinstance(part, str) and not part.strip()))
        return tuple(map(_encodable, said))
    text = message.text if type(message.text) is str else str(message)  # most messages are a text
    return (encodable(text),) if text.strip() else ()


def _encodable(part: Content) -> Content:
    """Return a part whose texts can be written as UTF-8."""
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
    """Return the turns of one message: results of tools are turns of their own."""
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


def _text_in(part: Content) -> str:
    """Return the text that a part has."""
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
    """Say what is wrong with a conversation without turns."""
    left_out = f" ({errors} error message{'s' if errors > 1 else ''} left out)" if errors else ""
    return f"there is nothing to answer: no user or assistant has said anything{left_out}; give a message"


# -- images and files ------------------------------------------------------------------------------------


async def loaded(conversation: Conversation) -> Conversation:
    """Return the conversation with every path, and every address that holds its data, replaced by the bytes.

    Args:
        conversation: its images and files may stand at paths.

    Raises:
        LLMConfigError: a file cannot be read, is empty, or is larger than any provider takes; or an address
            that should hold data holds none.

    Example:
        >>> import asyncio
        >>> talk = Conversation("", (Turn("user", ("Hi",)),))
        >>> asyncio.run(loaded(talk)) == talk
        True
    """
    if not conversation.attached:
        return conversation
    turns = [
        Turn(turn.role, tuple([await _loaded(part) for part in turn.content])) for turn in conversation.turns
    ]
    return replace(conversation, turns=tuple(turns))


async def _loaded(part: Content) -> Content:
    """Return a part with the bytes of its file in place of a path."""
    if not isinstance(part, Image | File):
        return part
    if part.path is None:
        return _of_data_url(part, part.url) if part.url and part.url[:5].lower() == "data:" else part
    data = await asyncio.to_thread(_read, Path(part.path))
    if isinstance(part, File):
        named = replace(part, name=part.name or Path(part.path).name)
        return replace(named, data=data, path=None, media_type=media_type_of(part, data))
    return replace(part, data=data, path=None, media_type=media_type_of(part, data))


def _of_data_url(attachment: Image | File, url: str) -> Image | File:
    """Return an attachment with the bytes that its address holds (RFC 2397), which not all providers read."""
    head, comma, body = url[5:].partition(",")
    media_type, _, encoding = head.rpartition(";") if head.lower().endswith(";base64") else (head, "", "")
    try:
        data = b64decode(unquote_to_bytes(body), validate=True) if encoding else unquote_to_bytes(body)
    except ValueError:
        data = b""
    if not (comma and data):
        raise LLMConfigError(
            f"the address {url[:30]!r}... holds no data; give the bytes as data=, "
            "or an address such as data:image/png;base64,..."
        )
    return replace(
        attachment, data=data, url=None, media_type=media_type.partition(";")[0] or attachment.media_type
    )


def _read(path: Path) -> bytes:
    """Read a file, and refuse one that no provider takes."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise LLMConfigError(f"{path} has more than {_LARGEST_FILE // 2**20} MB; give a smaller file")
        data = path.read_bytes()
    except OSError as error:
        raise LLMConfigError(f"{path} cannot be read ({error.strerror}); give the path of a file") from error
    if not data:
        raise LLMConfigError(f"{path} is empty; give a file with content")
    return data


def encoded(attachment: Attachment) -> str:
    """Return the bytes of an attachment in base64; ``""`` if it is an address.

    Args:
        attachment: loaded.

    Example:
        >>> encoded(Image(data=b"cat"))
        'Y2F0'
    """
    return b64encode(attachment.data or b"").decode()


def data_url(attachment: Attachment) -> str:
    """Return an attachment as an address that holds it, or the address that it is.

    Args:
        attachment: loaded.

    Example:
        >>> data_url(Image(data=b"cat", media_type="image/png"))
        'data:image/png;base64,Y2F0'
    """
    if attachment.url is not None:
        return attachment.url
    return f"data:{media_type_of(attachment)};base64,{encoded(attachment)}"


def name_of(file: File) -> str:
    """Return what a provider is told that a file is called.

    Args:
        file: loaded.

    Example:
        >>> name_of(File(data=b"%PDF-1.7")), name_of(File(data=b"a", name="notes.txt"))
        ('file.pdf', 'notes.txt')
    """
    return file.name or f"file.{media_type_of(file).rpartition('/')[2]}"
