"""Runs a coroutine function on an event loop of its own and leaves nothing behind.

`run_async` is what an `async def` test under `@given` calls for each example. The loop is fresh, and closed
afterwards. What the coroutine left running is an error here, not a silent cancellation; `without_leaks` is
that check alone, for a coroutine that runs already.
"""

import asyncio
import gc
import io
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Set as AbstractSet
from typing import TypeVar
from weakref import WeakSet

__all__ = ["TIME_LIMIT", "open_generators", "run_async", "watch_generators", "without_leaks"]

T = TypeVar("T")

TIME_LIMIT = 30.0
"""Seconds one coroutine may take unless told otherwise."""

# A cancellation travels one task a loop turn, and a transport closes its socket one turn after `close()`.
_TURNS_OF_GRACE = 20


def run_async(
    coro_fn: Callable[[], Coroutine[object, object, T]],
    *,
    timeout: float | None = TIME_LIMIT,
    debug: bool | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Turn `coro_fn()` into its result, on a fresh loop.

    Args:
        coro_fn: called once, inside the loop's runner; the coroutine it returns is the main task.
        timeout: seconds until the coroutine is cancelled and the stacks of all tasks are printed to stderr;
            None on a loop with virtual time, which finds by itself that nothing can happen any more.
        debug: whether asyncio is in debug mode; None for what PYTHONASYNCIODEBUG says.
        loop_factory: makes the loop, if it is not to be an ordinary one.

    Raises:
        TimeoutError: the coroutine took longer than `timeout`.
        AssertionError: it ended but left a task running or an async generator open.

    >>> async def three() -> int:
    ...     return 3
    >>> run_async(three)
    3
    """
    with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(without_leaks(coro_fn, timeout))


async def without_leaks(coro_fn: Callable[[], Coroutine[object, object, T]], seconds: float | None) -> T:
    """Await `coro_fn()`, and look at what it leaves behind on this loop: what was there before may stay.

    Args:
        coro_fn: called once; what it returns runs in the task that awaits this.
        seconds: until it is cancelled; None: never.

    Raises:
        TimeoutError: it took longer.
        AssertionError: it ended but left a task running or an async generator open.
    """
    generators, before = watch_generators(), asyncio.all_tasks()
    result = await _within(coro_fn, seconds)
    await _settle(generators, before)
    left = [f"task {task!r}" for task in asyncio.all_tasks() - before]
    left += [f"async generator {generator!r}" for generator in open_generators(generators)]
    if left:
        raise AssertionError("the test ended but left behind: " + "; ".join(left))
    return result


async def _within(coro_fn: Callable[[], Coroutine[object, object, T]], seconds: float | None) -> T:
    if seconds is None:
        return await coro_fn()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            # The stacks are taken just before the cancellation: afterwards they would show the clean-up.
            show = asyncio.get_running_loop().call_later(seconds * 0.98, _show_tasks)
            try:
                return await coro_fn()
            finally:
                show.cancel()
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"the test took longer than {seconds:g} s; its tasks are on stderr") from error
        raise


async def _settle(
    generators: WeakSet[AsyncGenerator[object, object]], before: AbstractSet[asyncio.Task[object]]
) -> None:
    """Give what is already ending a bounded number of loop turns; collect cycles only if need be."""
    for collect in (False, True):
        if collect:
            gc.collect()
        for _ in range(_TURNS_OF_GRACE):
            if asyncio.all_tasks() <= before and not open_generators(generators):
                return
            await asyncio.sleep(0)


def watch_generators() -> WeakSet[AsyncGenerator[object, object]]:
    """Return the set of all async generators that are started on this loop from now on, kept up to date."""
    seen: WeakSet[AsyncGenerator[object, object]] = WeakSet()
    loop_hooks = sys.get_asyncgen_hooks()

    def first_iteration(generator: AsyncGenerator[object, object]) -> None:
        seen.add(generator)
        if loop_hooks.firstiter is not None:
            loop_hooks.firstiter(generator)

    # The loop puts back what was there before it ran, so these hooks end with it.
    sys.set_asyncgen_hooks(firstiter=first_iteration)
    return seen


def open_generators(
    generators: WeakSet[AsyncGenerator[object, object]],
) -> list[AsyncGenerator[object, object]]:
    """Return those that have not ended."""
    return [each for each in generators if getattr(each, "ag_frame", None) is not None]


def _show_tasks() -> None:
    text = io.StringIO()
    for task in asyncio.all_tasks():
        task.print_stack(file=text)
    sys.stderr.write(f"the time limit is near; all tasks:\n{text.getvalue()}")
