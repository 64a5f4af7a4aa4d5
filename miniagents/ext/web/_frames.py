"""Frames: the events of one run for its clients, independent of the protocol.

The frames of a run are those of its messages, one after the other, and a last one that says how it ended:

    MessageBegan(0) MessagePart(0, "Hel") MessagePart(0, "lo") MessageEnded(0) RunEnded("finished")

A `Restart` part withdraws what its message streamed before. Frames go through JSON, for logs and for clients.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, Literal, TypeAlias, cast, get_args

from miniagents.parts import Content, Part
from miniagents.runs import part_of_data, plain_data

from ._page_data import DataPart

FramePart: TypeAlias = Part | Content | DataPart
"""A part of a message, or data for the page."""

Ending: TypeAlias = Literal["finished", "failed", "stopped", "lost"]
"""How a run ended: by itself, by an error, because a client stopped it, or with its server."""

ENDINGS: Final[Mapping[str, Ending]] = MappingProxyType(
    {"finished": "finished", "failed": "failed", "stopped": "stopped", "lost": "lost"}
)
"""The same, for words of a log or a client."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all frames have in common: how they become JSON."""

    _type: ClassVar[str]
    _sparse: ClassVar[bool] = False  # whether fields that are None are left out

    def as_data(self) -> dict[str, object]:
        """Return the frame as data for JSON."""
        names: tuple[str, ...] = self.__match_args__  # of all fields
        data = {name: plain_data(getattr(self, name), sparse=True) for name in names}
        if self._sparse:
            data = {name: value for name, value in data.items() if value is not None}
        return {"type": self._type, **data}


@dataclass(frozen=True, slots=True)
class MessageBegan(_Frame):
    """A message of the run begins.

    Attributes:
        message: which one of the run; the first is 0. The next one begins when this one has ended.
        role: its role ("assistant", "tool", ...).
        agent: the alias of the agent that wrote it, if it is known.
        model: the model that wrote it, if one did.
        tool: the name of the tool that was called, if it is the result of a call.
        call: the id of that call.
        when: how the user said it, if it was said to the agent while it worked (`InputMessage.when`).
        id: of what was said, if it has one.

    Example:
        >>> MessageBegan(0, "assistant", "POET").as_data()["type"]
        'message_began'
    """

    _type = "message_began"
    _sparse = True
    message: int
    role: str
    agent: str | None = None
    model: str | None = None
    tool: str | None = None
    call: str | None = None
    when: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class MessagePart(_Frame):
    """A part of a message: a text as `str`, any other part as it is.

    Attributes:
        message: which one of the run.
        part: the part; tokens that came together are one text.

    Example:
        >>> MessagePart(0, "Hello").as_data()
        {'type': 'part', 'message': 0, 'part': 'Hello'}
    """

    _type = "part"
    message: int
    part: FramePart


@dataclass(frozen=True, slots=True)
class MessageEnded(_Frame):
    """A message of the run is complete.

    Attributes:
        message: which one of the run.

    Example:
        >>> MessageEnded(0).as_data()
        {'type': 'message_ended', 'message': 0}
    """

    _type = "message_ended"
    message: int


@dataclass(frozen=True, slots=True)
class RunEnded(_Frame):
    """The last frame of every run, and the only one of its kind.

    Attributes:
        how: "finished", "failed", "stopped", or "lost" if the server ended before the run.
        sentence: an explanation for the user, without traceback, key or prompt.

    Example:
        >>> RunEnded("stopped").as_data()
        {'type': 'run_ended', 'how': 'stopped', 'sentence': ''}
    """

    _type = "run_ended"
    how: Ending
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class QuestionAsked(_Frame):
    """The run asks a person, and waits; `Runs.answer` answers.

    Attributes:
        question: the id of the question.
        kind: ``"question"``, whose answer is a value, or ``"approval"`` of the call of a tool.
        shown: what people see: ``text`` and ``schema`` of a question; ``tool``, ``arguments``, ``call``,
            ``description`` and ``schema`` of an approval.
        digest: of what is shown; an answer can say which one it belongs to.
        due: until when it can be answered, in seconds since 1970; None: always.

    Example:
        >>> QuestionAsked("q", "question", {"text": "When?"}, "ab").as_data()["shown"]
        {'text': 'When?'}
    """

    _type = "question"
    question: str
    kind: str
    shown: Mapping[str, object]
    digest: str
    due: float | None = None


