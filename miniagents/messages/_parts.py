"""The buffer of a message that has other parts than text, and the buffers of observed messages.

Rule of this module: **parts cost readers of tokens nothing.** `items` has the tokens, as in every buffer; so
whatever reads tokens (``async for``, operators, joins) can read it. `parts` has all parts, in order. Each
counts against the demand, as a token does, so a long thought waits for slow readers too.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import TypeVar, cast

from typing_extensions import override

from miniagents.streams import Stream
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import NO_RESULT, current_producer
from miniagents.streams._observers import Observers, RunInfo, RunKind, RunWatch
from miniagents.streams._protocols import Sink
from miniagents.streams._pump import pump
from miniagents.streams._run_task import ProducerTask
from miniagents.values import (
    Finish,
    Part,
    PartValue,
    Refusal,
    ResponseHeaders,
    Restart,
    Retry,
    ToolCall,
    Usage,
    WithdrawnError,
    content_of,
)


class PartBuffer(ReplayBuffer[str]):
    """A buffer of tokens and of all other parts between them.

    Attributes:
        parts: the tokens and all other parts, in order.

    Args:
        context: the context that owns it.
        parts: the parts that have come already.
        closed: whether the parts are complete.

    Example:
        >>> from miniagents import MiniAgents, Reasoning
        >>> from miniagents.streams._context import current_context
        >>> async def main():
        ...     buffer = PartBuffer(current_context())
        ...     buffer.put(Reasoning("They greet me."))
        ...     buffer.put("Hello")
        ...     print(buffer.items, len(buffer.parts))
        >>> MiniAgents().run(main())
        ['Hello'] 2
    """

    __slots__ = ("_withdrawn", "parts")

    def __init__(
        self,
        context: Context,
        parts: list[Part] | None = None,
        *,
        closed: bool = False,
        result: object = NO_RESULT,
    ) -> None:
        self.parts: list[Part] = [] if parts is None else parts
        texts = [text for text in map(shown_text, self.parts) if text]
        super().__init__(context, texts, closed=closed, result=result)
        self._withdrawn = ""  # why the tokens that came are not the text of the message

    def put(self, part: Part) -> None:
        """Add one part; a text or the text of a refusal is also added to the tokens.

        Args:
            part: anything that a message streams.

        Raises:
            TypeError: the value is not a part.
        """
        if self.closed:
            return
        if type(part) is str and part and not self._withdrawn:
            # The most frequent case; `append` is inlined, which saves two calls.
            self.parts.append(part)
            self.items.append(part)
            if self.notify_next:
                self.notify()
            return
        text = self._add(part)
        if text:
            self.append(text)
        else:
            self.consume()

    def _add(self, part: Part) -> str:
        """Add a part to `parts`; return the token that readers of tokens get for it, if they get one."""
        text = shown_text(part)
        self.parts.append(part)
        if type(part) is Restart and self.items:
            self._withdrawn = self._withdrawn or part.reason
        return "" if self._withdrawn else text

    @override
    def withdrawn(self, items: object) -> Exception | None:
        if not self._withdrawn or items is not self.items:
            return None
        return WithdrawnError(
            f"The text of this message was withdrawn ({self._withdrawn}), and begins again. Await the "
            "message, or read its parts."
        )

    @override
    def forget(self) -> None:
        super().forget()
        if not self.items:
            self.parts.clear()


def shown_text(part: Part) -> str:
    """Return the token that readers of tokens get for a part; empty if they get none.

    Args:
        part: anything that a message streams.

    Raises:
        TypeError: the value is not a part.

    Example:
        >>> from miniagents import Reasoning
        >>> shown_text("Hello"), shown_text(Reasoning("They greet me."))
        ('Hello', '')
    """
    if isinstance(part, str):
        return part
    if isinstance(part, Refusal):
        return part.text
    wrong = cast("object", part)  # an untyped streamer may yield anything
    if not isinstance(wrong, PartValue) or isinstance(wrong, ToolCall):
        raise TypeError(
            f"A part of a message is of type {type(wrong).__name__}; a part streamer must yield str or parts "
            "like Reasoning, ToolCallDelta or Usage. Put data into metadata_so_far instead."
        )
    return ""


def parts_in(buffer: ReplayBuffer[str]) -> list[Part]:
    """Return the list of all parts of a message; if the message is only text, its tokens are its parts."""
    return buffer.parts if isinstance(buffer, PartBuffer) else cast("list[Part]", buffer.items)


def parts_of_message(buffer: ReplayBuffer[str]) -> Stream[Part]:
    """Return all parts of a message's buffer as a stream."""
    return Stream(cast("ReplayBuffer[Part]", buffer), parts_in(buffer))


