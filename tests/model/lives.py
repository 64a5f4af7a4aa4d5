"""How long things live: who holds which stream, and when its source is stopped.

A source is stopped when nobody can want its stream any more (semantics: leaving, cancelling, ending). So each
stream knows who holds it: the buffer of a sequence holds its messages as long as it is held itself; the task
of a run, and of a message that rewrites another one, holds what it reads until it has ended.
"""

from dataclasses import dataclass, field
from typing import Final

from tests.model import programs as p

__all__ = ["NEVER", "Life", "Written"]

NEVER: Final = float("inf")


@dataclass(eq=False, slots=True)
class Life:
    """Of a stream and of the task that writes it.

    Attributes:
        parent: the run that began it; None for the program.
        begun: when.
        ended: when it ends if it is not stopped.
        function_ended: when the function of a run has ended; NEVER if that is `ended`.
        failed: when the function of a run has failed.
        cancelled: when it is cancelled.
        holders: each with the time until which it holds it, and whether as a piece or as what a task reads.
    """

    parent: "Life | None"
    begun: float
    ended: float = NEVER
    function_ended: float = NEVER
    failed: float = NEVER
    cancelled: float = NEVER
    holders: list[tuple["Life | None", float, bool]] = field(
        default_factory=list[tuple["Life | None", float, bool]]
    )

    def held_by_program(self, until: float) -> None:
        """The program holds the promise."""
        self.holders.append((None, until, True))

    def held_by_buffer(self, holder: "Life", until: float = NEVER) -> None:
        """It is a piece of another stream."""
        self.holders.append((holder, until, True))

    def held_by_task(self, holder: "Life", until: float = NEVER) -> None:
        """A task reads it."""
        self.holders.append((holder, until, False))

    def cancel(self, at: float) -> None:
        """It is stopped, whoever holds it."""
        self.cancelled = min(self.cancelled, at)

    def read(self) -> bool:
        """Return whether it is ever read, or certain to be: by a task, or as a piece of what is read."""
        return any(holder is None or not buffer or holder.read() for holder, _, buffer in self.holders)

    def held(self) -> float:
        """Return until when something holds it; what is never read is not stopped by that."""
        return max(self._held_by(*each) for each in self.holders) if self.read() else NEVER

    def _held_by(self, holder: "Life | None", until: float, buffer: bool) -> float:
        if holder is None:
            return until
        return min(until, holder.held() if buffer and holder.read() else holder.gone())

    def gone(self) -> float:
        """Return when its task has ended, or is stopped."""
        return min(self.ended, self.function_ended, self.stopped())

    def stopped(self) -> float:
        """Return when its task is stopped; NEVER if it is not."""
        stopped = min(self._cancelled(), self.held())
        parent = self.parent
        if parent is not None and not self.read():
            # Whoever began it has failed or is stopped, and nobody else reads it.
            stopped = min(stopped, parent.failed, parent.stopped() if parent.stopped() < parent.gone_itself() else NEVER)
        return stopped

    def gone_itself(self) -> float:
        """Return when its task ends if it is not stopped."""
        return min(self.ended, self.function_ended)

    def _cancelled(self) -> float:
        return min(self.cancelled, NEVER if self.parent is None else self.parent._cancelled())


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

    def made_before(self) -> float:
        """Return when the run that makes it is stopped: it exists if it was made before that."""
        return NEVER if self.life.parent is None else self.life.parent.stopped()
