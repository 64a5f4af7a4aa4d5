"""How long things live: who holds which stream, and when its source is stopped.

A source is stopped when nobody can want its stream any more (semantics: leaving, cancelling, ending). So each
stream knows who holds it: the buffer of a sequence holds its messages as long as it is held itself; the task
of a run, and of a message that rewrites another one, holds what it reads until it has ended.

Four things are left open, so each question has two answers, an early and a `late` one, and the truth is
between them. An operator may hold its input as long as it runs, or only as long as it could still send it to
an agent. What a run that nobody reads has passed on may go on to its end, or stop with the run. An inquiry
that an agent was sent and does not read may run to its end, or stop with the agent. When a run is cancelled,
what it began and forgot, and what that reads, or could still read, may run to its end.
"""

from dataclasses import dataclass, field
from typing import Final

from tests.model import programs as p

__all__ = ["AFTER", "LATER", "NEVER", "Life", "UndecidedError", "Written", "before"]

NEVER: Final = float("inf")

LATER: Final = 1e-6
"""Seconds; what is closer together than this happens at the same time."""


AFTER: Final = 1e-5
"""Seconds after the end of a stream at which what has read its end lets it go."""


class UndecidedError(Exception):
    """Two things happen at the same time, and what the program does depends on which of them is first."""


def before(first: float, second: float) -> bool:
    """Return whether `first` is before `second`.

    Raises:
        UndecidedError: they are the same time.
    """
    if abs(first - second) < LATER:
        raise UndecidedError
    return first < second


