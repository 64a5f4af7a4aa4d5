"""Limits of the calls of agents: how many at the same time, how many in a minute, and their cost."""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from threading import RLock
from typing import Generic, TypeAlias, TypeVar
from weakref import ref

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.messages import Message, MessageSequencePromise
from miniagents.streams._observers import PartSeen, RunEvent
from miniagents.streams._threads import running_loop
from miniagents.values import BudgetExceededError, LLMError, ResponseHeaders, check_count, text_of_error

from ._limiter import Limiter
from ._prices import dollars as price_of
from ._run_usage import Price
from ._watched_calls import WatchedCall, WatchedCalls, end_with, reply_watched

AnyAgent: TypeAlias = MiniAgent[Message, Message, ...]
T = TypeVar("T")
_MORE = Decimal("1.25")  # times the cost of the most expensive call so far: what is reserved for the next one


def limit(concurrency: int) -> "ConcurrencyLimit":
    """Limit how many calls of an agent run at the same time.

    The other calls wait, and start in the order in which they came. A call counts until all its replies have
    ended. A call that is cancelled while it waits does not count.

    Args:
        concurrency: how many calls may run at the same time, 1 or more.

    Raises:
        ValueError: it is less than 1.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.limits import limit
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model("one", "two").around(limit(concurrency=1))
        >>> async def main():
        ...     print([str(message) for message in await (model & model).inquire("Count.")])
        >>> MiniAgents().run(main())
        ['one', 'two']
    """
    return ConcurrencyLimit(concurrency)


class ConcurrencyLimit:
    """Limits how many calls run at the same time; :func:`limit` makes it, for ``agent.around(...)``.

    Args:
        concurrency: how many calls may run at the same time.

    Attributes:
        concurrency: how many calls may run at the same time.

    Raises:
        ValueError: it is less than 1.

    Example:
        >>> from miniagents.ext.limits import limit
        >>> limit(3).concurrency
        3
    """

    def __init__(self, concurrency: int) -> None:
        check_count("limit", "concurrency", concurrency, least=1)
        self.concurrency: int = concurrency
        self._running = 0
        self._turns = _Turns[bool](self._begun, self._done)

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Call the agent when it is its turn."""
        await self._turns.next()
        try:
            replies = call.inquire(ctx.messages)
        except BaseException:
            self._done()
            raise
        await reply_watched(ctx, replies, self._done)

    def _begun(self) -> bool | None:
        """Count one call more; None if as many run as may."""
        if self._running >= self.concurrency:
            return None
        self._running += 1
        return True

    def _done(self, _: object = None) -> None:
        with self._turns.lock:
            self._running -= 1
            self._turns.go_on()


class _Turns(Generic[T]):
    """Lets calls wait, in the order in which they came, until there is what they need.

    Calls may come from several event loops, each on a thread of its own.

    Args:
        take: returns what one call needs; None if it must wait. An error is that of the call.
        give_back: takes it back from a call that was cancelled when its turn came.

    Attributes:
        lock: held while anything is taken or given back.
    """

    def __init__(self, take: Callable[[], T | None], give_back: Callable[[T], None]) -> None:
        self.lock: RLock = RLock()
        self._take = take
        self._give_back = give_back
        self._waiting: deque[Future[T]] = deque()

    async def next(self) -> T:
        """Return what the call needs, when it is its turn."""
        with self.lock:
            taken = None if self._waiting else self._take()
            if taken is not None:
                return taken
            turn: Future[T] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            # Its turn may have come in the same moment.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back(turn.result())
            raise

    def go_on(self) -> None:
        """Let calls begin for which there is enough now."""
        with self.lock:
            while self._waiting:
                turn = self._waiting[0]
                if not (turn.done() or turn.get_loop().is_closed()):
                    try:
                        taken = self._take()
                    except (BudgetExceededError, LookupError) as error:
                        self._on_loop(turn, partial(_end, turn, error))
                    else:
                        if taken is None:
                            return
                        self._on_loop(turn, partial(self._begin, turn, taken))
                self._waiting.popleft()

    def _on_loop(self, turn: "Future[T]", step: Callable[[], None]) -> None:
        """Call ``step`` on the event loop of a call: now if that is running here."""
        if turn.get_loop() is running_loop():
            step()
        else:
            turn.get_loop().call_soon_threadsafe(step)

    def _begin(self, turn: "Future[T]", taken: T) -> None:
        if turn.done():  # it was cancelled on its own thread
            self._give_back(taken)
        else:
            turn.set_result(taken)


def _end(turn: "Future[T]", error: Exception) -> None:
    if not turn.done():
        turn.set_exception(error)


def rate_limit(
    *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None, estimate: int = 1000
) -> "RateLimiter":
    """Limit the calls, and the tokens, of an agent in a minute.

    Calls wait, start in the order in which they came, and are spread over the minute. The headers of the
    provider are obeyed: its limits where none are given here (also those of input tokens and of output
    tokens), and how long to wait before the next request. If no limit is known, calls slow down
    when more than 4 % of the last ones, or 5 in a row, were refused.

    Args:
        requests_per_minute: how many calls; None for the limit that the provider reports.
        tokens_per_minute: how many tokens, of prompts and answers together; None: as reported.
        estimate: how many tokens a call is expected to use, before the first has reported its usage.

    Raises:
        ValueError: a limit is not greater than 0.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.limits import rate_limit
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model("Hi").around(rate_limit(requests_per_minute=500))
        >>> async def main():
        ...     print(await model.inquire("Hello"))
        >>> MiniAgents().run(main())
        Hi
    """
    limiter = Limiter(requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute)
    return RateLimiter(limiter, estimate)


class RateLimiter:
    """Limits calls and tokens in a minute; :func:`rate_limit` makes it, for ``agent.around(...)``.

    Args:
        limiter: delays the calls.
        estimate: how many tokens the first calls are expected to use.

    Attributes:
        limiter: delays the calls.

    Example:
        >>> from miniagents.ext.limits import rate_limit
        >>> type(rate_limit(requests_per_minute=10)).__name__
        'RateLimiter'
    """

    def __init__(self, limiter: Limiter, estimate: int) -> None:
        self.limiter: Limiter = limiter
        self._watched = WatchedCalls()
        self._estimate = float(estimate)
        self._tokens = 0  # of all calls that have reported their usage, and
        self._answered = 0  # those of their answers
        self._counted = 0

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Call the agent when it is its turn."""
        estimate = self._tokens / self._counted if self._counted else self._estimate
        answer = self._answered / self._counted if self._counted else 0.0
        await self.limiter.acquire(estimate, answer)
        sent = asyncio.get_running_loop().time()
        replies = self._watched.inquire(ctx, call, lambda: self.limiter.settle(-estimate, -answer))

        def settle(watched: WatchedCall) -> None:
            tokens, answered = watched.tokens, watched.answered
            if tokens:
                self._tokens += tokens
                self._answered += answered
                self._counted += 1
            self.limiter.settle(tokens - estimate, answered - answer)
            seen = None if has_headers else _seen(watched)
            if seen is not None:
                self.limiter.told(seen, sent=sent)

        has_headers = False

        def told(_: WatchedCall, event: RunEvent) -> None:
            nonlocal has_headers
            if isinstance(event, PartSeen) and isinstance(event.part, ResponseHeaders):
                has_headers = True
                self.limiter.told(event.part, sent=sent)

        self._watched.watch(replies, told, settle)
        ctx.reply(replies)


