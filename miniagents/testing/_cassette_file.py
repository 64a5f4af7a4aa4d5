"""The file of a cassette: JSON lines, one for each event, with its time."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Final, cast

from miniagents.runs import CASSETTE_VERSION, Json, RecordedEvent, cassette_lines
from miniagents.values import MiniAgentsError

_LATEST: Final = 10_000_000.0  # seconds; a time after this is a mistake


class CassetteError(MiniAgentsError, AssertionError):
    """A cassette is missing or cannot be read, has no such call, or has a call that was not made.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import cassette, scripted_model
        >>> async def main():
        ...     await cassette(scripted_model("Hi"), "no_such_file.jsonl").inquire("Hello")
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...CassetteError: There is no cassette 'no_such_file.jsonl'; record it with ...
    """


@dataclass(slots=True)
class RecordedCall:
    """A call of a model.

    Attributes:
        request: the messages and keywords.
        events: what happened, in order.
        ended: True if the call has ended, so that it can be written.
        played: True if it was replayed, or has just been made.
    """

    request: dict[str, Json]
    events: list[RecordedEvent] = field(default_factory=list[RecordedEvent])
    ended: bool = False
    played: bool = False

    @property
    def key(self) -> str:
        """The request as a text; equal requests have the same."""
        return json.dumps(self.request, sort_keys=True)


def write_calls(path: Path, calls: Sequence[RecordedCall]) -> None:
    """Write all calls that have ended, and replace the whole file.

    Args:
        path: of the file; missing folders are made.
        calls: in order.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        for line in cassette_lines((call.request, call.events) for call in calls if call.ended):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    beside.replace(path)


def read_calls(path: Path) -> list[RecordedCall]:
    """Read a file.

    Args:
        path: of the file.

    Raises:
        CassetteError: the file is missing, or not a cassette of this version; the error names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise CassetteError(
            f"There is no cassette '{path}'; record it with `pytest --cassettes=record`, or with "
            'mode="record".'
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CassetteError(f"The cassette '{path}' cannot be read: {error}.") from None
    calls: list[RecordedCall] = []
    for number, line in enumerate(lines, start=1):
        try:
            _read_line(_object(line), number, calls)
        except (ValueError, RecursionError) as error:
            raise CassetteError(
                f"Line {number} of the cassette '{path}' cannot be read: {error}. Mend it, or record the "
                "cassette anew with `pytest --cassettes=rewrite`."
            ) from None
    if not lines:
        raise CassetteError(f"The cassette '{path}' is empty; record it with `pytest --cassettes=rewrite`.")
    return calls


def _object(line: str) -> dict[str, Json]:
    found: object = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - it is wrong in a file, not in a call
    return cast("dict[str, Json]", found)


def _read_line(line: dict[str, Json], number: int, calls: list[RecordedCall]) -> None:
    if number == 1:
        version = line.get("cassette")
        if version != CASSETTE_VERSION:
            raise ValueError(
                f"its version is {version!r}, but this miniagents reads version {CASSETTE_VERSION}"
            )
        return
    request = line.get("request")
    if isinstance(request, dict):
        calls.append(RecordedCall(request, ended=True))
        return
    if not calls or line.get("call") != len(calls):
        raise ValueError("it does not belong to the call before it")
    at, what, message = line.get("at"), line.get("what"), line.get("message")
    if isinstance(at, bool) or not isinstance(at, int | float) or not isfinite(at) or not 0 <= at <= _LATEST:
        raise ValueError(f"its time is {at!r}")
    if what not in {"message", "part", "end", "error", "cancelled"}:
        raise ValueError(f"its event is {what!r}, which is not known")
    if message is not None and (isinstance(message, bool) or not isinstance(message, int)):
        raise ValueError(f"its message is {message!r}")
    calls[-1].events.append(RecordedEvent(float(at), str(what), message, line.get("data")))
