"""Images and files of an answer, as addresses that a client can show."""

from base64 import b64encode
from typing import Final
from urllib.parse import urlsplit

from miniagents.parts import File, Image

_ADDRESSES: Final = frozenset({"http", "https"})


def address_of(attachment: Image | File) -> tuple[str, str]:
    """Return where an image or a file of an answer is, and what it is; ``""`` if no client may be told.

    Args:
        attachment: in bytes, which become a ``data:`` address, or at an ``http`` address.

    Example:
        >>> from miniagents import Image
        >>> address_of(Image(data=b"GIF89a"))
        ('data:image/gif;base64,R0lGODlh', 'image/gif')
        >>> address_of(Image(path="/etc/passwd"))[0]
        ''
    """
    media_type = attachment.content_type
    if attachment.data is not None:
        return f"data:{media_type};base64,{b64encode(attachment.data).decode()}", media_type
    address = attachment.url or ""
    return (address if urlsplit(address).scheme.lower() in _ADDRESSES else ""), media_type
