"""Random schedules of servers that share a store of runs: they write, follow, take over, send and delete.

Each schedule has a few servers on one store. They begin runs, write them, leave or park them, end them, close
in order or not, and are suspended for longer than the lease; others follow the runs from random positions,
read them, send them things, and delete them. What each of them may see is simple enough to be a model: a log
is what was acknowledged, in order and without a gap; what was refused is never there; what was sent is heard
once by each writer; a run that has something to hear is not parked; followers get all of it, soon.

What happens is drawn from a seed; when it happens is left to threads, so a seed that failed has to be run
some times until it fails again.

python -m tests.model.stores --count 1000 --seed 0 --kind sqlite
"""

import argparse
import asyncio
import math
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeAlias, cast

from miniagents.ext.journal import (
    Event,
    Journal,
    JournalError,
    Lease,
    MemoryJournal,
    PostgresJournal,
    RunRecord,
    RunStore,
)
from miniagents.runs import Json
from tests.support.postgres import postgres_server

__all__ = ["Kind", "Schedule", "drawn", "failing", "problems"]

Kind: TypeAlias = Literal["memory", "sqlite", "postgres"]

LEASE: Final = 0.15  # seconds
SOON: Final = 10.0  # seconds in which all that is promised happens, also on a busy machine
VERSION: Final = "1"
ANY: Final = 99
ENDED: Final = frozenset({"taken", "ended", "unknown"})
ACTIONS: Final = (
    *("append",) * 30,
    *("appends",) * 6,
    *("settle",) * 6,
    *("sleep",) * 9,
    *("leave",) * 5,
    "end",
)


@dataclass(frozen=True)
class Schedule:
    """What happens.

    Attributes:
        seed: of all that is drawn while it happens.
        servers: how many there are at a time.
        lives: how often each of them is started.
        runs: how many there are.
        followers: how many of each run.
        senders: how many, for each run.
        deletes: whether runs are deleted, and begun again.
    """

    seed: int
    servers: int
    lives: int
    runs: int
    followers: int
    senders: int
    deletes: bool


