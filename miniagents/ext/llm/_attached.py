"""Images and files on their way to a provider: what stands at a path is read here, before it is asked."""

import asyncio
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Final

from miniagents.values import Attachment, Content, File, Image, LLMConfigError, media_type_of

from ._conversation import Conversation, Turn

__all__ = ["data_url", "encoded", "loaded", "name_of"]

_MOST: Final = 64 * 2**20
"""Bytes; no provider takes more in a request."""


async def loaded(conversation: Conversation) -> Conversation:
    """Return the conversation with every path replaced by the bytes that stand there.

    Args:
        conversation: its images and files may stand at paths.

    Raises:
        LLMConfigError: a file cannot be read, is empty, or is larger than any provider takes.

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
    if not isinstance(part, Image | File) or part.path is None:
        return part
    data = await asyncio.to_thread(_read, Path(part.path))
    if isinstance(part, File):
        named = replace(part, name=part.name or Path(part.path).name)
        return replace(named, data=data, path=None, media_type=media_type_of(part, data))
    return replace(part, data=data, path=None, media_type=media_type_of(part, data))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST:
            raise LLMConfigError(f"{path} has more than {_MOST // 2**20} MB; give a smaller file")
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
