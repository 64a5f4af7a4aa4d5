"""Random streams, read by the official SDKs and by the agents from the same bytes, and compared.

* Of a healthy stream both must make what was meant. Where the SDK does not, a dialect of the stream says why.
* A broken stream must be an `LLMError` of the agent, never an answer. How many of them the SDK takes for
  whole is only counted.
"""

import argparse
import asyncio
import sys
import time
import warnings
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pprint import pformat
from random import Random
from typing import Final, TypeAlias

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Citation,
    LLMError,
    MiniAgents,
    ModelAgent,
    Reasoning,
    Refusal,
    ToolCall,
)
from miniagents.ext.llm.anthropic import anthropic_agent
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.llm.openai_responses import openai_responses_agent
from tests.wire import chat, messages, responses
from tests.wire.framing import Body, body_of
from tests.wire.plans import (
    UNCOUNTED,
    Answer,
    Dialect,
    Event,
    Fault,
    Finishes,
    Plan,
    Spoken,
    drawn,
    smaller,
    value_of,
)

__all__ = [
    "WIRES",
    "Figures",
    "Session",
    "Verdict",
    "Wire",
    "judge",
    "main",
    "mixed",
    "opened",
    "plan_of",
    "run",
    "same",
    "shrunk",
    "stream_of",
    "wrong",
]


@dataclass(frozen=True, slots=True)
class Wire:
    """One API.

    Attributes:
        name: of it.
        dialects: how its servers differ.
        faults: how its streams break.
        finishes: why its answers end.
        settings: the keywords that the agent needs for a stream.
        meant: what a stream says.
        written: its events.
        agent: ours.
        by_sdk: the other reader.
    """

    name: str
    dialects: Sequence[Dialect]
    faults: Sequence[Fault]
    finishes: Finishes
    settings: Callable[[Plan], dict[str, object]]
    meant: Callable[[Plan], Answer]
    written: Callable[[Plan, Random], list[Event]]
    agent: ModelAgent[...]
    by_sdk: Callable[["Clients"], Awaitable[Answer]]

    def excuse(self, plan: Plan) -> str:
        """Why the SDK may make something else of a healthy stream; "" if there is no reason."""
        return "; ".join(
            f"{each.name}: {each.sdk}" for each in self.dialects if each.sdk and each.name in plan.dialects
        )

    def fits(self, plan: Plan) -> bool:
        """Whether the dialects and the fault of a plan have what they need."""
        return all(each.fits(plan) for each in self.dialects if each.name in plan.dialects) and all(
            each.fits(plan) for each in self.faults if each.name == plan.fault
        )


@dataclass(frozen=True, slots=True)
class Clients:
    """The SDKs, with a transport that answers from memory."""

    openai: AsyncOpenAI
    anthropic: AsyncAnthropic


WIRES: Final = {
    "chat": Wire(
        "chat",
        chat.DIALECTS,
        chat.FAULTS,
        chat.FINISHES,
        chat.settings,
        chat.meant,
        chat.written,
        openai_agent,
        lambda clients: chat.by_sdk(clients.openai),
    ),
    "responses": Wire(
        "responses",
        responses.DIALECTS,
        responses.FAULTS,
        responses.FINISHES,
        responses.settings,
        responses.meant,
        responses.written,
        openai_responses_agent,
        lambda clients: responses.by_sdk(clients.openai),
    ),
    "messages": Wire(
        "messages",
        messages.DIALECTS,
        messages.FAULTS,
        messages.FINISHES,
        messages.settings,
        messages.meant,
        messages.written,
        anthropic_agent,
        lambda clients: messages.by_sdk(clients.anthropic),
    ),
}


def stream_of(plan: Plan) -> tuple[list[Event], Body] | None:
    """The events of a plan and what its server sends; None if its fault has nothing to break."""
    wire, rng = WIRES[plan.wire], Random(plan.seed)  # noqa: S311 - no secret
    events: list[Event] | None = wire.written(plan, rng)
    for fault in wire.faults:
        if fault.name == plan.fault and events is not None:
            events = fault.breaks(plan, events, rng)
    if events is None:
        return None
    return events, body_of(plan, events, rng, breaks=plan.fault == "connection-breaks")


