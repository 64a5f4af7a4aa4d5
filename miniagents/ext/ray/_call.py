"""A call of an agent in a worker, as its driver sees it: the replies, and the messages that stream.

What a reader has been given cannot be taken back. So a call whose worker is lost is made again only if no
message of it is complete. A message that was streaming begins anew: a `Restart` says so, if anything of it
has been read.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Final

from miniagents.messages import Message, MessagePromise
from miniagents.parts import Part, Restart

from ._errors import RemoteError, unpack_error
from ._runs import RemoteRuns, RunWatch
from ._wire import REPLIES, Began, Call, Command, Credit, Ended, Frame, Leave, Pieces, data_of

if TYPE_CHECKING:
    from ._dispatcher import Host

_SHARE: Final = 2  # more credit is given when half of it is used up


class RemoteCall:
    """One call.

    Args:
        agent: the alias, for errors.
        messages: what the agent is sent.
        keywords: of the call; pickled.
        attempts: how often it may be made.
        window: how many parts of a message may come that nobody has read.
        watch: of its run here, if that is observed.

    Attributes:
        made: how often it was made.
        id: of the last attempt.
        loop: in which it was begun.
    """

    def __init__(
        self,
        agent: str,
        messages: tuple[Message, ...],
        keywords: bytes,
        attempts: int,
        window: int,
        *,
        watch: RunWatch | None,
    ) -> None:
        self.agent: str = agent
        self.window: int = window
        self.made: int = 0
        self.id: int = 0
        self._messages = messages
        self._keywords = keywords
        self._attempts = attempts
        self._runs = None if watch is None else RemoteRuns(agent, watch)
        self.loop = asyncio.get_running_loop()
        self._link: Host | None = None
        self._begun = 0  # messages of this attempt
        self._streams: dict[int, _Stream] = {}  # that are not complete
        self._known = 0  # messages that were told, of all attempts
        self._complete = 0  # of these, those that are complete
        self._untaken: deque[_Stream | Message] = deque()
        self._taken = 0  # messages that were handed on
        self._granted = window
        self._left = False  # nobody wants further messages
        self._replied: asyncio.Future[None] = self.loop.create_future()  # done: no further message comes
        self._more = asyncio.Event()

    # -- for who places calls ----------------------------------------------------------------------------

    @property
    def last_attempt(self) -> bool:
        """Whether it may be made only once more, after it was lost."""
        return 0 < self.made == self._attempts - 1

    @property
    def over(self) -> bool:
        """Nothing more comes of it, or nobody wants it."""
        return (self._replied.done() or self._left) and not self._streams

    def make(self, number: int, link: "Host") -> None:
        """Have it made by a worker.

        Args:
            number: of the attempt.
            link: the way to the worker.
        """
        link.calls[number] = self
        self.id = number
        self.made += 1
        self._link = link
        link.send(Call(number, self._messages, self._keywords, self.window, self._runs is not None))
        if self._granted > self.window:
            link.send(Credit(number, REPLIES, self._granted))

    def lose(self, why: str) -> bool:
        """Its worker is lost; whether it is to be made again.

        Args:
            why: what is known of it.
        """
        self._link = None
        if self._runs is not None:
            self._runs.end("failed", RemoteError(f"The worker was lost. {why}".rstrip(), attempts=self.made))
        if self._complete or self.made >= self._attempts:
            after = f" after {self._complete} of its messages were complete" if self._complete else ""
            times = "once" if self.made == 1 else f"{self.made} times"
            text = f"The worker that ran {self.agent} was lost{after}; the call was made {times}. {why}"
            self.fail(RemoteError(text.rstrip(), attempts=self.made))
            return False
        self._begun = 0
        for each in self._streams.values():
            each.begin_again(why)
        return not self.over

    def fail(self, error: Exception) -> None:
        """It ends with an error, and so does every message of it that is not complete.

        Args:
            error: of which its readers are told.
        """
        for each in self._streams.values():
            each.end({}, copy(error))  # each has its own: it is told what had come of it
        self._streams.clear()
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self._replied.done():
            if error is None:
                self._replied.set_result(None)
            else:
                self._replied.set_exception(error)
                self._replied.exception()  # asyncio need not tell of it: nobody may want to know
            self._more.set()

    # -- what comes from the worker ----------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """Take a frame of the last attempt.

        Args:
            frame: the next one.

        Raises:
            RemoteError: a frame before it is missing.
        """
        match frame:
            case Began():
                self._begin(frame)
            case Pieces():
                stream = self._streams.get(frame.message)
                if stream is not None:
                    stream.put(frame.position, frame.parts)
            case Ended():
                error = None if frame.error is None else unpack_error(frame.error, self.agent)
                if frame.message == REPLIES:
                    self._end_replies(error)
                else:
                    self._end_message(frame.message, frame.data, error)
            case _:
                if self._runs is not None:
                    self._runs.take(frame)
        self._tell_if_over()

    def _begin(self, frame: Began) -> None:
        number = frame.message
        self._begun = number + 1
        stream = self._streams.get(number)
        if stream is not None:  # of an attempt before this one
            if frame.whole is not None:
                stream.whole = frame.whole
                self._end_message(number, data_of(frame.whole), None)
            elif frame.kind is not stream.kind:
                text = f"{self.agent} was made again, and replied {frame.kind.__name__} where it had begun "
                self._end_message(number, {}, RemoteError(f"{text}{stream.kind.__name__}."))
                self.leave(number)
        elif self._left or number < self._known:
            if frame.whole is None:
                self.send(Leave(self.id, number))
        else:
            self._known = number + 1
            if frame.whole is not None:
                self._complete += 1
                self._untaken.append(frame.whole)
            else:
                stream = self._streams[number] = _Stream(self, number, frame)
                self._untaken.append(stream)
            self._more.set()
        if self._left and self._begun > max(self._streams, default=-1):
            self.send(Leave(self.id, REPLIES))  # all that is still wanted has begun

    def _end_message(self, number: int, data: Mapping[str, object], error: Exception | None) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._complete += 1
            stream.end(data, error)

    def _end_replies(self, error: Exception | None) -> None:
        for number in [each for each in self._streams if each >= self._begun]:
            text = f"{self.agent} was made again, and replied only {self._begun} messages, not {self._known}."
            self._end_message(number, {}, error or RemoteError(text))
        self._end(error)

    # -- what its readers do -----------------------------------------------------------------------------

    async def messages(self) -> AsyncGenerator[MessagePromise[Message] | Message]:
        """The messages that it replies, for the run that replies them; see `until_replied` for the end."""
        try:
            while True:
                while self._untaken:
                    each = self._untaken.popleft()
                    self._taken += 1
                    if self._granted - self._taken < self.window // _SHARE:
                        self._granted = self._taken + self.window
                        self.send(Credit(self.id, REPLIES, self._granted))
                    yield each if isinstance(each, Message) else each.promise()
                if self._replied.done():
                    return
                self._more.clear()
                await self._more.wait()
        finally:
            self._leave_replies()

    async def until_replied(self) -> None:
        """Return when no further message comes.

        Raises:
            Exception: what the agent raised, or that the worker was lost.
        """
        await asyncio.shield(self._replied)

    def _leave_replies(self) -> None:
        if not self._left:
            self._left = True
            if not self._replied.done():
                self.send(Leave(self.id, REPLIES))
            for each in self._untaken:
                if isinstance(each, _Stream):
                    self.leave(each.number)
            self._untaken.clear()
            self._tell_if_over()

    def leave(self, number: int) -> None:
        """Nobody reads a message any more.

        Args:
            number: of the message.
        """
        if self._streams.pop(number, None) is not None:
            self.send(Leave(self.id, number))
            self._tell_if_over()

    def send(self, command: Command) -> None:
        """Tell the worker something; nothing if it has none.

        Args:
            command: for the last attempt.
        """
        if self._link is not None:
            self._link.send(command)

    def _tell_if_over(self) -> None:
        if self._link is not None and self.over:
            link, self._link = self._link, None
            link.ended(self)
            if self._runs is not None:
                self._runs.end("done" if self._replied.done() else "abandoned")


class _Stream:
    """A message that streams.

    Args:
        call: to which it belongs.
        number: which one it is.
        began: its first frame.

    Attributes:
        kind: its class.
        number: which one it is.
        call: to which it belongs.
        whole: the message from which its parts are taken, if it came complete.
    """

    def __init__(self, call: RemoteCall, number: int, began: Began) -> None:
        self.kind: type[Message] = began.kind
        self.number: int = number
        self.call: RemoteCall = call
        self._known = began.data
        self._parts: deque[Part] = deque()
        self._received = 0  # parts of this attempt
        self._read = 0  # of these, those that were read
        self._granted = call.window
        self._lost: str | None = None  # why what was read is not the answer
        self._data: Mapping[str, object] = {}
        self._error: Exception | None = None
        self._ending = False
        self.whole: Message | None = None
        self._more = asyncio.Event()

    def promise(self) -> MessagePromise[Message]:
        """The message, for the run that replies it."""
        return self.kind.promise_of_parts(_Streamer(self), **self._known)

    def put(self, position: int, parts: Sequence[Part]) -> None:
        """Add parts.

        Args:
            position: how many should have come before.
            parts: what has come.

        Raises:
            RemoteError: other parts are missing.
        """
        if position != self._received:
            raise RemoteError(f"part {position} of a message came, and part {self._received} should have.")
        self._received += len(parts)
        self._parts.extend(parts)
        self._more.set()

    def begin_again(self, why: str) -> None:
        """Forget what nobody has read: the message comes once more.

        Args:
            why: what is known of it.
        """
        if self._read:
            self._lost = f"A worker was lost. {why}".rstrip()
        self._parts.clear()
        self._received = self._read = 0
        self._granted = self.call.window
        self._more.set()

    def end(self, data: Mapping[str, object], error: Exception | None) -> None:
        """Nothing more comes.

        Args:
            data: of the message.
            error: why it is not complete.
        """
        self._ending, self._data, self._error = True, data, error
        self._more.set()

    async def parts(self, metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        """Its parts, as they are asked for."""
        call, parts = self.call, self._parts
        try:
            while True:
                while parts or self._lost is not None:
                    if self._lost is not None:
                        lost, self._lost = self._lost, None
                        yield Restart(lost)
                        continue
                    part = parts.popleft()
                    self._read += 1
                    if self._granted - self._read < call.window // _SHARE:
                        self._granted = self._read + call.window
                        call.send(Credit(call.id, self.number, self._granted))
                    yield part
                if self._ending:
                    if self.whole is not None:
                        async for part in self.whole.as_promise.parts:
                            yield part
                    if self._error is not None:
                        raise self._error
                    metadata_so_far.update(self._data)
                    return
                self._more.clear()
                await self._more.wait()
        finally:
            call.leave(self.number)


class _Streamer:
    """What a message is written from; if it is dropped before that has begun, the worker is told."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._begun = False

    def __call__(self, metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        self._begun = True
        return self._stream.parts(metadata_so_far)

    def __del__(self) -> None:
        call = self._stream.call
        if not self._begun and not call.loop.is_closed():  # in any thread
            call.loop.call_soon_threadsafe(call.leave, self._stream.number)
