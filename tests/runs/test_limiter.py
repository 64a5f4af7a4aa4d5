"""The limiter, in virtual time, against a provider that counts."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from threading import Thread

import pytest

from miniagents.runs import Limiter
from miniagents.values import RateLimit, ResponseHeaders
from tests.support.amounts import amount
from tests.support.limited_provider import Provider, now


async def all_calls(limiter: Limiter, provider: Provider, calls: int, tokens: float = 0.0) -> float:
    """Make all calls, each until it is served; how many seconds that took."""
    begun = now()

    async def call() -> None:
        while True:
            await limiter.acquire(tokens)
            await asyncio.sleep(0.05)
            headers = provider.ask(tokens)
            limiter.told(headers)
            if headers.status == 200:
                return

    await asyncio.gather(*(call() for _ in range(calls)))
    return now() - begun


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("rpm", "tpm", "tokens", "seconds"),
    [(600, None, 0.0, 149), (600, 60_000, 225.0, 336), (None, 60_000, 225.0, 336)],
)
async def test_pace(rpm: float | None, tpm: float | None, tokens: float, seconds: float) -> None:
    """Requests are spread over the minute, with a burst of a second; the tighter limit decides."""
    limiter = Limiter(requests_per_minute=rpm, tokens_per_minute=tpm)
    provider = Provider(600, 60_000 if tpm else float("inf"))
    if rpm is None:
        provider.requests = float("inf")
    calls = amount(300, 1500)
    assert await all_calls(limiter, provider, calls, tokens) == pytest.approx(seconds * calls / 1500, abs=2)
    assert provider.refused == 0


@pytest.mark.loop(virtual=True)
async def test_limits_that_the_provider_tells() -> None:
    """A limit that stands in the provider's headers holds as if it had been given."""
    provider = Provider(600, tells=True)
    limiter = Limiter()
    await all_calls(limiter, provider, 1, 0)
    calls = amount(300, 1500)
    assert await all_calls(limiter, provider, calls) == pytest.approx(calls / 10, abs=3)
    assert provider.refused == 0


@pytest.mark.loop(virtual=True)
async def test_limits_that_nobody_tells() -> None:
    """Where nobody tells a limit, refusals slow it down and answers speed it up: one in ten is refused."""
    provider = Provider(600)
    seconds = await all_calls(Limiter(), provider, 1500)
    assert provider.served == 1500
    assert provider.refused <= 150
    assert seconds <= 150 * 1.5
    generous = Provider(float("inf"))
    assert await all_calls(Limiter(), generous, 1000) <= 10, "slow start doubles the rate in each second"


async def calls_for(
    seconds: float, limiter: Limiter, accepts: Callable[[], bool], concurrency: int = 64
) -> tuple[int, int]:
    """Let clients call a server without headers, half a second each; how many calls it took and refused."""
    taken = refused = 0

    async def client() -> None:
        nonlocal taken, refused
        while True:
            await limiter.acquire()
            sent = now()
            accepted = accepts()
            taken += accepted
            refused += not accepted
            await asyncio.sleep(0.5)
            limiter.told(ResponseHeaders(200 if accepted else 429), sent=sent)

    _, clients = await asyncio.wait(
        [asyncio.create_task(client()) for _ in range(concurrency)], timeout=seconds
    )
    for each in clients:
        each.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return taken, refused


def sliding_second(requests: float) -> Callable[[], bool]:
    """A server that takes so many requests a minute, and counts the last second."""
    taken: deque[float] = deque()

    def accepts() -> bool:
        while taken and taken[0] <= now() - 1:
            taken.popleft()
        if len(taken) >= requests / 60:
            return False
        taken.append(now())
        return True

    return accepts


def bucket(requests: float, seconds: float) -> Callable[[], bool]:
    """A server that takes so many requests a minute, with bursts of so many seconds."""
    level = capacity = max(1.0, requests * seconds / 60)
    last = now()

    def accepts() -> bool:
        nonlocal level, last
        level, last = min(capacity, level + (now() - last) * requests / 60), now()
        if level < 1:
            return False
        level -= 1
        return True

    return accepts


MANY = pytest.mark.gate("makes thousands of calls")


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("share", [0.01, *(pytest.param(each, marks=MANY) for each in [0.02, 0.04])])
async def test_refusals_at_random(share: float) -> None:
    """A server that refuses at most 4 % of the calls at random keeps at least 80 % of the throughput."""
    rng = random.Random(17)  # noqa: S311 - not for secrets
    seconds = amount(60, 180)
    taken, refused = await calls_for(seconds, Limiter(), lambda: rng.random() >= share)
    assert refused > amount(33, 100)
    assert taken >= 0.8 * seconds * 64 / 0.5


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("requests", "seconds"),
    [(60, amount(600, 1800)), *(pytest.param(*each, marks=MANY) for each in [(600, 900), (3000, 180)])],
)
@pytest.mark.parametrize("server", ["sliding second", "bucket of a second", "bucket of a minute"])
async def test_a_limit_without_headers(server: str, requests: float, seconds: float) -> None:
    """At least 80 % of a limit that is in no header is used, and less than 5 % of the calls are refused."""
    accepts = (
        sliding_second(requests)
        if server == "sliding second"
        else bucket(requests, 1 if server == "bucket of a second" else 60)
    )
    limiter = Limiter()
    await calls_for(60, limiter, accepts)  # it finds the limit
    taken, refused = await calls_for(seconds, limiter, accepts)
    assert taken >= 0.8 * requests * seconds / 60
    assert refused < 0.05 * (taken + refused)


