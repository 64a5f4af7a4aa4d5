"""What a random stream is before it is written: what the answer means, and how its server is different.

A `Plan` is small and says everything: the same plan is always written as the same bytes. So a stream that
shows a mistake is made smaller by making its plan smaller (`smaller`).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal, TypeAlias

from miniagents import Finish

__all__ = [
    "UNCOUNTED",
    "Answer",
    "Block",
    "Breaking",
    "Dialect",
    "Event",
    "Fault",
    "Finishes",
    "Kind",
    "Numbers",
    "Plan",
    "Spoken",
    "at_end",
    "between",
    "cut",
    "drawn",
    "end_of",
    "instead",
    "joined",
    "reported",
    "smaller",
    "unless_cut",
    "value_of",
]

Kind: TypeAlias = Literal["text", "thought", "refusal", "call"]
Numbers: TypeAlias = tuple[int | None, int | None, int | None, int | None]
"""Tokens: of the input, of the output, of the input from a cache, of the output for thoughts."""
UNCOUNTED: Final[Numbers] = (None, None, None, None)
Spoken: TypeAlias = tuple[str, ...]
"""One thing of an answer: kind and text; of a thought its signature too; of a call name, arguments, id."""

Finishes: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""The reasons for which an answer ends: without calls, and with some."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader made of a stream; equal ones are the same answer.

    Attributes:
        said: everything, in order.
        usage: the tokens that were counted.
        finish: why it ended, in the server's word.
    """

    said: tuple[Spoken, ...]
    usage: Numbers
    finish: str


@dataclass(frozen=True, slots=True)
class Block:
    """One thing that the model says.

    Attributes:
        kind: what it is.
        pieces: its text or arguments, as they come.
        name: of the tool.
        key: the id of the call, or the signature of the thought.
    """

    kind: Kind
    pieces: tuple[str, ...]
    name: str = ""
    key: str = ""

    @property
    def whole(self) -> str:
        """All pieces; halves of a character that they were cut into are one again."""
        return joined(self.pieces)


@dataclass(frozen=True, slots=True)
class Plan:
    """One stream.

    Attributes:
        wire: "chat", "responses" or "messages".
        seed: of what is drawn while it is written.
        blocks: what the model says.
        usage: the tokens that its server counts, None if it tells none.
        finish: why it ends.
        dialects: how its server departs from the original, all of it harmless.
        fault: what is wrong with it, "" if it is healthy.
        split: how the network cuts it: "whole", "bytes", "events" or "random".
    """

    wire: str
    seed: int
    blocks: tuple[Block, ...]
    usage: Numbers | None
    finish: str
    dialects: frozenset[str] = frozenset()
    fault: str = ""
    split: str = "whole"

    def has(self, kind: Kind) -> bool:
        """Whether the model says such a thing."""
        return any(block.kind == kind for block in self.blocks)

    def only(self, *kinds: Kind) -> bool:
        """Whether the model says nothing but such things, and at least one."""
        return bool(self.blocks) and all(block.kind in kinds for block in self.blocks)

    def of(self, *kinds: Kind) -> tuple[Block, ...]:
        """The things of these kinds."""
        return tuple(block for block in self.blocks if block.kind in kinds)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way in which healthy servers depart from the original.

    Attributes:
        name: of it.
        group: of dialects of one group a stream has one at most.
        sdk: why the SDK makes something else of it; "" if it does not.
        needs: kinds that the model must say for it to be seen.
        single: kinds of which there may be one at most.
        lacks: kinds that it cannot say.
    """

    name: str
    group: str
    sdk: str = ""
    needs: tuple[Kind, ...] = ()
    single: tuple[Kind, ...] = ()
    lacks: tuple[Kind, ...] = ()

    def fits(self, plan: Plan) -> bool:
        """Whether this plan can be written so."""
        return (
            all(map(plan.has, self.needs))
            and not any(map(plan.has, self.lacks))
            and all(len(plan.of(kind)) <= 1 for kind in self.single)
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    Attributes:
        data: what becomes its JSON; bytes are sent as they are.
        name: its type, "" if it has none.
        step: what it is to the answer: "begin", "piece", "done", "end" (the terminal marker) or "".
    """

    data: Mapping[str, object] | bytes
    name: str = ""
    step: str = ""

    def get(self, name: str) -> object:
        """What its JSON has under a name; None if there is nothing."""
        return None if isinstance(self.data, bytes) else self.data.get(name)


