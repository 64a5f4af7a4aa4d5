"""Reads messages of clients, and refuses what a client may not send.

A client may write any text. It cannot name a file of this machine, and cannot set fields of our own classes.
Addresses of images and files are accepted only if the routes allow it: the server that fetches one may reach
machines that the client cannot.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast
from urllib.parse import urlsplit

from pydantic import ValidationError

from miniagents.errors import FreezeError, MessageValidationError, NestingError
from miniagents.messages import AssistantMessage, Message, SystemMessage, UserMessage, message_of_role
from miniagents.parts import File, Image, Reasoning

from ._request_errors import RequestError

# The fields of a message that are read; all others are ignored, as unknown parameters are.
_TAKEN: Final = frozenset(
    (
        *("role", "type", "name", "content", "reasoning_content", "refusal"),
        *("tool_calls", "tool_call_id", "call_id", "arguments", "output", "is_error"),
    )
)


def messages_of_roles(
    data: object, *, param: str = "messages", urls: bool = False, system: bool = False
) -> tuple[Message, ...]:
    """Read a list of messages with roles, as clients of OpenAI write them.

    Args:
        data: a field of the body.
        param: the name of this field.
        urls: whether an image or a file may be an ``http`` address, which the model's provider then fetches.
        system: whether the client may give instructions.

    Raises:
        RequestError: it is not a list, a message cannot be read, or a client may not send it.

    Example:
        >>> messages_of_roles([{"role": "user", "content": "Hi", "seed": 7}])
        (UserMessage(text='Hi', parts=()),)
        >>> passwords = {"type": "image_url", "image_url": "file:///etc/passwd"}
        >>> messages_of_roles([{"role": "user", "content": [passwords]}])
        Traceback (most recent call last):
            ...
        miniagents.ext.web._request_errors.RequestError: messages has a file without its data; \
send them in base64.
    """
    messages = tuple(_message(each, f"{param}[{at}]", param) for at, each in enumerate(list_in(data, param)))
    for message in messages:
        for part in cast("Iterable[object]", getattr(message, "parts", ())):
            if not isinstance(part, Image | File) or part.data is not None:
                continue
            if not urls or not is_web(part.url or ""):
                sentence = f"{param} has a file without its data; send them in base64."
                raise RequestError(sentence, param=param)
    if not system and any(isinstance(message, SystemMessage) for message in messages):
        raise no_instructions(param, param)
    return messages


def is_web(address: str) -> bool:
    """Return whether a text is an address of the web.

    Args:
        address: as a client, a model or a server wrote it.

    Example:
        >>> is_web("https://example.org/a.pdf"), is_web("file:///etc/passwd"), is_web("http://[")
        (True, False, False)
    """
    try:
        return urlsplit(address).scheme.lower() in {"http", "https"}
    except ValueError:  # half of an IPv6 address
        return False


def no_instructions(where: str, param: str) -> RequestError:
    """Return the error for a client that gives instructions.

    Args:
        where: the place in the body.
        param: the field of the body.
    """
    return RequestError(
        f"{where} has instructions (of the role system or developer), which only the server gives here; "
        "chat_routes(system_messages=True) takes them from clients.",
        param=param,
    )


def messages_of_body(
    body: Mapping[str, object], *, urls: bool = False, system: bool = False
) -> tuple[Message, ...]:
    """Read the messages for an agent: ``{"text": "..."}`` or ``{"messages": [...]}``.

    Args:
        body: the body of the request.
        urls: as of `messages_of_roles`.
        system: as of `messages_of_roles`.

    Raises:
        RequestError: it has neither of them, or both, or they cannot be read.

    Example:
        >>> messages_of_body({"text": "Hi"})
        (UserMessage(text='Hi', parts=()),)
    """
    text, messages = body.get("text"), body.get("messages")
    if (text is None) == (messages is None):
        raise RequestError('The body must have either "text" or "messages".')
    if text is None:
        return messages_of_roles(messages, urls=urls, system=system)
    if not isinstance(text, str):
        raise RequestError('"text" must be a text.', param="text")
    return (UserMessage(text),)


def list_in(data: object, param: str) -> Sequence[object]:
    """Return a list of a body.

    Args:
        data: a field of the body.
        param: the name of this field.

    Raises:
        RequestError: it is not a list, or it is empty.

    Example:
        >>> list_in([1, 2], "messages")
        [1, 2]
    """
    if not isinstance(data, list) or not data:
        raise RequestError(f"{param} must be a list that is not empty.", param=param)
    return cast("list[object]", data)


def _message(given: object, where: str, param: str) -> Message:
    if not isinstance(given, Mapping):
        raise RequestError(f"{where} must be an object.", param=param)
    fields = {name: each for name, each in cast("Mapping[str, object]", given).items() if name in _TAKEN}
    if fields.get("role", "tool") != "tool":
        fields.pop("name", None)  # the name of the speaker, which models do not get
    try:
        message = message_of_role(fields)
    except (FreezeError, NestingError, MessageValidationError, ValidationError):
        raise RequestError(f"{where}: it cannot be read", param=param) from None
    except TypeError as error:  # the sentence says how such a message is written
        raise RequestError(f"{where}: {error}", param=param) from None
    if message is None:
        raise RequestError(f'{where} has no role; send {{"role": "user", "content": ...}}.', param=param)
    return _without_signatures(message)


def _without_signatures(message: Message) -> Message:
    """The message without signatures of thoughts: a client could choose what the model's provider is sent."""
    if not isinstance(message, AssistantMessage) or not message.parts:
        return message
    kept = [Reasoning(each.text) if isinstance(each, Reasoning) else each for each in message.parts]
    parts = [each for each in kept if not isinstance(each, Reasoning) or each.text]
    return message if parts == list(message.parts) else message.model_copy(update={"parts": tuple(parts)})