@dataclass(frozen=True, slots=True)
class QuestionAnswered(_Frame):
    """A question of the run is closed.

    Attributes:
        question: its id.
        how: ``"allowed"``, ``"rejected"``, ``"answered"``, ``"expired"``, or ``"void"`` (the run does not ask
            it any more).
        arguments: with which the call is allowed, if the person has edited them.

    Example:
        >>> QuestionAnswered("q", "allowed").as_data()
        {'type': 'question_answered', 'question': 'q', 'how': 'allowed'}
    """

    _type = "question_answered"
    _sparse = True
    question: str
    how: str
    arguments: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class RunParked(_Frame):
    """All calls of the run wait for answers, and no process works on it; more frames come when it goes on.

    Attributes:
        until: when it goes on without an answer, in seconds since 1970; None: never.

    Example:
        >>> RunParked().as_data()
        {'type': 'run_parked', 'until': None}
    """

    _type = "run_parked"
    until: float | None = None


Frame: TypeAlias = (
    MessageBegan | MessagePart | MessageEnded | QuestionAsked | QuestionAnswered | RunParked | RunEnded
)
"""Any frame; type checkers know that a `match` over the seven classes is complete."""

_FRAMES: Final[Mapping[str, type[Frame]]] = MappingProxyType({each._type: each for each in get_args(Frame)})  # noqa: SLF001

Positioned: TypeAlias = tuple[int, Frame]
"""A frame and its position in its run; the first position is 1."""

BATCH: Final = 512
"""The most frames that are handed over at once."""

LOST: Final = RunEnded("lost", "The server that wrote this answer has stopped; the rest of it is lost.")
"""The last frame of a run whose server has crashed."""

SHUT_DOWN: Final = RunEnded("lost", "The server is shutting down.")
"""The last frame for a reader whose server ends."""

STOPPED: Final = RunEnded("stopped", "The answer was stopped.")
"""The last frame of a run that a client has stopped."""


def frame_from_data(data: Mapping[str, object]) -> Frame:
    """Return the frame whose `as_data` this is.

    Args:
        data: the fields, with the `type`; unknown ones are ignored.

    Raises:
        ValueError: the data is not a frame, or one of a newer version of the library.

    Example:
        >>> frame_from_data({"type": "part", "message": 0, "part": {"kind": "finish", "reason": "stop"}})
        MessagePart(message=0, part=Finish(reason='stop'))
    """
    kind = data.get("type")
    frame = _FRAMES.get(kind) if isinstance(kind, str) else None
    if frame is None:
        raise ValueError(f"{kind!r} is not a type of frame; the types are {', '.join(_FRAMES)}.")
    fields = {name: data[name] for name in frame.__match_args__ if data.get(name) is not None}
    if not isinstance(fields.get("message", 0), int):
        raise ValueError(f"a frame of type {kind!r} does not fit: message is not a number")  # noqa: TRY004 - in a log
    try:
        if frame is MessagePart:
            fields["part"] = part_of(data["part"])
        if frame is RunEnded:
            fields["how"] = ENDINGS[str(data["how"])]
        return frame(**fields)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # as they were written
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a frame of type {kind!r} does not fit: {error!r}") from None


# Made once: `json.dumps` makes an encoder for each call that has separators of its own.
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_of(data: object) -> bytes:
    """Return plain data as JSON on one line.

    Args:
        data: any data that JSON can have, such as the `as_data` of a frame.

    Example:
        >>> json_of(MessageEnded(3).as_data())
        b'{"type":"message_ended","message":3}'
    """
    return _encode(data).encode(errors="backslashreplace")  # how JSON escapes half of a surrogate pair


def frame_json(frame: Frame) -> bytes:
    """Return a frame as JSON on one line.

    Args:
        frame: any.

    Example:
        >>> frame_json(MessagePart(0, "Hello"))
        b'{"type":"part","message":0,"part":"Hello"}'
    """
    if type(frame) is MessagePart and type(frame.part) is str:  # the most frequent case
        return b'{"type":"part","message":%d,"part":%b}' % (frame.message, json_of(frame.part))
    return json_of(frame.as_data())


def text_size(frame: Frame) -> int:
    """Return the approximate number of characters of a frame, for limits.

    Args:
        frame: any.

    Example:
        >>> text_size(MessagePart(0, "Hello")) - text_size(MessagePart(0, ""))
        5
    """
    if type(frame) is MessagePart:
        part = frame.part
        return 64 + (len(part) if isinstance(part, str) else len(repr(part)))
    return 128


def part_of(data: object) -> FramePart:
    """Return the part of a frame, or of an answer in a log, from its data.

    Args:
        data: a text, or the fields of a part.

    Raises:
        ValueError: it is no part.

    Example:
        >>> part_of({"kind": "finish", "reason": "stop"})
        Finish(reason='stop')
    """
    fields = cast("dict[str, object]", data) if isinstance(data, dict) else {}
    if fields.get("kind") == "data":
        return DataPart(**{name: value for name, value in fields.items() if name != "kind"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # as it was written
    return part_of_data(cast("str", data))  # or whatever it is: what is no part is refused
