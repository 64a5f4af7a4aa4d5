"""Random pipes of operators against a model on lists of (time, item).

A pipe is a source, up to six operators of ours and of reactivex, and one reader. Most are about times: a
fast reader must get each item at the time of the model. The others are about demand (`flow`): `prefetch` is
1 to 3, and the reader is slow, leaves, or waits for what a later item brings; then only the items count, and
how many the source has made. The clean-up of each source that is left raises an error, which must be logged
once. After each pipe no task, timer, thread or open source may be left.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, TypeAlias, cast

import reactivex as rx
from reactivex import Observable, operators as ops
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.operators import chunk, map_async, share_bounded, switch_map_async, until
from miniagents.streams import Overflow, StreamedPromise, from_async, to_async_iter
from tests.model.loops import loop_of
from tests.support.timed import END, scheduled

__all__ = [
    "Branches",
    "Chunk",
    "Debounce",
    "Delay",
    "Filter",
    "Joined",
    "Log",
    "Map",
    "MapAsync",
    "Outcome",
    "Pipe",
    "Read",
    "Reader",
    "Scan",
    "Several",
    "Shared",
    "Skip",
    "Source",
    "SwitchMapAsync",
    "Take",
    "Until",
    "check",
    "drawn",
]

NEAR: Final = 0.002
"""Seconds: two times that are nearer decide nothing."""

_UNSEEN: Final = "No reader ever saw this error: ValueError('planned')"  # it came when the reader had left
_WARNED: Final = "had to wait, because"
_CLEAN_UP: Final = "No reader ever saw this error: KeyError('clean-up')"


class Undecided(Exception):  # noqa: N818 - no error
    """Two things happen at the same time, and something depends on it."""


def apart(one: float, other: float) -> None:
    """Give up if two times are too near."""
    if abs(one - other) < NEAR:
        raise Undecided


# -- the model ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """What a stream emits, in seconds from the subscription of the pipe.

    Attributes:
        items: the times of items, and the items.
        end: the time of the end.
        fails: whether it ends with an error.
    """

    items: tuple[tuple[float, int], ...]
    end: float
    fails: bool = False

    def but(self, items: Sequence[tuple[float, int]]) -> "Times":
        """Return other items with the same end."""
        return Times(tuple(items), self.end, self.fails)


def pause_of(item: int) -> float:
    """Return how long a call for an item takes."""
    return 0.0137 + (item * 7919 % 1013) / 2711


@dataclass(frozen=True)
class Source:
    """Items with pauses before them.

    Attributes:
        pauses: seconds before each item.
        last: seconds before the end.
        first: the first item; the others follow it.
        fails: whether it ends with an error.
        sleeps: whether it is an async generator; else timers of reactivex.
        kept: whether that is the source of a promise.
    """

    pauses: tuple[float, ...]
    last: float
    first: int
    fails: bool = False
    sleeps: bool = True
    kept: bool = False

    def times(self, begun: float) -> Times:
        """Return what it emits when it begins then."""
        items: list[tuple[float, int]] = []
        for place, pause in enumerate(self.pauses):
            begun += pause
            items.append((begun, self.first + place))
        return Times(tuple(items), begun + self.last, self.fails)

    def build(self, stage: "Stage") -> Observable[int]:
        """Return it."""
        if self.sleeps and self.kept:
            return rx.defer(lambda _: StreamedPromise(lambda: stage.open(self)).pieces)
        if self.sleeps:
            return from_async(stage.open(self))
        plan = self.times(0.0)
        last: object = ValueError("planned") if self.fails else END
        return scheduled([*plan.items, (plan.end, last)])


@dataclass(frozen=True)
class Map:
    """`map`."""

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        return given.but([(at, 3 * item + 1) for at, item in given.items])

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.map(lambda item: 3 * item + 1))


@dataclass(frozen=True)
class Filter:
    """`filter`."""

    modulo: int

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        return given.but([each for each in given.items if each[1] % self.modulo])

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.filter(lambda item: item % self.modulo != 0))


@dataclass(frozen=True)
class Scan:
    """`scan`."""

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        total = 0
        items: list[tuple[float, int]] = []
        for at, item in given.items:
            total += item
            items.append((at, total))
        return given.but(items)

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.scan(lambda total, item: total + item, 0))


@dataclass(frozen=True)
class Take:
    """`take`."""

    count: int

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        if len(given.items) < self.count:
            return given
        items = given.items[: self.count]
        return Times(items, items[-1][0])

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.take(self.count))


@dataclass(frozen=True)
class Skip:
    """`skip`."""

    count: int

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        return given.but(given.items[self.count :])

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.skip(self.count))


@dataclass(frozen=True)
class Shared:
    """`share` or `share_bounded`, with one subscriber."""

    bounded: bool

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        return given

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(share_bounded()) if self.bounded else pipe.pipe(ops.share())


@dataclass(frozen=True)
class Several:
    """`concat_map` of each item to several."""

    count: int

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        return given.but([(at, item + more) for at, item in given.items for more in range(self.count)])

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.concat_map(lambda item: rx.range(item, item + self.count)))


@dataclass(frozen=True)
class Read:
    """`to_async_iter`, and what was read as an Observable again: `from_async`, or the pieces of a promise."""

    kept: bool = False

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        return given

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        if self.kept:
            return rx.defer(lambda _: StreamedPromise(lambda: to_async_iter(pipe)).pieces)
        return rx.defer(lambda _: from_async(to_async_iter(pipe)))


@dataclass(frozen=True)
class Delay:
    """`delay`."""

    seconds: float

    def of(self, given: Times) -> Times:
        """What becomes of the items; an error is not delayed."""
        items = [(at + self.seconds, item) for at, item in given.items]
        if not given.fails:
            return Times(tuple(items), given.end + self.seconds)
        for at, _ in items:
            apart(at, given.end)
        return given.but([each for each in items if each[0] < given.end])

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.delay(self.seconds))


@dataclass(frozen=True)
class Debounce:
    """`debounce`."""

    seconds: float

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        items: list[tuple[float, int]] = []
        for place, (at, item) in enumerate(given.items):
            last = place == len(given.items) - 1
            following = given.end if last else given.items[place + 1][0]
            apart(at + self.seconds, following)
            if at + self.seconds < following:
                items.append((at + self.seconds, item))
            elif last and not given.fails:
                items.append((given.end, item))
        return given.but(items)

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(ops.debounce(self.seconds))


@dataclass(frozen=True)
class Chunk:
    """`chunk`, and the sums of the chunks."""

    size: int | None
    seconds: float | None

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        items: list[tuple[float, int]] = []
        begun, held = 0.0, list[int]()
        for at, item in given.items:
            if held and self.seconds is not None:
                apart(begun + self.seconds, at)
                if begun + self.seconds < at:
                    items.append((begun + self.seconds, sum(held)))
                    held = []
            if not held:
                begun = at
            held.append(item)
            if len(held) == self.size:
                items.append((at, sum(held)))
                held = []
        if held:
            due = given.end if self.seconds is None else begun + self.seconds
            apart(due, given.end) if self.seconds is not None else None
            items.append((min(due, given.end), sum(held)))
        return given.but(items)

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        chunks: Observable[Sequence[int]] = chunk(self.size, self.seconds)(pipe)
        return chunks.pipe(ops.map(lambda items: sum(items)))  # noqa: PLW0108 - for the types


@dataclass(frozen=True)
class MapAsync:
    """`map_async`."""

    concurrency: int
    ordered: bool

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        ends: list[float] = []
        running: list[float] = []
        free = 0.0
        for at, item in given.items:
            if running:
                apart(at, free)
            begins = max(at, free)
            running = [end for end in running if end > begins]
            ends.append(begins + pause_of(item))
            running.append(ends[-1])
            free = begins
            if len(running) == self.concurrency:
                free = min(running)
        for place, end in enumerate(sorted(ends)[:-1]):
            apart(end, sorted(ends)[place + 1])
        results = [(end, 2 * item) for end, (_, item) in zip(ends, given.items, strict=True)]
        if self.ordered:
            latest = 0.0
            for place, (end, result) in enumerate(results):
                latest = max(latest, end)
                results[place] = (latest, result)
        else:
            results.sort()
        return Times(tuple(results), max([given.end, *ends]), given.fails)

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(map_async(stage.call, self.concurrency, self.ordered))


@dataclass(frozen=True)
class Branches:
    """`map_async` in each group of `group_by`, or beside a source that is shared.

    Attributes:
        modulo: how many groups there are; None: a shared source, and the results of the calls beside it.
        concurrency: of each `map_async`.
    """

    modulo: int | None
    concurrency: int

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        calls, results = MapAsync(self.concurrency, ordered=True), list[tuple[float, int]]()
        if self.modulo is None:
            results += given.items
        end = given.end
        for key in range(self.modulo or 1):
            items = [each for each in given.items if each[1] % (self.modulo or 1) == key]
            branch = calls.of(Times(tuple(items), given.end))
            results += branch.items
            end = max(end, branch.end)
        results.sort()
        for place, (at, _) in enumerate(results[1:]):
            apart(at, results[place][0])
        if not given.fails:
            return Times(tuple(results), end)
        for at, _ in results:  # if the source fails, all branches fail at once
            apart(at, given.end)
        return given.but([each for each in results if each[0] < given.end])

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        mapped: Callable[[Observable[int]], Observable[int]] = map_async(stage.call, self.concurrency)
        if self.modulo is None:
            shared = pipe.pipe(share_bounded())
            return rx.merge(shared, mapped(shared))
        modulo = self.modulo
        return pipe.pipe(ops.group_by(lambda item: item % modulo), ops.flat_map(mapped))


@dataclass(frozen=True)
class SwitchMapAsync:
    """`switch_map_async`."""

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        items: list[tuple[float, int]] = []
        end = given.end
        for place, (at, item) in enumerate(given.items):
            last = place == len(given.items) - 1
            done = at + pause_of(item)
            following = given.end if last else given.items[place + 1][0]
            apart(done, following)
            if done < following or (last and not given.fails):
                items.append((done, 2 * item))
                end = max(end, done)
        return Times(tuple(items), end, given.fails)

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(switch_map_async(stage.call))


@dataclass(frozen=True)
class Until:
    """`until`."""

    seconds: float

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        for at in (given.end, *(at for at, _ in given.items)):
            apart(at, self.seconds)
        if given.end < self.seconds:
            return given
        return Times(tuple(each for each in given.items if each[0] < self.seconds), self.seconds)

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        return pipe.pipe(until(asyncio.sleep(self.seconds)))


@dataclass(frozen=True)
class Joined:
    """`merge`, `concat`, `zip` or `catch` with another source."""

    how: str
    other: Source

    def of(self, given: Times) -> Times:
        """What becomes of the items."""
        match self.how:
            case "concat" | "catch":
                if given.fails == (self.how == "concat"):
                    return given
                after = self.other.times(given.end)
                return Times((*given.items, *after.items), after.end, after.fails)
            case "merge":
                return self._merged(given)
            case _:
                return self._zipped(given)

    def _merged(self, given: Times) -> Times:
        other = self.other.times(0.0)
        end = max(given.end, other.end)
        failing = [each.end for each in (given, other) if each.fails]
        end = min([end, *failing])
        items = sorted([*given.items, *other.items])
        for place, (at, _) in enumerate(items):
            apart(at, given.end) if (at, items[place][1]) not in given.items else None
            apart(at, other.end) if (at, items[place][1]) not in other.items else None
            if place:
                apart(at, items[place - 1][0])
        apart(given.end, other.end)
        return Times(
            tuple(each for each in items if each[0] <= end), end, bool(failing) and end == min(failing)
        )

    def _zipped(self, given: Times) -> Times:
        other = self.other.times(0.0)
        events: list[tuple[float, int, int | None]] = []
        for side, each in enumerate((given, other)):
            events += [(at, side, item) for at, item in each.items]
            events.append((each.end, side, None))
        order = sorted(events, key=lambda event: (event[0], event[1], event[2] is None))
        for place in range(1, len(order)):
            if order[place][1] != order[place - 1][1]:
                apart(order[place][0], order[place - 1][0])
        queues: tuple[list[int], list[int]] = ([], [])
        done = [False, False]
        items: list[tuple[float, int]] = []
        for at, side, item in order:
            if item is None:
                if (given, other)[side].fails:
                    return Times(tuple(items), at, fails=True)
                done[side] = True
                if not queues[side]:
                    return Times(tuple(items), at)
                continue
            queues[side].append(item)
            if all(queues):
                items.append((at, queues[0].pop(0) + queues[1].pop(0)))
                if any(over and not queue for queue, over in zip(queues, done, strict=True)):
                    return Times(tuple(items), at)
        raise AssertionError

    def build(self, pipe: Observable[int], stage: "Stage") -> Observable[int]:
        """The operator."""
        other = self.other.build(stage)
        match self.how:
            case "concat":
                return rx.concat(pipe, other)
            case "catch":
                return pipe.pipe(ops.catch(other))
            case "merge":
                return rx.merge(pipe, other)
            case _:
                return rx.zip(pipe, other).pipe(ops.map(sum))


Step: TypeAlias = (
    Map
    | Filter
    | Scan
    | Take
    | Skip
    | Shared
    | Several
    | Read
    | Delay
    | Debounce
    | Chunk
    | MapAsync
    | Branches
    | SwitchMapAsync
    | Until
    | Joined
)


@dataclass(frozen=True)
class Reader:
    """Who reads.

    Attributes:
        pause: seconds after each item.
        leaves: after how many items it leaves; None: never.
        awaits: after its first item it waits until the source has made so many; None: it does not.
        block: how many unread items are kept, with `Overflow.block`; None: without.
    """

    pause: float = 0.0
    leaves: int | None = None
    awaits: int | None = None
    block: int | None = None


@dataclass(frozen=True)
class Pipe:
    """A source, operators, and a reader (one, in a tuple).

    Attributes:
        source: the first source.
        steps: the operators.
        readers: who reads.
        prefetch: that of the context; None: outside of a context.
        order: decides which of several tasks goes first.
        flow: whether only the items count, not their times.
    """

    source: Source
    steps: tuple[Step, ...]
    readers: tuple[Reader, ...]
    prefetch: int | None = None
    order: int = 0
    flow: bool = False


# -- the generator ----------------------------------------------------------------------------------------


def drawn(seed: int) -> Pipe:
    """Return the pipe of a seed."""
    pipe = _drawn(seed)
    if pipe.prefetch is None:  # promises need a context
        return pipe
    random = Random(f"kept {seed}")  # noqa: S311 - no secret
    steps = [
        replace(step, other=_kept(step.other, random)) if isinstance(step, Joined) else step
        for step in pipe.steps
    ]
    for _ in range(random.randrange(3)):
        step = (
            Several(random.randrange(4))
            if pipe.flow and random.random() < 0.6
            else Read(random.random() < 0.5)
        )
        steps.insert(random.randrange(len(steps) + 1), step)
    return replace(pipe, source=_kept(pipe.source, random), steps=tuple(steps))


def _kept(source: Source, random: Random) -> Source:
    return replace(source, kept=random.random() < 0.4)


def _drawn(seed: int) -> Pipe:
    random = Random(seed)  # noqa: S311 - no secret
    flow = random.random() < 0.4
    steps = tuple((_flow_step if flow else _step)(random) for _ in range(random.randrange(7)))
    if not flow:
        leaves = random.randrange(1, 6) if random.random() < 0.15 else None
        prefetch = random.choice([None, 1024])
        return Pipe(_source(random, 1), steps, (Reader(leaves=leaves),), prefetch, random.randrange(1000))
    count = random.randrange(1, 60)
    pause = random.choice([0.0, 0.0, 0.001])
    kind = random.randrange(3)
    reader = Reader(
        pause=random.choice([0.0, 0.001, 0.05]) if kind == 0 else 0.0,
        leaves=random.randrange(1, 20) if kind == 1 else None,
        awaits=random.randrange(1, count + 1) if kind == 2 else None,
    )
    zips = any(isinstance(each, Joined) and each.how == "zip" for each in steps)
    # An error of one side ends a zip at once, whatever waits on that side.
    source = Source((pause,) * count, 0.0, 1, fails=not zips and random.random() < 0.2)
    if reader.awaits is not None:  # these may close the source before
        steps = tuple(each for each in steps if not isinstance(each, Take | Joined))
    prefetch = random.randrange(1, 4)
    order = random.randrange(1000)
    endless = any(isinstance(each, Shared) and not each.bounded for each in steps)  # no reader makes it wait
    if reader.awaits is None and not endless and random.random() < 0.4:
        reader = replace(reader, block=random.randrange(1, 6))
    return Pipe(source, steps, (reader,), prefetch, order, flow=True)


def _seconds(random: Random) -> float:
    return round(random.uniform(0.02, 0.6), 5)


def _source(random: Random, first: int) -> Source:
    pauses = tuple(_seconds(random) for _ in range(random.randrange(8)))
    fails, sleeps = random.random() < 0.25, random.random() < 0.7
    return Source(pauses, _seconds(random), first, fails, sleeps)


def _step(random: Random) -> Step:
    made: tuple[Callable[[], Step], ...] = (
        Map,
        lambda: Filter(random.randrange(2, 5)),
        Scan,
        lambda: Take(random.randrange(1, 5)),
        lambda: Skip(random.randrange(3)),
        lambda: Shared(random.random() < 0.5),
        lambda: Delay(_seconds(random)),
        lambda: Debounce(_seconds(random)),
        lambda: Chunk(random.choice([None, 1, 2, 3]), _seconds(random)),
        lambda: Chunk(random.randrange(1, 4), None),
        lambda: MapAsync(random.randrange(1, 4), random.random() < 0.5),
        lambda: MapAsync(random.randrange(1, 4), random.random() < 0.5),
        lambda: Branches(random.choice([None, 2, 3]), random.randrange(1, 4)),
        SwitchMapAsync,
        lambda: Until(3 * _seconds(random)),
        lambda: Joined(random.choice(["merge", "concat", "zip", "catch"]), _source(random, 1000)),
        lambda: Joined(random.choice(["merge", "concat", "zip", "catch"]), _source(random, 2000)),
    )
    return random.choice(made)()


def _flow_step(random: Random) -> Step:
    made: tuple[Callable[[], Step], ...] = (
        Map,
        lambda: Filter(random.randrange(2, 5)),
        Scan,
        lambda: Take(random.randrange(1, 40)),
        lambda: Skip(random.randrange(5)),
        lambda: Shared(random.random() < 0.7),
        lambda: Chunk(random.randrange(1, 4), None),
        lambda: MapAsync(random.randrange(1, 4), ordered=True),
        lambda: Joined("concat", Source((0.0,) * random.randrange(10), 0.0, 1000)),
        lambda: Joined("zip", Source((0.0,) * random.randrange(60), 0.0, 1000)),
    )
    return random.choice(made)()


# -- the run ----------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """What a pipe does while it runs.

    Attributes:
        made: how many items the first source has made.
        open_sources: how many sources are open.
        left_sources: how many were left before their end.
        calls: how many calls of async functions run.
        far: is set when the source has made so many items.
        awaits: how many those are.
    """

    awaits: int | None = None
    made: int = 0
    open_sources: int = 0
    left_sources: int = 0
    calls: int = 0
    far: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, source: Source) -> "Opened":
        """Return an async iterable."""
        return Opened(self, source)

    async def call(self, item: int) -> int:
        """The function that is mapped."""
        self.calls += 1
        try:
            await asyncio.sleep(pause_of(item))
        finally:
            self.calls -= 1
        return 2 * item


@dataclass
class Opened:
    """A source that notes what it does; its clean-up raises if it is left."""

    stage: Stage
    source: Source

    async def __aiter__(self) -> AsyncIterator[int]:
        stage, source = self.stage, self.source
        stage.open_sources += 1
        loop = asyncio.get_running_loop()
        at = loop.time()
        left = True
        try:
            for place, pause in enumerate(source.pauses):
                at += pause
                if pause:
                    await asyncio.sleep(at - loop.time())
                if source.first == 1:
                    stage.made += 1
                    if stage.made == stage.awaits:
                        stage.far.set()
                yield source.first + place
            if source.last:
                await asyncio.sleep(at + source.last - loop.time())
            left = False
            if source.fails:
                raise ValueError("planned")
        finally:
            stage.open_sources -= 1
            if left:
                stage.left_sources += 1
                raise KeyError("clean-up")


@dataclass
class Outcome:
    """How a pipe did.

    Attributes:
        wrong: what differs from the model, or was left.
        undecided: whether two things happen at the same time, on which something depends.
    """

    wrong: list[str]
    undecided: bool = False


def expected(pipe: Pipe) -> Times:
    """Return what the model says."""
    times = pipe.source.times(0.0)
    for step in pipe.steps:
        times = step.of(times)
    return times


def check(pipe: Pipe, loops: str = "asyncio") -> Outcome:
    """Run a pipe, and compare it with the model."""
    if pipe.flow:
        model = _untimed(pipe)
    else:
        try:
            model = expected(pipe)
        except Undecided:
            return Outcome([], undecided=True)
    stage = Stage(pipe.readers[0].awaits)
    got: list[tuple[float, int]] = []
    wrong: list[str] = []
    threads = threading.active_count()
    log = Log()
    logging.getLogger("miniagents").addHandler(log)
    loop = loop_of(loops, pipe.order)
    timers: list[asyncio.TimerHandle] = []
    try:
        with asyncio.Runner(loop_factory=lambda: _noting(loop, timers)) as runner:
            end = runner.run(_run(pipe, stage, got))
            now = loop.time()
            wrong += [
                f"timer: {each!r} is left"
                for each in timers
                if not each.cancelled() and each.when() > now + NEAR
            ]
    except BaseException as error:  # noqa: BLE001 - also that nothing can happen any more
        wrong.append(f"hangs: {error!r}"[:400])
        end = None
    finally:
        logging.getLogger("miniagents").removeHandler(log)
    if end is not None:
        wrong += _differences(pipe, model, got, end)
    if stage.open_sources or stage.calls:
        wrong.append(f"open: {stage.open_sources} sources and {stage.calls} calls")
    if threading.active_count() > threads:
        wrong.append("thread: one was started")
    logged = sum(_CLEAN_UP in text for text in log.texts)
    if logged != stage.left_sources:
        wrong.append(f"log: {stage.left_sources} sources were left, and {logged} errors of them logged")
    log.texts = [text for text in log.texts if _CLEAN_UP not in text]
    allowed = pipe.readers[0].awaits is not None
    if end is not None and end.how != "error":
        log.texts = [text for text in log.texts if _UNSEEN not in text]
    wrong += [f"log: {text}" for text in log.texts if not (allowed and _WARNED in text)]
    return Outcome(wrong)


def _noting(loop: asyncio.AbstractEventLoop, timers: list[asyncio.TimerHandle]) -> asyncio.AbstractEventLoop:
    set_timer = loop.call_at

    def call_at(*args: Any, **keywords: Any) -> asyncio.TimerHandle:
        timers.append(set_timer(*args, **keywords))
        return timers[-1]

    loop.call_at = call_at  # type: ignore[assignment,method-assign]
    return loop


class Log(logging.Handler):
    """Keeps the text of each record from a warning on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@dataclass