@dataclass(eq=False, slots=True)
class Life:
    """Of a stream and of the task that writes it.

    Attributes:
        parent: the run that began it; None for the program.
        begun: when.
        ended: when it ends if it is not stopped.
        task_ended: when its task has ended; None if that is `ended`.
        released: when a function has ended, which held what it was sent.
        failed: when the function of a run has failed.
        fails: when the replies of a run end with an error.
        cancelled: when it is cancelled.
        canceller: the run that cancels it; None for the program.
        cancels: whether it cancels what it has begun when it is stopped.
        expected: whether it counts as read before anything reads it: what an agent was sent, and the
            replies that a chain hands to its next stage.
        run: whether it is a run of an agent.
        forgets: whether what it begins now is forgotten: nothing reads it.
        forgotten: whether it is, or belongs to, what a run has begun and forgotten.
        holders: what holds it.
    """

    parent: "Life | None"
    begun: float
    ended: float = NEVER
    task_ended: float | None = None
    released: float = NEVER
    failed: float = NEVER
    fails: float = NEVER
    cancelled: float = NEVER
    canceller: "Life | None" = None
    cancels: bool = False
    expected: bool = False
    run: bool = False
    forgets: bool = False
    forgotten: bool = field(init=False, default=False)
    holders: list["Holder"] = field(default_factory=list["Holder"])
    _known: dict[tuple[str, bool], float] = field(default_factory=dict[tuple[str, bool], float])
    _reads: dict[bool, bool] = field(default_factory=dict[bool, bool])

    def __post_init__(self) -> None:
        self.forgotten = self.parent is not None and (self.parent.forgets or self.parent.forgotten)

    def held_by_program(self, until: float) -> None:
        """The program holds the promise, and reads it."""
        self.holders.append(Holder(None, until, reads=True))

    def held_by_buffer(
        self,
        holder: "Life",
        until: float = NEVER,
        *,
        since: float,
        reads: bool = False,
        appears: float = 0.0,
    ) -> None:
        """It is a piece of another stream, or, with `reads`, its pieces become pieces of that one."""
        self.holders.append(Holder(holder, until, since, piece=True, reads=reads, appears=appears))

    def in_run(self) -> bool:
        """Return whether it is a run, or something that a run has begun."""
        return self.run or (self.parent is not None and self.parent.in_run())

    def within(self, run: "Life") -> bool:
        """Return whether a run, or something that it has begun, writes it."""
        return self is run or (self.parent is not None and self.parent.within(run))

    def perhaps_held(self, until: float) -> None:
        """Something may hold it."""
        self.holders.append(Holder(None, until, reads=True, late=True))

    def held_by_task(
        self, holder: "Life", until: float = NEVER, *, since: float, reads: bool = True, late: bool = False
    ) -> None:
        """A task reads it, or holds it and does not read it; `late` if it may let it go early."""
        self.holders.append(Holder(holder, until, since, reads=reads, late=late))

    def cancel(self, at: float, by: "Life | None" = None) -> None:
        """It is stopped, also while it is held; by a run, if that still goes on then."""
        if at < self.cancelled:
            self.cancelled, self.canceller = at, by

    def _own_cancellation(self, *, late: bool) -> float:
        if self.canceller is not None and self.canceller.stopped(late=not late) < self.cancelled - LATER:
            return NEVER
        return self.cancelled

    def read(self, *, late: bool) -> bool:
        """Return whether it is ever read, or certain to be: by a task, or as a piece of what is read.

        Early, what an agent was sent counts as read; late, only what it reads.
        """
        if late not in self._reads:
            self._reads[late] = self.expected or any(each.counts(late=late) for each in self.holders)
        return self._reads[late]

    def held(self, *, late: bool) -> float:
        """Return until when something holds it; what is never read is not stopped by that."""
        key = "held", late
        if key not in self._known:
            holders = [each for each in self.holders if late or not each.late]
            self._known[key] = max([self.begun, *(each.lets_go(late=late) for each in holders)])
        return self._known[key]

    @property
    def task_end(self) -> float:
        """When its task ends if it is not stopped."""
        return self.ended if self.task_ended is None else self.task_ended

    def gone(self, *, late: bool) -> float:
        """Return when its task has ended, or is stopped."""
        return min(self.task_end, self.stopped(late=late))

    def exists(self, *, late: bool) -> bool:
        """Return whether the run that begins it has come so far."""
        return self.begun <= self.made_before(late=late) + LATER

    def made_before(self, *, late: bool) -> float:
        """Return when the run that begins it is stopped."""
        if self.parent is None:
            return NEVER
        if not self.parent.exists(late=late):
            return -NEVER
        stopped = self.parent.stopped(late=late)
        return stopped if stopped < self.parent.task_end + LATER else NEVER

    def stopped(self, *, late: bool) -> float:
        """Return when its task is stopped; NEVER if it is not."""
        key = "stopped", late
        if key not in self._known:
            self._known[key] = self._stopped(late=late)
        return self._known[key]

    def _stopped(self, *, late: bool) -> float:
        answers = [
            self._stopped_if(read=read, late=late) for read in {self.read(late=True), self.read(late=False)}
        ]
        return max(answers) if late else min(answers)

    def _stopped_if(self, *, read: bool, late: bool) -> float:
        left = self.held(late=late) if read else NEVER
        # Its task may go on, and is not stopped by that. What lets a message go could have read its end.
        ended = self.ended + (-LATER if late else LATER if self.run else 2 * AFTER)
        stopped = min(self._cancelled(late=late), left if left < ended else NEVER)
        if self.parent is not None and not read:
            # Nobody else reads it, so it ends with the run that began it, if that is stopped before its end.
            end = self.parent.stopped(late=late) if late else self.parent.stopped_above()
            unread = not late and bool(self.holders) and not self.parent.read(late=late)
            behind = not late and self.task_end < self.parent.task_end + LATER  # only messages of it are open
            if end < NEVER and (unread or behind or end < self.parent.task_end + (-LATER if late else LATER)):
                stopped = min(stopped, end)
            if not self.holders and self.parent.failed + LATER < self.ended:
                stopped = min(stopped, self.parent.failed)
        elif self.parent is not None and not late and (self.forgotten or self._only_in_unread()):
            above = self.parent.stopped_above()
            stopped = min(stopped, above if above < ended else NEVER)
        return stopped

    def _only_in_unread(self) -> bool:
        """Return whether all that holds it are streams of which it is a piece, and which nothing reads."""
        return all(
            each.piece and each.life is not None and not each.life.read(late=False) for each in self.holders
        )

    def stopped_above(self) -> float:
        """Return when it, or a run above it, is stopped at the earliest."""
        above = NEVER if self.parent is None else self.parent.stopped_above()
        return min(self.stopped(late=False), self.fails, self.failed, above)

    def cancelled_at(self) -> float:
        """Return when a cancellation reaches it."""
        return min(self.cancelled, NEVER if self.parent is None else self.parent.cancelled_at())

    def _is_below_ended(self, at: float) -> bool:
        """Return whether a run between it and what is cancelled at a time has ended: it is only let go."""
        if self.parent is None or self.cancelled < at + LATER:
            return False
        return self.parent.task_end < at + LATER or self.parent._is_below_ended(at)

    def _cancelled(self, *, late: bool) -> float:
        key = "cancelled", late
        if key not in self._known:
            self._known[key] = self._cancelled_above(late=late)
        return min(self._own_cancellation(late=late), self._known[key])

    def _cancelled_above(self, *, late: bool) -> float:
        if self.parent is None or (late and self.forgotten and not self.parent.forgotten):
            return NEVER
        above = self.parent._cancelled(late=late)
        if self.parent.cancels and self.parent.stopped(late=late) < self.parent.task_end + LATER:
            above = min(above, self.parent.stopped(late=late))
        if late:
            holders = [each for each in self.holders if each.lets_go(late=True) > above - LATER]
            reads = any(each.reads and each.counts(late=False) for each in holders)
            if self.run and not reads and not self.parent._is_below_ended(above):
                holders = [each for each in holders if each.counts(late=True) or each.is_forgotten()]
            left = self.parent.task_end < above + LATER  # behind by a run that has ended
            held = any(each.lets_go(late=True) > above + LATER for each in holders)  # else perhaps let go
            if any(not each.is_cancelled(self, above) for each in holders) or (left and not held):
                return NEVER  # fire and forget, or what that holds
        return above


