"""Where an event loop waits, and so where its time is made."""

import os
import selectors
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from miniagents.testing._virtual_selector import Now, VirtualSelector


class StuckHere(Exception):  # noqa: N818 - what the loop's own error stands for
    """Nothing is left to wait for."""


def stuck() -> NoReturn:
    raise StuckHere


@contextmanager
def selector(*, busy: bool = False) -> Generator[VirtualSelector]:
    """A selector whose first file, as with a loop, is the one through which it is woken."""
    waker, waking = socket.socketpair()
    waiting = VirtualSelector(Now(), 0.01, lambda: busy, stuck)
    with waker, waking:
        waiting.register(waker, selectors.EVENT_READ)
        yield waiting
        waiting.close()


def test_jump() -> None:
    """With nothing else to wait for, the clock is put forward by the timeout at once."""
    with selector() as waiting:
        assert (waiting.select(3600), waiting._now.seconds) == ([], 3600)


def test_no_timeout() -> None:
    """A look without waiting takes no time, and a wait for ever with nothing to wait for is an error."""
    with selector() as waiting:
        assert waiting.select(0) == waiting.select(-1) == []
        with pytest.raises(StuckHere):
            waiting.select(None)
        assert waiting._now.seconds == 0


def test_busy() -> None:
    """While something is at work that is no file, the timeout is waited for in real time."""
    with selector(busy=True) as waiting:
        assert waiting.select(0.01) == []
        assert 0.01 <= waiting._now.seconds < 10


def test_a_pipe() -> None:
    """A pipe is waited for, however far the timeout, and the clock says how long it took."""
    read, write = os.pipe()
    answering = threading.Timer(0.2, os.close, [write])
    with selector() as waiting:
        key = waiting.register(read, selectors.EVENT_READ, "data")
        answering.start()
        assert waiting.select(3600) == [(key, selectors.EVENT_READ)]
        assert 0 < waiting._now.seconds < 60
        assert waiting.unregister(read) == key
        assert (waiting.select(3600), waiting._now.seconds > 3600) == ([], True)
    answering.join()
    os.close(read)


def test_what_is_watched() -> None:
    """It is a selector as any other: files are registered, changed, listed and taken out."""
    one, other = socket.socketpair()
    with one, other, selector() as waiting:
        waiting.register(one, selectors.EVENT_READ)
        key = waiting.modify(one, selectors.EVENT_WRITE, "data")
        assert waiting.get_map()[one.fileno()] == waiting.get_key(one) == key
        assert waiting.select(0) == [(key, selectors.EVENT_WRITE)]
        waiting.unregister(one)
        assert list(waiting.get_map()) != [one.fileno()]
