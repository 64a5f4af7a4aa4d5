from reactivex.disposable import Disposable

from miniagents.core._observable_producer import ObservableProducer


def test_stopping_disposes_once() -> None:
    """Cancelling and abandoning dispose of the subscription, once."""
    disposed: list[bool] = []
    feeder = ObservableProducer()
    feeder.subscription.disposable = Disposable(lambda: disposed.append(True))
    feeder.cancel()
    feeder.abandon()
    assert disposed == [True]


def test_stopped_while_subscribing() -> None:
    """What is stopped before ``subscribe`` has returned is disposed of when it has."""
    disposed: list[bool] = []
    feeder = ObservableProducer()
    feeder.cancel()
    feeder.subscription.disposable = Disposable(lambda: disposed.append(True))
    assert disposed == [True]


def test_it_waits_for_nobody_we_know() -> None:
    """An Observable does not tell what it waits for."""
    assert ObservableProducer().blocked_by() is None