def drawn(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    random = Random(f"stores {seed}")  # noqa: S311 - a test
    return Schedule(
        seed=seed,
        servers=random.choice((1, 2, 2, 3)),
        lives=random.choice((1, 2, 3)),
        runs=random.choice((1, 1, 2, 3)),
        followers=random.choice((1, 2, 4)),
        senders=random.choice((0, 1, 2)),
        deletes=random.random() < 0.3,
    )


class Sleeper:
    """Suspends the thread of a journal when it has read something, as SIGSTOP would."""

    def __init__(self) -> None:
        self.awake = threading.Event()
        self.awake.set()

    def __call__(self, data: bytes) -> bytes:
        self.awake.wait(SOON)
        return data


@dataclass(eq=False)
class Life:
    """A server, from its start to its end.

    Attributes:
        store: what it uses.
        sleeper: suspends it; None: it cannot be.
        over: whether it closes.
    """

    store: RunStore
    sleeper: Sleeper | None = None
    over: bool = False

    @property
    def awake(self) -> bool:
        """Whether it gets what others have written."""
        return not self.over and (self.sleeper is None or self.sleeper.awake.is_set())


@dataclass(eq=False)
class Follower:
    """Who follows a run.

    Attributes:
        life: the server in which it does.
        position: of the last event that it got.
    """

    life: Life
    position: int


@dataclass(eq=False)
class Log:
    """What is known of a run.

    Attributes:
        name: its id.
        number: among all runs; one that was deleted may begin again.
        program: whether only a program takes it, which knows its id.
        kept: by position, the events that were acknowledged.
        seen: by position, those that somebody got.
        refused: those that were refused.
        sent: the keys of what was acknowledged as sent.
        values: by key, what was heard.
        takes, leaves: how often it was taken, and left.
        unsure: whether one of these may have happened, or not.
        heard: how much had been heard when it was parked; None: it is not parked.
        begun: whether the store has it.
        ended: whether it has, or may have; a program may go on with a run that has ended.
        ending: how many request its end now.
        deleted: whether that was requested.
        may_end: whether its end was requested at any time.
        whole: the position of its last event, when it ended.
        users: how many tasks may write or delete it.
        followers: those that follow it.
    """

    name: str
    number: int
    program: bool
    kept: dict[int, Event] = field(default_factory=dict[int, Event])
    seen: dict[int, Event] = field(default_factory=dict[int, Event])
    refused: list[Event] = field(default_factory=list[Event])
    sent: set[str] = field(default_factory=set[str])
    values: dict[str, Json] = field(default_factory=dict[str, Json])
    takes: int = 0
    leaves: int = 0
    unsure: bool = False
    heard: int | None = None
    begun: bool = False
    ended: bool = False
    ending: int = 0
    deleted: bool = False
    may_end: bool = False
    whole: int = 0
    users: int = 0
    followers: list[Follower] = field(default_factory=list[Follower])

    @property
    def over(self) -> bool:
        """Whether nothing more is written."""
        return self.ended or self.ending > 0 or self.deleted

    def allows(self, error: JournalError) -> bool:
        """Whether an error is one that can be expected now."""
        return (
            error.reason == "taken"
            or (error.reason == "ended" and self.may_end)
            or (error.reason == "unknown" and self.deleted)
        )


class World:
    """All servers, runs and others of a schedule.

    Args:
        schedule: what happens.
        make: opens a store.
        memory: the store, if there is one for all.

    Attributes:
        wrong: what should not have happened.
    """

    def __init__(
        self,
        schedule: Schedule,
        make: Callable[[Sleeper], Journal | PostgresJournal],
        memory: RunStore | None,
    ) -> None:
        self.schedule = schedule
        self.memory = memory
        self.wrong: list[str] = []
        self.lives: list[Life] = []
        self.logs: dict[str, Log] = {}
        self.all: list[Log] = []
        self.finishing = False
        self.others = asyncio.TaskGroup()
        self._make = make
        self._count = 0

    def random(self, *of: object) -> Random:
        """What an actor draws from."""
        return Random(f"{self.schedule.seed} {self._count} {of}")  # noqa: S311 - a test

    def event(self, log: Log) -> Event:
        """A new event; some are long enough to be packed, some have a text that is kept once for all runs."""
        self._count += 1
        text = "" if self._count % 7 else "x" * min(self._count * 37 % 9_000, 8_500)
        return ["x", 0, log.name, log.number, self._count, text]

    def fail(self, kind: str, text: str) -> None:
        """Note that something is wrong."""
        self.wrong.append(f"{kind}: {text}")

    def see(self, log: Log, at: int, event: Event) -> None:
        """Note what somebody got."""
        if log.seen.setdefault(at, event) != event:
            self.fail("seen", f"{log.name}: position {at} is {log.seen[at]} and {event}")

    def keep(self, log: Log, at: int, event: Event) -> None:
        """Note what was acknowledged."""
        if log.kept.setdefault(at, event) != event:
            self.fail("twice", f"{log.name}: position {at} is {log.kept[at]} and {event}")
        self.see(log, at, event)

    async def until(self, holds: Callable[[], bool], what: Callable[[], str]) -> None:
        """Wait for something that has to happen."""
        deadline = time.monotonic() + SOON
        while not holds():
            if time.monotonic() > deadline:
                self.fail("late", what())
                return
            await asyncio.sleep(0.002)

    @asynccontextmanager
    async def life(self) -> AsyncGenerator[Life]:
        """A server that has started."""
        sleeper = Sleeper()
        own = None if self.memory is not None else await asyncio.to_thread(self._make, sleeper)
        async with nullcontext() if own is None else own:
            life = Life(self.memory, None) if own is None else Life(own, sleeper)  # type: ignore[arg-type]
            self.lives.append(life)
            try:
                yield life
            finally:
                sleeper.awake.set()
                life.over = True
                self.lives.remove(life)

    # -- what happens to a run from outside -----------------------------------------------------------------

    def begun(self, log: Log) -> None:
        """Let others follow a new run, send it something, and delete it."""
        for work, count in (
            (self._follow, self.schedule.followers),
            (self._send, self.schedule.senders),
            (self._delete, int(self.schedule.deletes)),
        ):
            for index in range(count):
                self.others.create_task(work(log, self.random(log.number, work.__name__, index)))

    async def _follow(self, log: Log, random: Random) -> None:
        for _ in range(random.choice((1, 2, 3))):
            await asyncio.sleep(random.uniform(0, 0.2))
            if self.lives:
                after = random.choice((0, random.randint(0, max(log.seen, default=0))))
                most = random.choice((math.inf, math.inf, random.randint(1, 9)))
                await self._follow_once(Follower(random.choice(self.lives), after), log, after + most)

    async def _follow_once(self, it: Follower, log: Log, most: float) -> None:
        log.followers.append(it)
        try:
            async with aclosing(it.life.store.follow(log.name, it.position)) as batches:
                async for batch in batches:
                    for event in batch:
                        if event[3] != log.number:  # it was deleted, and another one has its id
                            self._check(log.deleted, "foreign", f"{log.name}, not deleted, got {event}")
                            return
                        it.position += 1
                        self.see(log, it.position, event)
                    if it.position >= most:
                        return
        except JournalError as error:
            self._check(it.life.over or log.allows(error), "follow", f"{log.name}: {error}")
            return
        finally:
            log.followers.remove(it)
        if not log.deleted:
            self._check(log.may_end, "complete", f"a follower of {log.name} was complete before the run")
            self._check(it.position >= log.whole, "short", f"{log.name} to {it.position} of {log.whole}")

    def _check(self, holds: bool, kind: str, text: str) -> None:
        if not holds:
            self.fail(kind, text)

    async def _send(self, log: Log, random: Random) -> None:
        for number in range(random.choice((1, 3))):
            await asyncio.sleep(random.uniform(0, 0.2))
            if self.lives and not self.finishing:
                await self.send(random.choice(self.lives), log, f"k{number}", random.random())

    async def send(self, life: Life, log: Log, key: str, data: Json) -> None:
        """Send something to a run."""
        try:
            await life.store.send(log.name, key, data)
        except JournalError as error:
            expected = life.over or log.allows(error) or self.logs[log.name] is not log
            self._check(expected, "send", f"{log.name}: {error}")
        else:
            log.sent.add(key)

    async def _delete(self, log: Log, random: Random) -> None:
        await asyncio.sleep(random.uniform(0, 0.6))
        if not self.lives or self.finishing or log.over:
            return
        life = random.choice(self.lives)
        log.deleted = True
        log.users += 1
        try:
            await life.store.delete(log.name)
        except JournalError as error:
            log.deleted = False
            self._check(life.over, "delete", str(error))
        log.users -= 1

    # -- all of it -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the schedule; at its end a last server ends all runs."""
        async with self.others:
            async with asyncio.TaskGroup() as servers:
                for index in range(self.schedule.servers):
                    servers.create_task(self._serve(self.random(index)))
            self.finishing = True
            async with self.life() as last:
                try:
                    async with asyncio.timeout(3 * SOON):
                        await Server(self, last, self.random("last")).finish()
                        await self.until(lambda: not any(each.followers for each in self.all), self._waiting)
                except TimeoutError:
                    self.fail("end", f"{[each.name for each in self.all if not each.over]} do not end")
                for each in self.all:
                    await self._final(last.store, each)

    def _waiting(self) -> str:
        return f"a follower waits for {[each.name for each in self.all if each.followers]}"

    async def _serve(self, random: Random) -> None:
        for _ in range(self.schedule.lives):
            async with self.life() as life:
                await Server(self, life, random).serve(random.uniform(0.02, 0.5))
            await asyncio.sleep(random.uniform(0, 0.05))

    async def _final(self, store: RunStore, log: Log) -> None:
        for at, event in log.kept.items():
            self._check(log.seen[at] == event, "lost", f"{log.name}: {event} at {at}: {log.seen[at]}")
        there = Counter(cast("int", event[4]) for event in log.seen.values())
        self._check(max(there.values(), default=1) == 1, "again", f"{log.name}: {there.most_common(3)}")
        refused = {cast("int", event[4]) for event in log.refused} & there.keys()
        self._check(not refused, "refused", f"{log.name} has {refused}")
        if log.deleted:
            return
        try:
            page = await store.read(log.name)
        except JournalError as error:
            self.fail("final", str(error))
            return
        for at, event in enumerate(page.events, 1):
            self.see(log, at, event)
        self._check(len(page.events) == max(log.seen, default=0), "last", f"{log.name}: {len(page.events)}")
        attempts = page.record.attempts, 1 + log.takes - log.leaves
        self._check(log.unsure or len({*attempts}) == 1, "attempts", f"{log.name}: {attempts}")


class Server:
    """What a server does until it closes.

    Args:
        world: where it is.
        life: it.
        random: what it draws from.
    """

    def __init__(self, world: World, life: Life, random: Random) -> None:
        self._world = world
        self._life = life
        self._random = random
        self._left = asyncio.Event()
        self._closes = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []

    async def serve(self, seconds: float) -> None:
        """Serve for a time, and close, in order or not."""
        orderly = self._world.memory is not None or self._random.random() < 0.6
        async with self._taking(orderly=orderly):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                await asyncio.sleep(self._random.uniform(0, 0.03))
                choice = self._random.random()
                if choice < 0.2:
                    await self._claim()
                elif choice < 0.4:
                    await self._begin()
                elif choice < 0.46:
                    await self._suspend()

    async def finish(self) -> None:
        """Serve until all runs have ended."""
        world = self._world
        async with self._taking(orderly=True):
            while not all(each.over for each in world.all):
                await asyncio.sleep(0.01)
                await self._claim()
                await self._wake()

    @asynccontextmanager
    async def _taking(self, *, orderly: bool) -> AsyncGenerator[None]:
        part = await self._life.store.join(VERSION, self._left.set)
        taking = asyncio.create_task(self._take())
        try:
            yield
        finally:
            self._closes.set()
            taking.cancel()
            if orderly:
                await asyncio.gather(*self._writers)
            for each in self._writers:
                each.cancel()
            results = await asyncio.gather(taking, *self._writers, return_exceptions=True)
            part()
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _write(self, lease: Lease, last: int) -> None:
        writer = Writer(self._world, self._life, lease, last, self._closes)
        self._writers.append(asyncio.create_task(writer.write()))

    async def _take(self) -> None:
        world = self._world
        while True:
            self._left.clear()
            try:
                taken = await self._life.store.take(VERSION, self._random.choice((1, ANY)))
            except asyncio.CancelledError:
                for each in world.all:
                    each.unsure = True
                raise
            for lease in taken:
                world.logs[lease.run].takes += 1
                self._write(lease, lease.record.last)
            if not taken:
                await self._left.wait()

    async def _claim(self) -> None:
        """Go on with the runs of programs that have no writer."""
        world = self._world
        for log in [*world.logs.values()]:
            if not log.program or not log.begun or log.over:
                continue
            try:
                lease = await self._life.store.claim(log.name)
            except JournalError as error:
                if error.reason != "busy":
                    world.fail("claim", str(error))
                continue
            if lease is not None:
                there = world.logs[log.name]  # another one, if it was deleted and has begun again
                there.takes += 1
                there.ended = False
                self._write(lease, lease.record.last)
            elif not log.deleted:
                world.fail("claim", f"{log.name} is not there")

    async def _begin(self) -> None:
        world, random = self._world, self._random
        again = [name for name, log in world.logs.items() if log.deleted and not log.users]
        if len(world.logs) < world.schedule.runs:
            again = [f"r{len(world.logs)}"]
        if world.finishing or not again:
            return
        name = random.choice(again)
        before = world.logs.get(name)
        log = Log(name, len(world.all), program=random.random() < 0.3)
        world.logs[name] = log
        world.all.append(log)
        lease = Lease(RunRecord(name, restart="program" if log.program else "server", version=VERSION))
        events = [world.event(log) for _ in range(random.choice((0, 1, 2)))]
        try:
            await self._life.store.begin(lease, events)
        except JournalError as error:
            log.deleted = True
            if before is None or not before.deleted or error.reason != "exists":
                world.fail("begin", str(error))
            return
        log.begun = True
        for position, event in enumerate(events, 1):
            world.keep(log, position, event)
        world.begun(log)
        self._write(lease, len(events))

    async def _suspend(self) -> None:
        sleeper, world = self._life.sleeper, self._world
        if sleeper is None or not world.logs:
            return
        sleeper.awake.clear()
        reading = asyncio.create_task(self._life.store.read(self._random.choice([*world.logs])))
        await asyncio.sleep(self._random.choice((0.02, 0.1, LEASE + 0.3, LEASE + 0.5)))
        sleeper.awake.set()
        await asyncio.gather(reading, return_exceptions=True)

    async def _wake(self) -> None:
        """Let parked runs go on, and see that none is parked that has something to hear."""
        for record in await self._life.store.find(ended=False):
            log = self._world.logs[record.run]
            if record.state != "parked":
                continue
            if log.heard is not None and len(log.sent) > log.heard:
                self._world.fail("parked", f"{log.name} has heard {log.heard} of {sorted(log.sent)}")
            await self._world.send(self._life, log, f"wake {log.takes}", data=None)


class Writer:
    """What writes a run, until it has ended, is left, or another process has taken it over.

    Args:
        world: where it is.
        life: its server.
        lease: of the run.
        last: the position of the last event.
        closes: whether the server closes.
    """

    def __init__(self, world: World, life: Life, lease: Lease, last: int, closes: asyncio.Event) -> None:
        self._world = world
        self._life = life
        self._store = life.store
        self._log = world.logs[lease.run]
        self._lease = lease
        self._run = lease.run
        self._at = last
        self._closes = closes
        self._random = world.random("writer", self._log.takes, lease.run)
        self._heard: dict[str, Json] = {}

    async def write(self) -> None:
        """Write until there is nothing more to write."""
        log, does = self._log, dict[str, Callable[[], Coroutine[None, None, None]]]()
        for name in {*ACTIONS}:
            does[name] = getattr(self, f"_{name}")
        log.heard = None
        log.users += 1
        try:
            await self._read()
            self._store.listen(self._lease, self._hear)
            action = ""
            while action not in {"leave", "end"}:
                action = self._next()
                await does[action]()
        except JournalError as error:
            if not self._life.over and not log.allows(error):
                self._world.fail("write", f"{self._run}: {error}")
        except asyncio.CancelledError:
            log.unsure = True
            raise
        finally:
            log.users -= 1

    def _next(self) -> str:
        if self._world.finishing:
            return "end"
        return "leave" if self._closes.is_set() else self._random.choice(ACTIONS)

    async def _read(self) -> None:
        page = await self._store.read(self._run)
        for at, event in enumerate(page.events, 1):
            self._world.see(self._log, at, event)
        if page.record.last < self._at:
            self._world.fail("read", f"{self._run}: the last is {page.record.last}, and was {self._at}")

    def _hear(self, key: str, data: Json) -> None:
        if key in self._heard:
            self._world.fail("heard", f"{self._run}: {key} twice")
        if self._log.values.setdefault(key, data) != data:
            self._world.fail("heard", f"{self._run}: {key} is {data}, and was {self._log.values[key]}")
        self._heard[key] = data

    async def _kept(self, events: list[Event], writing: Coroutine[None, None, None]) -> None:
        try:
            await writing
        except JournalError:
            self._log.refused += events
            raise
        for each in events:
            self._at += 1
            self._world.keep(self._log, self._at, each)

    def _events(self, *counts: int) -> list[Event]:
        return [self._world.event(self._log) for _ in range(self._random.choice(counts))]

    async def _append(self) -> None:
        events = self._events(1, 1, 2, 5, 60)
        await self._kept(events, self._store.append(self._lease, events, hard=self._random.random() < 0.2))

    async def _appends(self) -> None:
        await asyncio.gather(self._append(), self._append())

    async def _sleep(self) -> None:
        await asyncio.sleep(self._random.uniform(0, 0.05))

    async def _settle(self) -> None:
        """Wait until those that follow the run have all that was acknowledged."""
        await self._append()
        log, at, those = self._log, self._at, [*self._log.followers]

        def behind() -> list[int]:
            return [
                each.position
                for each in those
                if each in log.followers and each.life.awake and each.position < at
            ]

        await self._world.until(
            lambda: log.deleted or not behind(), lambda: f"followers of {log.name} at {behind()}, not {at}"
        )

    async def _leave(self) -> None:
        log, when = self._log, self._random.choice((None, 0.0, 0.05, math.inf))
        events, known = self._events(0, 1, 2), len(self._heard)
        wake_at, takes = None if when is None else time.time() + when, log.takes
        await self._kept(events, self._store.leave(self._lease, events, wake_at=wake_at, heard=known))
        log.leaves += 1
        if takes == log.takes:
            log.heard = known if when == math.inf else None

    async def _end(self) -> None:
        log, world = self._log, self._world
        if world.finishing:
            await world.until(
                lambda: log.deleted or log.sent <= self._heard.keys(),
                lambda: f"{self._run} heard {sorted(self._heard)} of {sorted(log.sent)}",
            )
        events = self._events(0, 1, 2)
        log.ending, log.may_end = log.ending + 1, True
        try:
            await self._kept(events, self._store.end(self._lease, events, how="finished"))
            log.ended = True
        except asyncio.CancelledError:  # it may have ended
            log.ended = True
            raise
        finally:
            log.ending -= 1
        log.whole = log.whole or self._at


async def problems(schedule: Schedule, kind: Kind = "sqlite", place: str = "") -> list[str]:
    """Run a schedule on a store; what was wrong.

    Args:
        schedule: what happens.
        kind: of the store.
        place: the address of a Postgres server.
    """
    async with AsyncExitStack() as stack:
        memory = await stack.enter_async_context(MemoryJournal()) if kind == "memory" else None
        path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "runs.journal")

        def make(sleeper: Sleeper) -> Journal | PostgresJournal:
            if kind == "sqlite":
                return Journal(path, lease=LEASE, seal=bytes, unseal=sleeper)
            schema = f"s{schedule.seed}_{path.parent.name}"
            return PostgresJournal(place, schema=schema, lease=LEASE, seal=bytes, unseal=sleeper)

        world = World(schedule, make, memory)
        await world.run()
        return world.wrong


