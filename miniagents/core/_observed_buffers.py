"""The buffers of messages whose run is observed: they note when each part comes.

Rule of this module: **a part costs one look at the clock.** Observers are told of parts in batches; only the
first part, and parts that have an event of their own, are told when they come.
"""

from collections.abc import Mapping

from typing_extensions import override

from miniagents.values import Part

from ._buffer import ReplayBuffer
from ._context import Context
from ._deadlocks import current_producer
from ._observers import Observers, RunInfo, RunKind, RunWatch
from ._part_buffer import PartBuffer, shown_text
from ._producer_task import ProducerTask


class _Notes:
    """When the parts of one message came, until observers have been told.

    Args:
        watch: of the run that writes the message.
        parts: what has come.
        data: what is known of the message, and will be.

    Attributes:
        times: when each part came that has not been told.
        look_at: how many parts there are when it is to be asked again.
    """

    __slots__ = ("_number", "_parts", "_told", "_watch", "look_at", "times")

    def __init__(self, watch: RunWatch, parts: "list[Part]", data: Mapping[str, object]) -> None:
        self._watch = watch
        self._parts = parts
        self._told = 0
        self._number = watch.next_message(data)
        self.times: list[float] = []
        self.look_at: int = 1

    def look(self, part: Part) -> None:
        """A part has come that may have to be told: the first one, one that is no text, one of a full batch.

        Args:
            part: the last one.
        """
        self._watch.one_came(self._number, part, self.times[-1])
        batch = self._watch.observers.batch
        if len(self._parts) - self._told >= batch:
            self.tell()
        self.look_at = self._told + batch

    def tell(self) -> None:
        """Tell of all parts that have not been told."""
        times = self.times[:]
        if times:
            self.times.clear()
            new = self._parts[self._told : self._told + len(times)]
            self._told += len(times)
            self._watch.came(self._number, new, times)

    def forgotten(self) -> None:
        """Count anew: what was told is not kept any more."""
        self._told = 0


class ObservedBuffer(ReplayBuffer[str]):
    """A buffer of tokens that notes when each of them comes.

    Args:
        context: the context that owns it.
        watch: of the run that writes the message.
        data: what is known of the message, and will be.
    """

    __slots__ = ("_clock", "_notes")

    def __init__(self, context: Context, watch: RunWatch, data: Mapping[str, object]) -> None:
        super().__init__(context)
        self._clock = watch.clock
        self._notes = _Notes(watch, self.items, data)  # type: ignore[arg-type]  # tokens are parts

    @override
    def append(self, item: str) -> None:
        if self.closed:
            return
        notes = self._notes
        notes.times.append(self._clock())
        super().append(item)
        if len(self.items) >= notes.look_at:
            notes.look(item)

    @override
    def _tell_end(self) -> None:
        self._notes.tell()
        super()._tell_end()

    @override
    def forget(self) -> None:
        self._notes.tell()
        super().forget()
        if not self.items:
            self._notes.forgotten()


class ObservedPartBuffer(PartBuffer):
    """A buffer of parts that notes when each of them comes.

    Args:
        context: the context that owns it.
        watch: of the run that writes the message.
        data: what is known of the message, and will be.
    """

    __slots__ = ("_clock", "_notes")

    def __init__(self, context: Context, watch: RunWatch, data: Mapping[str, object]) -> None:
        super().__init__(context)
        self._clock = watch.clock
        self._notes = _Notes(watch, self.parts, data)

    @override
    def put(self, part: Part) -> None:
        if self.closed:
            return
        text = shown_text(part)  # `PartBuffer.put` written out: a call per part less
        notes, parts = self._notes, self.parts
        parts.append(part)
        notes.times.append(self._clock())
        if text:
            self.append(text)
        else:
            self.consume()
        if text is not part or len(parts) >= notes.look_at:
            notes.look(part)

    @override
    def _tell_end(self) -> None:
        self._notes.tell()
        super()._tell_end()

    @override
    def forget(self) -> None:
        self._notes.tell()
        super().forget()
        if not self.items:
            self._notes.forgotten()


def current_watch() -> RunWatch | None:
    """The observed run in which this is; None outside of every run, or if it is not observed."""
    task = current_producer()
    while isinstance(task, ProducerTask):
        if task.watch is not None:
            return task.watch
        task = task.parent
    return None


def watch_run(
    context: Context, observers: Observers, alias: str, kind: RunKind, keywords: Mapping[str, object]
) -> RunWatch:
    """What watches a run that is begun here.

    Args:
        context: owns it.
        observers: those of the context.
        alias: of the agent, or the name of the tool.
        kind: what it is.
        keywords: what it is called with.
    """
    parent = current_watch()
    info = RunInfo(alias, kind, None if parent is None else parent.info, keywords, observers.epoch)
    return RunWatch(info, observers, context.loop.time)


def new_buffer(context: Context, data: Mapping[str, object]) -> ReplayBuffer[str]:
    """The buffer of a message of tokens that is going to be written here.

    Args:
        context: the context that owns it.
        data: what is known of the message, and will be.
    """
    watch = None if context.observers is None else current_watch()
    return ReplayBuffer(context) if watch is None else ObservedBuffer(context, watch, data)


def new_part_buffer(
    context: Context, data: Mapping[str, object], watch: RunWatch | None = None
) -> PartBuffer:
    """The buffer of a message of parts that is going to be written here.

    Args:
        context: the context that owns it.
        data: what is known of the message, and will be.
        watch: of the run that writes it; None for the one in which this is.
    """
    if watch is None and context.observers is not None:
        watch = current_watch()
    return PartBuffer(context) if watch is None else ObservedPartBuffer(context, watch, data)