def _seen(watched: WatchedCall) -> ResponseHeaders | None:
    """Return what is known of a response without headers: whether the request was refused."""
    error = watched.error
    if error is None:
        return ResponseHeaders()
    if isinstance(error, LLMError) and error.status is not None:
        return ResponseHeaders(error.status, retry_after=error.retry_after)
    return None


def budget(
    *,
    tokens: int | None = None,
    dollars: Decimal | float | str | None = None,
    reserve: Decimal | float | str | None = None,
    price: Price | None = None,
) -> "Budget":
    """Limit the tokens, or the money, that all calls together may use.

    Before each call a part is reserved, and the rest given back after it, so calls at the same time cannot
    exceed the budget together. An answer that grows beyond what is left is stopped, and ends with an error.

    Args:
        tokens: of prompts and answers together.
        dollars: of all models together. A model without a known price fails.
        reserve: for a call, in tokens or dollars.
        price: returns it; None for the extra ``prices``.

    Raises:
        ValueError: both or none are given, or one is not above 0.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, Usage
        >>> from miniagents.errors import BudgetExceededError
        >>> from miniagents.ext.limits import budget
        >>> from miniagents.testing import scripted_model
        >>> answer = AssistantMessage("Hi", usage=Usage(70, 30))
        >>> model = scripted_model(then=answer).around(budget(tokens=100))
        >>> async def main():
        ...     try:
        ...         print(await model.inquire(), await model.inquire())
        ...     except BudgetExceededError as error:
        ...         print(error)
        >>> MiniAgents().run(main())
        The budget of 100 tokens is spent: 100 tokens.
    """
    if (tokens is None) == (dollars is None):
        raise ValueError("budget() takes exactly one of tokens= and dollars=.")
    amount = _amount("budget", tokens if dollars is None else dollars)
    aside = None if reserve is None else _amount("reserve", reserve)
    return Budget(amount, aside, None if dollars is None else price or price_of)