async def failing(seeds: range, kind: Kind, place: str = "", beside: int = 8) -> list[str]:
    """Run schedules, some at a time, since they wait most of the time; those that fail, with what was wrong.

    Args:
        seeds: of the schedules.
        kind: of the store.
        place: the address of a Postgres server.
        beside: how many run at a time.
    """
    failed: list[str] = []
    free = asyncio.Semaphore(beside)

    async def one(seed: int) -> None:
        async with free:
            failed.extend(f"{seed}: {each}" for each in await problems(drawn(seed), kind, place))

    async with asyncio.TaskGroup() as group:
        for seed in seeds:
            group.create_task(one(seed))
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as many schedules as are wanted."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.stores", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many schedules")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first one")
    parser.add_argument("--kind", choices=("memory", "sqlite", "postgres"), default="sqlite")
    parser.add_argument("--beside", type=int, default=8, help="how many at a time")
    options = parser.parse_args(arguments)
    seeds, begun = range(options.seed, options.seed + options.count), time.monotonic()
    with postgres_server() if options.kind == "postgres" else nullcontext("") as place:
        failed = asyncio.run(failing(seeds, options.kind, place, options.beside))
    several = {each.partition(":")[0] for each in failed}
    sys.stdout.writelines(f"{each}\n" for each in failed)
    sys.stdout.write(
        f"{options.count} schedules on {options.kind}, {len(several)} failed; "
        f"{options.count / (time.monotonic() - begun):.1f} a second\n"
    )
    return min(len(several), 100)


if __name__ == "__main__":
    sys.exit(main())
