"""Images and files in messages.

This module reads nothing from disk or network: a path is read when the message is sent, and the provider
fetches an address.
"""

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, Literal
from urllib.parse import urlsplit

from ._part_value import PartValue

# The first bytes of the formats that all providers take; the ending of a file's name may be wrong or missing.
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_WEBP: Final = (b"RIFF", b"WEBP")
_UNKNOWN: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(PartValue):
    """An image or a file in a message, given by exactly one of: its bytes, its path, its address.

    Attributes:
        data: the bytes themselves.
        path: the file on this machine; it is read when the message is sent.
        url: the address from which the provider fetches it; a ``data:`` address contains the bytes.
        media_type: for example "image/png"; if it is None, the bytes or the name decide.

    Raises:
        ValueError: none of them is given, or several.

    Example:
        >>> isinstance(Image(url="https://example.org/cat.png"), Attachment)
        True
    """

    data: bytes | None = field(default=None, repr=False)
    path: str | PurePath | None = None
    url: str | None = None
    media_type: str | None = None

    def __post_init__(self) -> None:
        """Check that exactly one source is given."""
        given = [name for name in ("data", "path", "url") if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(given) or "nothing"
            raise ValueError(
                f"{type(self).__name__} was given {told}; give exactly one of data, path and url"
            )

    @property
    def content_type(self) -> str:
        """The `media_type`; if it is None, the one that the bytes or the name tell."""
        return media_type_of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Attachment):
    """An image for the model to look at.

    Attributes:
        detail: how closely the model looks ("low", "high", "auto"), for providers that have this option.
        kind: which part this is, for JSON.

    Example:
        >>> Image(path="cat.png")
        Image(path='cat.png', url=None, media_type=None, detail=None)
    """

    detail: str | None = None
    kind: Literal["image"] = field(default="image", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Attachment):
    """A document for the model to read, for example a PDF.

    Attributes:
        name: the name of the file that the model is shown; if it is None, the last part of the path.
        kind: which part this is, for JSON.

    Example:
        >>> File(data=b"%PDF-1.7", name="report.pdf").name
        'report.pdf'
    """

    name: str | None = None
    kind: Literal["file"] = field(default="file", repr=False)


def media_type_of(attachment: Attachment, data: bytes | None = None) -> str:
    """Return the media type of an attachment: its own `media_type`, else that of its bytes, else of its name.

    Args:
        attachment: an image or a file.
        data: its bytes, if it was read from a path.

    Example:
        >>> media_type_of(Image(data=b"GIF89a")), media_type_of(File(path="notes.txt"))
        ('image/gif', 'text/plain')
    """
    if attachment.media_type:
        return attachment.media_type
    head = (attachment.data if data is None else data) or b""
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if (head[:4], head[8:12]) == _WEBP:
        return "image/webp"
    name = str(attachment.path or urlsplit(attachment.url or "").path)
    if isinstance(attachment, File) and attachment.name:
        name = attachment.name
    from mimetypes import guess_type  # noqa: PLC0415 - only this function needs it

    return guess_type(name)[0] or _UNKNOWN
