"""Makes a program of a number."""

from dataclasses import dataclass, replace
from random import Random

from tests.model import programs as p

__all__ = ["program_of"]


def program_of(seed: int) -> p.Program:
    """Return the program of a seed."""
    return Generator(Random(seed), Random(f"answers {seed}")).program()  # noqa: S311 - no secret


_PASSING = (
    p.Identity(),
    p.Function((p.Reply(p.Received()),)),
    p.Function((p.EachMessage("echo"),)),
    p.Function((p.EachMessage("upper"),)),
    p.Function((p.AwaitInput(replies=True),)),
)


@dataclass
class Generator:
    """Draws the parts of a program.

    Attributes:
        random: what draws.
        more: draws what came later, so that the programs without it are the same as before.
        errors: how many errors have names.
        pieces: how many texts.
    """

    random: Random
    more: Random
    errors: int = 0
    pieces: int = 0

    def program(self) -> p.Program:
        """Draw a program; some are about demand."""
        program = self.flow() if self.chance(0.3) else self.clock()
        return replace(
            program, readers=tuple(map(self.otherwise, program.readers)), block=self.more.random() < 0.3
        )

    def otherwise(self, reader: p.Reader) -> p.Reader:
        """Let a reader read or leave in another way now and then."""
        if self.more.random() < 0.3 and reader.way in {"await", "tokens"}:
            ways = {"await": ["await tokens", "resolve"], "tokens": ["parts", "pipe tokens"]}
            reader = replace(reader, way=self.more.choice(ways[reader.way]))
            if reader.way in p.IN_PIPES:  # they need a context
                reader = replace(reader, outside=False)
        if self.more.random() < 0.3 and reader.leave is not None and reader.leave.way == "wait_for":
            reader = replace(reader, leave=replace(reader.leave, way="timeout"))
        return reader

    def clock(self) -> p.Program:
        """Draw a program that is about times."""
        agent = self.agent(self.random.choice([1, 2, 2, 3, 3, 4, 5, 6]))
        form = self.form(2, inside=False)
        readers = tuple(self.reader() for _ in range(self.random.choice([1, 1, 1, 2, 3])))
        cancelled = self.seconds() if self.chance(0.1) else None
        ends = self.seconds() if cancelled is None and self.chance(0.1) else None
        program = p.Program(
            agent,
            form,
            readers,
            cancelled=cancelled,
            dropped=self.chance(0.7),
            ends=ends,
            drain=self.seconds() if cancelled is ends is None and self.chance(0.1) else None,
            order=self.random.randrange(1_000),
        )
        return self.first(program) if self.more.random() < 0.05 else program

    def first(self, program: p.Program) -> p.Program:
        """Have one reader, which holds only the first message."""
        reader = replace(program.readers[0], way="first", leave=None)
        return replace(program, readers=(reader,), cancelled=None, dropped=True, ends=None, drain=None)

    # -- demand -------------------------------------------------------------------------------------------

    def flow(self) -> p.Program:
        """Draw a program that is about demand."""
        pause = self.random.choice([0.0, 0.001, 0.004])
        form = self.long_form(pause)
        if self.chance(0.5):
            form = p.Asked(self.passing(2), form)
        return p.Program(
            self.passing(self.random.randrange(1, 5)),
            form,
            tuple(self.flow_reader() for _ in range(self.random.choice([1, 1, 2, 3]))),
            dropped=self.chance(0.3),
            prefetch=self.random.randrange(1, 4),
            order=self.random.randrange(1_000),
            input_readers=tuple(self.flow_reader() for _ in range(self.random.choice([0, 1, 2])))
            if isinstance(form, p.Asked)
            else (),
            flow=True,
        )

    def long_form(self, pause: float) -> p.Form:
        """Draw something that is longer than `prefetch`."""
        if self.chance(0.4):
            return self.long(pause)
        items: list[tuple[float, p.Form]] = []
        for _ in range(self.random.randrange(3, 14)):
            items.append((pause, self.long(pause) if self.chance(0.1) else p.Text(self.text())))  # noqa: PERF401
        return p.Generated(tuple(items), (pause, self.error()) if self.chance(0.15) else None)

    def long(self, pause: float) -> p.Streamed:
        """Draw a message of many tokens."""
        tokens = tuple((pause, self.text()) for _ in range(self.random.choice([3, 8, 15, 30])))
        return p.Streamed(tokens, (pause, self.error()) if self.chance(0.15) else None)

    def passing(self, depth: int) -> p.Agent:  # noqa: C901, PLR0911 - a case for each kind
        """Draw an agent that passes messages on."""
        if depth <= 0:
            return self.random.choice(_PASSING)
        some = self.passing
        match self.random.randrange(11):
            case 10:
                answer = self.long(0.001)
                return p.Typed(answer) if self.chance(0.5) else p.Tools(self.turns(), answer)
            case 0 | 1:
                return p.Chain(some(depth - 1), some(depth - 1))
            case 2:
                return p.Both(some(depth - 1), some(depth - 1))
            case 3:
                return p.Catching(some(depth - 1), p.Text(self.text()))
            case 4:
                return p.ErrorsAsMessages(some(depth - 1))
            case 5:
                return p.Retry(self.shaky(depth - 1), 2, 0.001)
            case 6:
                return p.Timeout(some(depth - 1), self.random.choice([None, 500.0]), None, 900.0)
            case 7:
                return p.Around(some(depth - 1), self.random.choice(["pass", "watch"]))
            case 8:
                forgotten = p.Function((p.Reply(self.long(0.001)),))
                return p.Function((p.Forget(forgotten, p.Text("x")), p.Reply(p.Received())))
            case _:
                return self.random.choice(_PASSING)

    def shaky(self, depth: int) -> p.Agent:
        """Draw an agent whose first call may fail."""
        if self.chance(0.5):
            return self.passing(depth)
        return p.Flaky(1, (p.Raise(self.error()),), (p.Reply(p.Received()),))

    def flow_reader(self) -> p.Reader:
        """Draw a reader that may be slow, and may leave."""
        way = self.random.choice(["await", "iterate", "iterate", "tokens", "subscribe", "subscribe tokens"])
        begins = 0.0 if self.chance(0.7) else self.seconds(0.001, 0.05)
        slow = self.seconds(0.001, 0.02) if way in {"iterate", "tokens"} and self.chance(0.4) else 0.0
        leave = None
        if self.chance(0.4):
            leave = p.Leave(self.random.choice(["cancel", "wait_for"]), at=begins + self.seconds(0.001, 0.05))
            if way in {"iterate", "tokens"} and self.chance(0.5):
                leave = p.Leave("break", count=self.random.randrange(1, 8))
        return p.Reader(way, begins, slow, leave)

    # -- small things -------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        """Whether something that happens now and then happens now."""
        return self.random.random() < probability

    def pause(self, most: float = 3.0) -> float:
        """Draw seconds that no two things have in common, or none."""
        return 0.0 if self.chance(0.3) else round(self.random.uniform(0.01, most), 4)

    def seconds(self, least: float = 0.01, most: float = 5.0) -> float:
        """Draw seconds."""
        return round(self.random.uniform(least, most), 4)

    def error(self) -> str:
        """Name a new error."""
        self.errors += 1
        return f"e{self.errors}"

    def text(self) -> str:
        """Name a new text."""
        self.pieces += 1
        number = self.pieces
        return chr(ord("a") + number % 26) + (str(number // 26) if number >= 26 else "")

    # -- forms --------------------------------------------------------------------------------------------

    def streamed(self) -> p.Streamed:
        """Draw a message that streams."""
        tokens = tuple((self.pause(), self.text()) for _ in range(self.random.choice([0, 1, 1, 2, 3, 4])))
        fails = (self.pause(), self.error()) if self.chance(0.2) else None
        return p.Streamed(tokens, fails, self.pause(), note=self.chance(0.2))

    def form(self, depth: int, *, inside: bool = True) -> p.Form:  # noqa: PLR0911 - a case for each kind
        """Draw something to send or reply; `inside` a function there is something received."""
        draw = self.random.random()
        if inside and draw < 0.2:
            return p.Received()
        if depth <= 0 or draw < 0.4:
            return self.streamed() if self.chance(0.6) else p.Text(self.text(), note=self.chance(0.2))
        if draw < 0.45:
            return p.Failure(self.error())
        if draw < 0.6:
            return p.Listed(
                tuple(self.form(depth - 1, inside=inside) for _ in range(self.random.randrange(4)))
            )
        if draw < 0.75:
            count = self.random.randrange(4)
            items = tuple((self.pause(), self.form(depth - 1, inside=inside)) for _ in range(count))
            return p.Generated(items, (self.pause(), self.error()) if self.chance(0.2) else None)
        if draw < 0.9:
            return p.Asked(self.agent(depth - 1), self.form(depth - 1, inside=inside))
        if inside and draw < 0.94:
            return p.Piped(self.agent(depth - 1))
        if draw < 0.97:
            return p.Split(p.Joined(self.form(depth - 1, inside=inside)))
        return p.Joined(self.form(depth - 1, inside=inside))

    # -- agents -------------------------------------------------------------------------------------------

    def agent(self, depth: int) -> p.Agent:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
        """Draw an agent."""
        if depth <= 0 or self.chance(0.1):
            return self.leaf(depth)
        some = self.agent
        match self.random.randrange(15):
            case 0 | 1 | 2:
                return p.Chain(some(depth - 1), some(depth - 1))
            case 3 | 4:
                return p.Both(some(depth - 1), some(depth - 1))
            case 5:
                return p.Race(tuple(self.late(depth - 1) for _ in range(self.random.choice([1, 2, 2, 3]))))
            case 6:
                return p.Hedge(some(depth - 1), some(depth - 1), self.seconds())
            case 7:
                return p.Route(some(depth - 1), some(depth - 1) if self.chance(0.7) else None)
            case 8 | 9:
                if self.chance(0.3):
                    backed = p.Backed(some(depth - 1), some(depth - 1), self.chance(0.4))
                    return replace(backed, restart=self.more.random() < 0.6)
                return p.Catching(some(depth - 1), self.handler(depth - 1))
            case 10:
                if self.chance(0.5):
                    return self.guarded(p.Guarded(some(depth - 1), self.random.choice([0, 1, 3, 40])))
                return p.Retry(some(depth - 1), self.random.randrange(1, 4), self.pause())
            case 11:
                return self.timeout(depth)
            case 12:
                return p.Around(some(depth - 1), self.random.choice(["pass", "watch", "twice", "not"]))
            case 13:
                return p.ErrorsAsMessages(some(depth - 1))
            case _:
                return self.leaf(depth)

    def guarded(self, guarded: p.Guarded) -> p.Guarded:
        """Draw what a guard finds."""
        if self.more.random() < 0.3:
            return guarded
        trips, replaces = self.more.choice("abcdefgh"), self.more.random() < 0.5
        # An answer with a type cannot be replaced by a text, which is said when the agent is made.
        return replace(guarded, trips=trips, replaces=replaces and "Typed(" not in repr(guarded))

    def compacted(self) -> p.Agent:
        """Draw what makes conversations shorter; each call of it is the first one."""
        seconds = round(self.more.uniform(0.01, 5.0), 4)
        last = p.Raise(self.error()) if self.more.random() < 0.2 else p.Reply(p.Text(self.text()))
        compacted = p.Compacted(p.Function((p.Sleep(seconds), last)), self.more.random() < 0.8)
        return p.Function((p.Reply(p.Asked(compacted, p.Received())),))

    def late(self, depth: int) -> p.Agent:
        """Draw an agent of which no two are ready at the same time."""
        return p.Chain(self.agent(depth), p.Function((p.Sleep(self.seconds()), p.Reply(p.Received()))))

    def timeout(self, depth: int) -> p.Timeout:
        """Draw an agent with time limits."""
        first, stall, total = (self.seconds(0.5, 8) if self.chance(0.5) else None for _ in range(3))
        return p.Timeout(self.agent(depth - 1), first, stall, total)

    def handler(self, depth: int) -> p.Form | p.Agent | str:
        """Draw what handles an error."""
        if self.chance(0.2):
            return self.error()
        return self.agent(min(depth, 1)) if self.chance(0.3) else self.form(min(depth, 1))

    def leaf(self, depth: int) -> p.Agent:
        """Draw a function, or something that needs no other agent."""
        if self.more.random() < 0.06:
            return self.compacted()
        if self.chance(0.15):
            return p.Identity()
        if self.chance(0.1):
            return p.Prompt(slot=self.chance(0.7))
        if self.chance(0.1):
            return p.Typed(self.streamed()) if self.chance(0.5) else p.Tools(self.turns(), self.streamed())
        return p.Function(self.steps(depth))

    def turns(self) -> tuple[tuple[float, ...], ...]:
        """Draw how long calls of tools take."""
        return tuple(
            tuple(self.seconds() for _ in range(self.random.randrange(1, 4)))
            for _ in range(self.random.randrange(3))
        )

    def steps(self, depth: int) -> tuple[p.Step, ...]:
        """Draw the code of a function."""
        steps = [self.step(depth) for _ in range(self.random.choice([1, 2, 2, 3, 4]))]
        if self.chance(0.15):
            steps.append(p.Raise(self.error()))
        return tuple(steps)

    def step(self, depth: int) -> p.Step:  # noqa: PLR0911 - a case for each kind
        """Draw a step."""
        match self.random.randrange(17):
            case 16:
                return self.rows(depth - 2)
            case 0 | 1:
                return p.Sleep(self.seconds())
            case 2:
                return p.AwaitInput(replies=self.chance(0.7))
            case 3 | 4 | 5:
                return p.EachMessage(self.random.choice(["echo", "upper", "whole"]))
            case 6:
                return p.WaitFor(self.seconds())
            case 7:
                return p.Forget(self.agent(depth - 2), self.form(depth - 2))
            case 8:
                kept = (
                    p.Asked(self.agent(depth - 2), self.form(depth - 2))
                    if self.chance(0.5)
                    else self.streamed()
                )
                return p.Kept(kept, tuple(self.steps(0)[:2]))
            case _:
                return p.Reply(self.form(depth - 1))

    def rows(self, depth: int) -> p.Rows:
        """Draw rows for an agent."""
        count = self.random.randrange(5)
        items = [self.streamed() if self.chance(0.5) else p.Text(self.text()) for _ in range(count)]
        return p.Rows(
            self.agent(depth),
            tuple((self.pause(), item) for item in items),
            self.random.randrange(1, 4),
            ordered=self.chance(0.6),
        )

    # -- readers ------------------------------------------------------------------------------------------

    def reader(self) -> p.Reader:
        """Draw a reader."""
        way = self.random.choice(["await", "iterate", "iterate", "tokens", "subscribe", "subscribe tokens"])
        begins = 0.0 if self.chance(0.6) else self.seconds()
        slow = self.seconds(0.01, 1.0) if way in {"iterate", "tokens"} and self.chance(0.3) else 0.0
        leave = self.leave(way, begins) if self.chance(0.4) else None
        return p.Reader(way, begins, slow, leave, outside=self.chance(0.2))

    def leave(self, way: str, begins: float) -> p.Leave:
        """Draw how a reader leaves."""
        if way in {"iterate", "tokens"} and self.chance(0.5):
            return p.Leave("break", count=self.random.randrange(1, 5))
        return p.Leave(self.random.choice(["cancel", "wait_for"]), at=begins + self.seconds())
