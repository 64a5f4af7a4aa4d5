"""Errors as OpenAI's protocols tell them: the same object in the body of a response and in a stream."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ._frames import RunEnded
from ._openai_answer import FAILED
from ._request_errors import RequestError

_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
)
_FIRST_OF_SERVER: Final = 500


def error_of_request(error: RequestError) -> dict[str, object]:
    """Return the body of a response that refuses a request.

    Args:
        error: what is wrong with it.

    Example:
        >>> error_of_request(RequestError("messages must be a list.", param="messages"))["error"]["type"]
        'invalid_request_error'
    """
    of_client = error.status < _FIRST_OF_SERVER
    kind = _TYPES.get(error.status, "invalid_request_error" if of_client else "server_error")
    return _error(error.sentence, kind, error.param, error.code)


def error_of_run(ended: RunEnded | None) -> dict[str, object]:
    """Return what is told of a run that did not come to its own end, whole or in the middle of a stream.

    Args:
        ended: its last frame; None if that never came.

    Example:
        >>> error_of_run(RunEnded("failed", "The agent took too long."))["error"]["message"]
        'The agent took too long.'
    """
    how = "lost" if ended is None else ended.how
    return _error((ended and ended.sentence) or FAILED, "server_error", None, f"run_{how}")


def status_of_run(ended: RunEnded | None) -> int:
    """Return the HTTP status of a whole answer.

    Args:
        ended: the last frame of the run; None if that never came.

    Example:
        >>> status_of_run(RunEnded("finished")), status_of_run(RunEnded("failed")), status_of_run(None)
        (200, 500, 503)
    """
    if ended is None:
        return 503
    return {"finished": 200, "failed": 500}.get(ended.how, 503)


def _error(sentence: str, kind: str, param: str | None, code: str | None) -> dict[str, object]:
    return {"error": {"message": sentence, "type": kind, "param": param, "code": code}}
