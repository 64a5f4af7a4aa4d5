"""Finds the reason of an error in the body of a response, and what the user can do about it.

A body may be JSON, whole or cut, events, HTML or plain text. For most errors, the status tells whether
another attempt can help. But servers also answer with status 500 if the request is at fault and would be
refused
again: llama.cpp for an image that its model does not support, gateways for all that the server behind them
    refused.
**The text is examined as it came**, before API keys in it are replaced.
"""

import re
from collections.abc import Mapping
from html import unescape
from types import MappingProxyType
from typing import Final, cast

from pydantic_core import from_json

from ._json import WireError, untyped
from ._reasons import Reason, reason_in
from ._sse import SSEDecoder

_LONGEST_PAGE: Final = 2**14
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TITLE: Final = re.compile(r"<title[^<>]*>([^<>]*)</title", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")

_SERVER_ERROR: Final = 500
_RETRIED_STATUSES: Final = frozenset({408, 409, 425, 429})
_NEVER_RETRIED: Final = frozenset({501, 505})
_CLIENT_ERRORS: Final = range(400, 500)
_SPENT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_RETRIED_KINDS: Final = frozenset(
    {
        *("overloaded_error", "rate_limit_error", "api_error", "timeout_error", "server_error"),
        *("network_error", "insufficient_system_resource"),
    }
)
_KINDS_AT_FAULT: Final = re.compile(
    r"(?:litellm\.)?(?:invalid_?(?:request|argument|image|api)|bad_?request|authentication|permission|not_?found|"
    r"unsupported|not_?supported|validation|unprocessable|context_?(?:length|window)|exceed_context|"
    r"content_?policy|missing_)",
    re.IGNORECASE,
)
_TEXTS_AT_FAULT: Final = re.compile(
    r"\bnot supported\b|\bunsupported\b|\b(?:does|do|did)(?: not|n.t) support\b|\bmmproj\b|"
    r"\bnot (?:a )?(?:multi-?modal|vision)\b|\brequired for image input\b|\brequires --\w|"
    r"\bfailed to (?:parse|load|decode) (?:the )?(?:messages|tools?|images?|audio|grammar|input|prompt)\b|"
    r"\broles? (?:must alternate|are supported)\b|\btoo large to process\b|\bschema conversion failed\b|"
    r"\b(?:BadRequest|ContextWindowExceeded|UnsupportedParams|NotFound|Authentication|PermissionDenied|"
    r"ContentPolicyViolation|UnprocessableEntity)Error\b",
    re.IGNORECASE,
)
_MAY_PASS: Final = re.compile(r"overloaded|temporar|try again|timed? ?out|rate limit", re.IGNORECASE)

_BAD_REQUEST: Final = frozenset({400, 415, 422})
_TOO_LONG: Final = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|window|size)|ContextWindowExceeded|"
    r"prompt is too long|input is too (?:long|large)",
    re.IGNORECASE,
)
_OF_ATTACHMENTS: Final = re.compile(
    r"image|picture|vision|multi-?modal|mmproj|audio|\bfiles?\b|document|media|content[ _](?:part|type)",
    re.IGNORECASE,
)
_OF_SCHEMAS: Final = re.compile(r"schema|tool|function|format|grammar|output_config", re.IGNORECASE)
_ADVICE: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "correct what it complains about",
        401: "check the API key",
        403: "check what the API key is allowed to use",
        404: "check the model's name and the base URL",
        413: "send a shorter conversation",
        422: "correct what it complains about",
        429: "wait, or ask less often",
    }
)


