"""`chat_routes`: agents as routes of a web app, for clients of several protocols."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from starlette.routing import Route

from ._chat import Chat, Owner
from ._durable_runs import Agent
from ._openai_routes import openai_routes
from ._response import PING_EVERY
from ._runs import Runs
from ._runs_routes import PLAIN, run_routes
from ._source import ErrorText
from ._vercel_routes import vercel_routes

__all__ = ["RouteProtocol", "chat_routes"]

RouteProtocol: TypeAlias = Literal["sse", "ndjson", "text", "vercel", "openai"]
"""The protocols that `chat_routes` can serve."""

_ROUTES: Final[Mapping[str, Callable[[Chat], Sequence[Route]]]] = MappingProxyType(
    {"vercel": vercel_routes, "openai": openai_routes}
)
"""Protocol -> the function that makes its routes; the protocols of `PLAIN` share theirs."""


def chat_routes(
    agents: Agent | Mapping[str, Agent],
    *,
    runs: Runs | None = None,
    prefix: str = "",
    protocols: Sequence[RouteProtocol] = ("sse", "ndjson", "text"),
    owner: Owner | None = None,
    urls: bool = False,
    max_body: int = 1_000_000,
    max_messages: int = 1_000,
    body_timeout: float = 10.0,
    ping: float = PING_EVERY,
    error_text: ErrorText | None = None,
) -> list[Route]:
    """Return routes through which clients talk to agents.

    Add them to ``app.router.routes`` of an app of Starlette or FastAPI.

    ``POST /runs`` starts a run. Its body is ``{"text": ...}`` or ``{"messages": [...]}``, with ``"agent"`` if
    there are several. ``GET /runs/{id}`` streams the run until it ends, in the protocol of ``Accept`` or
    ``?protocol=``, from ``Last-Event-ID`` or ``?after=`` on. ``POST /runs/{id}/stop`` stops it.

    "vercel" has the routes for ``useChat`` of the Vercel AI SDK: ``POST /vercel``,
    ``GET /vercel/{chat}/stream`` and ``POST /vercel/{chat}/stop``. "openai" has ``/v1/models``,
    ``/v1/chat/completions`` and ``/v1/responses``: the agents are the models, and if the client leaves, the
    run is stopped.

    Args:
        agents: an agent, or several by name.
        runs: the runs that continue without their clients; None: a `Runs` in memory.
        prefix: begins each path, such as ``/chat``.
        protocols: the protocols to serve.
        owner: returns the user of a request; only this user can read and stop the run. None: every client
            that knows the id of a run, 128 random bits, can do so.
        urls: whether messages of clients may have addresses of images and files, which the model's provider
            fetches. This server never fetches them.
        max_body: the most bytes of a request.
        max_messages: the most messages of a request.
        body_timeout: the most seconds until the body of a request has come.
        ping: seconds of silence after which a ping is sent.
        error_text: makes the sentence for clients from an error of an agent; None: one without its text.

    Raises:
        ValueError: there is no agent, a protocol does not exist, the prefix is wrong, or ``runs`` have
            another agent of the same name.

    Example:
        >>> from miniagents import miniagent
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply("Hello")
        >>> [route.path for route in chat_routes(hello, prefix="/chat")]
        ['/chat/runs', '/chat/runs/{run}', '/chat/runs/{run}/stop']
    """
    named = dict(agents) if isinstance(agents, Mapping) else {agents.alias: agents}
    if not named:
        raise ValueError("chat_routes has no agent; give it at least one.")
    known = (*PLAIN, *_ROUTES)
    wrong = [each for each in protocols if each not in known]
    if wrong or not protocols:
        msg = f"{wrong[0] if wrong else protocols!r} is not a protocol; give one of {', '.join(known)}."
        raise ValueError(msg)
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        msg = f"The prefix {prefix!r} must begin with a slash and not end with one, such as '/chat'."
        raise ValueError(msg)
    if runs is None:
        runs = Runs(error_text=error_text)
    runs.add_agents(named)
    chat = Chat(
        agents=MappingProxyType(named),
        runs=runs,
        owner=owner,
        urls=urls,
        max_body=max_body,
        max_messages=max_messages,
        body_timeout=body_timeout,
        ping=ping,
        error_text=error_text,
    )
    routes: list[Route] = []
    plain = [each for each in protocols if each in PLAIN]
    if plain:
        routes += run_routes(chat, plain)
    for each in protocols:
        if each in _ROUTES:
            routes += _ROUTES[each](chat)
    return [Route(f"{prefix}{each.path}", each.endpoint, methods=each.methods) for each in routes]
