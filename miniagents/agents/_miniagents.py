"""``MiniAgents``: the context in which agents run."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from miniagents.messages import Message
from miniagents.streams import PromiseResolvedHandler
from miniagents.streams._context import DrainTimeout
from miniagents.streams._observers import Observer

from ._agent import InteractionContext, MiniAgent
from ._algebra._around import check_around
from ._run_context import PersistMessageHandler, RunContext

AroundFunction: TypeAlias = Callable[
    [InteractionContext[Message, Message], MiniAgent[Message, Message, ...]], Awaitable[None]
]
"""A function around every run of a context: it gets the context of the run, and the agent of this call."""


class MiniAgents(RunContext):
    """The owner of every run and every promise that is made inside it.

    Use it as ``async with MiniAgents():`` or run a coroutine in it with ``MiniAgents().run(main())``. Its end
    waits for all runs; after an exception, Ctrl-C or a cancellation it cancels them first.

    ``async with MiniAgents():`` inside another one on the same event loop is its child: it waits for its own
    runs, shares the connections to models, and has the settings of the outer one unless it was given others.
    Handlers, observers and ``around`` functions of the outer one come first, then its own. A nested blocking
    ``run`` has an event loop of its own and is not a child.

    ``MiniAgents(app_wide=True)`` is the context of its event loop: all code on that loop without another
    context uses it, such as the request handlers of a web app whose lifespan is inside its block. An event
    loop has one at most. Without a block, :meth:`start` begins it and :meth:`stop` ends it; other threads use
    :meth:`from_thread`. A task that goes on after the end of its context gets an error, and never the
    app-wide context.

    Args:
        on_persist_message: awaited once for each complete message, nested messages before those that contain
            them, and for the call and reply records of each run.
        on_promise_resolved: awaited with every promise that resolved, and its value.
        errors_as_messages: whether an error of an agent or a message becomes an ``ErrorMessage`` in its
            place; False by default.
        around: async functions around every run of this context, the first one outermost, as in
            :meth:`MiniAgent.around`: each gets the context of the run, and the agent, bound to this call.
            They are around the runs of all agents, also of the parts of compositions, wrapped agents and
            models with tools. ``ctx.this_agent`` is the agent; its ``components`` are empty if it is not
            composed. A function with the attribute ``models_only = True``, such as
            :func:`miniagents.ext.limits.model_limits`, is around runs of models only and costs other runs
            nothing.
        observers: they get the events of every run: when it begins, what it writes, what it costs, how it
            ends; see :class:`miniagents.observers.Observer`. The end of a run comes to the last observer
            first.
        prefetch: how many pieces a source may run ahead of its fastest reader, in pieces; 1024 by default.
        shutdown_timeout: seconds that cancelled runs get for their cleanup; 10 by default.
        drain_timeout: seconds that a normal end waits for runs before it cancels them. None: for ever. The
            default is 10 for an app-wide context, else None. It is not inherited from an outer context.
        app_wide: whether it is the context of its event loop, for all code that has no other context.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply(f"Hello, {await ctx.messages}!")
        >>> async def main():
        ...     print(await hello.inquire("world"))
        >>> MiniAgents().run(main())
        Hello, world!
        >>> async def counted(ctx, call):
        ...     if not ctx.this_agent.components:  # a leaf: not what is made of other agents
        ...         print("asked:", ctx.this_agent.alias)
        ...     ctx.reply(call.inquire(ctx.messages))
        >>> async def chain():
        ...     print(await (hello | hello.timeout(total=60)).inquire("world"))
        >>> MiniAgents(around=[counted]).run(chain())
        asked: HELLO
        asked: HELLO
        Hello, Hello, world!!

    Raises:
        TypeError: an item of ``around`` cannot be called.
        ValueError: ``prefetch`` is less than 1, or ``drain_timeout`` less than 0.
    """

    def __init__(
        self,
        *,
        on_persist_message: PersistMessageHandler | None = None,
        on_promise_resolved: PromiseResolvedHandler | None = None,
        errors_as_messages: bool | None = None,
        around: Sequence[AroundFunction] = (),
        observers: Sequence[Observer] = (),
        prefetch: int | None = None,
        shutdown_timeout: float | None = None,
        drain_timeout: DrainTimeout = "auto",
        app_wide: bool = False,
    ) -> None:
        for function in around:
            check_around("MiniAgents", function)
        super().__init__(
            on_promise_resolved=on_promise_resolved,
            errors_as_messages=errors_as_messages,
            around=around,
            observers=observers,
            prefetch=prefetch,
            shutdown_timeout=shutdown_timeout,
            drain_timeout=drain_timeout,
            app_wide=app_wide,
        )
        if on_persist_message is not None:
            self.on_persist_message(on_persist_message)
