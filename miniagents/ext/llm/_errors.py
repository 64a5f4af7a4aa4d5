"""Every failure of a call becomes an `LLMError`: a sentence, the text that had arrived, and never a key.

The SDK's exception stays the `__cause__`, in memory only. Its own text is cleaned of the key too, because a
traceback prints it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar, cast

from pydantic import SecretStr

from miniagents.values import (
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMStatusError,
    LLMTimeoutError,
    Part,
    Refusal,
)

from ._json import ProviderError, WireError, integer_at, look

__all__ = ["CallRecord", "Overdue", "SDKErrors", "error_from", "headers_of"]

E = TypeVar("E", bound=LLMError)

_LONGEST_QUOTE: Final = 300
_LONGEST_READ: Final = 2_000
_SHORTEST_COVER: Final = 12
_FIRST_ERROR_STATUS: Final = 400
_BAD_REQUEST: Final = frozenset({400, 415, 422})
_TOO_LONG: Final = re.compile(
    r"context_length_exceeded|context (length|window|size)|prompt is too long", re.IGNORECASE
)
_OF_SCHEMAS: Final = re.compile(r"schema|tool|function|format|output_config", re.IGNORECASE)
_SERVER_ERROR: Final = 500
# The errors of the HTTP library below, which one SDK lets through as they are. By name: it is the SDK's own
# choice which library that is (httpx2 or httpx), and nothing here depends on it.
_TRANSPORT: Final = frozenset({"RequestError", "StreamError", "EndOfStream"})
_ADVICE: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "correct what it complains about",
        401: "check the API key",
        403: "check what the API key is allowed to use",
        404: "check the model's name and the base URL",
        413: "send a shorter conversation",
        429: "wait, or ask less often",
    }
)


@dataclass(frozen=True, slots=True)
class SDKErrors:
    """The exceptions of one SDK, by what they mean; the first that fits counts.

    Attributes:
        status: there was a response with an error status.
        timeout: the SDK gave up waiting.
        connection: there was no response.
        reported: the provider reported an error without a status.
        base: anything else that the SDK raises by itself.

    Example:
        >>> class AcmeError(Exception): ...
        >>> class AcmeStatusError(AcmeError): ...
        >>> class AcmeTimeoutError(AcmeError): ...
        >>> class AcmeConnectionError(AcmeError): ...
        >>> errors = SDKErrors(AcmeStatusError, AcmeTimeoutError, AcmeConnectionError, AcmeError, AcmeError)
        >>> errors.is_timeout(AcmeTimeoutError()), errors.is_connection(AcmeTimeoutError())
        (True, False)
    """

    status: type[Exception]
    timeout: type[Exception]
    connection: type[Exception]
    reported: type[Exception]
    base: type[Exception]

    def is_timeout(self, exc: Exception) -> bool:
        """Whether waiting was given up.

        Args:
            exc: what the SDK, or the transport under it, raised.
        """
        return isinstance(exc, (self.timeout, TimeoutError)) or "TimeoutException" in _class_names(exc)

    def is_connection(self, exc: Exception) -> bool:
        """Whether the connection could not be made or kept.

        Args:
            exc: what the SDK, or the transport under it, raised.
        """
        return isinstance(exc, (self.connection, OSError, EOFError)) or not _TRANSPORT.isdisjoint(
            _class_names(exc)
        )


class Overdue(Exception):  # noqa: N818 - turned into an LLMTimeoutError below
    """A limit of time is up; its text names it."""


@dataclass(slots=True)
class CallRecord:
    """What is known about one call so far; its errors carry it.

    Attributes:
        provider: the provider's name.
        model: the model that was asked.
        server: where it was asked, without credentials.
        secrets: what no text may contain.
        prompt: what was asked, of which no text quotes anything.
        attached: whether images or files were sent.
        schemas: whether tools or the schema of an answer were sent.
        attempts: how many times the request was sent.
        request_id: the provider's id of the request, once there was a response.
        pieces: the text that went to the reader.
    """

    provider: str
    model: str
    server: str
    secrets: tuple[SecretStr, ...] = ()
    prompt: str = field(default="", repr=False)
    attached: bool = False
    schemas: bool = False
    attempts: int = 1
    request_id: str | None = None
    pieces: list[str] = field(default_factory=list[str])

    def again(self) -> None:
        """Note that the request is sent once more."""
        self.attempts += 1
        self.request_id = None

    def note(self, part: Part) -> None:
        """Note what went to the reader."""
        if isinstance(part, str):
            self.pieces.append(part)
        elif isinstance(part, Refusal):
            self.pieces.append(part.text)

    def error(self, kind: type[E], sentence: str, *, status: int | None = None) -> E:
        """Make an error of this call; the sentence goes on after "openai (gpt-x): "."""
        text = self.without_secrets(f"{self.provider} ({self.model}): {sentence}")
        return kind(
            text,
            provider=self.provider,
            model=self.model,
            status=status,
            request_id=self.request_id,
            attempts=self.attempts,
            partial_text="".join(self.pieces),
        )

    def without_secrets(self, text: str) -> str:
        """Return the text with every secret of this call covered."""
        for secret in self.secrets:
            if value := secret.get_secret_value():
                text = text.replace(value, "[redacted]")
        return text

    def quoted(self, text: str) -> str:
        """Return what somebody else said, in one line that is not too long, without keys and prompts."""
        line = " ".join(self.without_secrets(text[:_LONGEST_READ]).split())
        line = without_prompt(line, " ".join(self.prompt.split()))
        return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + "..."


def without_prompt(text: str, prompt: str) -> str:
    """Return the text with everything of 12 characters or more covered that stands in the prompt too.

    Providers quote what they complain about, and an error goes into logs.
    """
    kept: list[str] = []
    at = 0
    while at < len(text):
        length = 0
        if text[at : at + _SHORTEST_COVER] in prompt and len(text) - at >= _SHORTEST_COVER:
            length = _SHORTEST_COVER
            while at + length < len(text) and text[at : at + length + 1] in prompt:
                length += 1
        kept.append("[prompt]" if length else text[at])
        at += length or 1
    return "".join(kept)


def error_from(exc: Exception, call: CallRecord, sdk: SDKErrors) -> LLMError:
    """Return the error to raise, ``from exc``, for what the SDK, the network or a decoder raised."""
    if isinstance(exc, LLMError):
        return exc
    call.request_id = _request_id(exc) or call.request_id
    _cover_secrets(exc, call)
    if isinstance(exc, sdk.status):
        return _status_error(exc, call)
    if isinstance(exc, Overdue):
        return call.error(LLMTimeoutError, f"{exc}; try again, or raise the limit")
    if isinstance(exc, ProviderError):
        return call.error(LLMStatusError, f"the provider reported {call.quoted(str(exc))}; try again")
    return _protocol_error(exc, call) or _sdk_error(exc, call, sdk)


def _protocol_error(exc: Exception, call: CallRecord) -> LLMProtocolError | None:
    if not isinstance(exc, WireError):
        return None
    return call.error(LLMProtocolError, f"{exc}; this is not the provider's protocol, check the base URL")


def _sdk_error(exc: Exception, call: CallRecord, sdk: SDKErrors) -> LLMError:
    check = "check the network and the base URL"
    if sdk.is_timeout(exc):
        return call.error(
            LLMTimeoutError, f"{call.server} did not answer in time ({_root(exc, call)}); {check}"
        )
    if sdk.is_connection(exc):
        broke = "broke in the middle of the answer" if call.pieces else "could not be made or kept"
        return call.error(
            LLMConnectionError, f"the connection to {call.server} {broke} ({_root(exc, call)}); {check}"
        )
    if isinstance(exc, sdk.reported):
        return call.error(LLMStatusError, f"the provider reported {_told(exc, call)}; try again")
    if isinstance(exc, (sdk.base, TypeError, ValueError)):
        sentence = f"the SDK refused the request: {call.quoted(str(exc))}; check the keywords"
        return call.error(LLMConfigError, sentence)
    return call.error(LLMProtocolError, f"the SDK failed with {type(exc).__name__}: {call.quoted(str(exc))}")


def _status_error(exc: Exception, call: CallRecord) -> LLMStatusError:
    status = integer_at(exc, "status_code")
    if status is None or status < _FIRST_ERROR_STATUS:
        # An error event inside a stream that had begun with 200: the provider's own type is what tells.
        return call.error(LLMStatusError, f"the provider reported {_told(exc, call)}; try again")
    told = _told(exc, call)
    advice = _ADVICE.get(status, "try again later" if status >= _SERVER_ERROR else "check the request")
    if _TOO_LONG.search(told):
        advice = "send a shorter conversation"
    elif call.attached and status in _BAD_REQUEST:
        advice += "; if this model takes no images or files, leave them out or choose another model"
    elif call.schemas and status in _BAD_REQUEST and _OF_SCHEMAS.search(told):
        advice += (
            "; if it is a schema, give that tool or answer plainer types, or use as_type(..., mode='tool'); "
            "or choose a model that takes tools and schemas"
        )
    tries = f" after {call.attempts} attempts" if call.attempts > 1 else ""
    return call.error(LLMStatusError, f"refused with status {status}{tries}, {told}; {advice}", status=status)


def _told(exc: Exception, call: CallRecord) -> str:
    # Both SDKs keep the parsed body: the whole of it, or what stood under "error".
    body = look(exc, "body")
    error = look(body, "error") or body
    kind = look(error, "type") or look(error, "code")
    text = (
        look(error, "message")
        or (body if isinstance(body, str) else None)
        or look(exc, "message")
        or str(exc)
    )
    return call.quoted(f"{kind}: {text}" if kind else str(text))


def _request_id(exc: Exception) -> str | None:
    found = look(exc, "request_id")
    return found if isinstance(found, str) else None


def headers_of(value: object) -> Mapping[str, object]:
    """Return the HTTP headers of a response, stream or exception of an SDK; none if it has no response."""
    headers = look(value, "response", "headers")
    return cast("Mapping[str, object]", headers) if isinstance(headers, Mapping) else {}


def _cover_secrets(exc: Exception, call: CallRecord) -> None:
    exc.args = tuple(call.quoted(arg) if isinstance(arg, str) else arg for arg in exc.args)
    message = look(exc, "message")
    if isinstance(message, str):
        exc.__dict__["message"] = call.quoted(message)


def _class_names(exc: Exception) -> frozenset[str]:
    return frozenset(each.__name__ for each in type(exc).__mro__)


def _root(exc: BaseException, call: CallRecord) -> str:
    # "Connection error." says nothing; the reason is at the end of the chain.
    while (cause := exc.__cause__ or exc.__context__) is not None:
        exc = cause
    return call.quoted(str(exc) or type(exc).__name__)