Breaking: TypeAlias = Callable[[Plan, list[Event], Random], list[Event] | None]
"""From the events of a healthy stream to those of a broken one; None where there is nothing to break."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What breaks a stream, so that text, a call, an order or the end is lost or wrong.

    Attributes:
        name: of it.
        breaks: what it does to a stream.
        needs: kinds that the model must say for something to be lost.
        hidden_by: dialects under which nobody can see it.
    """

    name: str
    breaks: Breaking
    needs: tuple[Kind, ...] = ()
    hidden_by: frozenset[str] = frozenset()

    def fits(self, plan: Plan) -> bool:
        """Whether this plan can be broken so."""
        return all(map(plan.has, self.needs)) and not self.hidden_by & plan.dialects


def unless_cut(breaks: Breaking) -> Breaking:
    """The same, but nothing where the answer ends by a limit: there the model itself is cut in the middle."""

    def breaks_unless_cut(plan: Plan, events: list[Event], rng: Random) -> list[Event] | None:
        return None if Finish(plan.finish).cut else breaks(plan, events, rng)

    return breaks_unless_cut


def end_of(events: Sequence[Event]) -> int:
    """Where the terminal marker is."""
    return next(at for at, event in enumerate(events) if event.step == "end")


def cut(_: Plan, events: list[Event], rng: Random) -> list[Event]:
    """The events until somewhere before the end."""
    return events[: rng.randrange(end_of(events) + 1)]


def instead(*others: Event) -> Breaking:
    """One of these in the place of an event, until the end."""

    def breaks(_: Plan, events: list[Event], rng: Random) -> list[Event]:
        at = rng.randrange(end_of(events) + 1)
        return [*events[:at], rng.choice(others), *events[at + 1 :]]

    return breaks


def between(other: Event) -> Breaking:
    """This before some event, until the end."""

    def breaks(_: Plan, events: list[Event], rng: Random) -> list[Event]:
        at = rng.randrange(end_of(events) + 1)
        return [*events[:at], other, *events[at:]]

    return breaks


def reported(error: Event) -> Breaking:
    """This error before some event, until the end; often it is the last event."""

    def breaks(_: Plan, events: list[Event], rng: Random) -> list[Event]:
        at = rng.randrange(end_of(events) + 1)
        return [*events[:at], error, *rng.choice((events[at:], []))]

    return breaks


def at_end(*others: Event, stays: bool) -> Breaking:
    """These before the terminal marker, or in its place."""

    def breaks(_: Plan, events: list[Event], __: Random) -> list[Event]:
        at = end_of(events)
        return [*events[:at], *others, *events[at if stays else at + 1 :]]

    return breaks


def joined(pieces: Sequence[str]) -> str:
    """The whole text; two halves of a character are one."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def value_of(arguments: str) -> str:
    """Arguments in one way of writing; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(arguments.strip() or "{}"), sort_keys=True)
    except ValueError:
        return arguments


# -- drawing ---------------------------------------------------------------------------------------------

_WORDS: Final = (
    *("Hello", " world", ".", "\n", "\n\n", " the", " a ", "I", "'m", "```", "**", "", " ", "42", "\t"),
    *(
        "\N{GRINNING FACE}",
        "\N{OWL}",
        "\u6f22\u5b57",
        "\u00fcn\u00efc\u00f6d\u00e9",
        "e\u0301",
        "\u05d0\u05d1",
    ),
    *("\U0001f469\u200d\U0001f680", "\u2028", "\x85", "\u00a0", "\ufeff", "\x07", "\x00", "\r\n", "\ufffd"),
    *('{"a": 1}', "data: [DONE]\n\n", "event: error\n", "[DONE]", "\\", '"', "\\u00e9", "</s>", "<think>"),
)
_TOOLS: Final = ("look", "temperature", "search_web", "f")
_CITIES: Final = (
    "Oslo",
    "R\u00f8ros",
    "\u6771\u4eac",
    "\N{OWL}",
    'a "quoted" one',
    "back\\slash",
    "",
    "two\nlines",
)


