"""A stream that is fed from an Observable."""

from reactivex.disposable import SingleAssignmentDisposable

from miniagents.core import Producer


class ObservableProducer:
    """The producer that feeds from an Observable: stopping it disposes of the subscription."""

    __slots__ = ("subscription",)

    name = ""

    def __init__(self) -> None:
        # It may be disposed of before `subscribe` has returned what has to be disposed of.
        self.subscription = SingleAssignmentDisposable()

    def blocked_by(self) -> Producer | None:
        """An Observable does not tell what it waits for."""
        return None

    def cancel(self) -> None:
        """Dispose of the subscription; idempotent."""
        self.subscription.dispose()

    abandon = cancel