class End:
    """How a reader ended.

    Attributes:
        at: when.
        how: `end`, `error` or `left`.
        ahead: how many items the source had made beyond those that were read.
    """

    at: float
    how: str
    ahead: int


async def _run(pipe: Pipe, stage: Stage, got: list[tuple[float, int]]) -> End:
    around: AbstractAsyncContextManager[object] = (
        nullcontext() if pipe.prefetch is None else MiniAgents(prefetch=pipe.prefetch)
    )
    async with around:
        made = pipe.source.build(stage)
        for step in pipe.steps:
            made = step.build(made, stage)
        block = pipe.readers[0].block
        overflow = None if block is None else Overflow.block(block)
        end = await _read(pipe, to_async_iter(made, overflow=overflow), stage, got)
    for _ in range(20):
        await asyncio.sleep(0)
    left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    if left:
        raise AssertionError(f"task: {left!r}")
    return end


async def _read(pipe: Pipe, items: Any, stage: Stage, got: list[tuple[float, int]]) -> End:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    reader = pipe.readers[0]
    ahead = 0
    try:
        async for item in items:
            got.append((loop.time() - begun, cast("int", item)))
            if len(got) == 1 and reader.awaits is not None:
                await stage.far.wait()
            ahead = max(ahead, stage.made - len(got))
            if len(got) == reader.leaves:
                await items.aclose()
                return End(loop.time() - begun, "left", ahead)
            if reader.pause:
                await asyncio.sleep(reader.pause)
            ahead = max(ahead, stage.made - len(got))
    except ValueError:
        return End(loop.time() - begun, "error", ahead)
    return End(loop.time() - begun, "end", ahead)


