"""``remote``: an agent whose calls are made by workers of Ray."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Final, Never, TypeVar, cast

from miniagents.agents import InteractionContext, MiniAgent, MiniAgents
from miniagents.core import Context, Message, current_context, current_watch

from ._dispatcher import Dispatcher, Plan
from ._errors import RemoteError
from ._library import ray_library
from ._pickles import dumps

__all__ = ["remote"]

AnyAgent = MiniAgent[Message, Message, ...]
_AT_ONCE: Final = 16  # messages of a call that do not wait for a reader: nearly all have fewer
A = TypeVar("A", bound=MiniAgent[Never, Message, ...])


class RemoteCalls:
    """What goes around an agent whose calls are made by workers, for ``agent.around(...)``.

    Args:
        agent: that workers run.
        replicas: how many workers.
        concurrency: how many calls each of them makes at once.
        attempts: how often a call is made whose worker is lost.
        options: of the actors, for Ray.
    """

    runs_elsewhere = True
    """To limits, journals and observers here, the agent is the model or the agent that it is."""

    def __init__(
        self,
        agent: AnyAgent,
        *,
        replicas: int,
        concurrency: int,
        attempts: int,
        options: Mapping[str, object],
    ) -> None:
        self._agent = agent
        self._replicas = replicas
        self._concurrency = concurrency
        self._attempts = attempts
        self._options = options
        self._pickled: tuple[Mapping[str, object], bytes] = ({}, b"")  # the keywords of the last call

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Have the call made, and reply what comes."""
        messages = tuple(await ctx.messages)
        keywords = self._keywords(call)
        context = current_context()
        dispatcher = context.shared(self._dispatcher)
        watch = None if context.observers is None else current_watch()
        remote_call = dispatcher.begin(messages, keywords, context.prefetch, watch)
        replies = remote_call.messages()
        for _ in range(_AT_ONCE):
            reply = await anext(replies, None)
            if reply is None:
                break
            ctx.reply(reply)
        else:
            ctx.reply(replies)  # the others come as they are asked for
        await remote_call.until_replied()

    def _keywords(self, call: AnyAgent) -> bytes:
        """Those of the call that the agent has not."""
        own = self._agent.defaults
        given = {
            name: value for name, value in call.defaults.items() if name not in own or own[name] is not value
        }
        last, pickled = self._pickled
        if given.keys() == last.keys() and all(given[name] is last[name] for name in given):
            return pickled
        try:
            pickled = dumps(given)
        except Exception as error:
            text = f"{self._agent.alias} cannot be called in a worker with these keywords"
            raise RemoteError(f"{text}: {type(error).__name__}: {error}.") from error
        self._pickled = given, pickled
        return pickled

    def _dispatcher(self) -> Dispatcher:
        """The workers, for the outermost context: they end with it."""
        context: Context = current_context().path()[0]
        settings: dict[str, object] = {"prefetch": context.prefetch}
        if isinstance(context, MiniAgents):
            settings["errors_as_messages"] = context.errors_as_messages
        plan = Plan(
            agent=self._agent.alias,
            pickled=partial(dumps, self._agent),
            settings=settings,
            replicas=self._replicas,
            concurrency=self._concurrency,
            attempts=self._attempts,
            options=self._options,
        )
        return Dispatcher(plan)


def remote(
    agent: A,
    *,
    replicas: int = 4,
    num_cpus: float = 0.1,
    concurrency: int = 64,
    attempts: int = 3,
    options: Mapping[str, object] | None = None,
) -> A:
    """Return the agent, each call of which is made by one of several workers: processes of Ray.

    Needs ``pip install 'miniagents[ray]'``, on every machine, and ``ray.init(...)`` before the first call.
    The workers are started by the first call, spread over the machines, and end with the outermost
    ``MiniAgents`` of the program. Each of them makes many calls at once. A reply streams here as the agent
    writes it there; a slow reader slows it down, and one that leaves stops it.

    If a worker dies, another one takes its place, and makes the calls again that it was making, ``attempts``
    times in all. That is only done as long as none of the call's messages is complete: after that, and after
    the last attempt, its readers get a :class:`WorkerLostError`. A message that was streaming begins anew,
    with a :class:`~miniagents.Restart` among its parts if some of it had been read (who reads its tokens
    sees both beginnings). So an agent that does something in the world may do it more than once;
    ``attempts=1`` has every call made once at most.

    What an agent raises is raised here: the same class with the same data if it can be pickled, otherwise a
    :class:`RemoteError` that tells it.

    Args:
        agent: any; it is pickled, so clients and locks are to be made by its function. It is sent its
            messages when all of them are there.
        replicas: how many workers.
        num_cpus: how much of a processor Ray is to set aside for each of them.
        concurrency: how many calls each of them makes at once; others wait here.
        attempts: how often a call is made whose worker is lost.
        options: further ones of Ray's actors: ``{"num_gpus": 1}``, ``{"resources": {...}}``,
            ``{"runtime_env": {...}}``.

    Returns:
        The same agent: its class, alias, keywords and types.

    Raises:
        ImportError: Ray is not installed.
        ValueError: a number makes no sense.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def shout(ctx):
        ...     ctx.reply(f"{str(await ctx.messages).upper()}!")
        >>> async def main():
        ...     print(await remote(shout, replicas=2).inquire("hello"))
        >>> def run():  # a program calls it
        ...     import ray
        ...     with ray.init(num_cpus=1):
        ...         MiniAgents().run(main())
    """
    for name, number in (("replicas", replicas), ("concurrency", concurrency), ("attempts", attempts)):
        if number < 1:
            raise ValueError(f"remote({name}={number}) can make no call; give 1 or more.")
    if not num_cpus >= 0:
        raise ValueError(f"remote(num_cpus={num_cpus}): give processors, 0 or more.")
    if find_spec("ray") is None:
        ray_library()
    calls = RemoteCalls(
        cast("AnyAgent", agent).errors_as_messages(enabled=False),
        replicas=replicas,
        concurrency=concurrency,
        attempts=attempts,
        options={"num_cpus": num_cpus, **(options or {})},
    )
    return agent.around(cast("Callable[[InteractionContext, AnyAgent], Awaitable[None]]", calls))