def start_part_pump(
    name: str,
    streamer: Callable[[], AsyncIterable[Part]],
    buffer: "PartBuffer | ObservedBuffer",
    sink: Sink,
    *,
    watch: RunWatch | None = None,
) -> None:
    """Fill ``buffer`` from what ``streamer`` gives, in a task of its context; ``sink`` says how it ends."""
    driver = ProducerTask(name, buffer, sink, part=True)
    if watch is not None:
        driver.observe(watch)
    put = cast("Callable[[Part], None]", buffer.put)  # tokens are parts
    driver.start(lambda: pump(streamer(), cast("ReplayBuffer[object]", buffer), put))


def told_by(parts: Sequence[Part]) -> dict[str, object]:
    """Return the data that the parts of a stream give to their message: usage, finish reason, content.

    Args:
        parts: all parts of the stream.

    Example:
        >>> from miniagents import Usage
        >>> told_by(["Hello", Usage(output_tokens=1)])["usage"].output_tokens
        1
    """
    told: dict[str, object] = {}
    only_text = True
    for part in parts:
        if type(part) is str:
            continue
        if isinstance(part, Finish):
            told["finish_reason"] = part.reason
        elif isinstance(part, Usage):
            told["usage"] = part
        else:
            only_text = False
    if only_text:
        return told
    content = content_of(parts)
    if any(isinstance(part, Restart) for part in parts):
        told["text"] = _since_restart(parts)
    if not all(isinstance(each, str) for each in content):
        told["parts"] = content
    return told


def _since_restart(parts: Sequence[Part]) -> str:
    behind = next((at for at in range(len(parts), 0, -1) if isinstance(parts[at - 1], Restart)), 0)
    return "".join(map(shown_text, parts[behind:]))


def is_content(part: Part) -> bool:
    """Return whether a part is content of a message; headers, usage, finish and retries are not.

    Args:
        part: anything that a message streams.
    """
    return not isinstance(part, Usage | Finish | ResponseHeaders | Retry)


def text_so_far(buffer: ReplayBuffer[str]) -> str:
    """Return the text that has come of a message, without what was withdrawn.

    Args:
        buffer: of the message.
    """
    if isinstance(buffer, PartBuffer):
        return _since_restart(buffer.parts)
    return "".join(map(str, buffer.items))  # an untyped streamer may yield anything


# -- observed buffers -----------------------------------------------------------------------------------
#
# The buffers of messages of observed runs note when each part comes: **a part costs one reading of the
# clock**. Observers get parts in batches; only the first part, and parts that have an event of their own, are
# reported when they come.

T = TypeVar("T")


class _Notes:
    """The times of the parts of one message that observers have not got yet.

    Args:
        watch: the watch of the run that writes the message.
        parts: the parts that have come.
        data: the data of the message; more may be added later.

    Attributes:
        clock: returns the time of the event loop.
        times: the times of the parts that have not been reported: the last ones of `parts`.
    """

    __slots__ = ("_number", "_parts", "_watch", "clock", "times")

    def __init__(self, watch: RunWatch, parts: list[Part], data: Mapping[str, object]) -> None:
        self._watch = watch
        self._parts = parts
        self._number = watch.next_message(data)
        self.times: list[float] = []
        self.clock: Callable[[], float] = watch.clock

    @property
    def origin(self) -> tuple[RunInfo, int]:
        """The run that writes the message, and the number of the message in it."""
        return self._watch.info, self._number

    def look(self, part: Part, /) -> int:
        """Report a part if necessary: the first one, one that is not text, or the last one of a full batch.

        Args:
            part: the last one.

        Returns:
            With how many times of parts this must be called again, if only text comes.
        """
        self._watch.one_came(self._number, part, self.times[-1])
        batch = self._watch.observers.batch
        if len(self.times) >= batch:
            self.tell()
        return batch if self._watch.began_to_write else 1

    def tell(self) -> None:
        """Report all parts that have not been reported."""
        if self.times:
            times = tuple(self.times)
            self.times.clear()
            self._watch.came(self._number, self._parts[-len(times) :], times)

    def end(self) -> None:
        """Report the rest when the message has ended."""
        self.tell()
        self._watch.message_ended(self._number)


