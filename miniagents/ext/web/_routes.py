"""`chat_routes`: agents as routes of a web app, for clients of several protocols."""

from collections.abc import Callable, Mapping, Sequence
from secrets import token_bytes
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from starlette.routing import Route

from miniagents import MiniAgent

from ._chat import Chat, Keywords, Owner
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
    keywords: Keywords | None = None,
    urls: bool = False,
    system_messages: bool = False,
    secret: str | None = None,
    max_body: int = 1_000_000,
    max_messages: int = 1_000,
    body_timeout: float = 10.0,
    ping: float = PING_EVERY,
    error_text: ErrorText | None = None,
) -> list[Route]:
    """Return routes through which clients talk to agents.

    Add them to ``app.router.routes`` of an app of Starlette or FastAPI.

    With "sse", "ndjson" or "text", ``POST /runs`` starts a run. Its body is ``{"text": ...}`` or
    ``{"messages": [...]}``, with ``"agent"`` if there are several. ``GET /runs/{id}`` streams the run until
    it ends, in the protocol of ``Accept`` or ``?protocol=``, from ``Last-Event-ID`` or ``?after=`` on.
    ``POST /runs/{id}/stop`` stops it.

    "vercel" has the routes for ``useChat`` of the Vercel AI SDK: ``POST /vercel``,
    ``GET /vercel/{chat}/stream`` and ``POST /vercel/{chat}/stop``. "openai" has ``/v1/models``,
    ``/v1/chat/completions`` and ``/v1/responses``: the agents are the models, and if the client leaves, the
    run is stopped.

    Args:
        agents: an agent, or several by name.
        runs: the runs that continue without their clients; None: a `Runs` in memory.
        prefix: begins each path, such as ``/chat``.
        protocols: the protocols to serve.
        owner: returns the user of a request, or raises an ``HTTPException`` to refuse it; only this user can
            read and stop the run. None: every client that knows the id of a run, 128 random bits, can do so.
            "vercel" needs it, because there the client chooses the id of the chat: `anyone` says on purpose
            that every client that knows this id can read and stop the answer.
        keywords: returns the keywords of the agent for a request, plain data, such as the user's name and
            rights. They are kept with the run, so they are the same after a restart and in another process.
            A tool gets the id of the user as `ToolContext.owner`.
        urls: whether messages of clients may have addresses of images and files, which the model's provider
            fetches. This server never fetches them.
        system_messages: whether clients may give instructions, in messages of the role ``system`` or
            ``developer`` or as ``instructions``. If not, requests with such are refused.
        secret: signs what clients of "vercel" keep and send back for the model's provider, such as encrypted
            thoughts; what this server did not sign is left out. Give the same text to all servers of an app;
            None: a random one, so that after a restart these are left out.
        max_body: the most bytes of a request.
        max_messages: the most messages of a request.
        body_timeout: the most seconds until the body of a request has come.
        ping: seconds of silence after which a ping is sent.
        error_text: makes the sentence for clients from an error of an agent; None: one without its text.

    Raises:
        ValueError: there is no agent, a protocol does not exist, the prefix is wrong, "vercel" has no
            ``owner``, or ``runs`` have another agent of the same name.
        TypeError: an agent needs a keyword that it was not given with ``agent.bind(...)``.

    Example:
        >>> from miniagents import miniagent
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply("Hello")
        >>> [route.path for route in chat_routes(hello, prefix="/chat")][:3]
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
    if "vercel" in protocols and owner is None:
        raise ValueError(
            'The protocol "vercel" needs owner=: its clients choose the ids of their chats, so who knows or '
            "guesses one could read and stop its answer. Give a function that returns the user of a request, "
            "or owner=anyone (of miniagents.ext.web) if there are no users."
        )
    _check_complete(named if keywords is None else {})
    if runs is None:
        runs = Runs(error_text=error_text)
    runs.add_agents(named)
    chat = Chat(
        agents=MappingProxyType(named),
        runs=runs,
        owner=owner,
        keywords=keywords,
        urls=urls,
        system_messages=system_messages,
        key=token_bytes() if secret is None else secret.encode(),
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


def _check_complete(agents: Mapping[str, Agent]) -> None:
    """Refuse an agent that would fail at each request."""
    for name, agent in agents.items():
        try:
            if isinstance(agent, MiniAgent):
                agent.bind()
        except TypeError as error:
            msg = (
                f"The agent {name!r} cannot be served: {error} Requests have no keywords, so write "
                "chat_routes(agent.bind(keyword=...), ...), or give keywords=, a function of the request."
            )
            raise TypeError(msg) from None
