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
    STOPPED,
    FrameLogError,
    Positioned,
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
_STOP: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'stop', 1) end
return redis.call('HGET', KEYS[1], 'server')
"""
_DELETE_IF: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


_Entries: TypeAlias = list[tuple[str, Mapping[bytes, bytes]]]


class _Commands(Protocol):
    """The part of a Redis client that this module uses, with its types."""

    def execute_command(self, *args: str | bytes | int) -> Awaitable[object]: ...
    def pipeline(self) -> "_Pipeline": ...
    def aclose(self) -> Awaitable[None]: ...


class _Clients(Protocol):
    def from_url(self, url: str) -> _Commands: ...


class _Library(Protocol):
    """The part of redis.asyncio that this module uses."""

    @property
    def Redis(self) -> _Clients: ...  # noqa: N802 - its name
    @property
    def RedisError(self) -> type[Exception]: ...  # noqa: N802 - its name


class _Pipeline(Protocol):
    def execute_command(self, *args: str | bytes | int) -> object: ...
    def execute(self) -> Awaitable[list[object]]: ...


class RedisFrames:
    """Keeps the frames of runs in Redis Streams; needs ``pip install 'miniagents[web,redis]'``.

    If a server is killed, its runs end with `lost` after ``lease`` seconds, when a client reads them.

    Args:
        url: ``redis://host:port/db``, ``rediss://`` or ``unix://``.
        prefix: begins the name of every key.
        keep: seconds that a run is kept after its last frame.
        lease: seconds without a heartbeat after which a server counts as crashed.

    Raises:
        ImportError: the client of Redis is not installed.

    Example:
        >>> log = RedisFrames("redis://127.0.0.1:6379/0", keep=3600)
    """

    def __init__(
        self, url: str, *, prefix: str = "miniagents:", keep: float = 24 * 3600.0, lease: float = 3.0
    ) -> None:
        try:  # here, so that apps with another log need neither install nor import it
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
        self._live: dict[
            str, int
        ] = {}  # run that was begun here and has not ended -> the position of its last frame
        self._tasks: list[asyncio.Task[None]] = []
        self._blocked: set[asyncio.Task[object]] = set()

    # -- its life ----------------------------------------------------------------------------------------

    async def open(self, on_stop: Callable[[str], None], /) -> None:
        """Connect.

        Args:
            on_stop: called with the id of a run of this process that a client of another process stops.

        Raises:
            FrameLogError: nobody answers, or this log is open already.
        """
        if self._client is not None:
            raise FrameLogError("this RedisFrames is already open; make one object for each Runs.")
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
            # Again, if the client has swallowed the cancellation.
            _, tasks = await asyncio.wait(tasks, timeout=0.1)
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
        """Record that a run begins.

        Args:
            run: its id.
            owner: the user who may read and stop it.
            topic: what the run belongs to.
            resumable: whether its readers wait for another server if this one crashes.

        Raises:
            FrameLogError: a run with this id exists.
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
        """Become the writer of a run that has not ended; its earlier writer can no longer append.

        Args:
            run: its id; no other process or task works on it.

        Returns:
            The record of the run; None if it does not exist.

        Raises:
            FrameLogError: Redis does not answer.
        """
        if await self.find(run) is None:
            return None
        await self._do("HSET", self._run_key(run), "server", self._server)
        record = await self.find(run)  # now that no other server can append
        if record is not None and not record.ended:
            self._live[run] = record.last
        return record

    async def append(self, run: str, frames: Sequence[Frame], /) -> None:
        """Keep frames.

        Args:
            run: a run that was begun here.
            frames: frames of the run, but not the last one.

        Raises:
            FrameLogError: the run has ended.
            FrameLogError: it was not begun here.
            FrameLogError: Redis does not answer.
        """
        last = self._live.get(run)
        if last is None:
            if await self.find(run) is None:
                raise unknown_run(run)
            raise FrameLogError(
                f"the run {run!r} has ended, or is not of this server; no frame can be appended.", "ended"
            )
        await self._add(run, frames, last, self._server)
        self._live[run] = last + len(frames)

    async def end(self, run: str, how: Ending, sentence: str = "", /) -> None:
        """Write the last frame of a run.

        Args:
            run: a run that was begun here.
            how: as in `RunEnded`.
            sentence: as in `RunEnded`.

        Raises:
            FrameLogError: the run has ended.
            FrameLogError: it was not begun here.
            FrameLogError: Redis does not answer.
        """
        try:
            await self.append(run, (RunEnded(how, sentence),))
        finally:
            self._live.pop(run, None)

    async def delete(self, run: str, /) -> None:
        """Delete a run and its frames; nothing happens if there is none.

        Args:
            run: any; its readers get a `FrameLogError`.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        known = await self.find(run)
        if known is not None and known.topic:  # first: it is found by the run
            await self._do("EVAL", _DELETE_IF, 1, self._topic_key(known.topic, known.owner), run)
        await self._do("DEL", self._run_key(run), self._frames_key(run))
        self._live.pop(run, None)

    async def ask_to_stop(self, run: str, /) -> None:
        """Ask the process that writes a run to stop it.

        Args:
            run: any.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        server = await self._do("EVAL", _STOP, 1, self._run_key(run))
        if isinstance(server, bytes):
            key = self._stops_key(server.decode())
            pipeline = self._commands().pipeline()
            pipeline.execute_command("XADD", key, "MAXLEN", _STOPS_KEPT, "*", "run", run)
            pipeline.execute_command("PEXPIRE", key, 60 * _MS)
            await self._all(pipeline)

    async def _add(self, run: str, frames: Sequence[Frame], last: int, server: str = "") -> None:
        """Write frames after the position ``last``, unless there are later ones or another server writes."""
        ends = bool(frames) and isinstance(frames[-1], RunEnded)
        keys = (self._run_key(run), self._frames_key(run))
        data = [frame_json(each) for each in frames]
        if not await self._do("EVAL", _APPEND, len(keys), *keys, last, int(ends), self._keep, server, *data):
            self._live.pop(run, None)
            raise FrameLogError(
                f"the run {run!r} has ended, or another server writes it; no frame can be appended.", "ended"
            )

    # -- reading -----------------------------------------------------------------------------------------

    async def read(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Positioned]]:
        """Yield the kept frames, then new ones as they come, up to the last frame.

        Args:
            run: any.
            after: the position after which to read; 0 for all frames.

        Raises:
            FrameLogError: the run does not exist.
            FrameLogError: Redis does not answer, or a newer version of this library wrote it.
            FrameLogError: never seen; another reader said first that it is lost.
        """
        key, position = self._frames_key(run), max(after, 0)
        version = await self._do("HGET", self._run_key(run), "version")
        if isinstance(version, bytes) and int(version) > FRAMES_VERSION:
            raise FrameLogError(f"the run {run!r} was written by a newer version of miniagents.")
        block = 0  # until all kept frames are read
        while True:
            known = await self.find(run)
            if known is None:
                raise unknown_run(run)
            entries = await self._read_stream(key, f"0-{position}", block=0 if known.ended else block)
            if entries:
                position = _position(entries[-1][0])
                yield [(_position(at), frame_from_json(fields[b"f"])) for at, fields in entries]
            elif known.ended:
                if 0 < known.last < position:  # the reader has not seen this end
                    [(at, fields)] = await self._read_stream(key, f"0-{known.last - 1}", block=0)
                    yield [(_position(at), frame_from_json(fields[b"f"]))]
                return
            elif run not in self._live and not await self._may_go_on(run):
                try:
                    await self._add(run, (STOPPED if known.stopping else LOST,), known.last)
                except FrameLogError as error:
                    if error.reason != "ended":  # else another reader was faster
                        raise
            block = min(_BLOCK, max(1, int(self._lease * _MS)))

    async def _may_go_on(self, run: str) -> bool:
        """Whether the server of a run is alive, or another one may take it over."""
        fields = await self._do("HMGET", self._run_key(run), "server", "resumable")
        server, resumable = cast("list[bytes | None]", fields)
        if resumable == b"1":
            return True
        if server is None or server.decode() == self._server:
            return False  # a run of this process would be in `_live`
        return bool(await self._do("EXISTS", self._server_key(server.decode())))

    async def find(self, run: str, /) -> RunRecord | None:
        """Return the record of a run, or None.

        Args:
            run: its id.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        pipeline = self._commands().pipeline()
        pipeline.execute_command("HMGET", self._run_key(run), "owner", "topic", "ended", "server", "stop")
        pipeline.execute_command("XREVRANGE", self._frames_key(run), "+", "-", "COUNT", 1)
        fields, entries = await self._all(pipeline)
        owner, topic, ended, server, stop = cast("list[bytes | None]", fields)
        if server is None:
            return None
        newest = _entries(entries)
        last = _position(newest[0][0]) if newest else 0
        known = (owner or b"").decode(), (topic or b"").decode()
        return RunRecord(run, *known, ended is not None, last, stop is not None)

    async def latest(self, topic: str, /, *, owner: str = "") -> str | None:
        """Return the id of the newest run of a topic, or None.

        Args:
            topic: what the run belongs to.
            owner: the owner of the run.

        Raises:
            FrameLogError: Redis does not answer, or the log is not open.
        """
        run = await self._do("GET", self._topic_key(topic, owner)) if topic else None
        return run.decode() if isinstance(run, bytes) else None

    async def _read_stream(
        self, key: str, last: str, *, block: int
    ) -> list[tuple[str, Mapping[bytes, bytes]]]:
        """Return entries after ``last``; the pool gives each blocked call a connection of its own."""
        if block:
            # The Redis client may swallow a cancellation. So it gets none: a caller that is cancelled leaves
            # at once, and the call ends by itself.
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
    """The entries of a stream, from the answer of the Redis client."""
    entries = cast("list[tuple[bytes, Mapping[bytes, bytes]]]", answer)
    return [(at.decode(), fields) for at, fields in entries]


def _position(entry: str) -> int:
    return int(entry.rpartition("-")[2])
