"""`LoopBound`: the base class of objects that belong to one event loop and its thread."""

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
    """Return the event loop that is running on this thread; None if none is running."""
    try:
        return get_running_loop()
    except RuntimeError:
        return None


class LoopBound:
    """An object that belongs to the event loop on which it was opened, until it is unbound."""

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
        """Bind it to the running event loop and this thread."""
        self._loop = get_running_loop()
        self._thread = threading.get_ident()
        self._process = os.getpid()

    def unbind(self) -> None:
        """Unbind it from its event loop."""
        self._loop = None

    def check(self) -> None:
        """Raise an error if the caller is on a thread or event loop other than that of the entry.

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
        """Raise an error if the caller is on another thread, event loop or process, even if it has ended.

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
        """Return a new Future of this context's event loop.

        Raises:
            NoActiveContextError: the context has ended.
            WrongLoopError: this call comes from elsewhere.
        """
        loop = self._loop
        try:
            here = get_running_loop()  # once per token of a live source, so without calls that are not needed
        except RuntimeError:
            here = None
        if loop is None or here is not loop:
            self.check()
            loop = self.loop
        return Future(loop=loop)  # as `create_future` of asyncio and uvloop, without a call per token

    def in_loop_thread(self) -> bool:
        """Whether the caller runs on the thread of this context's event loop."""
        return threading.get_ident() == self._thread

    def in_process(self) -> bool:
        """Whether this is the process of its event loop, not a fork of it."""
        return os.getpid() == self._process

    def on_loop_thread(self, function: Callable[[*Ts], object]) -> Callable[[*Ts], None]:
        """Return a function that runs ``function`` on the thread of this context, from any thread.

        A call from another thread runs soon, in the order of the calls, with the present contextvars.

        Args:
            function: the function to run; its result is dropped.
        """
        variables = contextvars.copy_context()

        def call(*args: *Ts) -> None:
            if self.in_loop_thread():
                function(*args)
            elif self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(partial(function, *args), context=variables)

        return call

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on this context's event loop, from any thread; if the loop is closed, do nothing.

        Args:
            callback: the function to run.
        """
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def call_soon_here(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` in the next turn of the running event loop, if there is one.

        Args:
            callback: the function to run.
        """
        loop = running_loop()
        if loop is not None:
            loop.call_soon(callback, context=contextvars.Context())