def reason_of(body: bytes, content_type: str = "") -> Reason:
    """Return the reason in the body of an error.

    Args:
        body: the decompressed body; it may have been cut.
        content_type: of the response.

    Example:
        >>> str(reason_of(b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"))
        '502 Bad Gateway; nginx'
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    if text.startswith(("{", "[", '"')):
        value = _json(body)
        return Reason("", text) if value is None else reason_in(value)
    if text.startswith(("data:", "event:", "error:")):
        return _of_events(body) or Reason("", text)
    if "html" in content_type or text.startswith("<"):
        return Reason("", _of_page(text[:_LONGEST_PAGE]))
    return Reason("", text)


def _json(body: bytes) -> object:
    """Return the JSON of a body, even if its end is missing; None if it is not JSON."""
    try:
        return untyped(body.removeprefix(b"\xef\xbb\xbf"))
    except WireError:
        pass
    try:
        return cast("object", from_json(body, allow_partial="trailing-strings"))
    except ValueError:
        return None


def _of_events(body: bytes) -> Reason | None:
    """Return the reason in the first event with JSON: some servers fail after they have begun to stream."""
    decoder = SSEDecoder()
    try:
        for event in [*decoder.feed(body), *decoder.rest()]:
            if event.data.startswith(b"{"):
                return reason_in(untyped(event.data))
    except WireError:
        pass
    return None


def _of_page(page: str) -> str:
    """Return the title and the text of an HTML page, without text that is in both."""
    title = _TITLE.search(page)
    named = " ".join(unescape(title[1]).split()) if title else ""
    rest = _TAG.sub(" ", _SCRIPT.sub(" ", page.replace(title[0], "<", 1) if title else page))
    text = " ".join(unescape(rest).split()).removeprefix(named).strip()
    return f"{named}; {text}" if named and text else named or text


def is_at_fault(reason: Reason) -> bool:
    """Return whether the request is at fault, so that the server would refuse it again, with any status.

    Args:
        reason: from the body.

    Example:
        >>> is_at_fault(Reason("server_error", "image input is not supported - hint: provide the mmproj"))
        True
    """
    if _MAY_PASS.search(reason.text) or reason.status in _RETRIED_STATUSES:
        return False
    return (
        reason.status in _CLIENT_ERRORS
        or _KINDS_AT_FAULT.match(reason.kind) is not None
        or _TEXTS_AT_FAULT.search(reason.text) is not None
    )


def can_pass(status: int | None, reason: Reason) -> bool:
    """Return whether an error may be temporary, so that another attempt can help.

    Args:
        status: of the response; None for an error inside a stream that had begun well.
        reason: from the body.

    Example:
        >>> can_pass(503, Reason("", "busy")), can_pass(400, Reason("", "busy"))
        (True, False)
        >>> can_pass(429, Reason("insufficient_quota", "You exceeded your current quota."))
        False
    """
    if status is None:
        return reason.kind in _RETRIED_KINDS and not is_at_fault(reason)
    if status >= _SERVER_ERROR:
        return status not in _NEVER_RETRIED and not is_at_fault(reason)
    return status in _RETRIED_STATUSES and reason.kind not in _SPENT


def advice(status: int | None, reason: Reason, *, attached: bool, schemas: bool) -> str:
    """Return what the user can do about an error.

    Args:
        status: of the response; None for an error inside a stream that had begun well.
        reason: from the body.
        attached: whether images or files were sent.
        schemas: whether tools or the schema of an answer were sent.

    Example:
        >>> advice(500, Reason("", "image input is not supported"), attached=True, schemas=False)
        'leave the images and files out, or choose a model that takes them'
    """
    told = str(reason)
    if _TOO_LONG.search(told):
        return "send a shorter conversation"
    if reason.kind in _SPENT:
        return "check the credit and the limits of the account"
    at_fault = is_at_fault(reason)
    if status is not None and status < _SERVER_ERROR:
        best = _ADVICE.get(status, "check the request")
    elif at_fault:
        if attached and _OF_ATTACHMENTS.search(told):
            return "leave the images and files out, or choose a model that takes them"
        best = _ADVICE.get(reason.status or 0, "correct what it complains about")
    else:
        best = "try again" if status is None else "try again later"
    of_request = at_fault or status in _BAD_REQUEST
    if attached and (of_request or status == _SERVER_ERROR):
        best += "; if this model takes no images or files, leave them out or choose another model"
    elif schemas and of_request and _OF_SCHEMAS.search(told):
        best += (
            "; if it is a schema, give that tool or answer plainer types, or use as_type(..., mode='tool'); "
            "or choose a model that takes tools and schemas"
        )
    return best