# -- reading ---------------------------------------------------------------------------------------------


class _Network(httpx2.AsyncBaseTransport):
    """Answers every request with the same body."""

    body: Body = Body((), ())

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=self.body.headers, stream=_Pieces(self.body))


class _Pieces(httpx2.AsyncByteStream):
    def __init__(self, body: Body) -> None:
        self._body = body

    @override
    async def __aiter__(self) -> AsyncGenerator[bytes]:
        for piece in self._body.pieces:
            yield piece
        if self._body.breaks:
            raise httpx2.ReadError("the connection broke")


class Session:
    """Reads streams in both ways."""

    def __init__(self, network: _Network, clients: Clients) -> None:
        self._network = network
        self._clients = clients

    async def by_sdk(self, wire: Wire, body: Body) -> Answer | Exception:
        """What the SDK makes of it."""
        self._network.body = body
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydantic's, about what a server leaves out
            try:
                return normal(await wire.by_sdk(self._clients))
            except Exception as error:  # noqa: BLE001 - any error of the SDK is its answer
                return error

    async def by_agent(self, wire: Wire, body: Body, plan: Plan) -> Answer | Exception:
        """What ours makes of it."""
        self._network.body = body
        client = self._clients.anthropic if wire.name == "messages" else self._clients.openai
        try:
            async for promise in wire.agent.inquire(
                "Hi", client=client, model="model-of-test", **wire.settings(plan)
            ):
                tokens = [token async for token in promise]
                message = await promise
                if "".join(map(str, tokens)) != message.text:
                    return AssertionError(
                        f"the tokens are {tokens!r}, the text of the message {message.text!r}"
                    )
                return normal(_answer(wire, message))
        except Exception as error:  # noqa: BLE001 - it is looked at by who asked
            return error
        return AssertionError("there was no message")


@asynccontextmanager
async def opened() -> AsyncGenerator[Session]:
    """What reads streams, while it is open."""
    network = _Network()
    http = httpx2.AsyncClient(transport=network)
    async with (
        AsyncOpenAI(api_key="a key", http_client=http, max_retries=0) as one,
        AsyncAnthropic(api_key="a key", http_client=http, max_retries=0) as other,
        MiniAgents(),
    ):
        yield Session(network, Clients(one, other))


