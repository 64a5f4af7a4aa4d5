"""What runs in a process of Ray: an agent, in one context, and everything that is asked of it.

An actor of Ray is an object whose async methods run on one event loop. This one has no state but the calls
that are going on: any of them may be made again by another worker.
"""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextvars import Context as Variables, copy_context
from typing import Final, cast

from miniagents import MiniAgent, MiniAgents
from miniagents.messages import Message, MessagePromise

from ._errors import RemoteError, pack_error
from ._pickles import dumps, loads
from ._runs import OBSERVED_CALL, RunReporter
from ._wire import REPLIES, Began, Call, Command, Credit, Ended, Frame, Pieces, RunBegun, data_of

AnyAgent = MiniAgent[Message, Message, ...]

_PAUSE: Final = 0.004  # seconds between two batches of frames: what comes meanwhile goes together
_PAUSE_AT_END: Final = 5.0  # seconds that stopped calls get for their clean-up


class _Reading:
    """A message, or the replies, that are being read.

    Args:
        credit: how many parts may come.

    Attributes:
        credit: how many parts may come.
        sent: how many parts have come; or messages.
        task: reads it.
        unsent: the last frame of its parts, as long as that has not been sent.
    """

    def __init__(self, credit: int) -> None:
        self.credit = credit
        self._more = asyncio.Event()
        self.sent = 0
        self.task: asyncio.Task[None] | None = None
        self.unsent: Pieces | None = None

    def allow(self, until: int) -> None:
        """More parts may come.

        Args:
            until: how many in all.
        """
        self.credit = max(self.credit, until)
        self._more.set()

    async def until_credit(self) -> None:
        """Return when another part may come."""
        while self.sent >= self.credit:
            self._more.clear()
            await self._more.wait()


