"""Errors of workers: they are pickled if possible, and otherwise sent as a text."""

import traceback
from typing import Final, cast

from typing_extensions import override

from miniagents.errors import MiniAgentsError
from miniagents.utils import redact_keys

from ._pickles import dumps, loads
from ._wire import PackedError

_SHOWN: Final = 6  # frames of a traceback


class RemoteError(MiniAgentsError):
    """A worker was lost, so the call cannot be made again; or it has an error that cannot be pickled.

    Args:
        message: the text.
        attempts: how often the call was made before its worker was lost; 0 if no worker was.

    Attributes:
        attempts: how often the call was made before its worker was lost; 0 if no worker was.

    Example:
        >>> RemoteError("POET failed in a worker: QuotaError: none is left").attempts
        0
    """

    def __init__(self, message: str = "", *, attempts: int = 0) -> None:
        super().__init__(message)
        self.attempts: int = attempts


def pack_error(error: BaseException) -> PackedError:
    """Pack an error for sending.

    Args:
        error: an error of an agent.
    """
    trace = traceback.extract_tb(error.__traceback__)[-_SHOWN:]
    return PackedError(
        _pickled(error),
        f"{type(error).__name__}: {redact_keys(error)}",
        redact_keys("".join(traceback.format_list(trace))),
    )


def unpack_error(packed: PackedError, agent: str) -> Exception:
    """Unpack an error: one of the same class, with a note of where it was raised.

    Args:
        packed: an error of a worker.
        agent: the alias of the agent, for an error that could not be pickled.
    """
    error = _unpickled(packed.pickled)
    if error is None:
        error = RemoteError(f"{agent} failed in a worker: {packed.sentence}")
    if packed.trace:
        error.add_note(f"in a worker, most recent call last:\n{packed.trace.rstrip()}")
    return error


def _pickled(error: BaseException) -> bytes:
    if not isinstance(error, Exception):
        return b""
    for form in (error, _AsItIs(error)):
        try:
            pickled = dumps(form)
        except Exception:  # noqa: BLE001, S112 - what pickles raise is a matter of the class
            continue
        again = _unpickled(pickled)
        if again is not None and type(again) is type(error) and redact_keys(again) == redact_keys(error):
            return pickled
    return b""


class _AsItIs:
    """Pickles an error without its constructor, as the library does with its own errors."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @override
    def __reduce__(self) -> tuple[object, ...]:
        # That of our own errors needs no constructor, of whatever class.
        return MiniAgentsError.__reduce__(cast("MiniAgentsError", self._error))


def _unpickled(pickled: bytes) -> Exception | None:
    if not pickled:
        return None
    try:
        error = loads(pickled)
    except Exception:  # noqa: BLE001 - a class that is not here, or a constructor that wants more
        return None
    return error if isinstance(error, Exception) else None