def _answer(wire: Wire, message: AssistantMessage) -> Answer:
    said: list[Spoken] = []
    for part in message.content:
        match part:
            case str():
                said.append(("text", part))
            case Refusal(text):
                said.append(("refusal", text))
            case Reasoning(text, signature):
                said.append(("thought", text, signature or ""))
            case ToolCall(id_, name, arguments):
                said.append(("call", name, value_of(arguments), id_))
            case Citation():
                pass
            case _:
                said.append((repr(part),))
    if wire.name == "chat":  # where nothing says what came before what
        order = ("thought", "text", "refusal", "call")
        said = sorted(
            ((each[:2] if each[0] == "thought" else each) for each in said),
            key=lambda each: order.index(each[0]),
        )
    usage = message.usage
    numbers = (
        UNCOUNTED
        if usage is None
        else (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    )
    return Answer(tuple(said), numbers, message.finish_reason or "")


def normal(answer: Answer) -> Answer:
    """The answer without what is empty; texts that follow each other are one."""
    said: list[Spoken] = []
    for each in answer.said:
        if each[0] == "call":
            said.append(each)
        elif any(each[1:]):
            together = said and said[-1][0] == each[0] != "thought"
            said[-1:] = [(each[0], said[-1][1] + each[1])] if together else [*said[-1:], each]
    return replace(answer, said=tuple(said))


# -- judging ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one stream.

    Attributes:
        plan: the stream.
        meant: what it says; of a broken one, what it would have said.
        ours: what the agent made of it.
        sdk: what the SDK made of it.
        wrong: what should not be; "" if all is as it should.
    """

    plan: Plan
    meant: Answer
    ours: Answer | Exception
    sdk: Answer | Exception
    wrong: str

    @override
    def __str__(self) -> str:
        made = stream_of(self.plan)
        data = b"" if made is None else b"".join(made[1].pieces)
        return "\n".join(
            (
                f"-- {self.wrong}",
                pformat(self.plan, width=110),
                f"meant: {self.meant}",
                f"ours:  {self.ours!r}",
                f"sdk:   {self.sdk!r}",
                data.decode("utf-8", "backslashreplace"),
            )
        )


async def judge(session: Session, plan: Plan) -> Verdict | None:
    """Read one stream in both ways; None if its plan has nothing to break."""
    wire = WIRES[plan.wire]
    made = stream_of(plan)
    if made is None:
        return None
    meant = normal(wire.meant(plan))
    ours = await session.by_agent(wire, made[1], plan)
    sdk = await session.by_sdk(wire, made[1])
    return Verdict(plan, meant, ours, sdk, wrong(wire, plan, meant, ours, sdk))


def wrong(wire: Wire, plan: Plan, meant: Answer, ours: Answer | Exception, sdk: Answer | Exception) -> str:
    """What should not be of what was made of a stream; "" if all is as it should."""
    if plan.fault:
        if isinstance(ours, Answer):
            return f"{plan.fault} passes in silence"
        return "" if isinstance(ours, LLMError) else f"{plan.fault} is {type(ours).__name__}, no LLMError"
    if not same(ours, meant):
        return "ours is not what was meant"
    if not same(sdk, meant) and not wire.excuse(plan):
        return "the SDK makes something else of it, and nothing says why"
    return ""


def same(read: Answer | Exception, meant: Answer) -> bool:
    """Whether an answer is the one that was meant; ids of calls that had none are the reader's to make."""
    if isinstance(read, Exception):
        return False
    ids = [each[3] for each in read.said if each[0] == "call"]
    if len(set(ids)) < len(ids):
        return False
    nameless = {at for at, each in enumerate(meant.said) if each[0] == "call" and not each[3]}
    said = tuple(each if at not in nameless else (*each[:3], "") for at, each in enumerate(read.said))
    return replace(read, said=said) == meant


async def shrunk(session: Session, verdict: Verdict) -> Verdict:
    """The smallest stream that is wrong in the same way."""
    while True:
        for plan in smaller(verdict.plan):
            if WIRES[plan.wire].fits(plan):
                less = await judge(session, plan)
                if less is not None and less.wrong == verdict.wrong:
                    verdict = less
                    break
        else:
            return verdict


# -- many ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Figures:
    """What came of many streams.

    Attributes:
        streams: how many there were, by wire and what they are.
        dialects: how often each dialect was spoken.
        faults: how often a fault was made.
        sdk_differs: healthy streams of which the SDK made something else, by dialect with a reason.
        sdk_silent: broken streams that the SDK took for whole.
        mistakes: streams with something wrong, by what it is.
        examples: of each the smallest such stream.
    """

    streams: Counter[str] = field(default_factory=Counter[str])
    dialects: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    sdk_differs: Counter[str] = field(default_factory=Counter[str])
    sdk_silent: Counter[str] = field(default_factory=Counter[str])
    mistakes: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, Verdict] = field(default_factory=dict[str, Verdict])

    def take(self, verdict: Verdict) -> None:
        """Count one stream."""
        plan = verdict.plan
        name = plan.wire
        self.streams[f"{name} {'broken' if plan.fault else 'healthy'}"] += 1
        self.dialects.update(f"{name}:{each}" for each in plan.dialects)
        if plan.fault:
            self.faults[f"{name}:{plan.fault}"] += 1
            if isinstance(verdict.sdk, Answer):
                self.sdk_silent[f"{name}:{plan.fault}"] += 1
        elif not same(verdict.sdk, verdict.meant):
            self.sdk_differs.update(
                f"{name}:{each.name}"
                for each in WIRES[name].dialects
                if each.sdk and each.name in plan.dialects
            )

    def note(self, verdict: Verdict) -> None:
        """Count what is wrong with a stream that is as small as it can be."""
        plan = verdict.plan
        kind = f"{plan.wire}: {verdict.wrong} ({', '.join(sorted(plan.dialects)) or 'no dialect'})"
        self.mistakes[kind] += 1
        self.examples.setdefault(kind, verdict)

    def add(self, other: "Figures") -> None:
        """Count what was counted elsewhere."""
        for mine, more in zip(self._counters(), other._counters(), strict=True):
            mine.update(more)
        for kind, verdict in other.examples.items():
            self.examples.setdefault(kind, verdict)

    def _counters(self) -> tuple[Counter[str], ...]:
        return (self.streams, self.dialects, self.faults, self.sdk_differs, self.sdk_silent, self.mistakes)


