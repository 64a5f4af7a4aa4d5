"""Converts messages to a conversation: turns with roles, in the order that a model needs.

* The role is that of the message (`UserMessage`, `AssistantMessage`, ..., or the `role` of a plain
  `Message`).
* System messages are collected in order, wherever they are, after the `system` text of the agent.
* Error messages are not sent: they are for people and programs, and no one in the conversation wrote them.
* Blank texts are not sent: providers refuse them.
* An answer with tool calls in the middle (its parts contain their results) becomes several turns again.
* Images and files with paths are read (`Conversation.loaded`) before the provider is called.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

from miniagents.messages import AssistantMessage, Message, ToolMessage, UserMessage
from miniagents.values import (
    Attachment,
    Citation,
    Content,
    File,
    Image,
    LLMConfigError,
    Reasoning,
    Refusal,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolResult,
    media_type_of,
)

from ._json import encodable
from ._opaque import Origin

Role: TypeAlias = Literal["user", "assistant", "tool"]
"""The role of a turn; a turn of ``tool`` contains results of tool calls."""

_BETWEEN: Final = "\n\n"
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_CLASSES_WITH_PARTS: Final = (UserMessage, AssistantMessage, ToolMessage)
_LARGEST_FILE: Final = 64 * 2**20
"""Bytes; no provider takes more in a request."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        role: `user`, `assistant`, or `tool` for the results of tool calls.
        content: the texts and other parts, in order; no text is blank.

    Example:
        >>> Turn("user", ("Hi",)).text
        'Hi'
    """

    role: Role
    content: tuple[Content, ...]

    @property
    def text(self) -> str:
        """The texts without the other parts, joined."""
        return "".join(part for part in self.content if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Conversation:
    """The conversation that a model gets.

    Attributes:
        system: the system text; ``""`` if there is none.
        turns: one or more.

    Example:
        >>> from miniagents import AssistantMessage, UserMessage
        >>> said = [UserMessage("Hi"), AssistantMessage("Hello!"), UserMessage("How are you?")]
        >>> [turn.role for turn in Conversation.of(said).turns]
        ['user', 'assistant', 'user']
    """

    system: str
    turns: tuple[Turn, ...]

    @classmethod
    def of(
        cls, messages: Iterable[Message], system: str | None = None, origin: Origin | None = None
    ) -> "Conversation":
        r"""Convert messages to a conversation.

        Args:
            messages: that the agent was sent; complete.
            system: the system text of the agent; it comes before the system messages.
            origin: the server that gets it; what came from another one and is opaque is left out. None:
                nothing is left out.

        Returns:
            The system texts joined by a blank line, and the turns; turns of the same role are not joined.

        Raises:
            LLMConfigError: there is no message to answer, or a role is unknown.

        Example:
            >>> from miniagents.messages import Message, SystemMessage
            >>> Conversation.of([SystemMessage("Be brief."), Message("Hi")], system="You are Bo.")
            Conversation(system='You are Bo.\n\nBe brief.', turns=(Turn(role='user', content=('Hi',)),))
        """
        systems = [encodable(system)] if system and system.strip() else []
        turns: list[Turn] = []
        errors = 0
        for position, message in enumerate(messages):
            role: object = message.role  # from the data of the message, else from its class
            content = _content_of(message)
            if origin is not None:
                content = tuple(origin.adapt(content))
            edited: object = getattr(message, "edited_arguments", None)
            if isinstance(edited, str):
                content = tuple(_with_edit(part, edited) for part in content)
            if role == "error":
                errors += 1
            elif role in _SYSTEM_ROLES:
                systems += [part for part in content if isinstance(part, str)]
            elif role == "tool" and not any(isinstance(part, ToolResult) for part in content):
                raise unsendable(
                    f"message {position} has the role tool and no results; send a ToolMessage with parts"
                )
            elif role == "user" or role == "assistant" or role == "tool":  # noqa: PLR1714 - this form narrows
                turns += _turns_of(role, content)
            else:
                raise unsendable(
                    f"message {position} has the unknown role {role!r}; use user, assistant, "
                    "tool, system or error"
                )
        if not turns:
            raise unsendable(_nothing_to_answer(errors))
        return cls(_BETWEEN.join(systems), tuple(turns))

    @property
    def prompt(self) -> str:
        """All text of the conversation, which no error may quote."""
        said = [_text_in(part) for turn in self.turns for part in turn.content]
        return "\n".join([self.system, *said])

    @property
    def attached(self) -> bool:
        """Whether it contains images or files."""
        return any(
            isinstance(part, Attachment) or (isinstance(part, ToolResult) and part.attached)
            for turn in self.turns
            for part in turn.content
        )

    async def loaded(self) -> "Conversation":
        """Return the conversation with the bytes of its images and files in place of paths and data URLs.

        Raises:
            LLMConfigError: a file cannot be read, is empty, or is larger than 64 MB; or a data URL contains
                no data.

        Example:
            >>> import asyncio
            >>> talk = Conversation("", (Turn("user", ("Hi",)),))
            >>> asyncio.run(talk.loaded()) == talk
            True
        """
        if not self.attached:
            return self
        turns = [
            Turn(turn.role, tuple([await _loaded(part) for part in turn.content])) for turn in self.turns
        ]
        return replace(self, turns=tuple(turns))


def joined_turns(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    r"""Join consecutive turns of one role by a blank line, for providers that require alternating roles.

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
    """Join the contents of two turns of one role."""
    last, first = before[-1], after[0]
    if isinstance(last, str) and isinstance(first, str):
        return (*before[:-1], last + _BETWEEN + first, *after[1:])
    return (*before, *after)