def _untimed(pipe: Pipe) -> Times:
    """Return the items of a pipe that is about demand: the times are those of the places."""
    times = Times(
        tuple((float(place), 1 + place) for place in range(len(pipe.source.pauses))), 1e6, pipe.source.fails
    )
    for step in pipe.steps:
        if isinstance(step, MapAsync):
            times = times.but([(at, 2 * item) for at, item in times.items])
        elif isinstance(step, Joined) and step.how == "zip":
            times = _zipped(times, len(step.other.pauses))
        elif isinstance(step, Joined):
            if not times.fails:
                more = [(1e6 + place, 1000 + place) for place in range(len(step.other.pauses))]
                times = Times((*times.items, *more), 2e6)
        else:
            times = step.of(times)
    return times


def _zipped(times: Times, count: int) -> Times:
    pairs = [(at, item + 1000 + place) for place, (at, item) in enumerate(times.items[:count])]
    return Times(tuple(pairs), times.end, times.fails and count > len(times.items))


def _differences(pipe: Pipe, model: Times, got: list[tuple[float, int]], end: End) -> list[str]:
    reader = pipe.readers[0]
    items = [item for _, item in model.items]
    how = "error" if model.fails else "end"
    if reader.leaves is not None and len(items) >= reader.leaves:
        items, how = items[: reader.leaves], "left"
    wrong: list[str] = []
    exact = not (pipe.flow and any(isinstance(each, Joined) and each.how == "zip" for each in pipe.steps))
    if items != [item for _, item in got]:
        wrong.append(f"items: {[item for _, item in got]}, not {items}")
    if end.how != how and exact:
        wrong.append(f"ends: {end.how}, not {how}")
    if not pipe.flow and not wrong:
        wrong += [
            f"when: {item} at {at:.5f}, not at {due:.5f}"
            for (at, item), (due, _) in zip(got, model.items, strict=False)
            if abs(at - due) > NEAR / 4
        ]
        if how != "left" and abs(end.at - model.end) > NEAR / 4:
            wrong.append(f"when: the end at {end.at:.5f}, not at {model.end:.5f}")
    if (
        pipe.flow
        and reader.awaits is None
        and all(isinstance(each, Map | Scan | MapAsync) for each in pipe.steps)
    ):
        bound = 2 * (reader.block or pipe.prefetch or 1024)
        bound += sum(
            2 * (pipe.prefetch or 0) + step.concurrency for step in pipe.steps if isinstance(step, MapAsync)
        )
        if end.ahead > bound:
            wrong.append(f"ahead: {end.ahead} items, not {bound}")
    return wrong
