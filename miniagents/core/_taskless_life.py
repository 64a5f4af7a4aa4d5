"""The life of a run without a task, which works when the streams that it reads deliver pieces."""

from typing import TypeVar

from typing_extensions import override

from ._lifetime import Lifetime, TaskLife

T = TypeVar("T")


class TasklessLife(TaskLife):
    """The life of a run without a task, which works when the streams that it reads deliver pieces.

    A call that stops it stops it at once, and not at its next step.
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
        """Stop reading; idempotent.

        Returns:
            What it held of the streams that it read. The caller must release it last: first the runs that
            this one began are stopped, and only then may they lose their last reader.
        """
        raise NotImplementedError

    @override
    def has_ended(self) -> None:
        """Event *producer has ended*: release everything; once."""
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
