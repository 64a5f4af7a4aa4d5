"""What belongs to one event loop and its thread."""

import asyncio
import contextvars
import os
import threading
from asyncio import Future, get_running_loop
from collections.abc import Callable
from functools import partial
from typing import TypeVarTuple

from miniagents.values import NoActiveContextError, WrongLoopError

Ts = TypeVarTuple("Ts")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that is running on this thread, None if none is."""
    try:
        return get_running_loop()
    except RuntimeError:
        return None


class LoopBound:
    """Belongs to the event loop that it was opened on, until it is unbound."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._process = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of this context.

        Raises:
            NoActiveContextError: it has not been entered yet, or has ended.
        """
        if self._loop is None:
            raise NoActiveContextError
        return self._loop

    @property
    def ended(self) -> bool:
        """Whether it has ended, or has not been entered yet."""
        return self._loop is None

    def open(self) -> None:
        """Belong to the running event loop and this thread."""
        self._loop = get_running_loop()
        self._thread = threading.get_ident()
        self._process = os.getpid()

    def unbind(self) -> None:
        """Belong to no event loop any more."""
        self._loop = None

    def check(self) -> None:
        """Refuse to be used from another thread or event loop than the one it was entered on.

        Raises:
            NoActiveContextError: it has ended.
            WrongLoopError: this call comes from elsewhere.
        """
        if self._loop is None:
            msg = "This MiniAgents context has ended; use `async with MiniAgents():` around this call."
            raise NoActiveContextError(msg)
        try:
            if get_running_loop() is self._loop:
                return
        except RuntimeError:
            pass
        raise WrongLoopError

    def check_place(self) -> None:
        """Refuse a call from another thread, event loop or process; that it has ended does not matter.

        Raises:
            WrongLoopError: this call comes from elsewhere.
        """
        if self._loop is None:
            return
        try:
            if get_running_loop() is self._loop:
                return
        except RuntimeError:
            pass
        raise WrongLoopError

    def future(self) -> "asyncio.Future[None]":
        """A new Future of this context's event loop, for somebody who is going to wait on it.

        Raises:
            NoActiveContextError: the context has ended.
            WrongLoopError: this call comes from elsewhere.
        """
        loop = self._loop
        try:
            here = get_running_loop()  # once per token of a live source: no call that is not needed
        except RuntimeError:
            here = None
        if loop is None or here is not loop:
            self.check()
            loop = self.loop
        return Future(loop=loop)  # what `create_future` of asyncio and of uvloop does, without a call a token

    def in_loop_thread(self) -> bool:
        """Whether the caller runs on the thread of this context's event loop."""
        return threading.get_ident() == self._thread

    def in_process(self) -> bool:
        """Whether this is the process of its event loop, and no fork of it."""
        return os.getpid() == self._process

    def on_loop_thread(self, function: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        """``function``, run on the thread of this context from whatever thread it is called.

        A call from another thread runs in the contextvars of now, soon, in the order of the calls.

        Args:
            function: what is run; its result is dropped.
        """
        variables = contextvars.copy_context()

        def call(*args: *Ts) -> None:
            if self.in_loop_thread():
                function(*args)
            elif self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(partial(function, *args), context=variables)

        return call

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on this context's event loop, from whatever thread; not at all once it is closed.

        Args:
            callback: what is run.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def call_soon_here(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` in the next turn of the event loop that is running, if one is.

        Args:
            callback: what is run.
        """
        loop = running_loop()
        if loop is not None:
            loop.call_soon(callback, context=contextvars.Context())