@dataclass(frozen=True, slots=True)
class Holder:
    """Something holds a stream.

    Attributes:
        life: of a stream or a task; None for the program.
        until: when it lets the stream go at the latest.
        since: when it begins to hold it.
        piece: whether the stream is a piece of that one; otherwise the task holds it.
        reads: whether the task reads it.
        late: whether it may let it go early.
        appears: when it becomes a piece; before, it waits behind others.
    """

    life: Life | None
    until: float
    since: float = 0.0
    piece: bool = False
    reads: bool = False
    late: bool = False
    appears: float = 0.0

    def is_cancelled(self, held: Life, above: float) -> bool:
        """Return whether the cancellation at a time reaches what holds a stream."""
        if self.life is None:
            return True
        at = self.life._cancelled(late=True)
        if (
            self.piece
            and self.life.task_end < at
            and not (held.within(self.life) or self.life.read(late=True))
        ):
            return False  # a run that nothing reads has passed it on, and has ended
        if at > above + LATER:
            return False
        others = self.life.holders if self.piece else []
        return all(each.is_cancelled(held, above) for each in others if each.lets_go(late=True) > at + LATER)

    def is_forgotten(self) -> bool:
        """Return whether a run that was forgotten could still read it, or what holds it."""
        lives = {} if self.life is None else {id(self.life): self.life}
        waiting = list(lives.values())
        while waiting:  # not recursive: many ways may lead to one life
            life = waiting.pop()
            if life.forgotten:
                return True
            for each in life.holders:
                if each.life is not None and id(each.life) not in lives:
                    lives[id(each.life)] = each.life
                    waiting.append(each.life)
        return False

    def counts(self, *, late: bool) -> bool:
        """Return whether the stream counts as read."""
        if self.life is not None and self.since > self.life.stopped(late=not late) + (
            -LATER if late else LATER
        ):
            return False
        if self.late and self.life is None:
            return not late
        if self.piece and not self.reads:
            return self.life is not None and self.life.read(late=late)
        return self.reads or not late

    def lets_go(self, *, late: bool) -> float:  # noqa: PLR0911 - a case for each kind
        """Return when the stream is let go."""
        life = self.life
        if life is None:
            return self.until
        if not life.exists(late=late) or self.since > life.stopped(late=late) + LATER:
            return -NEVER
        if not self.piece:
            return min(self.until, life.gone(late=late))
        if self.appears > life.stopped(late=late) + LATER:
            return min(self.until, life.stopped(late=late))
        if self.reads:  # until its pieces are pieces of that one
            held = life.held(late=late) if life.read(late=late) else NEVER
            return min(self.until, held, life.stopped(late=late))
        if life.read(late=late):
            return min(self.until, life.held(late=late))
        return self.until if late else min(self.until, life.ended, life.stopped(late=late))


@dataclass(frozen=True)
class Written:
    """A message that a `Streamed` writes.

    Attributes:
        form: the form.
        life: of the message.
        tokens: with their times.
    """

    form: p.Streamed
    life: Life
    tokens: tuple[tuple[float, str], ...]
