"""Frames: the events of one run for its clients, independent of the protocol.

The frames of a run are those of its messages, one after the other, and a last one that says how it ended:

    MessageBegan(0) MessagePart(0, "Hel") MessagePart(0, "lo") MessageEnded(0) RunEnded("finished")

A `Restart` part withdraws what its message streamed before. Frames go through JSON, for logs and for clients.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields as fields_of
from functools import cache
from pathlib import PurePath
from types import MappingProxyType
from typing import Final, Literal, Protocol, TypeAlias, cast, get_args, runtime_checkable

from miniagents.parts import AgentPart, Content, Part, RateLimit

from ._page_data import DataPart

__all__ = [
    "BATCH",
    "FRAMES_VERSION",
    "LOST",
    "STOPPED",
    "Ending",
    "Frame",
    "FrameError",
    "FramePart",
    "MessageBegan",
    "MessageEnded",
    "MessagePart",
    "Positioned",
    "QuestionAnswered",
    "QuestionAsked",
    "RunEnded",
    "ending_of",
    "frame_from_data",
    "frame_from_json",
    "frame_json",
    "json_of",
    "text_size",
]

FRAMES_VERSION: Final = 1
"""The version of the JSON of frames; every file and stream that keeps frames has it."""

FramePart: TypeAlias = Part | Content | DataPart
"""A part of a message, or data for the page."""

Ending: TypeAlias = Literal["finished", "failed", "stopped", "lost"]
"""How a run ended: by itself, by an error, because a client stopped it, or with its server."""

_ENDINGS: Final[Mapping[str, Ending]] = MappingProxyType(
    {"finished": "finished", "failed": "failed", "stopped": "stopped", "lost": "lost"}
)


class FrameError(ValueError):
    """The data is not a frame, or a frame of a newer version of the library.

    Example:
        >>> frame_from_data({"type": "smell"})
        Traceback (most recent call last):
            ...
        miniagents...FrameError: 'smell' is not a type of frame; the types are message_began, part, ...
    """


@dataclass(frozen=True, slots=True)
class MessageBegan:
    """A message of the run begins.

    Attributes:
        message: which one of the run; the first is 0. The next one begins when this one has ended.
        role: its role ("assistant", "tool", ...).
        agent: the alias of the agent that wrote it, if it is known.
        model: the model that wrote it, if one did.
        tool: the name of the tool that was called, if it is the result of a call.
        call: the id of that call.

    Example:
        >>> MessageBegan(0, "assistant", "POET").as_data()["type"]
        'message_began'
    """

    message: int
    role: str
    agent: str | None = None
    model: str | None = None
    tool: str | None = None
    call: str | None = None

    def as_data(self) -> dict[str, object]:
        """Return the frame as data for JSON, without fields that are None."""
        data: dict[str, object] = {"type": "message_began", "message": self.message, "role": self.role}
        known = {"agent": self.agent, "model": self.model, "tool": self.tool, "call": self.call}
        return data | {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class MessagePart:
    """A part of a message: a text as `str`, any other part as it is.

    Attributes:
        message: which one of the run.
        part: the part; tokens that came together are one text.

    Example:
        >>> MessagePart(0, "Hello").as_data()
        {'type': 'part', 'message': 0, 'part': 'Hello'}
    """

    message: int
    part: FramePart

    def as_data(self) -> dict[str, object]:
        """Return the frame as data for JSON."""
        return {"type": "part", "message": self.message, "part": _part_as_data(self.part)}


@dataclass(frozen=True, slots=True)
class MessageEnded:
    """A message of the run is complete.

    Attributes:
        message: which one of the run.

    Example:
        >>> MessageEnded(0).as_data()
        {'type': 'message_ended', 'message': 0}
    """

    message: int

    def as_data(self) -> dict[str, object]:
        """Return the frame as data for JSON."""
        return {"type": "message_ended", "message": self.message}


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last frame of every run, and the only one of its kind.

    Attributes:
        how: "finished", "failed", "stopped", or "lost" if the server ended before the run.
        sentence: an explanation for the user, without traceback, key or prompt.

    Example:
        >>> RunEnded("stopped").as_data()
        {'type': 'run_ended', 'how': 'stopped', 'sentence': ''}
    """

    how: Ending
    sentence: str = ""

    def as_data(self) -> dict[str, object]:
        """Return the frame as data for JSON."""
        return {"type": "run_ended", "how": self.how, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class QuestionAsked:
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

    question: str
    kind: str
    shown: Mapping[str, object]
    digest: str
    due: float | None = None

    def as_data(self) -> dict[str, object]:
        """Return the frame as data for JSON."""
        data: dict[str, object] = {"type": "question", "question": self.question, "kind": self.kind}
        return data | {"shown": dict(self.shown), "digest": self.digest, "due": self.due}


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    """A question of the run is closed.

    Attributes:
        question: its id.
        how: ``"allowed"``, ``"rejected"``, ``"answered"`` or ``"expired"``.

    Example:
        >>> QuestionAnswered("q", "allowed").as_data()
        {'type': 'question_answered', 'question': 'q', 'how': 'allowed'}
    """

    question: str
    how: str

    def as_data(self) -> dict[str, object]:
        """Return the frame as data for JSON."""
        return {"type": "question_answered", "question": self.question, "how": self.how}


Frame: TypeAlias = MessageBegan | MessagePart | MessageEnded | QuestionAsked | QuestionAnswered | RunEnded
"""Any frame; type checkers know that a `match` over the six classes is complete."""

Positioned: TypeAlias = tuple[int, Frame]
"""A frame and its position in its run; the first position is 1."""

BATCH: Final = 512
"""The most frames that are handed over at once."""

LOST: Final = RunEnded("lost", "The server that wrote this answer has stopped; the rest of it is lost.")
"""The last frame of a run whose server has crashed."""

STOPPED: Final = RunEnded("stopped", "The answer was stopped.")
"""The last frame of a run that a client has stopped."""


def ending_of(how: str) -> Ending:
    """Return how a run ended.

    Args:
        how: the word for it.

    Raises:
        KeyError: it is another word.

    Example:
        >>> ending_of("finished")
        'finished'
    """
    return _ENDINGS[how]


def frame_from_data(data: Mapping[str, object]) -> Frame:
    """Return the frame whose `as_data` this is.

    Args:
        data: the fields, with the `type`; unknown ones are ignored.

    Raises:
        FrameError: the data is not a frame.

    Example:
        >>> frame_from_data({"type": "part", "message": 0, "part": {"kind": "finish", "reason": "stop"}})
        MessagePart(message=0, part=Finish(reason='stop'))
    """
    kind = data.get("type")
    try:
        match kind:
            case "message_began":
                return MessageBegan(
                    _number(data),
                    str(data["role"]),
                    _text_or_none(data, "agent"),
                    _text_or_none(data, "model"),
                    _text_or_none(data, "tool"),
                    _text_or_none(data, "call"),
                )
            case "part":
                return MessagePart(_number(data), _part_of(data["part"]))
            case "message_ended":
                return MessageEnded(_number(data))
            case "question":
                shown = cast("Mapping[str, object]", data["shown"])
                due = cast("float | None", data.get("due"))
                return QuestionAsked(
                    str(data["question"]), str(data["kind"]), shown, str(data["digest"]), due
                )
            case "question_answered":
                return QuestionAnswered(str(data["question"]), str(data["how"]))
            case "run_ended":
                return RunEnded(ending_of(str(data["how"])), str(data.get("sentence", "")))
            case _:
                pass
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError(f"a frame of type {kind!r} does not fit: {error!r}") from None
    raise FrameError(
        f"{kind!r} is not a type of frame; the types are message_began, part, message_ended, question, "
        "question_answered and run_ended."
    )


def frame_from_json(text: str | bytes) -> Frame:
    """Return the frame whose `json_of` this is.

    Args:
        text: one JSON object.

    Raises:
        FrameError: the text is not a frame.

    Example:
        >>> frame_from_json(b'{"type":"message_ended","message":3}')
        MessageEnded(message=3)
    """
    try:
        data = cast("object", json.loads(text))
    except ValueError as error:
        raise FrameError(f"a frame is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise FrameError("a frame is not a JSON object.")
    return frame_from_data(cast("dict[str, object]", data))


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
    try:
        return _encode(data).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which must be escaped
        return json.dumps(data, separators=(",", ":")).encode()


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


def _number(data: Mapping[str, object]) -> int:
    number = data["message"]
    if not isinstance(number, int):
        raise TypeError("message is not a number")
    return number


def _text_or_none(data: Mapping[str, object], name: str) -> str | None:
    value = data.get(name)
    return None if value is None else str(value)


@runtime_checkable
class _HasData(Protocol):
    """A part that is not text."""

    def as_data(self) -> dict[str, object]:
        """Return the fields by name."""
        ...


def _part_as_data(part: object) -> object:
    if isinstance(part, _HasData):
        return {name: _part_as_data(value) for name, value in part.as_data().items() if value is not None}
    if isinstance(part, bytes):
        return b64encode(part).decode()
    if isinstance(part, PurePath):
        return str(part)
    return [*map(_part_as_data, cast("tuple[object, ...]", part))] if isinstance(part, tuple) else part


_LIMITS: Final = ("requests", "tokens", "input_tokens", "output_tokens")


@cache
def _kinds() -> Mapping[str, Callable[..., FramePart]]:
    """The classes of parts, by the word that their field `kind` has."""
    classes = [each for each in get_args(Part | Content) if each is not str]
    return {str(field.default): each for each in classes for field in fields_of(each) if field.name == "kind"}


def _content_of(value: object) -> object:
    """A field of a part; the content of a result may be a list of texts, images and files."""
    if not isinstance(value, list):
        return value
    parts = cast("list[object]", value)
    return tuple(map(_part_of, parts)) if any(isinstance(each, dict) for each in parts) else parts


def _part_of(data: object) -> FramePart:
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        raise TypeError("part is neither a text nor an object")
    fields = {name: _content_of(value) for name, value in cast("dict[str, object]", data).items()}
    match fields.get("kind"):
        case "agent_part":
            agents = cast("list[object]", fields["agents"])
            part = _part_of(fields["part"])
            return AgentPart(tuple(map(str, agents)), part)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # as it was written
        case "image" | "file" if isinstance(fields.get("data"), str):
            fields["data"] = b64decode(str(fields["data"]))
        case "data":
            del fields["kind"]
            return DataPart(**fields)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] # as it was written
        case "response_headers":
            for name in _LIMITS:
                if isinstance(fields.get(name), dict):
                    fields[name] = RateLimit(**cast("dict[str, int]", fields[name]))
        case _:
            pass
    kind = _kinds().get(str(fields.get("kind")))
    if kind is None:
        raise TypeError(f"{fields.get('kind')!r} is no kind of part")
    return kind(**fields)
