"""Converts each failure of a call to an `LLMError`, with the text that has come, and without API keys.

The exception of the SDK becomes its `__cause__`. The key is removed from the text of that exception, too,
since a traceback prints it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar, cast

from miniagents.values import (
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMStatusError,
    LLMTimeoutError,
    Part,
    Refusal,
    ResponseHeaders,
    strip_control,
)

from ._headers import response_headers
from ._json import ProviderError, WireError, encodable, integer_at, look
from ._reasons import Reason, reason_in
from ._refusals import advice, can_pass, reason_of

if TYPE_CHECKING:
    from ._call import ModelCall

E = TypeVar("E", bound=LLMError)

_LONGEST_QUOTE: Final = 500
_LONGEST_READ: Final = 4_000
_SHORTEST_COVER: Final = 12
_BLOCK: Final = 8
_FIRST_ERROR_STATUS: Final = 400
# A shorter key, or one that is a plain word ("ollama", "not-needed"), is a placeholder for a server that
# needs no key: such a word may be in a text by chance, and is not replaced.
_SHORTEST_KEY: Final = 8
_SURELY_A_KEY: Final = 16
_PLAIN_WORDS: Final = re.compile(r"(?:[a-z]+|[A-Z]+)(?:[-_. ](?:[a-z]+|[A-Z]+))*")
# Quotes of the request: a field of it, whole or cut; the data of an image; a character that JSON has escaped.
_QUOTED_FIELD: Final = re.compile(
    r"""((["'])(?:content|text|input|prompt|system|arguments)\2\s*:\s*)"""
    r"""("(?:[^"\\]|\\.)*(?:"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z))""",
    re.DOTALL,
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{100,}={0,2}")
_ESCAPED: Final = re.compile(r"""\\(?:u([0-9a-fA-F]{4})|([nrt"'\\/]))""")
_LETTERS: Final = MappingProxyType({ord("n"): "\n", ord("r"): "\r", ord("t"): "\t"})
# The errors of the HTTP library, and of the library below it (httpcore), which one SDK passes on unchanged.
# They are known by name, since only the modules of providers import SDKs, and what these need.
_TRANSPORT: Final = frozenset({"RequestError", "StreamError", "EndOfStream", "NetworkError", "ProtocolError"})


@dataclass(frozen=True, slots=True)
class SDKErrors:
    """The exceptions of one SDK, by their meaning; the first class that fits counts.

    Attributes:
        status: there was a response with an error status.
        timeout: the SDK has stopped waiting.
        connection: there was no response.
        reported: the provider reported an error without a status.
        base: all other exceptions of the SDK.

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
        """Return whether an exception is a timeout.

        Args:
            exc: from the SDK, or the HTTP library below it.
        """
        if not isinstance(exc, (self.timeout, TimeoutError)) and "TimeoutException" not in _class_names(exc):
            return False
        chain = [*_chain(exc)]
        # Over aiohttp, SDKs show each failure to connect as a timeout.
        return any(isinstance(each, TimeoutError) for each in chain) or not any(
            "ClientConnectionError" in _class_names(each) for each in chain
        )

    def is_connection(self, exc: Exception) -> bool:
        """Return whether an exception means that the connection could not be made or kept.

        Args:
            exc: from the SDK, or the HTTP library below it.
        """
        return isinstance(exc, (self.connection, OSError, EOFError)) or not _TRANSPORT.isdisjoint(
            _class_names(exc)
        )


class Overdue(Exception):  # noqa: N818 - turned into an LLMTimeoutError below
    """A timeout of a call has passed; the text names the timeout."""


@dataclass(slots=True)
class CallRecord:
    """What is known of one call so far, for its errors.

    Attributes:
        made: the call. No text has its secrets, or quotes its prompt.
        attempts: how often the request was sent.
        headers: what is known from the headers of the last response; None if nothing.
        parts: what the reader has got.
    """

    made: "ModelCall"
    attempts: int = 1
    headers: ResponseHeaders | None = None
    parts: list[Part] = field(default_factory=list[Part])

    @property
    def request_id(self) -> str | None:
        """The id of the request, from the provider; None before the response."""
        return None if self.headers is None else self.headers.request_id

    @property
    def text(self) -> str:
        """The text that the reader has got."""
        texts = (each.text if isinstance(each, Refusal) else each for each in self.parts)
        return "".join(each for each in texts if isinstance(each, str))

    def error(self, kind: type[E], sentence: str, *, status: int | None = None) -> E:
        """Make an error of this call; its text is "openai (gpt-x): " and the sentence."""
        provider, model = self.made.wire.provider, self.made.model
        return kind(
            self.without_secrets(f"{provider} ({model}): {sentence}"),
            provider=provider,
            model=model,
            status=status,
            request_id=self.request_id,
            attempts=self.attempts,
            partial_text=self.text,
            retry_after=None if self.headers is None else self.headers.retry_after,
        )

    def without_secrets(self, text: str) -> str:
        """Return the text with each secret of this call replaced."""
        for secret in self.made.secrets:
            value = secret.get_secret_value()
            if _looks_like_a_key(value):
                text = text.replace(value, "[redacted]")
        return text

    def quoted(self, text: str) -> str:
        """Return a text from outside as one short line, without keys and prompts."""
        read = self.without_secrets(text[:_LONGEST_READ])
        read = _ESCAPED.sub(_unescaped, _QUOTED_FIELD.sub(r"\1[prompt]", read))
        read = _QUOTED_FIELD.sub(r"\1[prompt]", read)  # again, for JSON that was escaped inside a text
        read = _BASE64.sub("[data]", read)
        line = strip_control(" ".join(read.split()))
        line = without_prompt(line, " ".join(self.made.prompt.split()))
        return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 3] + "..."


def _looks_like_a_key(value: str) -> bool:
    """Return whether a text is a key, and not a placeholder, which may be in other texts by chance."""
    if len(value) >= _SURELY_A_KEY:
        return True
    return len(value) >= _SHORTEST_KEY and _PLAIN_WORDS.fullmatch(value) is None


def _unescaped(found: re.Match[str]) -> str:
    """Return the character of a JSON escape."""
    return encodable(chr(int(found[1], 16))) if found[1] else found[2].translate(_LETTERS)


def without_prompt(text: str, prompt: str) -> str:
    """Return the text with everything replaced that has 12 characters or more and is in the prompt, too.

    Providers quote the prompt in their errors, and errors are written to logs.
    """
    quoted = _in_both(text, prompt)
    kept: list[str] = []
    covered_to = 0
    for at in range(len(text)):
        if text[at : at + _SHORTEST_COVER] in quoted:
            if at > covered_to or not covered_to:
                kept.append("[prompt]")
            covered_to = at + _SHORTEST_COVER
        elif at >= covered_to:
            kept.append(text[at])
    return "".join(kept)


def _in_both(text: str, prompt: str) -> set[str]:
    """Return the pieces of 12 characters that are in a short text and in a prompt of any length."""
    windows = {text[at : at + _SHORTEST_COVER] for at in range(len(text) - _SHORTEST_COVER + 1)}
    blocks = {text[at : at + _BLOCK] for at in range(len(text) - _BLOCK + 1)}
    # The prompt may have megabytes, so it is not searched for each piece. Any 12 characters of the prompt
    # contain a block of 8 that begins at a multiple of 5.
    stride = _SHORTEST_COVER - _BLOCK + 1
    found: set[str] = set()
    for at in range(0, len(prompt) if windows else 0, stride):
        if prompt[at : at + _BLOCK] in blocks:
            starts = range(max(at - stride + 1, 0), at + 1)
            found.update(windows.intersection(prompt[each : each + _SHORTEST_COVER] for each in starts))
    return found


def error_from(exc: Exception, call: CallRecord) -> LLMError:
    """Return the error to raise ``from exc``; the SDK, the network or a decoder has raised ``exc``."""
    if isinstance(exc, LLMError):
        return exc
    if look(exc, "response") is not None:
        told = look(exc, "request_id")
        request_id = told if isinstance(told, str) else call.request_id
        call.headers = response_headers(headers_of(exc), status=status_of(exc), request_id=request_id)
    _cover_secrets(exc, call)
    if isinstance(exc, call.made.wire.sdk.status):
        return _reported(_reason(exc), call, status_of(exc))
    if isinstance(exc, ProviderError):
        return _reported(Reason(exc.kind, exc.message), call)
    if isinstance(exc, Overdue):
        return call.error(LLMTimeoutError, f"{exc}; try again, or raise the limit")
    if isinstance(exc, WireError):
        return call.error(LLMProtocolError, f"{exc}; this is not the provider's protocol, check the base URL")
    return _sdk_error(exc, call)


def _sdk_error(exc: Exception, call: CallRecord) -> LLMError:
    sdk, server, check = call.made.wire.sdk, call.made.server, "check the network and the base URL"
    if sdk.is_timeout(exc):
        return call.error(LLMTimeoutError, f"{server} did not answer in time ({_root(exc, call)}); {check}")
    if sdk.is_connection(exc):
        broke = "broke in the middle of the answer" if call.text else "could not be made or kept"
        sentence = f"the connection to {server} {broke} ({_root(exc, call)}); {check}"
        return call.error(LLMConnectionError, sentence)
    if isinstance(exc, sdk.reported):
        return _reported(_reason(exc), call)
    if isinstance(exc, sdk.base) or (isinstance(exc, TypeError | ValueError) and call.headers is None):
        sentence = f"the SDK refused the request: {call.quoted(str(exc))}; check the keywords"
        return call.error(LLMConfigError, sentence)
    return call.error(LLMProtocolError, f"the SDK failed with {type(exc).__name__}: {call.quoted(str(exc))}")


def _reported(reason: Reason, call: CallRecord, status: int | None = None) -> LLMStatusError:
    """Return the error that a server reports, with a status or as an event of a stream that began well."""
    told = call.quoted(str(reason))
    help_ = advice(status, reason, attached=call.made.attached, schemas=call.made.schemas)
    if status is None:
        sentence = f"the provider reported {told or 'an error without a text'}; {help_}"
        return call.error(LLMStatusError, sentence)
    tries = f" after {call.attempts} attempts" if call.attempts > 1 else ""
    sentence = f"refused with status {status}{tries}{f', {told}' if told else ''}; {help_}"
    return call.error(LLMStatusError, sentence, status=status)


def status_of(exc: Exception) -> int | None:
    """Return the status of the response of an exception of an SDK; None if it is not an error status."""
    status = integer_at(exc, "status_code")
    return None if status is None or status < _FIRST_ERROR_STATUS else status


def may_pass(exc: Exception, sdk: SDKErrors) -> bool:
    """Return whether an error may be temporary, so that another attempt can help."""
    if isinstance(exc, ProviderError):
        return can_pass(None, Reason(exc.kind, exc.message))
    if not isinstance(exc, sdk.status):
        return sdk.is_timeout(exc) or sdk.is_connection(exc)
    told = headers_of(exc).get("x-should-retry")
    if told in {"true", "false"}:
        return told == "true"
    return can_pass(status_of(exc), _reason(exc))


def _reason(exc: Exception) -> Reason:
    """Return the reason from the body of a response; else from the exception of the SDK."""
    response = look(exc, "response")
    # The content of a body can be used only after it was read.
    content = look(response, "content") if look(response, "is_stream_consumed") else None
    if isinstance(content, bytes):
        return reason_of(content, str(headers_of(exc).get("content-type") or ""))
    body = look(exc, "body")
    if body is not None:
        return reason_in(body)
    return Reason("", str(look(exc, "message") or exc))


def headers_of(value: object) -> Mapping[str, object]:
    """Return the HTTP headers of a response, stream or exception of an SDK; none if it has no response."""
    headers = look(value, "response", "headers")
    return cast("Mapping[str, object]", headers) if isinstance(headers, Mapping) else {}


def _cover_secrets(exc: Exception, call: CallRecord) -> None:
    exc.args = tuple(call.quoted(arg) if isinstance(arg, str) else arg for arg in exc.args)
    message = look(exc, "message")
    if isinstance(message, str):
        exc.__dict__["message"] = call.quoted(message)


def _class_names(exc: BaseException) -> frozenset[str]:
    return frozenset(each.__name__ for each in type(exc).__mro__)


def _root(exc: BaseException, call: CallRecord) -> str:
    # The text of the first one is only "Connection error."; the reason is at the end of the chain. As a text,
    # errors of aiohttp begin with a code of theirs, which is no status of the answer.
    *_, last = _chain(exc)
    return call.quoted(str(look(last, "message") or last) or type(last).__name__)


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, and then the cause of each one before."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__
