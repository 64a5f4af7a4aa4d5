"""The life of a run without a task: what it does happens where the streams that it reads deliver."""

from typing import TypeVar

from typing_extensions import override

from ._lifetime import Lifetime, TaskLife

T = TypeVar("T")


class TasklessLife(TaskLife):
    """The life of a run without a task: what it does happens where the streams that it reads deliver.

    It is stopped in the call that stops it, and not at its next step.
    """

    __slots__ = ("_over",)

    def __init__(self, buffer: Lifetime[T], parent: "TaskLife | None") -> None:
        TaskLife.__init__(self, buffer, parent, part=False)
        self._over = False

    @property
    @override
    def goes_on(self) -> bool:
        return not self._over

    def leave(self) -> object:
        """Read no more; idempotent.

        Returns:
            What it held of what it read. The caller lets go of it last: what this began is told first how it
            is stopped, and not by nobody reading it any more.
        """
        raise NotImplementedError

    @override
    def has_ended(self) -> None:
        """Event *producer has ended*: it lets go of everything; once."""
        if not self._over:
            self._over = True
            self.forget_waits()
            super().has_ended()

    @override
    def _stop(self) -> None:
        if self._over or not self.stops():
            return
        self.end_aborted(self.cancellation())
        held = self.leave()
        self.was_cancelled()
        self.has_ended()
        del held
