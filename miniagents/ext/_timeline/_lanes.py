"""What is kept of one run: what its lane shows, and no more."""

import reprlib
from array import array
from collections.abc import Mapping, Sequence
from itertools import compress, count, repeat
from operator import is_not
from typing import Final, Literal, TypeAlias

from miniagents.observers import RunEnded, RunInfo
from miniagents.values import (
    AgentPart,
    Finish,
    Part,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Restart,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCallDelta,
    ToolResult,
    Usage,
    label_of,
)

from ._dots import Dots

Colour: TypeAlias = Literal["text", "reasoning", "tool"]
"""What a part is: text, a thought of a model, or the call of a tool and what that said."""

Ending: TypeAlias = Literal["done", "failed", "cancelled", "abandoned", "running"]
"""How a run ended; `"running"` has not."""

TEXT: Final = 8_000
"""How many characters are kept of what a run said."""

_AGAIN: Final = 200  # times at which a model was asked again
_SENT: Final = 300
_SILENT: Final = (Usage, Finish, ResponseHeaders, Retry)


class Said:
    """The texts that a run wrote, with their times; the first :data:`TEXT` characters.

    Attributes:
        pieces: the texts.
        times: when each of them came, in seconds.
        length: how many characters were kept.
        missing: how many were not.
    """

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.times = array("d")
        self.missing = 0
        self.length = 0

    def add(self, text: str, at: float) -> None:
        """Add a text.

        Args:
            text: what came.
            at: when.
        """
        kept = text[: TEXT - self.length]
        self.missing += len(text) - len(kept)
        if kept:
            self.pieces.append(kept)
            self.times.append(at)
            self.length += len(kept)


class Lane:
    """One run.

    Args:
        run: which one.
        at: when it began, in seconds of the timeline.
        zero: when the timeline began, on the clock of the event loop of the run.
        parent: the lane of the run that began it.
        content: whether texts are kept.

    Attributes:
        alias: of the agent or the tool.
        kind: `"agent"`, `"model"` or `"tool"`.
        number: of the run.
        zero: as given.
        parent: the lane of the run that began it, None if there is none.
        began: when it began, in seconds of the timeline.
        ended: when it ended, None if it has not.
        ending: how it ended.
        first: when its first part came.
        parts: how many parts have come.
        dots: the times of the parts, by what they are.
        again: when it began to answer anew, or was asked again.
        model: the model that answered, `""` if that is not known.
        usage: what it told of its tokens, for each message.
        error: the class of the error with which it failed, and the status of the server.
        said: what it wrote; None if texts are not kept.
        asked: what it was sent last, its keywords, and the text of its error; empty if texts are not kept.
    """

    def __init__(self, run: RunInfo, at: float, zero: float, parent: "Lane | None", *, content: bool) -> None:
        self.alias = run.alias
        self.kind = run.kind
        self.number = run.number
        self.zero = zero
        self.parent = parent
        self.began = at
        self.ended: float | None = None
        self.ending: Ending = "running"
        self.first: float | None = None
        self.parts = 0
        self.dots: dict[Colour, Dots] = {}
        self.again = array("d")
        self.model = ""
        self.usage: dict[int, Usage] = {}
        self.error = ""
        self.said: Said | None = Said() if content else None
        self.asked: dict[str, str] = {}
        if content and run.keywords:
            self.asked["keywords"] = _shown(run.keywords)

    @property
    def used(self) -> Usage | None:
        """The tokens of all its messages; None if it told none."""
        return sum(self.usage.values(), Usage()) if self.usage else None

    def came(self, parts: Sequence[Part], times: Sequence[float]) -> None:
        """Parts have come.

        Args:
            parts: the parts.
            times: when each of them came, on the clock of its event loop.
        """
        texts = array("d", times)  # what comes most
        by_colour: dict[Colour, array[float]] = {"text": texts}
        others = [*compress(count(), map(is_not, map(type, parts), repeat(str)))]  # no step for a text
        for place in reversed(others):
            del texts[place]
        for place in others:
            part, at = parts[place], times[place]
            if isinstance(part, Restart):
                self.asked_again(at - self.zero)
            elif not isinstance(part, _SILENT):
                by_colour.setdefault(_colour(part), array("d")).append(at)
        for colour, those in by_colour.items():
            if those:
                self._add(colour, those)
        if self.said is not None:
            for part, at in zip(parts, times, strict=True):
                text = _text(part)
                if text:
                    self.said.add(text, at - self.zero)

    def _add(self, colour: Colour, times: "array[float]") -> None:
        if colour not in self.dots:
            self.dots[colour] = Dots(self.zero)
        self.dots[colour].add(times)
        self.parts += len(times)

    def asked_again(self, at: float) -> None:
        """It was asked again, or its answer begins anew.

        Args:
            at: when, in seconds of the timeline.
        """
        if len(self.again) < _AGAIN:
            self.again.append(at)

    def end(self, event: RunEnded, at: float, *, content: bool) -> None:
        """It has ended.

        Args:
            event: how.
            at: when, in seconds of the timeline.
            content: whether texts are kept.
        """
        self.ended = at
        self.ending = event.outcome
        self.model = self.model or _model_of(event.messages)
        if event.error is not None:
            status = getattr(event.error, "status", None)
            number = f" {status}" if isinstance(status, int) else ""
            self.error = f"{type(event.error).__name__}{number}"
            if content:
                self.asked["error"] = str(event.error)[:_SENT]
        if content and event.received:
            self.asked["sent"] = str(event.received[-1])[:_SENT]


def _colour(part: Part) -> Colour:
    match part:
        case Reasoning():
            return "reasoning"
        case AgentPart():
            return _colour(part.part)
        case ToolCallDelta() | ToolResult() | ServerToolCall() | ServerToolResult():
            return "tool"
        case _:
            return "text"


def _text(part: Part) -> str:
    """What people can read of a part."""
    if isinstance(part, str):
        return part
    if isinstance(part, Reasoning | Refusal):
        return part.text
    if isinstance(part, ToolCallDelta | ServerToolCall):
        return f"{part.name or ''}{part.arguments}"
    if isinstance(part, ServerToolResult):
        return part.content
    return part.text if isinstance(part, ToolResult) else ""


def _model_of(messages: Sequence[Mapping[str, object]]) -> str:
    names = (label_of(data.get("model")) for data in messages)
    return next((name for name in names if name is not None), "")


def _shown(keywords: Mapping[str, object]) -> str:
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return ", ".join(f"{name}={short.repr(value)}" for name, value in keywords.items())
