"""Crosses modules: agents make of random streams what was meant, as the SDKs do; of broken ones errors."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

import pytest

from miniagents import LLMError
from tests.support.amounts import amount
from tests.wire.differential import (
    WIRES,
    Verdict,
    Wire,
    judge,
    main,
    mixed,
    opened,
    plan_of,
    run,
    same,
    shrunk,
    stream_of,
    wrong,
)
from tests.wire.plans import UNCOUNTED, Answer, Block, Dialect, Fault, Plan

SEED = 20261122
CHAT = WIRES["chat"]
DIALECTS = [
    pytest.param(wire, dialect, id=f"{wire.name}:{dialect.name}")
    for wire in WIRES.values()
    for dialect in wire.dialects
]
EXCUSED = [
    pytest.param(wire, dialect, id=f"{wire.name}:{dialect.name}")
    for wire in WIRES.values()
    for dialect in wire.dialects
    if dialect.sdk
]
SEEN_WITH = {
    "chat:bom": ("no-role",),
    "responses:bom": ("no-created", "no-item-added", "no-part-added", "no-event-names"),
}
"""What else it takes for something that is lost to be missed: the first event of a stream says little."""
FAULTS = [
    pytest.param(wire, fault, id=f"{wire.name}:{fault.name}")
    for wire in WIRES.values()
    for fault in wire.faults
]


def plans(wire: Wire, dialects: frozenset[str] = frozenset(), fault: str = "") -> Iterator[Plan]:
    """Random plans that have these dialects and this fault, and no others."""
    for number in count():
        plan = replace(plan_of((wire.name, number), SEED), dialects=dialects, fault=fault)
        if wire.fits(plan) and stream_of(plan) is not None:
            yield plan


CALL = Block("call", ('{"city": "\N{OWL}"}',), "look", "call_1")
THOUGHT = Block("thought", ("Hm",), key="c2ln")
ONCE_WRONG = [
    # The text came twice, because its first piece is empty.
    Plan("responses", 1, (Block("text", ("", "Well")),), None, "completed"),
    # The signature was not that of the thought, because it came after the call.
    Plan("responses", 2, (THOUGHT, CALL), None, "completed", frozenset({"no-item-done"})),
    # The same, where nothing has an id.
    Plan(
        "responses",
        4,
        (Block("thought", ("\t",), "", "c2ln"), Block("text", ("Hi",))),
        None,
        "completed",
        frozenset({"no-item-added", "no-done", "no-item-id"}),
    ),
    # Two parts of a summary ran into each other, because no event begins them.
    Plan(
        "responses",
        5,
        (Block("thought", ("Hm", "Aha")),),
        None,
        "completed",
        frozenset({"two-summaries", "no-part-added"}),
    ),
    # The call could not be made, because a character of its arguments came in halves.
    *(
        Plan(wire, 3, (CALL,), None, finish, frozenset({"halves"}))
        for wire, finish in (("chat", "tool_calls"), ("responses", "completed"), ("messages", "tool_use"))
    ),
    # The tokens were not counted, because the server writes 7.0.
    *(
        Plan(wire, 4, (Block("text", ("Well",)),), (7, 3, 2, None), "stop", frozenset({"usage-float"}))
        for wire in ("chat", "messages")
    ),
    Plan("responses", 4, (Block("text", ("Well",)),), (7, 3, 2, 1), "completed", frozenset({"usage-float"})),
]


async def read(chosen: Iterator[Plan], number: int) -> list[Verdict]:
    """What comes of the first of these plans."""
    async with opened() as session:
        verdicts = [await judge(session, plan) for plan in islice(chosen, number)]
    return [verdict for verdict in verdicts if verdict is not None]


async def no_mistakes(first: int, number: int) -> None:
    """Read so many random streams; each mistake is shown with the smallest stream that has it."""
    figures = await run(mixed(first + number)[first:], SEED)
    assert not figures.mistakes, "\n".join(map(str, figures.examples.values()))
    assert figures.faults
    assert figures.streams.total() > 0.9 * number


@pytest.mark.gate("reads streams in two ways")
async def test_some_random_streams() -> None:
    """Random streams are read as they are meant, by the SDK too or a dialect says why not; faults fail."""
    await no_mistakes(0, 9)


@pytest.mark.gate("reads streams in two ways")
@pytest.mark.loop(debug=False)
@pytest.mark.parametrize("plan", ONCE_WRONG, ids=lambda plan: f"{plan.wire}-{plan.seed}")
async def test_what_was_once_wrong(plan: Plan) -> None:
    """A stream that was once read wrong is read as it is meant."""
    (verdict,) = await read(iter([plan]), 1)
    assert not verdict.wrong, str(verdict)


@pytest.mark.gate("some seconds for 250 streams, each read twice")
@pytest.mark.loop(timeout=300, debug=False)
@pytest.mark.parametrize("first", range(0, amount(500, 500, 1000), 250))
async def test_random_streams(first: int) -> None:
    """The same holds for hundreds of streams; 100,000 are read by `python -m tests.wire.differential`."""
    await no_mistakes(first, 250)


@pytest.mark.gate("some streams for each of a hundred dialects")
@pytest.mark.loop(timeout=120, debug=False)
@pytest.mark.parametrize(("wire", "dialect"), DIALECTS)
async def test_each_dialect_alone(wire: Wire, dialect: Dialect) -> None:
    """A dialect by itself loses nothing, to the SDK neither if no reason is listed."""
    verdicts = await read(plans(wire, frozenset({dialect.name})), 4)
    assert [] == [str(each) for each in verdicts if each.wrong]


@pytest.mark.gate("some streams for each of them")
@pytest.mark.loop(timeout=120, debug=False)
@pytest.mark.parametrize(("wire", "dialect"), EXCUSED)
async def test_what_the_sdk_gets_wrong(wire: Wire, dialect: Dialect) -> None:
    """Where a reason is listed, the SDK makes something else of a stream in this dialect."""
    dialects = {dialect.name, *SEEN_WITH.get(f"{wire.name}:{dialect.name}", ())}
    async with opened() as session:
        for plan in islice(plans(wire, frozenset(dialects)), 40):
            verdict = await judge(session, plan)
            if verdict is not None and not same(verdict.sdk, verdict.meant):
                return
    pytest.fail(f"the SDK does not differ: {dialect.sdk}")


@pytest.mark.gate("some streams for each of forty faults")
@pytest.mark.loop(timeout=120, debug=False)
@pytest.mark.parametrize(("wire", "fault"), FAULTS)
async def test_each_fault_alone(wire: Wire, fault: Fault) -> None:
    """A fault is always an `LLMError`, wherever in the stream it is."""
    verdicts = await read(plans(wire, fault=fault.name), 8)
    assert [] == [str(each) for each in verdicts if each.wrong]
    assert all(isinstance(each.ours, LLMError) for each in verdicts)


# -- that it would notice --------------------------------------------------------------------------------

HELLO = Plan("chat", 1, (Block("text", ("Hel", "lo")),), (7, 3, None, None), "stop")
ANSWER = Answer((("text", "Hello"),), (7, 3, None, None), "stop")
CALLED = Answer((("call", "look", "{}", "1"), ("call", "look", "{}", "2")), UNCOUNTED, "stop")


@pytest.mark.parametrize(
    "other",
    [
        replace(ANSWER, said=(("text", "Hell"),)),
        replace(ANSWER, said=(("text", "Hello"), ("text", ""))),
        replace(ANSWER, usage=(7, 3, 0, None)),
        replace(ANSWER, finish=""),
        ValueError("no answer"),
    ],
)
def test_another_answer_is_noticed(other: Answer | Exception) -> None:
    """Less text, other counts, another reason or an error is not the same, whoever makes it of a stream."""
    assert not same(other, ANSWER)
    assert wrong(CHAT, HELLO, ANSWER, other, ANSWER) == "ours is not what was meant"
    assert "the SDK" in wrong(CHAT, HELLO, ANSWER, ANSWER, other)
    assert "" == wrong(CHAT, HELLO, ANSWER, ANSWER, ANSWER)
    excused = replace(HELLO, dialects=frozenset({"content-list"}))
    assert "" == wrong(CHAT, excused, ANSWER, ANSWER, other)


def test_what_calls_are_named() -> None:
    """Calls that had no id may have any, but not the same one twice; a call that had one keeps it."""
    nameless = replace(CALLED, said=tuple((*each[:3], "") for each in CALLED.said))
    assert same(CALLED, nameless)
    assert not same(replace(CALLED, said=(CALLED.said[0], CALLED.said[0])), nameless)
    assert not same(replace(CALLED, said=CALLED.said[::-1]), CALLED)


def test_silence_is_noticed() -> None:
    """A broken stream that is an answer is a mistake of ours, and so is an error that is no `LLMError`."""
    cut = replace(HELLO, fault="cut")
    assert wrong(CHAT, cut, ANSWER, ANSWER, ANSWER) == "cut passes in silence"
    assert wrong(CHAT, cut, ANSWER, KeyError("index"), ANSWER) == "cut is KeyError, no LLMError"
    assert "" == wrong(CHAT, cut, ANSWER, LLMError("cut", provider="openai"), ANSWER)


async def test_smallest_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stream that is read wrong the smallest one is shown that is read wrong in the same way."""

    def without_owls(plan: Plan) -> Answer:
        meant = CHAT.meant(plan)
        said = tuple((each[0], each[1].replace("\N{OWL}", ""), *each[2:]) for each in meant.said)
        return replace(meant, said=said)

    monkeypatch.setitem(WIRES, "chat", replace(CHAT, meant=without_owls))
    blocks = (
        Block("thought", ("Hm",)),
        Block("text", ("Hello", " the ", "\N{OWL}", "!")),
        Block("call", ('{"a":', "1}"), "look", "1"),
    )
    plan = Plan("chat", 1, blocks, (7, 3, 1, 1), "tool_calls", frozenset({"crlf", "no-role"}), split="bytes")
    async with opened() as session:
        verdict = await judge(session, plan)
        assert verdict is not None
        smallest = await shrunk(session, verdict)
    assert verdict.wrong == smallest.wrong == "ours is not what was meant"
    assert smallest.plan == Plan("chat", 1, (Block("text", ("\N{OWL}",)),), None, "tool_calls")
    assert "\N{OWL}" in str(smallest)


def test_same_plan_same_bytes() -> None:
    """A stream can be read again: its number and the seed say every byte, and where the network cuts."""
    for numbered in mixed(30):
        assert stream_of(plan_of(numbered, SEED)) == stream_of(plan_of(numbered, SEED))
    assert plan_of(("chat", 1), SEED) != plan_of(("chat", 1), SEED + 1)


def test_one_stream_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A single stream can be shown: what it is, what it means, what both make of it, and its bytes."""
    assert 0 == main(["--only", "responses:3", "--seed", "5"])
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("Plan(wire='responses'", "meant:", "ours:", "sdk:", "data:"))
