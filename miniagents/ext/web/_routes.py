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
"""What `chat_routes` serves."""

_ROUTES: Final[Mapping[str, Callable[[Chat], Sequence[Route]]]] = MappingProxyType(
    {"vercel": vercel_routes, "openai": openai_routes}
)
"""Protocol -> what makes its routes, but for those of `PLAIN`, which share theirs."""


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
    """Return routes under which clients talk to agents; for Starlette and FastAPI, ``app.router.routes``.

    ``POST /runs`` begins a run (``{"text": ...}`` or ``{"messages": [...]}``, and ``"agent"`` if there are
    several), ``GET /runs/{id}`` tells it and follows it, in the protocol that ``Accept`` or ``?protocol=``
    says, from ``Last-Event-ID`` or ``?after=`` on; ``POST /runs/{id}/stop`` stops it.

    "vercel" is what ``useChat`` of the Vercel AI SDK calls: ``POST /vercel``, ``GET /vercel/{chat}/stream``
    and ``POST /vercel/{chat}/stop``. "openai" is ``/v1/models``, ``/v1/chat/completions`` and
    ``/v1/responses``: agents are the models, and a client that leaves stops its answer.

    Args:
        agents: an agent, or several by name.
        runs: the runs that go on without their clients; None: a `Runs` in memory.
        prefix: before each path, ``/chat`` for example.
        protocols: which ones are served.
        owner: who asks, from the request: only they read and stop their runs. None: the id of a run, 128
            random bits, is what it takes.
        urls: whether messages of clients may have addresses of images and files, which the model's provider
            fetches. This server never does.
        max_body: bytes of a request.
        max_messages: of a request.
        body_timeout: seconds that a body may take to come.
        ping: seconds of silence after which something is sent.
        error_text: what clients are told of an error of an agent; None: a sentence without its text.

    Raises:
        ValueError: there is no agent, no such protocol, the prefix does not begin with a slash, or ``runs``
            have another agent of the same name.

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
        raise ValueError("chat_routes was given no agent.")
    known = (*PLAIN, *_ROUTES)
    wrong = [each for each in protocols if each not in known]
    if wrong or not protocols:
        msg = f"{wrong[0] if wrong else protocols!r} is no protocol of routes; they are {', '.join(known)}."
        raise ValueError(msg)
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        msg = f"The prefix {prefix!r} has to begin with a slash, and not to end with one: '/chat'."
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
