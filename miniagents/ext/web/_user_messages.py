"""From what a client sends to messages: those that it may send, and nothing that would make us read files.

A client says what it likes in the texts. It cannot name a path of this machine, nor have the data of our own
classes set; addresses are handed on only where the routes allow them, since whoever fetches one may stand
where the client does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from miniagents.core import Message, RoleDictError, SystemMessage, UserMessage, message_of_role
from miniagents.values import Attachment, FreezeError, MessageValidationError, NestingError

from ._request_errors import RequestError

__all__ = ["check_attachments", "list_in", "messages_of_body", "messages_of_roles"]

# What a message of a client may have; everything else in it is ignored, as are unknown parameters.
_TAKEN: Final = frozenset(
    {
        "arguments",
        "call_id",
        "content",
        "is_error",
        "name",
        "output",
        "reasoning_content",
        "refusal",
        "role",
        "tool_call_id",
        "tool_calls",
        "type",
    }
)
_ADDRESSES: Final = frozenset({"http", "https"})


def messages_of_roles(
    data: object, *, param: str = "messages", urls: bool = False, system: bool = True
) -> tuple[Message, ...]:
    """Read a list of messages with roles, as clients of OpenAI write them.

    Args:
        data: of the body.
        param: what it is called there.
        urls: whether an image or a file may be an ``http`` address. Whoever sends it to a model has that
            fetch it.
        system: whether the client may give instructions.

    Raises:
        RequestError: it is no list, something in it cannot be read, or it may not be sent.

    Example:
        >>> messages_of_roles([{"role": "user", "content": "Hi", "seed": 7}])
        (UserMessage(text='Hi', parts=()),)
        >>> passwords = {"type": "image_url", "image_url": "file:///etc/passwd"}
        >>> messages_of_roles([{"role": "user", "content": [passwords]}])
        Traceback (most recent call last):
            ...
        miniagents.ext.web._request_errors.RequestError: messages has a file that is not in it; \
send its data in base64.
    """
    messages = tuple(_message(each, f"{param}[{at}]", param) for at, each in enumerate(list_in(data, param)))
    check_attachments(messages, param=param, urls=urls)
    if not system and any(isinstance(message, SystemMessage) for message in messages):
        raise RequestError(
            f"{param} has a message of the role system; instructions are given on the server.", param=param
        )
    return messages


def messages_of_body(body: Mapping[str, object], *, urls: bool = False) -> tuple[Message, ...]:
    """Read what an agent is asked: ``{"text": "..."}`` or ``{"messages": [...]}``, without instructions.

    Args:
        body: of the request.
        urls: as of `messages_of_roles`.

    Raises:
        RequestError: it has neither, or both, or what it has cannot be read.

    Example:
        >>> messages_of_body({"text": "Hi"})
        (UserMessage(text='Hi', parts=()),)
    """
    text, messages = body.get("text"), body.get("messages")
    if (text is None) == (messages is None):
        raise RequestError('The body has to have either "text" or "messages".')
    if text is None:
        return messages_of_roles(messages, urls=urls, system=False)
    if not isinstance(text, str):
        raise RequestError('"text" has to be a text.', param="text")
    return (UserMessage(text),)


def list_in(data: object, param: str) -> Sequence[object]:
    """Return a list of a body.

    Args:
        data: what stands there.
        param: what it is called.

    Raises:
        RequestError: it is no list, or empty.

    Example:
        >>> list_in([1, 2], "messages")
        [1, 2]
    """
    if not isinstance(data, list) or not data:
        raise RequestError(f"{param} has to be a list that is not empty.", param=param)
    return cast("list[object]", data)


def check_attachments(messages: Iterable[Message], *, param: str = "messages", urls: bool = False) -> None:
    """Refuse images and files that are not in the request itself.

    Args:
        messages: of a client.
        param: what they are called in the body.
        urls: whether they may be ``http`` addresses.

    Raises:
        RequestError: one stands at a path, or at an address that may not be fetched.

    Example:
        >>> from miniagents import Image
        >>> check_attachments([UserMessage(parts=[Image(path="/etc/passwd")])])
        Traceback (most recent call last):
            ...
        miniagents.ext.web._request_errors.RequestError: messages has a file that is not in it; \
send its data in base64.
    """
    for message in messages:
        for part in cast("Iterable[object]", getattr(message, "parts", ())):
            if not isinstance(part, Attachment) or part.data is not None:
                continue
            if urls and part.url is not None and urlsplit(part.url).scheme.lower() in _ADDRESSES:
                continue
            raise RequestError(f"{param} has a file that is not in it; send its data in base64.", param=param)


def _message(given: object, where: str, param: str) -> Message:
    if not isinstance(given, Mapping):
        raise RequestError(f"{where} has to be an object.", param=param)
    fields = {name: each for name, each in cast("Mapping[str, object]", given).items() if name in _TAKEN}
    if fields.get("role", "tool") != "tool":
        fields.pop("name", None)  # of who speaks, which models are not told
    try:
        message = message_of_role(fields)
    except (RoleDictError, FreezeError, NestingError, MessageValidationError, ValidationError) as error:
        told = str(error) if isinstance(error, RoleDictError) else "it cannot be read"
        raise RequestError(f"{where}: {told}", param=param) from None
    if message is None:
        raise RequestError(f'{where} has no role; send {{"role": "user", "content": ...}}.', param=param)
    return message