def _content_of(message: Message) -> tuple[Content, ...]:
    """Return the content of a message, without blank texts."""
    if isinstance(message, _CLASSES_WITH_PARTS) and message.parts:
        said = (part for part in message.content if not (isinstance(part, str) and not part.strip()))
        return tuple(map(_encodable, said))
    text = message.text if type(message.text) is str else str(message)  # most messages are a text
    return (encodable(text),) if text.strip() else ()


def _with_edit(part: Content, arguments: str) -> Content:
    """Return the result of a tool with the arguments that a person gave the call."""
    if not isinstance(part, ToolResult):
        return part
    note = f"(A person changed the arguments of this call: it ran with {encodable(arguments)}.)"
    content = f"{note}\n{part.content}" if isinstance(part.content, str) else (note, *part.content)
    return replace(part, content=content)


def _encodable(part: Content) -> Content:
    """Return a part whose texts can be written as UTF-8."""
    match part:
        case str():
            return encodable(part)
        case Reasoning() | Refusal():
            return replace(part, text=encodable(part.text))
        case ToolResult(content=str(text)):
            return replace(part, content=encodable(text))
        case ToolResult(content=tuple(content)):
            said = (encodable(each) if isinstance(each, str) else each for each in content)
            return replace(part, content=tuple(said))
        case _:
            return part


def _turns_of(role: Role, content: tuple[Content, ...]) -> Iterable[Turn]:
    """Return the turns of one message: results of tools become turns of their own."""
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
    """Return the text of a part; ``""`` if it has none."""
    match part:
        case str():
            return part
        case Reasoning() | Refusal() | Citation():
            return part.text
        case ToolCall() | ServerToolCall():
            return part.arguments
        case ToolResult():
            return part.text
        case ServerToolResult():
            return part.content
        case _:
            return ""


def unsendable(sentence: str) -> LLMConfigError:
    """Return the error of messages that cannot be sent."""
    error = LLMConfigError(sentence)
    error.of_messages = True
    return error


def not_of_user(part: Content) -> LLMConfigError:
    """Return the error of a message of a user with a part that only models and tools have."""
    return unsendable(
        f"a message of a user cannot contain a {type(part).__name__}; give texts, images and files"
    )


def _nothing_to_answer(errors: int) -> str:
    """Return the error text of a conversation without turns."""
    left_out = f" ({errors} error message{'s' if errors > 1 else ''} left out)" if errors else ""
    return f"there is nothing to answer: no user or assistant has said anything{left_out}; give a message"


# -- images and files ------------------------------------------------------------------------------------


async def _loaded(part: Content) -> Content:
    """Return a part with the bytes of its file in place of a path."""
    if isinstance(part, ToolResult) and part.attached:
        content = [each if isinstance(each, str) else await _loaded_file(each) for each in part.content]
        return replace(part, content=tuple(content))
    return await _loaded_file(part) if isinstance(part, Image | File) else part


async def _loaded_file(part: Image | File) -> Image | File:
    """Return an image or a file with its bytes in place of a path."""
    if part.path is None:
        return _of_data_url(part, part.url) if part.url and part.url[:5].lower() == "data:" else part
    data = await asyncio.to_thread(_read, Path(part.path))
    if isinstance(part, File):
        named = replace(part, name=part.name or Path(part.path).name)
        return replace(named, data=data, path=None, media_type=media_type_of(part, data))
    return replace(part, data=data, path=None, media_type=media_type_of(part, data))


def _of_data_url(attachment: Image | File, url: str) -> Image | File:
    """Return an attachment with the bytes of its data URL (RFC 2397), which not all providers accept."""
    head, comma, body = url[5:].partition(",")
    media_type, _, encoding = head.rpartition(";") if head.lower().endswith(";base64") else (head, "", "")
    try:
        data = b64decode(unquote_to_bytes(body), validate=True) if encoding else unquote_to_bytes(body)
    except ValueError:
        data = b""
    if not (comma and data):
        raise unsendable(
            f"the data URL {url[:30]!r}... contains no data; give the bytes as data=, "
            "or a URL such as data:image/png;base64,..."
        )
    return replace(
        attachment, data=data, url=None, media_type=media_type.partition(";")[0] or attachment.media_type
    )


def _read(path: Path) -> bytes:
    """Read a file; refuse one that is empty or larger than any provider accepts."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise unsendable(f"{path} has more than {_LARGEST_FILE // 2**20} MB; give a smaller file")
        data = path.read_bytes()
    except OSError as error:
        raise unsendable(f"{path} cannot be read ({error.strerror}); give the path of a file") from error
    if not data:
        raise unsendable(f"{path} is empty; give a file with content")
    return data


def encoded(attachment: Attachment) -> str:
    """Return the bytes of an attachment in base64; ``""`` if it has a URL.

    Args:
        attachment: that was loaded.

    Example:
        >>> encoded(Image(data=b"cat"))
        'Y2F0'
    """
    return b64encode(attachment.data or b"").decode()


def data_url(attachment: Attachment) -> str:
    """Return the URL of an attachment; a data URL of its bytes if it has none.

    Args:
        attachment: that was loaded.

    Example:
        >>> data_url(Image(data=b"cat", media_type="image/png"))
        'data:image/png;base64,Y2F0'
    """
    if attachment.url is not None:
        return attachment.url
    return f"data:{media_type_of(attachment)};base64,{encoded(attachment)}"


def name_of(file: File) -> str:
    """Return the name of a file for a provider.

    Args:
        file: that was loaded.

    Example:
        >>> name_of(File(data=b"%PDF-1.7")), name_of(File(data=b"a", name="notes.txt"))
        ('file.pdf', 'notes.txt')
    """
    return file.name or f"file.{media_type_of(file).rpartition('/')[2]}"
