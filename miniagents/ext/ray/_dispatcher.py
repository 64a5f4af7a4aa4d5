"""Who makes which call: the workers of one agent, and the calls that wait for one.

Ray retries nothing here. What was lost with a worker is known only to who has told it to readers, so it is
decided there (`RemoteCall.lose`) whether a call is made again.

A call that kills its worker takes those with it that the worker was making at the same time. So that it does
so no more than it must, the last attempt of a call is made by a worker that makes no other one meanwhile.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import Context as Variables
from dataclasses import dataclass
from types import ModuleType
from typing import Final, cast

from miniagents.messages import Message

from ._call import RemoteCall
from ._errors import RemoteError
from ._library import ActorClass, ActorHandle, Frames, ray_library
from ._pickles import loads
from ._runs import RunWatch
from ._wire import Call, Command, Frame
from ._worker import Worker

logger = logging.getLogger("miniagents.ext.ray")

_STARTS: Final = 3  # workers in a row that may be lost before they have begun
_PAUSE: Final = 0.5  # seconds before another one is started then, times how many there were
_TO_CLOSE: Final = 8.0  # seconds that a worker gets to stop its calls
_SLOW_START: Final = 30.0  # seconds without any worker after which that is logged


@dataclass(frozen=True, slots=True)
class Plan:
    """How an agent is to be run.

    Attributes:
        agent: its alias.
        pickled: makes what workers make it of.
        replicas: how many workers.
        concurrency: how many calls each of them makes at once.
        attempts: how often a call is made whose worker is lost.
        options: of the actors, for Ray.
    """

    agent: str
    pickled: Callable[[], bytes]
    replicas: int
    concurrency: int
    attempts: int
    options: Mapping[str, object]


class Dispatcher:
    """The workers of an agent, for one event loop; Ray must be initialised.

    Args:
        plan: how the agent is to be run.
        settings: of the context of each worker.

    Raises:
        RemoteError: Ray is not initialised, or the agent cannot be sent to workers.
        ImportError: Ray is not installed.
    """

    def __init__(self, plan: Plan, settings: Mapping[str, object]) -> None:
        self.plan: Plan = plan
        self.settings: Mapping[str, object] = settings
        self.ray: ModuleType = ray_library()
        if not self.ray.is_initialized():
            raise RemoteError(
                f"Ray is not initialised, so {plan.agent} has no workers: call ray.init(...) before the "
                "first call of a remote agent."
            )
        try:
            self.pickled: bytes = plan.pickled()
        except Exception as error:
            raise RemoteError(
                f"{plan.agent} cannot be sent to workers: {type(error).__name__}: {error}. Have clients, "
                "locks and open files made by the agent's function, and not where the agent is made."
            ) from error
        options = {"max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": "SPREAD"}
        self.actors: ActorClass = self.ray.remote(**{**options, **plan.options})(Worker)
        self._loop = asyncio.get_running_loop()
        self._workers: list[Host] = []
        self._waiting: deque[RemoteCall] = deque()
        self._alone: deque[RemoteCall] = deque()  # on their last attempts
        self._numbers = itertools.count(1)
        self._failed_starts = 0
        self._closed = False
        self._warning: asyncio.TimerHandle | None = None

    # -- what calls ask ----------------------------------------------------------------------------------

    def begin(
        self, messages: tuple[Message, ...], keywords: bytes, window: int, watch: RunWatch | None
    ) -> RemoteCall:
        """Have a call made.

        Args:
            messages: what the agent is sent.
            keywords: of the call; pickled.
            window: how many parts of a message may come that nobody has read.
            watch: of its run here, if that is observed.
        """
        call = RemoteCall(self.plan.agent, messages, keywords, self.plan.attempts, window, watch=watch)
        self._waiting.append(call)
        self._place()
        return call

    def place_soon(self) -> None:
        """Something has changed: calls that wait may find a worker."""
        self._loop.call_soon(self._place)

    def _place(self) -> None:
        """Hand out calls, as many as the workers take."""
        _drop_those_that_are_over(self._waiting)
        _drop_those_that_are_over(self._alone)
        if self._closed or not (self._waiting or self._alone):
            return
        while len(self._workers) < self.plan.replicas:
            self._workers.append(Host(self, self._failed_starts * _PAUSE))
        ready = [each for each in self._workers if each.ready]
        if not ready and self._warning is None:
            self._warning = self._loop.call_later(_SLOW_START, self._warn)
        while self._alone and ready:
            idle = next((each for each in ready if not each.calls), None)
            if idle is None:
                if not any(each.reserved for each in ready):  # one is to become idle
                    min(ready, key=_load).reserved = True
                break
            idle.reserved = True
            self._alone.popleft().make(next(self._numbers), idle)
            _drop_those_that_are_over(self._alone)
        free = [each for each in ready if not each.reserved]
        while self._waiting and free:
            least = min(free, key=_load)
            if len(least.calls) >= self.plan.concurrency:
                break
            self._waiting.popleft().make(next(self._numbers), least)
            _drop_those_that_are_over(self._waiting)

    def _warn(self) -> None:
        self._warning = None
        if (self._waiting or self._alone) and not any(each.ready for each in self._workers):
            text = "%s waits for its workers for %d s: has the cluster a node with free resources for them?"
            logger.warning(text, self.plan.agent, _SLOW_START)

    # -- what workers tell -------------------------------------------------------------------------------

    def opened(self) -> None:
        """A worker has begun."""
        self._failed_starts = 0
        self._place()

    def lost(self, host: "Host", why: str, *, began: bool) -> None:
        """A worker is lost, with all its calls.

        Args:
            host: that worker.
            why: what is known of it.
            began: it had begun.
        """
        self._workers.remove(host)
        if self._closed:
            return
        if began:
            logger.warning(
                "A worker of %s was lost, with %d calls. %s", self.plan.agent, len(host.calls), why
            )
        else:
            self._failed_starts += 1
        for call in reversed(host.calls.values()):  # they come first: they have waited already
            if call.lose(why):
                (self._alone if call.last_attempt else self._waiting).appendleft(call)
        if self._failed_starts >= _STARTS and not any(each.ready for each in self._workers):
            self._failed_starts = 0
            self.refuse(RemoteError(f"No worker of {self.plan.agent} can be started. {why}"))
        self.place_soon()

    def refuse(self, error: RemoteError) -> None:
        """Nothing that waits can be made.

        Args:
            error: why.
        """
        waiting = [*self._waiting, *self._alone]
        self._waiting.clear()
        self._alone.clear()
        for call in waiting:
            call.fail(error)

    # -- the end -----------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Stop all workers, and return when their processes have been told to end."""
        self._closed = True
        if self._warning is not None:
            self._warning.cancel()
        self.refuse(RemoteError(f"The context of {self.plan.agent} has ended."))
        if self._workers:
            await asyncio.wait([asyncio.ensure_future(each.close()) for each in list(self._workers)])


