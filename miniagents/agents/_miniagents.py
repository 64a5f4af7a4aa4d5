"""``MiniAgents``: the context in which agents run."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from miniagents.core import DrainTimeout, Message, Observer, PromiseResolvedHandler

from ._agent import InteractionContext, MiniAgent
from ._algebra._around import check_around
from ._run_context import PersistMessageHandler, RunContext

AroundFunction: TypeAlias = Callable[
    [InteractionContext[Message, Message], MiniAgent[Message, Message, ...]], Awaitable[None]
]
"""What goes around every run of a context: given the context of the run, and the agent of this call."""


class MiniAgents(RunContext):
    """The owner of every run and every promise that is made inside it.

    Use it as ``async with MiniAgents():`` or run a coroutine in it with ``MiniAgents().run(main())``. It ends
    when all runs have; by an exception, Ctrl-C or cancellation it cancels them first.

    ``async with MiniAgents():`` inside another one on the same event loop is its child: it waits for its own
    runs, shares the connections to models, and takes over every setting that was not given to it; handlers,
    observers and what goes ``around`` runs of the outer one come first, then its own. A nested blocking
    ``run`` has an event loop of its own and is no child.

    ``MiniAgents(app_wide=True)`` is the context of its event loop: whatever runs there and has none of its
    own uses it, such as the handlers of a web app whose lifespan is in its block. An event loop has one at
    most. Where there is no such block, :meth:`start` begins it and :meth:`stop` ends it; other threads use
    :meth:`from_thread`. A task that outlives the context it was started in gets an error, and never the
    app-wide one.

    Args:
        on_persist_message: awaited once for each message that came to be, children before parents, and for
            the call and reply records of each run.
        on_promise_resolved: awaited with every promise that resolved, and its value.
        errors_as_messages: a failing agent or message leaves an ``ErrorMessage`` where it would have raised;
            False by default.
        around: async functions that every run of this context goes through, the first one outermost, each as
            in :meth:`MiniAgent.around`: it is given the context of the run and the agent, bound to this call.
            Every run means those of all agents, also of the parts that a composition, a wrapped agent or a
            model with tools asks: ``ctx.this_agent`` tells which, and has no ``components`` if it is a leaf.
            A function with the attribute ``models_only = True`` is for runs of models alone, such as
            :func:`miniagents.ext.limits.model_limits`: other runs do not pay for it.
        observers: are told of every run: when it begins, what it writes, what it costs, how it ends; see
            :class:`miniagents.observers.Observer`. At the end of a run the last one is told first.
        prefetch: how many pieces a source may run ahead of its fastest reader, in pieces; 1024 by default.
        shutdown_timeout: seconds that cancelled runs get for their cleanup; 10 by default.
        drain_timeout: seconds that a normal end waits for runs before it cancels them. None: for ever, which
            is the default, but 10 seconds for an app-wide context. It is not taken over from an outer one.
        app_wide: it is the context of its event loop, for whatever has none of its own.

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
        TypeError: something in ``around`` cannot be called.
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