class Worker:
    """An agent in a process of its own, which a driver asks."""

    def __init__(self) -> None:
        self._agent: AnyAgent | None = None
        self._life: asyncio.Task[None] | None = None
        self._variables = Variables()
        self._frames: list[Frame] = []
        self._something = asyncio.Event()
        self._readings: dict[tuple[int, int], _Reading] = {}
        self._unsent: list[_Reading] = []
        self._context: MiniAgents | None = None
        self._teller: RunReporter | None = None

    # -- what Ray calls ----------------------------------------------------------------------------------

    async def open(self, agent: bytes, settings: Mapping[str, object]) -> None:
        """Begin.

        Args:
            agent: pickled.
            settings: of its context.

        Raises:
            Exception: the agent cannot be made here.
        """
        _die_with(threading.current_thread())
        self._agent = cast("AnyAgent", loads(agent))
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(settings, ready))
        await ready

    async def _live(self, settings: Mapping[str, object], ready: asyncio.Future[None]) -> None:
        """Be in one context, from the beginning to the end."""
        async with MiniAgents(**settings) as self._context:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - as the driver has them
            self._variables = copy_context()
            ready.set_result(None)
            await asyncio.Event().wait()

    async def send(self, commands: list[Command]) -> None:
        """Take commands.

        Args:
            commands: in order.
        """
        for each in commands:
            if isinstance(each, Call):
                if (each.id, REPLIES) not in self._readings:  # else it has come already
                    self._read(each, REPLIES, self._make(each))
            elif (reading := self._readings.get((each.id, each.message))) is None:
                pass
            elif isinstance(each, Credit):
                reading.allow(each.until)
            elif reading.task is not None:
                reading.task.cancel()

    async def frames(self) -> AsyncGenerator[bytes]:
        """Everything that comes of all calls, in pickled batches; it ends when the driver cancels it."""
        while True:
            await self._something.wait()
            await asyncio.sleep(0)  # the end of a call comes a turn after its last message
            self._something.clear()
            for each in self._unsent:
                each.unsent = None
            self._unsent.clear()
            frames, self._frames = self._frames, []
            try:
                pickled = dumps(frames)
            except Exception:  # noqa: BLE001 - what pickles raise is a matter of the class
                pickled = dumps(self._sendable(frames))
            yield pickled
            await asyncio.sleep(_PAUSE)

    def _sendable(self, frames: list[Frame]) -> list[Frame]:
        """The same frames; where one cannot be pickled, its message fails, or the replies if it began."""
        sendable: list[Frame] = []
        failed: set[int] = set()  # calls whose replies have ended
        for frame in frames:
            if isinstance(frame, Began) and frame.id in failed:
                continue
            try:
                dumps(frame)
            except Exception as error:  # noqa: BLE001 - as above
                if isinstance(frame, Began | Pieces | Ended):
                    sendable.append(self._refused(frame, error))
                    failed.update([frame.id] * isinstance(frame, Began))
                elif isinstance(frame, RunBegun):
                    sendable.append(frame._replace(keywords={}))
            else:
                sendable.append(frame)
        return sendable

    def _refused(self, frame: Began | Pieces | Ended, error: Exception) -> Ended:
        begins = isinstance(frame, Began)
        for (call, message), reading in self._readings.items():
            of_it = message == REPLIES or message >= frame.message if begins else message == frame.message
            if call == frame.id and of_it and reading.task is not None:
                reading.task.cancel()
        why = RemoteError(
            f"What {cast('AnyAgent', self._agent).alias} replies cannot come from a worker: "
            f"{type(error).__name__}: {error}. Define the classes of messages in a module, outside of "
            "functions, and have messages hold data only."
        )
        return Ended(frame.id, REPLIES if begins else frame.message, {}, pack_error(why))

    async def close(self) -> None:
        """Stop everything, and return when it has cleaned up."""
        tasks = [each.task for each in self._readings.values() if each.task is not None]
        if self._life is not None:
            tasks.append(self._life)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PAUSE_AT_END)

    # -- calls -------------------------------------------------------------------------------------------

    def _read(self, call: Call, message: int, reads: Coroutine[object, object, None]) -> None:
        """Read something in a task of its own, which is all that keeps it going."""
        key = call.id, message
        reading = self._readings[key] = _Reading(call.window)
        loop = asyncio.get_running_loop()
        reading.task = loop.create_task(reads, context=self._variables.copy())
        reading.task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: tuple[int, int]) -> None:
        # Else they would hold each other: the task its error, that its frames, and these the promise.
        self._readings.pop(key).task = None

    async def _make(self, call: Call) -> None:
        """Make a call, and tell its messages.

        Nothing but this task holds the replies: when it is stopped, nobody reads them any more.
        """
        agent = cast("AnyAgent", self._agent)
        if call.observed:  # there is an observer from the first such call on
            OBSERVED_CALL.set(call.id)
            if self._teller is None and self._context is not None:
                self._teller = RunReporter(self._tell)
                self._context.observe(self._teller)
        reading = self._readings[call.id, REPLIES]
        ended = Ended(call.id, REPLIES, {})
        try:
            keywords = cast("Mapping[str, object]", loads(call.keywords) if call.keywords else {})
            number = 0
            async for promise in agent.inquire(call.messages, **keywords):
                kind, known, whole = promise.message_class, promise.preliminary_metadata, promise.given
                self._tell(Began(call.id, number, kind, known if whole is None else {}, whole))
                if whole is None:
                    self._read(call, number, self._tell_message(call.id, number, promise))
                number = reading.sent = number + 1
                if number >= reading.credit:
                    await reading.until_credit()
        except Exception as error:  # noqa: BLE001 - it is told to who has asked
            ended = ended._replace(error=pack_error(error))
        self._tell(ended)

    async def _tell_message(self, call: int, number: int, promise: MessagePromise[Message]) -> None:
        """Tell one message as it streams."""
        reading = self._readings[call, number]
        try:
            async for part in promise.parts:
                if reading.unsent is None:
                    reading.unsent = Pieces(call, number, reading.sent, [])
                    self._unsent.append(reading)
                    self._tell(reading.unsent)
                reading.unsent.parts.append(part)
                reading.sent += 1
                if reading.sent >= reading.credit:
                    await reading.until_credit()
            message = await promise
        except Exception as error:  # noqa: BLE001 - it is told to who has asked
            self._tell(Ended(call, number, {}, pack_error(error)))
        else:
            known = data_of(message)
            if known.get("text") == "".join(promise.buffer.items):
                del known["text"]  # its parts tell it
            self._tell(Ended(call, number, known))

    def _tell(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._something.set()


def _die_with(thread: threading.Thread) -> None:
    """End this process when its event loop ends, by a `SystemExit` in an agent.

    Its driver would wait for it for ever.

    Args:
        thread: in which Ray runs the event loop.
    """
    if thread is threading.main_thread():
        return  # its end is that of the process
    before = threading.excepthook

    def failed(args: threading.ExceptHookArgs) -> None:
        before(args)
        if args.thread is thread:
            os._exit(1)

    threading.excepthook = failed
