"""Looks at the start whether what was given can be used, so that nobody types a message for nothing."""

import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from miniagents.core import Messages
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD

from ._complain import BadInputError

_PATIENCE = 5.0
"""How long a server may take to accept a connection, in seconds."""


async def check_base_url(url: str, *, patience: float = _PATIENCE) -> None:
    """Connect once to the server that the address names, and leave.

    When a proxy of the environment stands before the server, only the address is looked at.

    Args:
        url: an http or https address.
        patience: how long to wait, in seconds.

    Raises:
        BadInputError: it is no such address, or nothing answers there.
    """
    scheme, host, port = _address(url)
    if scheme in getproxies() and not proxy_bypass(host):
        return
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError as error:
        raise BadInputError(f"nothing answers at the base URL {url} within {patience:g} seconds") from error
    except (OSError, UnicodeError) as error:
        raise BadInputError(f"nothing answers at the base URL {url}: {_reason(error)}") from error
    writer.transport.abort()


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if isinstance(error, OSError):
        # asyncio puts the address into `strerror`, and no number when several addresses were tried.
        return os.strerror(error.errno) if error.errno else "none of its addresses takes a connection"
    return "that can be no name of a server"


def _address(url: str) -> tuple[str, str, int]:
    no_address = f"the base URL {url} is no address; write it like http://localhost:11434/v1"
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise BadInputError(no_address) from None
    if not parts.hostname:
        raise BadInputError(no_address)
    return parts.scheme, parts.hostname, port


async def open_history(path: Path | None) -> tuple[ChatHistory, Messages]:
    """Open what keeps the conversation; a file is not changed, nor made.

    Args:
        path: the file, None to keep it in memory.

    Returns:
        Who keeps it, and the conversation so far.

    Raises:
        BadInputError: the file cannot be read or written.
    """
    if path is None:
        return InMemoryChatHistory(), Messages()
    history = ChatHistoryMD(path)
    try:
        await history.check()
        return history, await history.load()
    except OSError as error:
        raise BadInputError(str(error)) from error