class Host:
    """One worker, as its driver sees it.

    Args:
        dispatcher: who hands out calls.
        delay: seconds before it is started.

    Attributes:
        calls: that it makes, by their numbers.
        ready: it takes calls.
        reserved: it takes none but the one that is to be made alone.
    """

    def __init__(self, dispatcher: Dispatcher, delay: float) -> None:
        self.calls: dict[int, RemoteCall] = {}
        self.ready: bool = False
        self.reserved: bool = False
        self._dispatcher = dispatcher
        self._delay = delay
        self._actor: ActorHandle | None = None
        self._frames: Frames | None = None
        self._commands: list[Command] = []
        self._something = asyncio.Event()
        self._gone = False
        self._closing = False
        # In no run: it belongs to all calls, and none of them waits for it as for a task of its own.
        self._tasks = [asyncio.get_running_loop().create_task(self._live(), context=Variables())]

    # -- calls -------------------------------------------------------------------------------------------

    def send(self, command: Command, /) -> None:
        """Tell the worker something; with all that is told in the meantime."""
        self._commands.append(command)
        self._something.set()

    def ended(self, call: RemoteCall, /) -> None:
        """A call needs no worker any more."""
        self.calls.pop(call.id, None)
        if not self.calls:
            self.reserved = False
        self._dispatcher.place_soon()

    # -- its life ----------------------------------------------------------------------------------------

    async def _live(self) -> None:
        ray = self._dispatcher.ray
        try:
            if self._delay:
                await asyncio.sleep(self._delay)
            actor = self._actor = self._dispatcher.actors.remote()
            try:
                await actor.open.remote(self._dispatcher.pickled, dict(self._dispatcher.settings))
            except ray.exceptions.RayTaskError as error:  # nor could it be made in any other worker
                text = f"{self._dispatcher.plan.agent} cannot be made in a worker: {_sentence(error)} "
                advice = "ray.init(runtime_env={'working_dir': '.'}) sends the files of a program."
                self._dispatcher.refuse(RemoteError(f"{text}Is its module installed there? {advice}"))
                raise
            self.ready = True
            self._tasks.append(asyncio.get_running_loop().create_task(self._tell(actor), context=Variables()))
            self._dispatcher.opened()
            frames = self._frames = actor.frames.remote()
            async for batch in frames:
                for frame in cast("list[Frame]", loads(cast("bytes", await batch))):
                    if (call := self.calls.get(frame.id)) is not None:
                        call.take(frame)
            self.lose("It has ended.")
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing comes from this worker any more
            self.lose(_sentence(error))

    async def _tell(self, actor: ActorHandle) -> None:
        """Send commands: while some are on their way, those that come next are collected."""
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                commands, self._commands = self._commands, []
                await self._send(actor, commands)
        except Exception as error:  # noqa: BLE001 - as above
            self.lose(_sentence(error))

    async def _send(self, actor: ActorHandle, commands: list[Command]) -> None:
        """Send commands; if a call among them cannot be sent, that one fails."""
        unavailable: type[Exception] = self._dispatcher.ray.exceptions.RayActorError
        try:
            await actor.send.remote(commands)
        except unavailable:
            raise
        except Exception as error:
            if len(commands) > 1:  # nothing of them has come: what was sent could not be read
                for each in commands:
                    await self._send(actor, [each])
                return
            call = self.calls.get(commands[0].id)
            if call is None or not isinstance(commands[0], Call):
                raise
            agent = self._dispatcher.plan.agent
            call.fail(RemoteError(f"What {agent} was sent cannot go to a worker: {_sentence(error)}"))
            self.ended(call)

    def lose(self, why: str) -> None:
        """Nothing comes from it any more.

        Args:
            why: what is known of it.
        """
        if self._gone or self._closing:
            return
        self._gone = True
        began, self.ready = self.ready, False
        here = asyncio.current_task()
        for task in self._tasks:
            if task is not here:
                task.cancel()
        self._kill()
        self._dispatcher.lost(self, why, began=began)

    def _kill(self) -> None:
        if self._actor is not None:
            with suppress(Exception):  # it is gone already, or Ray is
                self._dispatcher.ray.kill(self._actor)

    async def close(self) -> None:
        """Stop its calls, and end its process."""
        self._closing = True
        self.ready = False
        ray = self._dispatcher.ray
        with suppress(Exception):  # it is gone already, or Ray is
            if self._actor is not None and self._frames is not None:
                ray.cancel(self._frames)  # to drop it would not stop it
                async with asyncio.timeout(_TO_CLOSE):
                    await self._actor.close.remote()
        self._kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


def _load(host: Host) -> int:
    return len(host.calls)


def _drop_those_that_are_over(calls: deque[RemoteCall]) -> None:
    while calls and calls[0].over:
        calls.popleft()


def _sentence(error: BaseException) -> str:
    """What Ray says of an error, in one line."""
    cause: object = getattr(error, "cause", None)
    shown = cause if isinstance(cause, BaseException) else error
    lines: Iterable[str] = (line.strip() for line in str(shown).splitlines())
    text = next((line for line in lines if line), "")
    return f"{type(shown).__name__}: {text}"[:500].rstrip(":. ") + "."
