"""Runs a program on an event loop, and compares it with the model."""

import asyncio
import gc
import logging
import re
import sys
from collections import Counter
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import cast

from typing_extensions import override

from miniagents import Message, MessageSequencePromise, MiniAgents
from tests.model import programs as p
from tests.model.build import Built, Made, sleep
from tests.model.lives import AFTER, LATER, NEVER, Life, UndecidedError, Written, before
from tests.model.loops import loop_of
from tests.model.model import LIBRARY_ERRORS, Model, Moment, Replies, same_text
from tests.model.readers import TIME_LIMITS, UNNAMED, Event, Reading, all_of, expected

__all__ = ["Outcome", "check"]

SOON = 1e-3
"""Seconds until a source that is stopped has closed."""

REST = 20.0
"""Seconds after which everything that is not paused has ended."""

LIMIT = 100_000.0
"""Seconds of virtual time after which a program hangs."""


@dataclass
class Outcome:
    """What a program did.

    Attributes:
        wrong: a line for each difference from the model; none if there is none.
        undecided: whether the model says that two things happen at the same time.
    """

    wrong: list[str] = field(default_factory=list[str])
    undecided: bool = False


class Log(logging.Handler):
    """Keeps what is logged, and the errors: nothing that they hold may go on because of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.lines.append(f"{record.name}: {record.getMessage()}")


def check(program: p.Program, loops: str = "asyncio") -> Outcome:
    """Run a program; what differs from the model.

    Args:
        program: what to run.
        loops: `asyncio`: shuffled; `eager`: the same with eager tasks; or `uvloop`. Time is virtual.
    """
    if program.flow:
        return check_flow(program, loops)
    outcome = Outcome()
    try:
        wanted = Wanted.of(program)
    except UndecidedError:
        outcome.undecided = True
        return outcome
    built = Built()
    with _watched() as (lines, raised):
        got = _run(_main(program, built, None), loop_of(loops, program.order), outcome)
    outcome.wrong += [f"unraisable: {error!r}" for error in raised]
    if got is None or outcome.wrong:
        return outcome
    stops = program.cancelled if program.ends is None else program.ends
    for place, events in enumerate(wanted.events):
        reading = _named(got[place].events, wanted.model)
        outcome.wrong += _differences(place, events, reading, NEVER if stops is None else stops)
    outcome.wrong += _other_sources(wanted.model.written, built.made, times=True)
    outcome.wrong += _other_log(wanted, lines)
    return outcome


def check_flow(program: p.Program, loops: str) -> Outcome:
    """Run a program that is about demand.

    Every reader that stays must get everything; one that leaves at a time gets the beginning of it. When
    the readers have gone and everything rests, a source that nothing reads has ended, and one that its only
    reader has left is not far ahead of it.
    """
    outcome = Outcome()
    model = Model()
    try:
        sent, replies, _ = model.begin(program)
    except UndecidedError:
        return Outcome(undecided=True)
    if program.input_readers and isinstance(program.form, p.Asked) and sent.life is not None:
        sent.life.held_by_program(NEVER)
    built = Built()
    later: list[int] = []
    with _watched() as (lines, raised):
        got = _run(_main(program, built, later), loop_of(loops, program.order), outcome)
    outcome.wrong += [f"unraisable: {error!r}" for error in raised]
    if got is None or outcome.wrong:
        return outcome
    read = [(reading, replies) for reading in got[: len(program.readers)]]
    read += [(reading, sent) for reading in got[len(program.readers) :]]
    for place, (reading, source) in enumerate(read):
        wanted = _at_any_time(all_of(reading.reader, source))
        events = _at_any_time(_named(reading.events, model))
        leave = reading.reader.leave
        if leave is not None and leave.way != "break" and len(events) <= len(wanted):
            if leave.way in TIME_LIMITS and events and events[-1].text == "TimeoutError":
                events.pop()
            wanted = wanted[: len(events)]
        outcome.wrong += _differences(place, wanted, events, NEVER)
    outcome.wrong += _other_sources(model.written, built.made, times=False)
    outcome.wrong += _other_flow(program, model, built.made, later)
    outcome.wrong += [f"log: {line}" for line in lines if _ERROR.search(line) is None]
    return outcome


def _other_flow(program: p.Program, model: Model, made: list[Made], later: list[int]) -> list[str]:
    forgotten = {each.form for each in model.written if not each.life.read(late=False)}
    wrong = [
        f"flow: {one} should be complete, and has {tokens} tokens"
        for one, tokens in zip(made, later, strict=False)
        if one.form in forgotten and tokens < len(one.form.tokens)
    ]
    most = bound(program)
    if most is not None:
        wrong += [
            f"flow: {one} has {tokens} tokens, and should have {most} at most"
            for one, tokens in zip(made, later, strict=False)
            if one.form == program.form and tokens > most
        ]
    return wrong


_EAGER = ("Forget(", "AwaitInput(", "'watch'", "Both(", "Asked(", "Typed(", "Tools(")


def bound(program: p.Program) -> int | None:
    """Return how many tokens the message that a program sends may have when its only reader has left.

    Each agent on the way may be `prefetch` tokens ahead of the next one.

    Returns:
        None if something requests all, or nothing is left to read.
    """
    text = repr(program.agent)
    reader, form = program.readers[0], program.form
    leave = reader.leave
    if len(program.readers) > 1 or program.input_readers or any(each in text for each in _EAGER):
        return None
    if leave is None or leave.way != "break" or reader.begins or not isinstance(form, p.Streamed):
        return None
    if not all(pause for pause, _ in form.tokens):  # it could be complete before its reader begins
        return None
    agents = text.count("(") + 2
    return leave.count + (program.prefetch + 1) * agents


@contextmanager
def _watched() -> Generator[tuple[list[str], list[BaseException | None]]]:
    """Keep what is logged, and what could not be raised; without the collector of garbage."""
    log = Log()
    root = logging.getLogger()
    root.addHandler(log)
    raised: list[BaseException | None] = []

    def keep(unraisable: "sys.UnraisableHookArgs") -> None:
        raised.append(unraisable.exc_value)

    hook, sys.unraisablehook = sys.unraisablehook, keep
    collects = gc.isenabled()
    gc.disable()
    try:
        yield log.lines, raised
    finally:
        sys.unraisablehook = hook
        root.removeHandler(log)
        if collects:
            gc.enable()


def _run(
    main: Coroutine[object, object, list[Reading]], loop: asyncio.AbstractEventLoop, outcome: Outcome
) -> list[Reading] | None:
    """Run a program to its end; what it leaves is wrong."""
    try:
        asyncio.set_event_loop(loop)
        readings = loop.run_until_complete(main)
        outcome.wrong += [f"left: {task!r}" for task in asyncio.all_tasks(loop)]
    except BaseException as error:  # noqa: BLE001 - whatever it is
        outcome.wrong.append(f"raised: {error!r}"[:300])
        return None
    else:
        return readings
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        asyncio.set_event_loop(None)


def _named(events: list[Event], model: Model) -> list[Event]:
    """Return the events; an error that need not name an agent is as one that does."""
    return [
        each
        if each.text.removesuffix(UNNAMED) in model.named
        else replace(each, text=each.text.removesuffix(UNNAMED))
        for each in events
    ]


def _at_any_time(events: list[Event]) -> list[Event]:
    return [replace(event, at=0.0) for event in events]


@dataclass(frozen=True)
class Wanted:
    """What the model says about a program.

    Attributes:
        model: has interpreted it.
        events: what each reader gets.
        drains: whether its context may log that something had not ended in time.
        left_open: the errors that something forgotten may raise when a run above it was stopped.
    """

    model: Model
    events: list[list[Event]]
    drains: bool
    left_open: frozenset[str]

    @classmethod
    def of(cls, program: p.Program) -> "Wanted":
        """Interpret a program."""
        model = Model()
        _, replies, main = model.begin(program)
        stops = program.cancelled if program.ends is None else program.ends
        stopped = replies.life if program.ends is None else main
        if stops is not None and stopped is not None:
            later = [said.error for _, said in replies.with_error() if said.error is not None]
            model.seen += [Moment(error, stops, None, surely=False) for error in later]
            _stops_at(stops, model, stopped)
            replies = replies.cancelled(stops)
            if "Timeout(" in repr(program.form) and any(stops < at for at in model.limits):
                raise UndecidedError  # a limit counts no more when its run is stopped; its messages go on
        events: list[list[Event]] = []
        gone = 0.0
        for reader in program.readers:
            got, left = expected(reader, replies)
            events.append(got)
            if reader.way == "first" and replies.items:
                left = _held_alone(program, replies, got)
            gone = max(gone, left)
            if reader.leave is not None and reader.way in p.IN_PIPES:
                # The pipe may have got an error that its reader did not wait for.
                *_, last = expected(replace(reader, slow=0.0, leave=None), replies)[0]
                model.seen.append(Moment(last.text, last.at, None, surely=False))
            for event in got:
                if event.what == "end" and (program.ends is None or event.at < program.ends):
                    model.sees(event.text, event.at, None)
        if program.drain is not None:
            stops = gone + program.drain
            _stops_at(stops, model, main)
        if replies.life is not None:
            replies.life.held_by_program(max(gone, program.cancelled or 0.0) if program.dropped else NEVER)
        stopped_above = any(each.stopped_above() < NEVER for each in model.forgetters)
        left_open = {*LIBRARY_ERRORS, *_HANDLERS.findall(repr(program))} if stopped_above else ()
        return cls(model, events, program.drain is not None, frozenset(left_open))


def _held_alone(program: p.Program, replies: Replies, got: list[Event]) -> float:
    """The program holds only the first message, until its end; return when it has left the replies."""
    if any(each in repr(program) for each in _OF_REPLIES):
        raise UndecidedError
    _, first = replies.items[0]
    if first.life is not None:
        first.life.held_by_program(got[-1].at)
    return got[0].at


_OF_REPLIES = ("Timeout(", "Catching(", "restart=False")
"""What may end a message only while somebody holds the replies: a limit, and what takes over."""


_HANDLERS = re.compile(r"handler='(\w+)'")


def _stops_at(stops: float, model: Model, life: Life) -> None:
    """Note that everything below a life is cancelled at a time; what ends then may still show an error."""
    times = [time for each in model.written for time in (each.life.begun, each.life.ended)]
    times += [time for each in model.written for time, _ in each.tokens]
    for time in (0.0, *times):
        before(time, stops)
    life.cancel(stops)
    later = [each.error for each in model.seen if each.at > stops]
    model.seen += [Moment(error, stops, None, surely=False) for error in later]


class LeftError(Exception):
    """Leaves the context of a program."""


async def _main(program: p.Program, built: Built, later: list[int] | None) -> list[Reading]:
    zero = asyncio.get_running_loop().time()
    others = program.input_readers if isinstance(program.form, p.Asked) else ()
    readings = [Reading(reader, zero) for reader in (*program.readers, *others)]
    tasks: list[asyncio.Task[None]] = []
    async with asyncio.timeout(LIMIT):
        limit = zero + program.ends if program.block and program.ends is not None else None
        with suppress(LeftError, TimeoutError):
            async with asyncio.timeout_at(limit):
                await _in_context(program, built, readings, tasks, later)
        await asyncio.gather(*tasks)
    return readings


async def _in_context(
    program: p.Program,
    built: Built,
    readings: list[Reading],
    tasks: "list[asyncio.Task[None]]",
    later: list[int] | None,
) -> None:
    """Run a program in its context; `later` gets what the sources have made when everything rests."""
    loop = asyncio.get_running_loop()
    zero = loop.time()
    async with MiniAgents(prefetch=program.prefetch, drain_timeout=program.drain):
        sent = built.form(program.form)
        replies = built.agent(program.agent).inquire(sent)
        count = len(program.readers)
        tasks += [_reading(reading, replies) for reading in readings[:count]]
        for reading in readings[count:]:
            source = cast("MessageSequencePromise[Message]", sent)
            tasks.append(_reading(reading, source))
            del source
        del sent
        if program.cancelled is not None and program.block:
            tasks.append(loop.create_task(_block(replies, zero + program.cancelled)))
        elif program.cancelled is not None:
            loop.call_at(zero + program.cancelled, replies.cancel)
        if program.dropped:
            del replies
        if program.ends is None:
            await asyncio.wait(tasks)
            if program.flow and later is not None:
                await asyncio.sleep(REST)
                later += [made.tokens for made in built.made]
        else:
            await sleep(LIMIT if program.block else program.ends)
            raise LeftError


async def _block(replies: MessageSequencePromise[Message], until: float) -> None:
    async with replies:
        await sleep(until - asyncio.get_running_loop().time())


def _reading(reading: Reading, source: MessageSequencePromise[Message]) -> "asyncio.Task[None]":
    context = Context() if reading.reader.outside else None
    return asyncio.get_running_loop().create_task(reading.read(source), context=context)


def _other_sources(written: list[Written], made: list[Made], *, times: bool) -> list[str]:
    """Compare what the sources have made, and when they were closed."""
    if not times:
        return [f"source: {each} was not closed" for each in made if each.begun and each.closed is None]
    wrong: list[str] = []
    for form in dict.fromkeys([*(each.form for each in written), *(each.form for each in made)]):
        wanted = [each for each in written if each.form == form]
        wanted.sort(
            key=lambda each: (each.life.begun, *(_closes(each.life, late=late) for late in (True, False)))
        )
        real = [each for each in made if each.form == form]
        real.sort(key=lambda each: (each.at, NEVER if each.closed is None else each.closed))
        must = [each for each in wanted if _is_surely_made(each.life)]
        may = [each for each in wanted if each.life.exists(late=True)]
        for each in [each for each in real if not each.begun or each.closed == each.at]:
            if len(real) > len(may):  # what was made and stopped in one turn did nothing
                real.remove(each)
        if not len(must) <= len(real) <= len(may):
            wrong.append(f"source: {form} should be there {len(must)} times, and is {len(real)} times")
        elif len(real) == len(must):
            for other in real:
                one = _same_source(must, other)
                must.remove(one)
                wrong += _other_source(one, other)
    return wrong


def _same_source(wanted: list[Written], made: Made) -> Written:
    """Return which source this is: of those that begin next, the one that closes first and fits.

    Two that began together may come in either order, and the model may leave open when one of them closes.
    """
    begun = wanted[0].life.begun
    together = [each for each in wanted if each.life.begun - begun < LATER]
    closed = NEVER if made.closed is None else made.closed
    return next((each for each in together if _closes(each.life, late=False) - SOON < closed), together[0])


def _closes(life: Life, *, late: bool) -> float:
    return min(life.stopped(late=late), life.ended)


def _is_surely_made(life: Life) -> bool:
    """Return whether what begins a message is not stopped at that time, and it is not stopped at once."""
    return life.begun + 10 * AFTER < min(life.made_before(late=False), life.stopped(late=False))


def _other_source(wanted: Written, made: Made) -> list[str]:
    life = wanted.life
    early, late = (_closes(life, late=late) for late in (False, True))
    if made.begun and made.closed is None:
        return [f"source: {made} was not closed"]
    if made.begun and made.closed is not None and not early - SOON < made.closed < late + SOON:
        return [
            f"source: {made} was closed at {made.closed:.4g}, should be {early:.4g}, at the latest {late:.4g}"
        ]
    least = sum(at < early - 10 * AFTER for at, _ in wanted.tokens)
    most = sum(at <= late + LATER for at, _ in wanted.tokens)
    if not least <= made.tokens <= most or (not made.begun and early > life.begun + 10 * AFTER):
        return [f"source: {made} should have made {least} tokens, at most {most}"]
    return []


def _happens(moment: Moment, tolerance: float) -> bool:
    life = moment.life
    if life is None:
        return True
    late = tolerance > 0
    return life.exists(late=late) and moment.at <= life.stopped(late=late) + tolerance


_ERROR = re.compile(rf"\b(?:ValueError\('(\w+)'\)|({'|'.join(LIBRARY_ERRORS)}))")


def _other_log(wanted: Wanted, lines: list[str]) -> list[str]:
    """Compare what was logged with the errors that nobody handles."""
    model = wanted.model
    seen = list(model.all_seen())
    surely = {each.error for each in seen if each.surely and _happens(each, -2 * AFTER)}
    perhaps = {each.error for each in seen if _happens(each, LATER)} | model.mended
    must, may = Counter[str](), Counter[str]()
    for error in dict.fromkeys(each.error for each in model.raised):
        name, moments = error.split("#")[0], [each for each in model.raised if each.error == error]
        must[name] += error not in perhaps and any(_happens(each, -2 * AFTER) for each in moments)
        may[name] += error not in surely and any(_happens(each, LATER) for each in moments)
    must["WithdrawnError"], may["WithdrawnError"] = 0, len(lines)  # of readers of tokens that had left
    may.update(dict.fromkeys(wanted.left_open, len(lines)))
    got = Counter[str]()
    wrong: list[str] = []
    for line in lines:
        found = _ERROR.search(line)
        if found is None and not (wanted.drains and "had not ended drain_timeout=" in line):
            wrong.append(f"log: {line}")
        elif found is not None:
            got[found[1] or found[2]] += 1
    wrong += [
        f"log: {name} should be there {must[name]} times, and is {got[name]} times"
        for name in {*must, *may, *got}
        if not must[name] <= got[name] <= may[name]
    ]
    return wrong


def _differences(place: int, wanted: list[Event], got: list[Event], stops: float) -> list[str]:
    """Compare what a reader got.

    Args:
        place: of the reader.
        wanted: what it should get.
        got: what it got.
        stops: when everything is stopped. At that time every run ends with an error, in any order; so it is
            open which streams show it.
    """
    one, other = _decided(wanted, stops), _decided(got, stops)
    same = len(one) == len(other) and all(
        (a.what, same_text(a.text)) == (b.what, b.text) and abs(a.at - b.at) < LATER
        for a, b in zip(one, other, strict=True)
    )
    if same:
        return []
    return [f"reader {place}: expected {_shown(wanted)}\n          but got {_shown(got)}"]


def _decided(events: list[Event], stops: float) -> list[Event]:
    return [each for each in events if each.at < stops - LATER]


def _shown(events: list[Event]) -> str:
    return " ".join(
        f"{event.at:.4g}:{event.what}{'=' + event.text if event.text else ''}" for event in events
    )
