"""How cost grows: `python -m tests.bench.growth [NAME ...]` prints the microseconds an item at each size.

Flat means that an item costs no more among many than among few: the last size is at most 1.5 times the first,
or what the series says.
The first size pays what is paid once; the last against the cheapest size shows what that hides.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

from miniagents import InteractionContext, Message, MessageSequencePromise, miniagent

from .answer_cases import answers
from .rewrite_cases import HOPS, growing
from .run_cases import Nested, calls_ours
from .sources import Role, bulk, exhaust, live, timed
from .stream_cases import operators_ours, pass_on, read_tokens, stream_ours, streaming
from .timing import in_context

ROUNDS = 5
FLAT = 1.5


def chain(count: int) -> float:
    """One message through ``count`` agents, each inquired with the replies of the one before."""

    async def work() -> None:
        first: MessageSequencePromise[Message] = pass_on.inquire("hello")
        await reduce(lambda replies, _: pass_on.inquire(replies), range(count - 1), first)

    return in_context(lambda: timed(work))


def failing_chain(count: int) -> float:
    """One error through ``count`` agents, each of which awaits the replies of the one before."""

    async def work() -> None:
        first: MessageSequencePromise[Message] = failing.inquire("hello")
        with suppress(ValueError):
            await reduce(lambda replies, _: failing.inquire(replies), range(count - 1), first)

    return in_context(lambda: timed(work))


TOKENS = 10


def readers(count: int) -> float:
    """``count`` readers of one live message of ``TOKENS`` tokens, at the same time."""

    async def work() -> float:
        message = streaming(live, TOKENS)
        return await timed(lambda: asyncio.gather(*(exhaust(aiter(message)) for _ in range(count))))

    return in_context(work)


def operators(count: int) -> float:
    """A message of 2,000 tokens through ``count`` operators."""
    return operators_ours(count)(2_000)


def nesting(count: int) -> float:
    """A message in ``count`` lists in each other, a thousand times."""

    async def work() -> float:
        message: Nested = Message("text").as_promise
        nested = reduce(in_a_list, range(count), message)
        return await timed(lambda: read_all([MessageSequencePromise(nested) for _ in range(1_000)]))

    return in_context(work)


@miniagent
async def failing(ctx: InteractionContext) -> None:
    """Fail when the message has come."""
    await ctx.messages
    raise ValueError


def failures(count: int) -> float:
    """``count`` runs that fail, one after the other; each error is caught."""

    async def work() -> None:
        for _ in range(count):
            with suppress(ValueError):
                await failing.inquire("hello")

    return in_context(lambda: timed(work))


def subscribers(count: int) -> float:
    """``count`` subscriptions to one open stream, all disposed of in the order in which they came."""

    async def work() -> None:
        message = streaming(live, TOKENS)
        for subscription in [message.tokens.subscribe(_take) for _ in range(count)]:
            subscription.dispose()
        await message

    return in_context(lambda: timed(work))


def _take(_: str) -> None:
    """Take a token."""


def in_a_list(inner: Nested, _: int) -> Nested:
    """Nest once more."""
    return [inner]


async def read_all(sequences: list[MessageSequencePromise[Message]]) -> None:
    """Read every token of every sequence."""
    for sequence in sequences:
        await read_tokens(sequence)


@dataclass(frozen=True, slots=True)
class Series:
    """How one cost is measured at several sizes.

    Attributes:
        items: what grows.
        run: takes a size and returns the CPU seconds that it took.
        sizes: from the smallest to the largest.
        small: a size at which only whether it runs is checked.
        rounds: the median of how many is taken.
        flat: what the last size may cost, over the first one.
    """

    items: str
    run: Role
    sizes: tuple[int, ...]
    small: int
    rounds: int = ROUNDS
    flat: float = FLAT


SERIES: Mapping[str, Series] = MappingProxyType(
    {
        "tokens": Series("tokens of a stream", stream_ours(bulk), (1_000, 10_000, 100_000, 1_000_000), 100),
        "operators": Series("operators over 2,000 tokens", operators, (1, 4, 16, 64), 2),
        "chain": Series("agents in a chain", chain, (1, 10, 100, 1_000), 3),
        "failing": Series("agents that an error goes through", failing_chain, (10, 100, 1_000), 3, flat=1.5),
        "rewriting": Series("agents that rewrite one live token", growing, HOPS, 3, flat=1.2),
        "readers": Series("readers of 10 live tokens", readers, tuple(10**n for n in range(7)), 3, rounds=3),
        "inquiries": Series("inquiries at once", calls_ours, (10, 100, 1_000, 10_000, 100_000), 10),
        "failures": Series("runs that fail, one by one", failures, (1_000, 10_000, 40_000), 10, flat=1.3),
        "subscribers": Series("subscriptions to one stream", subscribers, (500, 2_000, 8_000), 5, flat=1.3),
        "long rewriting": Series(
            "agents of a long chain that rewrite one live token", growing, (500, 2_000, 10_000), 3, rounds=3
        ),
        "nesting": Series("lists around 1,000 messages", nesting, (1, 4, 16, 60), 2),
        "answers": Series(
            "bytes of a typed answer, read in three ways", answers, (1_000, 10_000, 100_000, 1_000_000), 500
        ),
    }
)


def measured(name: str, size: int) -> float:
    """The median of the CPU seconds an item, each round in a new interpreter."""
    return statistics.median(_once(name, size) for _ in range(SERIES[name].rounds)) / size


def _once(name: str, size: int) -> float:
    done = subprocess.run(  # noqa: S603 - our own module, by name
        [sys.executable, "-m", "tests.bench.growth", "--one", name, str(size)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def row(name: str, each: Mapping[int, float]) -> str:
    """One line of a Markdown table: microseconds an item at each size, and how the last compares."""
    costs = list(each.values())
    ratio, worst = costs[-1] / costs[0], costs[-1] / min(costs)
    cells = ", ".join(f"{size:,}: {1e6 * cost:.2f}" for size, cost in each.items())
    verdict = "flat" if ratio <= SERIES[name].flat else "grows"
    return f"| {SERIES[name].items} | {cells} | {ratio:.2f} | {worst:.2f} | {verdict} |"


def rows(growth: Mapping[str, Mapping[int, float]]) -> list[str]:
    """The lines of a Markdown table of seconds an item, by series and size."""
    head = [
        "| what grows | µs for each item, by size | last / first | last / cheapest | result |",
        "|---|---|---|---|---|",
    ]
    return head + [row(name, costs) for name, costs in growth.items()]


def main() -> None:
    """Measure the series that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(SERIES)} (default: all)")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SIZE"), help="print the seconds of one run")
    wanted = parser.parse_args()
    if wanted.one:
        name, size = wanted.one
        SERIES[name].run(SERIES[name].small)  # what is made once is made now
        print(SERIES[name].run(int(size)))  # noqa: T201 - this is its output
    else:
        names = wanted.names or list(SERIES)
        found = {name: {size: measured(name, size) for size in SERIES[name].sizes} for name in names}
        print("\n".join(rows(found)))  # noqa: T201


if __name__ == "__main__":
    main()
