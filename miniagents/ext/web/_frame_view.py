"""The frames of a run, made of the events of its log: those that its server and other processes show."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from miniagents.parts import Part

from ..journal import Event, JournalError
from ._frames import (
    ENDINGS,
    Frame,
    FramePart,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    RunParked,
    frame_from_data,
    part_of,
)
from ._source import ReplyOf, for_clients


def event_of(item: "Frame | ReplyOf") -> Event:
    """Return the event that a log has of a frame.

    Args:
        item: a frame but the last one, or a message whose parts the log has already.
    """
    if isinstance(item, ReplyOf):
        return ["reply", 0, item.message, item.span, item.number]
    return ["frame", 0, cast("Event", item.as_data())]


class FrameView:
    """Makes frames of the events of a run, in their order.

    Example:
        >>> view = FrameView()
        >>> for frame in view.take([["parts", 1, 0, ["Hel", "lo"], [0.0, 1]], ["reply", 0, 0, 1, 0]]):
        ...     print(frame)
        MessagePart(message=0, part='Hello')
    """

    __slots__ = ("_asked", "_current", "_last", "_parts", "_reply")

    def __init__(self) -> None:
        self._asked: dict[str, Mapping[str, object]] = {}  # question -> what is shown of it
        self._parts: defaultdict[tuple[int, int], list[FramePart]] = defaultdict(list)
        self._current: tuple[int, int] | None = None  # whose parts are those of the reply that is being shown
        self._reply = 0
        self._last: Frame | None = None

    def take(self, events: Iterable[Event]) -> list[Frame]:
        """Return the frames of the next events.

        Args:
            events: of the log.

        Raises:
            JournalError: one of them cannot be read.
        """
        frames: list[Frame] = []
        try:
            for event in events:
                self._take(event, frames)
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(f"The log of a run cannot be read: {error}") from None
        self._last = frames[-1] if frames else self._last
        return frames

    def _take(self, event: Event, frames: list[Frame]) -> None:
        match event:
            case ["parts", int(span), int(number), list(parts), _]:
                came = (cast("Part", part_of(part)) for part in parts)
                shown = [each for part in came if (each := for_clients(part)) is not None]
                if self._current == (span, number):
                    self._show(shown, frames)
                else:
                    self._parts[span, number] += shown
            case ["reply", 0, int(reply), int(span), int(number)]:
                self.add(ReplyOf(reply, span, number), frames)
            case ["frame", 0, dict(data)]:
                self.add(frame_from_data(cast("Mapping[str, object]", data)), frames)
            case ["ended", 0, str(how), str(sentence), int()]:
                frames.append(RunEnded(ENDINGS[how], sentence))
            case ["parked", 0, until]:
                parked = RunParked(cast("float | None", until))
                if parked != (frames[-1] if frames else self._last):  # else it has only refused an answer
                    frames.append(parked)
            case _:
                frames += self._of_question(event)

    def add(self, item: "Frame | ReplyOf", frames: list[Frame]) -> None:
        """Add what clients get of an item of the run itself: a frame, or parts that have come already.

        Args:
            item: the item.
            frames: the frames to which it is added.
        """
        if isinstance(item, ReplyOf):
            self._current, self._reply = (item.span, item.number), item.message
            self._show(self._parts.pop(self._current, []), frames)
            return
        if isinstance(item, MessageEnded):
            self._current = None
        frames.append(item)

    def _of_question(self, event: Event) -> Iterator[Frame]:
        match event:
            case ["question", _, str(key), str(kind), dict(shown), str(digest), due, *_]:
                if kind not in {"sleep", "event"}:  # which no person answers
                    self._asked[key] = cast("Mapping[str, object]", shown)
                    yield QuestionAsked(key, kind, shown, digest, cast("float | None", due))
            case ["answer", _, str(key), dict(answer)] if key in self._asked:
                arguments = cast("Mapping[str, object] | None", answer.get("arguments"))
                edited = arguments if arguments != self._asked[key].get("arguments") else None
                yield QuestionAnswered(key, _how(answer), edited)
            case ["void", _, str(key)] if key in self._asked:
                yield QuestionAnswered(key, "void")
            case _:
                pass

    def _show(self, parts: Iterable[FramePart], frames: list[Frame]) -> None:
        """Add parts; texts that follow each other are one."""
        texts: list[str] = []
        for part in (*parts, None):
            if isinstance(part, str):
                texts.append(part)
                continue
            if text := "".join(texts):
                frames.append(MessagePart(self._reply, text))
            texts.clear()
            if part is not None:
                frames.append(MessagePart(self._reply, part))


def _how(answer: Mapping[str, object]) -> str:
    """How a question was closed."""
    if answer.get("expired"):
        return "expired"
    if "allow" in answer:
        return "allowed" if answer["allow"] else "rejected"
    return "answered"