def _amount(name: str, given: object) -> Decimal:
    """Return how much a budget allows.

    Raises:
        ValueError: it is no number above 0.
    """
    try:
        amount = Decimal(str(given))
        if amount > 0:
            return amount
    except InvalidOperation:  # also for NaN
        pass
    raise ValueError(f"The {name} is {given}, which allows nothing; give a number greater than 0.")


class Budget:
    """Limits the tokens or dollars of all calls; :func:`budget` makes it, for ``agent.around(...)``.

    Args:
        amount: of the whole budget, in tokens or dollars.
        reserve: how much is reserved for a call; None to learn it from the calls.
        price: returns the price of tokens; None for a budget of tokens.

    Attributes:
        spent: how much all calls that have ended have used, in tokens or dollars.

    Example:
        >>> from miniagents.ext.limits import budget
        >>> budget(tokens=100).spent
        Decimal('0')
    """

    def __init__(self, amount: Decimal, reserve: Decimal | None, price: Price | None) -> None:
        self.spent: Decimal = Decimal()
        self._tokens = 0
        self._amount = amount
        self._reserve = reserve
        self._price = price
        self._dearest = Decimal()
        self._unknown: LookupError | None = None
        self._watched = WatchedCalls(price)
        self._set_aside: dict[object, Decimal] = {}
        self._turns = _Turns[object](self._reserved, self._give_back)

    @property
    def left(self) -> Decimal:
        """How much is neither spent nor reserved for a running call."""
        return self._amount - self.spent - sum(self._set_aside.values(), Decimal())

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Call the agent if there is enough left.

        Raises:
            BudgetExceededError: nothing is left.
            LookupError: the price of an earlier call was not known.
        """
        key = await self._turns.next()
        replies = self._watched.inquire(ctx, call, lambda: self._give_back(key))
        weakly = ref(replies)  # with a reference of its own, a budget would keep the call running

        def grown(watched: WatchedCall, _: RunEvent) -> None:
            held = weakly()
            if held is not None:
                with self._turns.lock:
                    self._grown(key, held, watched)

        def ended(watched: WatchedCall) -> None:
            with self._turns.lock:
                try:
                    used = self._used(watched)
                except LookupError as error:  # so it is not known how much is left
                    self._unknown = error
                    used = self._set_aside[key]
                self._tokens += watched.tokens
                self.spent += used
                self._dearest = max(self._dearest, used)
                self._give_back(key)

        if self._watched.watch(replies, grown, ended) is None:
            self._give_back(key)
        await reply_watched(ctx, replies)

    def _used(self, watched: WatchedCall) -> Decimal:
        """Return what a call has used until now.

        Raises:
            LookupError: the price is not known, or ``price`` failed.
        """
        if self._price is None:
            return Decimal(watched.tokens)
        try:
            return watched.dollars(self._price)
        except LookupError:
            raise
        except Exception as error:
            raise LookupError(
                f"The cost of a call is not known, since price failed with {text_of_error(error)}; "
                "let it return a Decimal, or None for a price that is not known."
            ) from error

    def _grown(self, key: object, replies: MessageSequencePromise, watched: WatchedCall) -> None:
        """If a call has used more than was reserved for it, reserve more, or stop it."""
        if key not in self._set_aside:
            return
        try:
            more = self._used(watched) - self._set_aside[key]
        except LookupError as error:
            end_with(replies, error)
            return
        if more <= 0:
            return
        enough = more <= self.left
        self._set_aside[key] += more
        if not enough:
            end_with(replies, self._spent_error(self._set_aside[key]))

    def _reserved(self) -> object | None:
        """Reserve a part for the next call, and return its key; None if the call must wait."""
        amount = self._next_part()
        if amount is None:
            return None
        key = object()
        self._set_aside[key] = amount
        return key

    def _next_part(self) -> Decimal | None:
        """Return how much is reserved for the next call; None if the call must wait.

        Raises:
            BudgetExceededError: nothing is left, and nothing will be given back.
            LookupError: the price of an earlier call was not known.
        """
        if self._unknown is not None:
            raise self._unknown
        left, need = self.left, self._reserve or self._dearest * _MORE
        if self._set_aside:
            return need if need and left >= need else None
        if left <= 0:
            raise self._spent_error(Decimal())
        return min(need, left) if need else left

    def _give_back(self, key: object) -> None:
        with self._turns.lock:
            self._set_aside.pop(key, None)
            self._turns.go_on()

    def _spent_error(self, running: Decimal) -> BudgetExceededError:
        spent = self.spent + running
        if self._price is None:
            text = f"The budget of {self._amount} tokens is spent: {spent} tokens."
            return BudgetExceededError(text, tokens=int(spent))
        text = f"The budget of {self._amount} dollars is spent: {spent:f} dollars."
        return BudgetExceededError(text, tokens=self._tokens, dollars=spent)
