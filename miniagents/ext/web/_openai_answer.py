"""What a client of OpenAI's protocols is told of a run: one answer, of what was said and nothing else.

The tools of an agent are its own affair: neither their calls nor their results are told, and what comes of
them is in the text that follows. A call that nobody answered is told only if the client named that tool
itself: it is the client's to run.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias
from uuid import uuid4

from miniagents.parts import (
    Citation,
    Reasoning,
    Refusal,
    Restart,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    content_of,
)

from ._frames import Frame, FramePart, MessageBegan, MessagePart, RunEnded
from ._request_errors import RequestError
from ._summary import RunSummary

Piece: TypeAlias = str | Reasoning | Refusal | Citation | Restart
"""What an answer tells, piece by piece; a `Restart` withdraws what the present message said."""

FAILED: Final = "The answer was cut off."
"""What is told of an end of which nothing is known."""
_BETWEEN: Final = "\n\n"
_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
)
_FIRST_OF_SERVER: Final = 500


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What every answer says of itself.

    Attributes:
        id: of the answer.
        model: what the client called the agent.
        created: seconds since 1970.

    Example:
        >>> AnswerHead.new("resp_", "poet").id.startswith("resp_")
        True
    """

    id: str
    model: str
    created: int

    @classmethod
    def new(cls, prefix: str, model: str = "agent") -> "AnswerHead":
        """Return that of an answer which begins now, with an id of its own.

        Args:
            prefix: how ids begin in the protocol.
            model: what the client called the agent.
        """
        return cls(f"{prefix}{uuid4().hex}", model, int(time.time()))


class Answer:
    r"""Picks what is told out of the frames of a run.

    Args:
        tools: names of the client's own tools.
        apart: whether each message is one of its own for the client. If not, there is an empty line between
            them.

    Attributes:
        summary: tokens, and whether the model was cut.
        ended: the last frame, if it has come.

    Example:
        >>> answer = Answer()
        >>> frames = [MessageBegan(0, "assistant"), MessagePart(0, "One"), MessageBegan(1, "assistant")]
        >>> [each for frame in [*frames, MessagePart(1, "Two")] for each in answer.pieces(frame)]
        ['One', '\n\n', 'Two']
    """

    def __init__(self, tools: Collection[str] = (), *, apart: bool = False) -> None:
        self.summary = RunSummary()
        self.ended: RunEnded | None = None
        self._tools = tools
        self._apart = apart
        self._is_tool = False
        self._turn = 0  # messages and new beginnings
        self._spoke = False  # a text has been told
        self._thought: tuple[int, int] | None = None  # the turn and the index of the thought before
        self._before: tuple[bool, tuple[int, int] | None] = (False, None)  # before the present message
        self._gap = False  # one stands before the next text
        self._calls: list[ToolCallDelta | ToolResult] = []  # of the last message of the model, and after it

    def pieces(self, frame: Frame) -> Iterator[Piece]:
        """Return what a frame tells.

        Args:
            frame: the next one.
        """
        self.summary.take(frame)
        match frame:
            case MessageBegan(role=role):
                self._is_tool = role == "tool"
                if not self._is_tool:
                    self._begin()
                    self._before = self._spoke, self._thought
            case MessagePart(_, part):
                yield from self._part(part)
            case RunEnded():
                self.ended = frame
            case _:
                pass

    @property
    def flows(self) -> bool:
        """Whether a piece of text is told as it is, since one was before it."""
        return self._spoke and not self._gap and not self._is_tool

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls that are left to the client, when the run has ended well."""
        if self.ended is None or self.ended.how != "finished" or self.summary.cut:
            return ()
        answered = {each.call_id for each in self._calls if isinstance(each, ToolResult)}
        called = content_of(each for each in self._calls if isinstance(each, ToolCallDelta))
        return tuple(
            each
            for each in called
            if isinstance(each, ToolCall) and each.name in self._tools and each.id not in answered
        )

    def _begin(self) -> None:
        self._turn += 1
        self._calls.clear()
        self._gap = self._spoke and not self._apart

    def _part(self, part: FramePart) -> Iterator[Piece]:
        match part:
            case ToolCallDelta() | ToolResult():
                self._calls.append(part)
            case _ if self._is_tool:
                return
            case str() if part:
                if self._gap:
                    yield _BETWEEN
                self._gap, self._spoke = False, True
                yield part
            case Reasoning(text=text, index=index) if text:
                thought = self._turn, index
                if self._thought not in {None, thought}:
                    yield Reasoning(_BETWEEN)
                self._thought = thought
                yield part
            case Restart():
                self._spoke, self._thought = self._before
                yield part
                self._begin()
            case Refusal() | Citation():
                yield part
            case _:
                pass


def url_citation(cited: Citation, length: int) -> dict[str, object]:
    """Return a citation; where its place is not known, it is where the text has come to.

    Args:
        cited: what is cited.
        length: how many characters the text has so far.

    Example:
        >>> url_citation(Citation("https://example.org", "Title"), 7)
        {'start_index': 7, 'end_index': 7, 'url': 'https://example.org', 'title': 'Title'}
    """
    start = length if cited.start is None else cited.start
    return {
        "start_index": start,
        "end_index": max(start, length) if cited.end is None else cited.end,
        "url": cited.source,
        "title": cited.title or cited.source,
    }


# -- errors: the same object in the body of a response and in a stream --------------------------------------


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
