"""A blocking run inside a running event loop: on a thread and an event loop of its own."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

from ._run_loop import run_loop

T = TypeVar("T")


def run_in_thread(main: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run ``main()`` on a new thread with a new event loop and block until it has ended.

    ``asyncio.run`` refuses to nest, and it is right: one loop cannot wait for itself. The contextvars of the
    caller are seen inside; what interrupts the caller (Ctrl-C) cancels ``main`` and is re-raised after its
    cleanup.
    """
    outcome: Future[T] = Future()
    cancel: list[Callable[[], object]] = []
    begun = threading.Event()

    async def watched() -> T:
        task = asyncio.current_task()
        if task is not None:
            cancel.append(lambda: asyncio_loop.call_soon_threadsafe(task.cancel))
        asyncio_loop = asyncio.get_running_loop()
        begun.set()
        return await main()

    def work() -> None:
        try:
            outcome.set_result(run_loop(watched))
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller
            outcome.set_exception(error)
            begun.set()

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(work,), name="miniagents-nested-run"
    )
    try:
        thread.start()
        # Not `join`: up to Python 3.12 a join that was interrupted takes the thread for ended, so that the
        # next one does not wait.
        wait((outcome,))
    except BaseException:
        if thread.ident is not None:  # else there is no such thread
            begun.wait()
            for request in cancel:
                with suppress(RuntimeError):  # its event loop is closed: it has just ended by itself
                    request()
            wait((outcome,))
        raise
    thread.join()
    return outcome.result()