@pytest.mark.loop(virtual=True)
async def test_refusals_at_the_same_moment() -> None:
    """Refusals of requests that were under way when the rate fell do not make it fall again."""
    limiter = Limiter()
    for _ in range(10):
        await limiter.acquire()
    sent = now()
    await asyncio.sleep(3)
    for _ in range(10):
        await asyncio.sleep(0.2)
        limiter.told(ResponseHeaders(429), sent=sent)
    assert limiter.requests_per_minute == pytest.approx(0.7 * 1200)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("concurrency", [64, 1])
@pytest.mark.parametrize("quiet", [True, False])
async def test_back_after_an_outage(quiet: bool, concurrency: int) -> None:
    """After an outage the rate is back within a minute; after a quiet minute, at once."""
    limiter = Limiter()
    await calls_for(amount(20, 60), limiter, bucket(1200, 1))
    _, refused = await calls_for(60, limiter, lambda: False)
    assert refused < 60, "few calls are made in vain"
    assert (limiter.requests_per_minute or 0) < 60
    if quiet:
        await asyncio.sleep(61)
    else:
        await calls_for(60, limiter, bucket(1200, 1), concurrency)
    taken, _ = await calls_for(20, limiter, bucket(1200, 1), concurrency)
    assert taken >= 0.8 * 20 * min(20, concurrency / 0.5)


@pytest.mark.loop(virtual=True)
async def test_first_come_first_served() -> None:
    """Requests go in the order in which they came, heavy ones too."""
    limiter = Limiter(tokens_per_minute=60)
    order: list[int] = []

    async def call(number: int, tokens: float) -> None:
        await limiter.acquire(tokens)
        order.append(number)

    await asyncio.gather(*(call(number, 10 if number == 1 else 0.1) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.loop(virtual=True)
async def test_settled() -> None:
    """What a call has cost more than was estimated, the next ones wait for; what less, they need not."""
    limiter = Limiter(tokens_per_minute=60)  # one in a second
    await limiter.acquire(1)
    limiter.settle(10)
    begun = now()
    await limiter.acquire(1)
    assert now() - begun == pytest.approx(11)
    limiter.settle(-1)
    begun = now()
    await limiter.acquire(1)
    assert now() == begun


@pytest.mark.loop(virtual=True)
async def test_cancelled() -> None:
    """Who waits and is cancelled takes nothing, also if its turn came in the same moment."""
    limiter = Limiter(requests_per_minute=60)
    await limiter.acquire()
    tasks = [asyncio.ensure_future(limiter.acquire()) for _ in range(3)]
    await asyncio.sleep(0.5)
    tasks[0].cancel()
    await asyncio.wait([tasks[1]])
    assert now() == pytest.approx(1.0)
    assert not tasks[2].done()
    waiter = tasks[2]
    asyncio.get_running_loop().call_at(2.0, waiter.cancel)
    await asyncio.wait([waiter])
    await limiter.acquire()
    assert now() == pytest.approx(2.0)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (ResponseHeaders(200, retry_after=7.0), 7.0),
        (ResponseHeaders(200, requests=RateLimit(10_000, 0, 3.0)), 3.0),
        (ResponseHeaders(200, tokens=RateLimit(10_000, 0, 4.0)), 4.0),
        (ResponseHeaders(200, requests=RateLimit(-1, -1, -5.0), retry_after=-3.0), 0.0),
        (ResponseHeaders(200, requests=RateLimit(0, 5, 5.0)), 0.0),
        (ResponseHeaders(200, retry_after=1e12), 3600.0),
    ],
)
async def test_headers(headers: ResponseHeaders, seconds: float) -> None:
    """It waits as the provider asks; what makes no sense is ignored; an hour is the longest wait."""
    limiter = Limiter()
    await limiter.acquire()
    limiter.told(headers)
    begun = now()
    await limiter.acquire()
    assert now() - begun == pytest.approx(seconds)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_no_limit(limit: float) -> None:
    """A limit that lets nothing go is refused."""
    with pytest.raises(ValueError, match=r"requests_per_minute=.* allows no requests"):
        Limiter(requests_per_minute=limit)
    with pytest.raises(ValueError, match="tokens_per_minute"):
        Limiter(tokens_per_minute=limit)


def test_one_event_loop_after_the_other() -> None:
    """A limiter serves one event loop after the other, and refuses a second one while calls wait."""
    limiter = Limiter(requests_per_minute=60_000)

    async def call() -> str:
        await limiter.acquire()
        return "done"

    assert asyncio.run(call()) == asyncio.run(call()) == "done"
    slow = Limiter(requests_per_minute=0.001)

    async def waiting() -> None:
        await slow.acquire()
        task = asyncio.ensure_future(slow.acquire())
        await asyncio.sleep(0)

        def other(coroutine: Coroutine[object, object, None]) -> None:
            with asyncio.Runner() as runner:
                runner.run(coroutine)

        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(other, slow.acquire())
        task.cancel()

    asyncio.run(waiting())


def test_what_ends_on_another_event_loop() -> None:
    """What a call of another event loop gives back, and its headers, count for the calls that wait here."""
    limiter = Limiter(tokens_per_minute=60)

    async def ended() -> None:
        limiter.told(ResponseHeaders())
        limiter.settle(-1000)

    async def waiting() -> None:
        await limiter.acquire(1000)
        turn = asyncio.ensure_future(limiter.acquire(1))
        await asyncio.sleep(0)
        other = Thread(target=asyncio.run, args=(ended(),))
        other.start()
        async with asyncio.timeout(5):
            await turn
        other.join()

    asyncio.run(waiting())
