"""``remote``: lets workers of Ray make the calls of an agent."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Final, Never, TypeVar, cast

from miniagents import InteractionContext, MiniAgent, MiniAgents
from miniagents.messages import Message
from miniagents.streams import PromisingContext

from ._dispatcher import Dispatcher, Plan
from ._errors import RemoteError
from ._library import ray_library
from ._pickles import dumps
from ._runs import current_watch

AnyAgent = MiniAgent[Message, Message, ...]
_AT_ONCE: Final = 16  # messages of a call that are passed on before a reader asks for them
A = TypeVar("A", bound=MiniAgent[Never, Message, ...])


class RemoteCalls:
    """Lets workers make the calls of an agent; for ``agent.around(...)``.

    Args:
        agent: the agent that the workers run.
        plan: how they run it.
    """

    runs_elsewhere = True
    """Limits, journals and observers of this process treat the agent as they would without workers."""

    def __init__(self, agent: AnyAgent, plan: Plan) -> None:
        self._agent = agent
        self._plan = plan

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Let a worker make the call, and reply its messages."""
        messages = tuple(await ctx.messages)
        keywords = self._keywords(call)
        context = PromisingContext.current()
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
            ctx.reply(replies)  # the others come when a reader asks for them
        await remote_call.until_replied()

    def _keywords(self, call: AnyAgent) -> bytes:
        """The keywords of the call that differ from those of the agent."""
        own = self._agent.defaults
        given = {
            name: value for name, value in call.defaults.items() if name not in own or own[name] is not value
        }
        try:
            return dumps(given) if given else b""
        except Exception as error:
            text = f"{self._agent.alias} cannot be called in a worker, because its keywords cannot be pickled"
            raise RemoteError(f"{text}: {type(error).__name__}: {error}.") from error

    def _dispatcher(self) -> Dispatcher:
        """The workers; they belong to the outermost context, and end with it."""
        context: PromisingContext = PromisingContext.current().path()[0]
        settings: dict[str, object] = {"prefetch": context.prefetch}
        if isinstance(context, MiniAgents):
            settings["errors_as_messages"] = context.errors_as_messages
        return Dispatcher(self._plan, settings)


def remote(
    agent: A,
    *,
    replicas: int = 4,
    num_cpus: float = 0.1,
    concurrency: int = 64,
    attempts: int = 3,
    options: Mapping[str, object] | None = None,
) -> A:
    """Return the same agent, but workers make its calls: processes of Ray, on one or many machines.

    Call ``ray.init(...)`` before. Replies stream, a slow reader slows the agent down, and one that leaves
    stops it. If a worker is lost, its unfinished calls are made again. The page "Many machines" has the rest.

    Args:
        agent: any agent that can be pickled; its function makes clients and locks itself.
        replicas: how many workers.
        num_cpus: the share of a processor for each.
        concurrency: how many calls each worker makes at once.
        attempts: how often a call is made if its worker is lost; 1: never again.
        options: of Ray's actors, such as ``{"num_gpus": 1}``.

    Raises:
        ImportError: Ray is not installed.
        ValueError: a number is out of range.

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
            raise ValueError(f"remote({name}={number}) could make no call; give 1 or more.")
    if not num_cpus >= 0:
        raise ValueError(f"remote(num_cpus={num_cpus}) is not a number of processors; give 0 or more.")
    if find_spec("ray") is None:
        ray_library()
    local = cast("AnyAgent", agent).errors_as_messages(enabled=False)
    plan = Plan(
        agent=local.alias,
        pickled=partial(dumps, local),
        replicas=replicas,
        concurrency=concurrency,
        attempts=attempts,
        options={"num_cpus": num_cpus, **(options or {})},
    )
    calls = RemoteCalls(local, plan)
    return agent.around(cast("Callable[[InteractionContext, AnyAgent], Awaitable[None]]", calls))