Numbered: TypeAlias = tuple[str, int]


def mixed(count: int, names: Sequence[str] = tuple(WIRES)) -> list[Numbered]:
    """Which stream of which wire, in turn."""
    return [(names[at % len(names)], at) for at in range(count)]


def plan_of(numbered: Numbered, seed: int) -> Plan:
    """The plan of a stream."""
    name, number = numbered
    wire = WIRES[name]
    rng = Random(f"{name} {seed} {number}")  # noqa: S311 - no secret
    return drawn(name, rng, dialects=wire.dialects, faults=wire.faults, finishes=wire.finishes)


async def run(numbers: Iterable[Numbered], seed: int) -> Figures:
    """Read streams; the examples of what is wrong are as small as they can be."""
    figures = Figures()
    async with opened() as session:
        for numbered in numbers:
            verdict = await judge(session, plan_of(numbered, seed))
            if verdict is not None:
                figures.take(verdict)
                if verdict.wrong:
                    figures.note(await shrunk(session, verdict))
    return figures


def _run_part(numbers: list[Numbered], seed: int) -> Figures:
    return asyncio.run(run(numbers, seed), debug=False)


def _parts(numbers: list[Numbered], size: int = 1000) -> Iterator[list[Numbered]]:
    yield from (numbers[at : at + size] for at in range(0, len(numbers), size))


def main(words: Sequence[str] | None = None) -> int:
    """Read as many streams as are asked for, and print the figures; the number of kinds of mistakes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.wire.differential", description="Ours and the SDKs."
    )
    parser.add_argument("wires", nargs="*", help=f"of {', '.join(WIRES)}; all by default")
    parser.add_argument("--count", type=int, default=2000, help="how many streams")
    parser.add_argument("--seed", type=int, default=1, help="of all of them")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--only", help="one stream again: its wire and number, chat:41")
    given = parser.parse_args(words)
    if given.only:
        name, _, number = str(given.only).partition(":")
        sys.stdout.write(f"{asyncio.run(_one((name, int(number)), given.seed))}\n")
        return 0
    started, figures = time.perf_counter(), Figures()
    with ProcessPoolExecutor(given.jobs) as pool:
        parts = list(_parts(mixed(given.count, given.wires or tuple(WIRES))))
        for part in pool.map(_run_part, parts, [given.seed] * len(parts)):
            figures.add(part)
    sys.stdout.write(report(figures, given.seed, time.perf_counter() - started))
    return len(figures.mistakes)


async def _one(numbered: Numbered, seed: int) -> Verdict | None:
    async with opened() as session:
        return await judge(session, plan_of(numbered, seed))


def report(figures: Figures, seed: int, seconds: float) -> str:
    """The figures, as a text."""
    lines = [f"seed {seed}: {figures.streams.total()} streams in {seconds:.0f} s"]
    lines += [f"  {name}: {count}" for name, count in sorted(figures.streams.items())]
    silent, faults = figures.sdk_silent.total(), figures.faults.total()
    lines.append(f"broken: the SDKs took {silent} of {faults} for whole, by fault:")
    lines += [
        f"  {name}: {figures.sdk_silent[name]} of {count}" for name, count in sorted(figures.faults.items())
    ]
    lines.append("healthy, and the SDK makes something else of it:")
    reasons = {f"{name}:{each.name}": each.sdk for name, wire in WIRES.items() for each in wire.dialects}
    lines += [f"  {name}: {count} ({reasons[name]})" for name, count in sorted(figures.sdk_differs.items())]
    lines.append(f"mistakes: {figures.mistakes.total()}")
    for kind, count in figures.mistakes.most_common():
        lines += [f"  {kind}: {count}", str(figures.examples[kind])]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