def drawn(
    wire: str, rng: Random, *, dialects: Sequence[Dialect], faults: Sequence[Fault], finishes: Finishes
) -> Plan:
    """Draw a stream.

    Args:
        wire: "chat", "responses" or "messages".
        rng: draws.
        dialects: those of the wire.
        faults: the same.
        finishes: the reasons for which an answer ends there.
    """
    blocks = tuple(_blocks(rng, wire))
    usage = None if rng.random() < 0.1 else _usage(rng, wire)
    calls = any(block.kind == "call" for block in blocks)
    plan = Plan(wire, rng.randrange(2**32), blocks, usage, rng.choice(finishes[calls]))
    plan = replace(plan, split=rng.choices(("whole", "bytes", "events", "random"), (30, 4, 26, 40))[0])
    taken: dict[str, Dialect] = {}
    for dialect in rng.sample(dialects, min(len(dialects), rng.choice((0, 0, 1, 1, 1, 2, 3, 6)))):
        if dialect.fits(plan) and dialect.group not in taken:
            taken[dialect.group] = dialect
    plan = replace(plan, dialects=frozenset(each.name for each in taken.values()))
    if rng.random() < _BROKEN:
        fitting = [fault.name for fault in faults if fault.fits(plan)]
        plan = replace(plan, fault=rng.choice(fitting)) if fitting else plan
    return plan


_BROKEN: Final = 0.25


def _blocks(rng: Random, wire: str) -> Iterator[Block]:
    """What a model says: thoughts, a text, a refusal or calls, in the order in which they are allowed."""
    if rng.random() < 0.25:
        yield _thought(rng)
    spoken = rng.random()
    if spoken < 0.06:
        yield Block("refusal", _pieces(rng), key="")
        return
    if spoken < 0.85:
        yield Block("text", _pieces(rng))
    if spoken > 0.55:
        for at in range(rng.choice((1, 1, 2, 2, 3))):
            yield Block("call", _arguments(rng), rng.choice(_TOOLS), f"call_{at}{rng.randrange(1000)}")
    if wire != "chat" and rng.random() < 0.1:
        yield _thought(rng)
        yield Block("text", _pieces(rng))


def _thought(rng: Random) -> Block:
    return Block("thought", _pieces(rng), key=rng.choice(("", "sig+/=", "c2ln")))


def _pieces(rng: Random) -> tuple[str, ...]:
    """The pieces of a text, at least one of which says something."""
    pieces = rng.choices(_WORDS, k=rng.choice((0, 1, 2, 3, 5, 8)))
    pieces.insert(rng.randint(0, len(pieces)), rng.choice(("Yes", "No", "Well")))
    return tuple(pieces)


def _arguments(rng: Random) -> tuple[str, ...]:
    """The pieces of the arguments of a call; none for a tool that takes nothing."""
    if rng.random() < 0.1:
        return rng.choice(((), ("",), ("{}",)))
    value: dict[str, object] = {"city": rng.choice(_CITIES)}
    if rng.random() < 0.4:
        value["days"] = rng.choice((0, -3, 1.5, None, True, [1, [2]], {"a": {"b": []}}))
    text = json.dumps(
        value, ensure_ascii=rng.random() < 0.5, separators=rng.choice(((",", ":"), (", ", ": ")))
    )
    cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.choice((0, 1, 2, 4))))
    return tuple(text[a:b] for a, b in zip((0, *cuts), (*cuts, len(text)), strict=True))


def _usage(rng: Random, wire: str) -> Numbers:
    read, written = rng.randrange(1, 5000), rng.randrange(1, 3000)
    cached = rng.choice((None, rng.randrange(1, read + 1)))
    thought = rng.choice((None, rng.randrange(1, written + 1)))
    return (read, written, cached, thought)


# -- making smaller --------------------------------------------------------------------------------------


def smaller(plan: Plan) -> Iterator[Plan]:
    """Plans that have a little less than this one, those that lose most first."""
    for at in range(len(plan.blocks)):
        yield replace(plan, blocks=plan.blocks[:at] + plan.blocks[at + 1 :])
    for name in sorted(plan.dialects):
        yield replace(plan, dialects=plan.dialects - {name})
    if plan.split != "whole":
        yield replace(plan, split="whole")
    if plan.usage is not None:
        yield replace(plan, usage=None)
    for at, block in enumerate(plan.blocks):
        for less in _less(block):
            yield replace(plan, blocks=(*plan.blocks[:at], less, *plan.blocks[at + 1 :]))


def _less(block: Block) -> Iterator[Block]:
    if block.kind == "call":
        if len(block.pieces) > 1:
            yield replace(block, pieces=("".join(block.pieces),))
        if block.pieces and block.whole != "{}":
            yield replace(block, pieces=("{}",))
        return
    if len(block.pieces) > 1:
        for at in range(len(block.pieces)):
            yield replace(block, pieces=block.pieces[:at] + block.pieces[at + 1 :])
