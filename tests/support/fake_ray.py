"""As much of Ray as the agents use, in this process: actors, their refs and generators, and their deaths.

What goes to an actor and comes from it is pickled, as between processes. A killed actor is silent at once:
what was on its way is lost.
"""

import asyncio
import pickle
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from typing_extensions import override

from miniagents.ext.ray._wire import Command
from miniagents.ext.ray._worker import Worker

__all__ = ["FakeActor", "FakeActorError", "FakeRay", "FakeTaskError", "fake_ray"]

_TICK: Final = 0.0005  # seconds on the way
_WHERE: "ContextVar[FakeActor]" = ContextVar("fake_actor")


class FakeActorError(Exception):
    """An actor has died."""


class FakeTaskError(Exception):
    """A method of an actor has failed."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Pickler(pickle.Pickler):
    """Pickles what modules have."""

    @override
    def reducer_override(self, obj: Any) -> Any:
        """As pickles do."""
        return NotImplemented


class FakeRay:
    """The module.

    Attributes:
        actors: all that were started, in order.
        options: with which they were.
        broken: how many of the next actors die when they are started.
    """

    __spec__ = ModuleSpec("ray", None)

    def __init__(self) -> None:
        self.exceptions = SimpleNamespace(RayActorError=FakeActorError, RayTaskError=FakeTaskError)
        self.cloudpickle = SimpleNamespace(CloudPickler=_Pickler)
        self.actors: list[FakeActor] = []
        self.options: dict[str, object] = {}
        self.initialized = True
        self.broken = 0

    def is_initialized(self) -> bool:
        """Whether somebody has called init."""
        return self.initialized

    def remote(self, **options: object) -> Callable[[type[Worker]], SimpleNamespace]:
        """What makes a class one of actors."""
        self.options = options
        return lambda kind: SimpleNamespace(remote=lambda: self._start(kind))

    def _start(self, kind: type[Worker]) -> "FakeActor":
        actor = FakeActor(kind())
        self.actors.append(actor)
        if self.broken:
            self.broken -= 1
            self.kill(actor)
        return actor

    def cancel(self, frames: "_Frames") -> None:
        """Stop a generator."""
        frames.cancelled = True
        frames.task.cancel()

    def kill(self, actor: "FakeActor") -> None:
        """End a process."""
        actor.die()

    @property
    def living(self) -> "list[FakeActor]":
        """The actors that have not been killed."""
        return [each for each in self.actors if not each.dead]

    async def ended(self) -> None:
        """Return when all of them are gone."""
        for each in self.actors:
            await each.gone()


class FakeActor:
    """An actor.

    Attributes:
        worker: the object.
        dead: it was killed.
        sent: how many lists of commands it was sent.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.dead = False
        self.sent = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._death: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._cleaning: asyncio.Task[None] | None = None
        self.open = self._method(self.worker.open)
        self.send = self._method(self._count)
        self.close = self._method(self.worker.close)
        self.frames = SimpleNamespace(remote=lambda: _Frames(self, self.worker.frames()))

    async def _count(self, commands: list[Command]) -> None:
        self.sent += 1
        await self.worker.send(commands)

    def _method(self, method: Callable[..., Coroutine[object, object, object]]) -> SimpleNamespace:
        def remote(*args: object) -> object:
            packed = pickle.dumps(args)  # what cannot be sent is refused at once

            async def work() -> object:
                await asyncio.sleep(_TICK)
                if self.dead:
                    raise FakeActorError("The actor died.")
                return await method(*pickle.loads(packed))  # noqa: S301 - our own

            return self.within(work())

        return SimpleNamespace(remote=remote)

    def within(self, work: Coroutine[object, object, object]) -> "asyncio.Future[object]":
        """Do something in the actor; what comes of it, or its death."""
        variables = Context()
        variables.run(_WHERE.set, self)
        task = asyncio.get_running_loop().create_task(work, context=variables)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        result = asyncio.ensure_future(self._result(task))
        for each in (task, result):  # nobody has to look at it: refs may be dropped
            each.add_done_callback(_look)
        return result

    async def _result(self, task: asyncio.Task[object]) -> object:
        await asyncio.wait((task, self._death), return_when=asyncio.FIRST_COMPLETED)
        if self.dead or task.cancelled():
            raise FakeActorError("The actor died.")
        error = task.exception()
        if isinstance(error, StopAsyncIteration):
            raise error
        if error is not None:
            raise FakeTaskError(error)
        return task.result()

    @staticmethod
    def here() -> "FakeActor":
        """The actor in which this is."""
        return _WHERE.get()

    def die(self) -> None:
        """Be killed."""
        if self.dead:
            return
        self.dead = True
        self._death.set_result(None)
        for each in self._tasks:
            each.cancel()
        self._cleaning = asyncio.get_running_loop().create_task(self.worker.close(), context=Context())

    async def gone(self) -> None:
        """Return when nothing of it is left."""
        self.die()
        if self._cleaning is not None:
            await self._cleaning
        if self._tasks:
            await asyncio.wait(self._tasks)


def _look(done: "asyncio.Future[object]") -> None:
    if not done.cancelled():
        done.exception()


class _Frames:
    """A generator of an actor."""

    def __init__(self, actor: FakeActor, generator: AsyncGenerator[object]) -> None:
        self._actor = actor
        self._generator = generator
        self._queue: asyncio.Queue[object] = asyncio.Queue()
        self.cancelled = False
        self.task = cast("asyncio.Task[object]", actor.within(self._produce()))

    async def _produce(self) -> None:
        try:
            async for each in self._generator:
                self._queue.put_nowait(pickle.dumps(each))
                await asyncio.sleep(_TICK)
        finally:
            with suppress(RuntimeError):
                await self._generator.aclose()

    def __aiter__(self) -> "_Frames":
        return self

    async def __anext__(self) -> "asyncio.Future[object]":
        getting = asyncio.ensure_future(self._queue.get())
        try:
            await asyncio.wait((getting, self.task), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            getting.cancel()
            raise
        result: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if getting.done() and not self._actor.dead:
            result.set_result(pickle.loads(cast("bytes", getting.result())))  # noqa: S301 - our own
        else:
            getting.cancel()
            result.set_exception(FakeActorError("The actor died."))
            _look(result)
        return result


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """Ray, for this test."""
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake
