"""A log of frames in Redis Streams: for many processes on many machines.

A run is a stream whose entries are its frames, entry ``0-7`` the seventh, and a hash of what else is known.
Frames are appended by a script, in one step of Redis: all of them, or none if the run has ended meanwhile.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final, Protocol, TypeAlias, cast

from ._frame_log import (
    BATCH,
    LOST,
    FrameLogError,
    Positioned,
    RunOverError,
    RunRecord,
    run_exists,
    unknown_run,
)
from ._frames import FRAMES_VERSION, Ending, Frame, RunEnded, frame_from_json, frame_json

__all__ = ["RedisFrames"]

logger = logging.getLogger(__name__)

_MS: Final = 1000
_BLOCK: Final = 500  # milliseconds that a reader waits in Redis before it looks whether the writer is there
_STOPS_KEPT: Final = 1000
_APPEND: Final = """
if redis.call('HEXISTS', KEYS[1], 'server') == 0 then return 0 end
if redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return 0 end
if ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'server') ~= ARGV[4] then return 0 end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
if (newest[1] and newest[1][1] or '0-0') ~= '0-' .. ARGV[1] then return 0 end
for at = 5, #ARGV do
    redis.call('XADD', KEYS[2], string.format('0-%d', ARGV[1] + at - 4), 'f', ARGV[at])
end
if ARGV[2] == '1' then redis.call('HSET', KEYS[1], 'ended', 1) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
"""
_DELETE_IF: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


_Entries: TypeAlias = list[tuple[str, Mapping[bytes, bytes]]]


class _Commands(Protocol):
    """What is used of a client of Redis, with the types that it has here."""

    def execute_command(self, *args: str | bytes | int) -> Awaitable[object]: ...
    def pipeline(self) -> "_Pipeline": ...
    def aclose(self) -> Awaitable[None]: ...


class _Clients(Protocol):
    def from_url(self, url: str) -> _Commands: ...


class _Library(Protocol):
    """What is used of redis.asyncio."""

    @property
    def Redis(self) -> _Clients: ...  # noqa: N802 - its name
    @property
    def RedisError(self) -> type[Exception]: ...  # noqa: N802 - its name


class _Pipeline(Protocol):
    def execute_command(self, *args: str | bytes | int) -> object: ...
    def execute(self) -> Awaitable[list[object]]: ...


class RedisFrames:
    """Keeps the frames of runs in Redis Streams; needs ``pip install 'miniagents[web,redis]'``.

    A run whose server was killed ends with `lost` for whoever reads it when ``lease`` seconds are over.

    Args:
        url: ``redis://host:port/db``, ``rediss://`` or ``unix://``.
        prefix: of all keys.
        keep: seconds that a run is kept after its last frame.
        lease: seconds without a sign of life after which a server counts as gone.

    Raises:
        ImportError: the client of Redis is not installed.

    Example:
        >>> log = RedisFrames("redis://127.0.0.1:6379/0", keep=3600)
    """

    def __init__(
        self, url: str, *, prefix: str = "miniagents:", keep: float = 24 * 3600.0, lease: float = 3.0
    ) -> None:
        try:  # here: whoever has another log need not have it, nor wait for it
            self._library = cast("_Library", import_module("redis.asyncio"))
        except ImportError as error:
            raise ImportError("RedisFrames needs: pip install 'miniagents[web,redis]'") from error
        self._failures = (self._library.RedisError, OSError)
        self._url = url
        self._prefix = prefix
        self._keep = int(keep * _MS)
        self._lease = lease
        self._server = ""
        self._client: _Commands | None = None
        self._on_stop: Callable[[str], None] = print
        self._live: dict[str, int] = {}  # begun here, and not ended -> the position of the last frame
        self._tasks: list[asyncio.Task[None]] = []
        self._blocked: set[asyncio.Task[object]] = set()

    # -- its life ----------------------------------------------------------------------------------------

    async def open(self, on_stop: Callable[[str], None], /) -> None:
        """Connect.

        Args:
            on_stop: called with the id of a run of this process that another one was asked to stop.

        Raises:
            FrameLogError: nobody answers, or this log is open already.
        """
        if self._client is not None:
            raise FrameLogError("this RedisFrames is open already; one object is for one Runs.")
        self._server = secrets.token_hex(8)
        client = self._library.Redis.from_url(self._url)
        try:
            await client.execute_command("PING")
        except self._failures as error:
            await client.aclose()
            raise FrameLogError(f"Redis does not answer: {type(error).__name__}.") from error
        self._client = client
        self._on_stop = on_stop
        await self._beat()
        self._tasks = [
            asyncio.create_task(self._keep_lease(), name="frames-lease"),
            asyncio.create_task(self._hear_stops(), name="frames-stops"),
        ]

    async def close(self) -> None:
        """Disconnect; runs of this process that have not ended are lost."""
        client = self._client
        if client is None:
            return
        tasks, self._tasks = set(self._tasks), []
        while tasks:
            for each in tasks:
                each.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=0.1)  # once more, if the client has swallowed it
        if self._blocked:
            await asyncio.wait(self._blocked)
        with suppress(*self._failures):
            await client.execute_command("DEL", self._server_key(self._server), self._stops_key(self._server))
        self._client = None
        self._live.clear()
        await client.aclose()

    async def _beat(self) -> None:
        await self._do("SET", self._server_key(self._server), "1", "PX", max(1, int(self._lease * _MS)))

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._beat()
            except FrameLogError:
                logger.exception("Redis does not take the sign of life of this server.")

    async def _hear_stops(self) -> None:
        last = "0-0"
        key = self._stops_key(self._server)
        while True:
            try:
                for at, fields in await self._read_stream(key, last, block=_BLOCK):
                    last = at
                    self._on_stop(fields[b"run"].decode())
            except FrameLogError:
                logger.exception("Redis does not say who is to be stopped.")
                await asyncio.sleep(self._lease / 3)

    # -- writing -----------------------------------------------------------------------------------------

    async def begin(self, run: str, /, *, owner: str = "", topic: str = "", resumable: bool = False) -> None:
        """Note a new run.

        Args:
            run: its id.
            owner: who may read and stop it.
            topic: what it belongs to.
            resumable: if this server dies, its readers wait until another one takes it over.

        Raises:
            RunExistsError: there is one of this id.
            FrameLogError: Redis does not answer.
        """
        key = self._run_key(run)
        if not await self._do("HSETNX", key, "server", self._server):
            raise run_exists(run)
        pipeline = self._commands().pipeline()
        pipeline.execute_command(
            *("HSET", key, "owner", owner, "topic", topic, "version", FRAMES_VERSION),
            *("resumable", int(resumable)),
        )
        pipeline.execute_command("PEXPIRE", key, self._keep)
        if topic:
            pipeline.execute_command("SET", self._topic_key(topic, owner), run, "PX", self._keep)
        await self._all(pipeline)
        self._live[run] = 0

    async def take_over(self, run: str, /) -> RunRecord | None:
        """Write a run from now on, if it has not ended; what wrote it before can append nothing any more.

        Args:
            run: its id; no other process or task works on it.

        Returns:
            What is known of it; None if there is no such run.

        Raises:
            FrameLogError: Redis does not answer.
        """
        if await self.find(run) is None:
            return None
        await self._do("HSET", self._run_key(run), "server", self._server)
        record = await self.find(run)  # now that nothing is appended any more
        if record is not None and not record.ended:
            self._live[run] = record.last
        return record

    async def append(self, run: str, frames: Sequence[Frame], /) -> None:
        """Keep frames.

        Args:
            run: one that was begun here.
            frames: without the last one of the run.

        Raises:
            RunOverError: it has ended.
            UnknownRunError: it was not begun here.
            FrameLogError: Redis does not answer.
        """
        last = self._live.get(run)
        if last is None:
            if await self.find(run) is None:
                raise unknown_run(run)
            raise RunOverError(
                f"the run {run!r} has ended, or is not of this server; nothing can be appended."
            )
        await self._add(run, frames, last, self._server)
        self._live[run] = last + len(frames)

    async def end(self, run: str, how: Ending, sentence: str = "", /) -> None:
        """Write the last frame of a run.

        Args:
            run: one that was begun here.
            how: as in `RunEnded`.
            sentence: as in `RunEnded`.

        Raises:
            RunOverError: it has ended already.
            UnknownRunError: it was not begun here.
            FrameLogError: Redis does not answer.
        """
        try:
            await self.append(run, (RunEnded(how, sentence),))
        finally:
            self._live.pop(run, None)

    async def delete(self, run: str, /) -> None:
        """Delete a run and its frames; nothing happens if there is none.

        Args:
            run: any; its readers get an `UnknownRunError`.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        known = await self.find(run)
        if known is not None and known.topic:  # first: it is found by the run
            await self._do("EVAL", _DELETE_IF, 1, self._topic_key(known.topic, known.owner), run)
        await self._do("DEL", self._run_key(run), self._frames_key(run))
        self._live.pop(run, None)

    async def ask_to_stop(self, run: str, /) -> None:
        """Have the process that writes a run stop it.

        Args:
            run: any.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        server = await self._do("HGET", self._run_key(run), "server")
        if isinstance(server, bytes):
            key = self._stops_key(server.decode())
            pipeline = self._commands().pipeline()
            pipeline.execute_command("XADD", key, "MAXLEN", _STOPS_KEPT, "*", "run", run)
            pipeline.execute_command("PEXPIRE", key, 60 * _MS)
            await self._all(pipeline)

    async def _add(self, run: str, frames: Sequence[Frame], last: int, server: str = "") -> None:
        """Write frames behind the position ``last``; none if something is there, or another server writes."""
        ends = bool(frames) and isinstance(frames[-1], RunEnded)
        keys = (self._run_key(run), self._frames_key(run))
        data = [frame_json(each) for each in frames]
        if not await self._do("EVAL", _APPEND, len(keys), *keys, last, int(ends), self._keep, server, *data):
            self._live.pop(run, None)
            raise RunOverError(
                f"the run {run!r} has ended, or another server writes it; nothing can be appended."
            )

    # -- reading -----------------------------------------------------------------------------------------

    async def read(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Positioned]]:
        """Yield what is kept, then what comes, up to the last frame.

        Args:
            run: any.
            after: a position; what stands behind it is read. 0: everything.

        Raises:
            UnknownRunError: there is no such run.
            FrameLogError: Redis does not answer, or a newer version of this library wrote it.
            RunOverError: never seen; another reader said first that it is lost.
        """
        key, position = self._frames_key(run), max(after, 0)
        version = await self._do("HGET", self._run_key(run), "version")
        if isinstance(version, bytes) and int(version) > FRAMES_VERSION:
            raise FrameLogError(f"the run {run!r} was written by a newer version of miniagents.")
        block = 0  # not before what is there has been read
        while True:
            known = await self.find(run)
            if known is None:
                raise unknown_run(run)
            entries = await self._read_stream(key, f"0-{position}", block=0 if known.ended else block)
            if entries:
                position = _position(entries[-1][0])
                yield [(_position(at), frame_from_json(fields[b"f"])) for at, fields in entries]
            elif known.ended:
                if 0 < known.last < position:  # it has not seen this end
                    [(at, fields)] = await self._read_stream(key, f"0-{known.last - 1}", block=0)
                    yield [(_position(at), frame_from_json(fields[b"f"]))]
                return
            elif run not in self._live and not await self._may_go_on(run):
                with suppress(RunOverError):
                    await self._add(run, (LOST,), known.last)
            block = min(_BLOCK, max(1, int(self._lease * _MS)))

    async def _may_go_on(self, run: str) -> bool:
        """Whether the server that writes a run is there, or another one may take it over."""
        fields = await self._do("HMGET", self._run_key(run), "server", "resumable")
        server, resumable = cast("list[bytes | None]", fields)
        if resumable == b"1":
            return True
        if server is None or server.decode() == self._server:
            return False  # of this process are only those that it knows of
        return bool(await self._do("EXISTS", self._server_key(server.decode())))

    async def find(self, run: str, /) -> RunRecord | None:
        """Return what is known of a run, or None.

        Args:
            run: its id.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        pipeline = self._commands().pipeline()
        pipeline.execute_command("HMGET", self._run_key(run), "owner", "topic", "ended", "server")
        pipeline.execute_command("XREVRANGE", self._frames_key(run), "+", "-", "COUNT", 1)
        fields, entries = await self._all(pipeline)
        owner, topic, ended, server = cast("list[bytes | None]", fields)
        if server is None:
            return None
        newest = _entries(entries)
        last = _position(newest[0][0]) if newest else 0
        return RunRecord(run, (owner or b"").decode(), (topic or b"").decode(), ended is not None, last)

    async def latest(self, topic: str, /, *, owner: str = "") -> str | None:
        """Return the id of the run that was begun last for a topic, or None.

        Args:
            topic: what it belongs to.
            owner: whose it is.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        run = await self._do("GET", self._topic_key(topic, owner)) if topic else None
        return run.decode() if isinstance(run, bytes) else None

    async def _read_stream(
        self, key: str, last: str, *, block: int
    ) -> list[tuple[str, Mapping[bytes, bytes]]]:
        """Return entries behind ``last``; the pool gives each blocked call a connection of its own."""
        if block:
            # The client of Redis may swallow a cancellation, and go on. So none reaches it: whoever is
            # cancelled leaves at once, and the call ends by itself.
            command = ("XREAD", "COUNT", BATCH, "BLOCK", block, "STREAMS", key, last)
            call = asyncio.create_task(self._do(*command), name="frames-read")
            self._blocked.add(call)
            call.add_done_callback(self._blocked.discard)
            answer = await asyncio.shield(call)
        else:
            answer = await self._do("XREAD", "COUNT", BATCH, "STREAMS", key, last)
        if not answer:
            return []
        streams = cast("list[list[object]] | dict[bytes, object]", answer)
        entries = next(iter(streams.values())) if isinstance(streams, dict) else streams[0][1]
        return _entries(entries)

    # -- keys and commands -------------------------------------------------------------------------------

    def _run_key(self, run: str) -> str:
        return f"{self._prefix}run:{{{run}}}"

    def _frames_key(self, run: str) -> str:
        return f"{self._prefix}run:{{{run}}}:frames"

    def _topic_key(self, topic: str, owner: str) -> str:
        return f"{self._prefix}topic:{len(owner)}:{owner}:{topic}"

    def _server_key(self, server: str) -> str:
        return f"{self._prefix}server:{server}"

    def _stops_key(self, server: str) -> str:
        return f"{self._prefix}stops:{server}"

    def _commands(self) -> _Commands:
        if self._client is None:
            raise FrameLogError("this RedisFrames is not open; Runs opens it, or `await log.open(...)`.")
        return self._client

    async def _do(self, *command: str | bytes | int) -> object:
        try:
            return await self._commands().execute_command(*command)
        except self._failures as error:
            raise FrameLogError(f"Redis does not do {command[0]!r}: {type(error).__name__}.") from error

    async def _all(self, pipeline: _Pipeline) -> list[object]:
        try:
            return await pipeline.execute()
        except self._failures as error:
            raise FrameLogError(f"Redis does not answer: {type(error).__name__}.") from error


def _entries(answer: object) -> _Entries:
    """The entries of a stream, as the client of Redis answers."""
    entries = cast("list[tuple[bytes, Mapping[bytes, bytes]]]", answer)
    return [(at.decode(), fields) for at, fields in entries]


def _position(entry: str) -> int:
    return int(entry.rpartition("-")[2])