class ObservedBuffer(ReplayBuffer[str]):
    """A buffer of tokens that notes when each of them comes.

    Args:
        context: the context that owns it.
        watch: the watch of the run that writes the message.
        data: the data of the message; more may be added later.

    Attributes:
        notes: take the times.
    """

    __slots__ = ("_look_at", "notes")

    def __init__(self, context: Context, watch: RunWatch, data: Mapping[str, object]) -> None:
        super().__init__(context)
        self.notes: _Notes = _Notes(watch, cast("list[Part]", self.items), data)  # tokens are parts
        self._look_at = 1

    def put(self, token: str) -> None:
        """Add a token and notify readers, as `append`; observers get it with its time.

        Args:
            token: the token.
        """
        if self.closed:
            return
        self.items.append(token)
        self.notes.times.append(self.notes.clock())
        if len(self.notes.times) >= self._look_at:
            self._look_at = self.notes.look(token)
        if self.notify_next:
            self.notify()

    @override
    def _tell_observers(self) -> None:
        self.notes.end()

    @override
    def forget(self) -> None:
        self.notes.tell()
        super().forget()


class ObservedPartBuffer(PartBuffer):
    """A buffer of parts that notes when each of them comes.

    Args:
        context: the context that owns it.
        watch: the watch of the run that writes the message.
        data: the data of the message; more may be added later.

    Attributes:
        notes: take the times.
    """

    __slots__ = ("_clock", "_look_at", "_times", "notes")

    def __init__(self, context: Context, watch: RunWatch, data: Mapping[str, object]) -> None:
        super().__init__(context)
        self.notes: _Notes = _Notes(watch, self.parts, data)
        self._clock, self._times = self.notes.clock, self.notes.times  # saves two look-ups per part
        self._look_at = 1

    @override
    def put(self, part: Part) -> None:
        if self.closed:
            return
        # `PartBuffer.put`, inlined. Observers come before readers, since a reader may leave and end the
        # stream.
        times = self._times
        if type(part) is str and part and not self._withdrawn:
            self.parts.append(part)
            self.items.append(part)
            times.append(self._clock())
            if len(times) >= self._look_at:
                self._look_at = self.notes.look(part)
            if self.notify_next:
                self.notify()
            return
        text = self._add(part)
        if text:
            self.items.append(text)
        times.append(self._clock())
        self._look_at = self.notes.look(part)
        if not text:
            self.consume()
        elif self.notify_next:
            self.notify()

    @override
    def _tell_observers(self) -> None:
        self.notes.end()

    @override
    def forget(self) -> None:
        self.notes.tell()
        super().forget()


def current_watch() -> RunWatch | None:
    """Return the watch of the current run; None outside of every run, or if it is not observed."""
    task = current_producer()
    while task is not None:
        if task.run_watch is not None:
            return task.run_watch
        task = task.parent
    return None


def watch_run(
    context: Context, observers: Observers, alias: str, kind: RunKind, keywords: Mapping[str, object]
) -> RunWatch:
    """Return a new watch of a run that begins here.

    Args:
        context: the context of the run.
        observers: the observers of the context.
        alias: the alias of the agent, or the name of the tool.
        kind: ``"agent"``, ``"model"`` or ``"tool"``.
        keywords: the keywords of the call.
    """
    parent = current_watch()
    info = RunInfo(alias, kind, None if parent is None else parent.info, keywords, observers.anchor)
    return RunWatch(info, observers, clock_of(context.loop))


def run_of(replies: ReplayBuffer[T]) -> RunInfo | None:
    """Return the run that writes these replies; None if it is not observed.

    Args:
        replies: the buffer of the replies.
    """
    observers = replies.context.observers
    return None if observers is None else observers.anchor.runs.get(replies)


def origin_of(buffer: object) -> tuple[RunInfo, int] | None:
    """Return the run that writes a message, and the number of the message in it; None if it is not observed.

    Args:
        buffer: the buffer of the message.
    """
    return buffer.notes.origin if isinstance(buffer, ObservedBuffer | ObservedPartBuffer) else None


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the fastest function for the time of ``loop``: it is called for each part.

    Args:
        loop: any event loop, also with virtual time.
    """
    plain = type(loop).time is asyncio.BaseEventLoop.time
    return time.monotonic if plain else loop.time


def observed_buffer(context: Context, data: Mapping[str, object]) -> ObservedBuffer | None:
    """Return the buffer for a message of tokens of the current run; None if the run is not observed.

    Args:
        context: the context that owns it.
        data: the data of the message; more may be added later.
    """
    watch = None if context.observers is None else current_watch()
    return None if watch is None else ObservedBuffer(context, watch, data)


def new_part_buffer(
    context: Context, data: Mapping[str, object], watch: RunWatch | None = None
) -> PartBuffer:
    """Return the buffer for a message of parts that is written here.

    Args:
        context: the context that owns it.
        data: the data of the message; more may be added later.
        watch: the watch of the run that writes it; None for the current run.
    """
    if watch is None and context.observers is not None:
        watch = current_watch()
    return PartBuffer(context) if watch is None else ObservedPartBuffer(context, watch, data)
