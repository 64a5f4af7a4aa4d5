"""Runs a program on an event loop, and compares it with the model."""

import asyncio
import gc
import logging
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from typing_extensions import override

from miniagents import MiniAgents
from miniagents.testing import VirtualClock
from tests.model import programs as p
from tests.model.build import Built, Made
from tests.model.lives import NEVER, Written
from tests.model.model import LATER, LIBRARY_ERRORS, Model, UndecidedError, same_text
from tests.model.readers import Event, Reading, expected
from tests.support.shuffled import ShuffledVirtualLoop

__all__ = ["Failed", "Outcome", "check"]

SOON = 1e-3
"""Seconds until a source that is stopped has closed."""

LIMIT = 1_000.0
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
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


def check(program: p.Program) -> Outcome:
    """Run a program; what differs from the model."""
    outcome = Outcome()
    try:
        wanted = Wanted.of(program)
    except UndecidedError:
        outcome.undecided = True
        return outcome
    built = Built()
    log = Log()
    root = logging.getLogger()
    root.addHandler(log)
    clock = VirtualClock()
    loop = ShuffledVirtualLoop(Random(program.order), clock._now)
    got: list[list[Event]] = []
    gc.disable()
    hook = sys.unraisablehook
    sys.unraisablehook = lambda args: outcome.wrong.append(f"could not be raised: {args.exc_value!r}")
    try:
        asyncio.set_event_loop(loop)
        readings = loop.run_until_complete(_main(program, built))
        got = [reading.events for reading in readings]
        left = asyncio.all_tasks(loop)
        outcome.wrong += [f"left: {task!r}" for task in left]
    except BaseException as error:  # noqa: BLE001 - whatever it is
        outcome.wrong.append(f"raised {error!r}"[:300])
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        asyncio.set_event_loop(None)
        root.removeHandler(log)
        sys.unraisablehook = hook
        gc.enable()
    if outcome.wrong:
        return outcome
    for place, events in enumerate(wanted.events):
        outcome.wrong += _differences(place, events, got[place])
    outcome.wrong += _other_sources(wanted.model.written, built.made)
    outcome.wrong += _other_log(wanted, log.lines)
    return outcome


@dataclass(frozen=True)
class Wanted:
    """What the model says about a program.

    Attributes:
        model: has interpreted it.
        events: what each reader gets.
    """

    model: Model
    events: list[list[Event]]

    @classmethod
    def of(cls, program: p.Program) -> "Wanted":
        """Interpret a program."""
        model = Model()
        replies, main = model.begin(program)
        if program.cancelled is not None:
            replies = replies.cancelled(program.cancelled)
        if program.ends is not None:
            main.cancel(program.ends)
        events: list[list[Event]] = []
        gone = 0.0
        for reader in program.readers:
            got, left = expected(reader, replies)
            events.append(got)
            gone = max(gone, left)
            for event in got:
                if event.what == "end":
                    model.sees(event.text, event.at, None)
        if replies.life is not None:
            replies.life.held_by_program(gone if program.dropped else NEVER)
        return cls(model, events)


async def _main(program: p.Program, built: Built) -> list[Reading]:
    loop = asyncio.get_running_loop()
    options = {} if program.prefetch is None else {"prefetch": program.prefetch}
    zero = loop.time()
    async with MiniAgents(**options):
        replies = built.agent(program.agent).inquire(built.form(program.form))
        readings = [Reading(reader, zero) for reader in program.readers]
        tasks = [asyncio.ensure_future(reading.read(replies)) for reading in readings]
        if program.cancelled is not None:
            loop.call_at(zero + program.cancelled, replies.cancel)
        if program.dropped:
            del replies
        async with asyncio.timeout(LIMIT):
            for task in tasks:
                await task
        del task
        tasks.clear()
    return readings


def _other_sources(written: list[Written], made: list[Made]) -> list[str]:
    """Compare what the sources have made, and when they were closed."""
    wrong: list[str] = []
    for form in dict.fromkeys([*(each.form for each in written), *(each.form for each in made)]):
        wanted = sorted((each for each in written if each.form == form), key=lambda each: each.life.begun)
        real = sorted((each for each in made if each.form == form), key=lambda each: each.at)
        must = [each for each in wanted if each.life.begun < each.made_before() - LATER]
        may = [each for each in wanted if each.life.begun <= each.made_before() + LATER]
        if not len(must) <= len(real) <= len(may):
            wrong.append(f"source: {form} should be there {len(must)} times, and is {len(real)} times")
        elif len(real) == len(must):
            for one, other in zip(must, real, strict=True):
                wrong += _other_source(one, other)
    return wrong


def _other_source(wanted: Written, made: Made) -> list[str]:
    stopped = wanted.life.stopped()
    end = min(stopped, wanted.life.ended)
    least = sum(at < stopped - LATER for at, _ in wanted.tokens)
    most = sum(at <= stopped + LATER for at, _ in wanted.tokens)
    if made.begun and made.closed is None:
        return [f"source: {made} was not closed"]
    if made.begun and made.closed is not None and abs(made.closed - end) > SOON:
        return [f"source: {made} was closed at {made.closed:.4g} and not at {end:.4g}"]
    if not least <= made.tokens <= most or (not made.begun and end > wanted.life.begun + LATER):
        return [f"source: {made} should have made {most} tokens"]
    return []


_ERROR = re.compile(rf"\b(?:ValueError\('(e\d+)'\)|({'|'.join(LIBRARY_ERRORS)}))")


def _other_log(wanted: Wanted, lines: list[str]) -> list[str]:
    """Compare what was logged with the errors that nobody handles."""
    model = wanted.model
    handled = {each.error for each in model.seen if each.life is None or each.at <= each.life.stopped() + LATER}
    must, may = Counter[str](), Counter[str]()
    for each in model.raised:
        if each.error not in handled:
            stopped = NEVER if each.life is None else each.life.stopped()
            name = each.error.split("#")[0]
            must[name] += each.at < stopped - LATER
            may[name] += each.at <= stopped + LATER
    got = Counter[str]()
    wrong: list[str] = []
    for line in lines:
        found = _ERROR.search(line)
        if found is None:
            wrong.append(f"log: {line}")
        else:
            got[found[1] or found[2]] += 1
    for name in {*must, *may, *got}:
        if not must[name] <= got[name] <= may[name]:
            wrong.append(f"log: {name} should be there {must[name]} times, and is {got[name]} times")
    return wrong


def _differences(place: int, wanted: list[Event], got: list[Event]) -> list[str]:
    same = len(wanted) == len(got) and all(
        (a.what, same_text(a.text)) == (b.what, b.text) and abs(a.at - b.at) < LATER
        for a, b in zip(wanted, got, strict=True)
    )
    if same:
        return []
    return [f"reader {place}: expected {_shown(wanted)}\n          but got {_shown(got)}"]


def _shown(events: list[Event]) -> str:
    return " ".join(f"{event.at:.4g}:{event.what}{'=' + event.text if event.text else ''}" for event in events)
