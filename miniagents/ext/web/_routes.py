"""`chat_routes`: agents as routes of a web app, for clients of several protocols."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import permutations
from secrets import token_bytes
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from miniagents.values import check_count, check_seconds

from ..journal import Question
from ._chat import Chat, KeywordsOf, MayAnswer, Owner, run_id
from ._frames import QuestionAsked
from ._live_run import Agent
from ._openai_routes import openai_routes
from ._protocols import PLAIN
from ._request_errors import JSON, RequestError, no_run, refusing
from ._response import PING_EVERY, FrameResponse
from ._runs import Runs
from ._source import ErrorText
from ._user_messages import messages_of_body
from ._vercel_routes import vercel_routes

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
    owner: Owner | Literal["anyone"] | None = None,
    keywords: KeywordsOf | None = None,
    may_answer: MayAnswer | None = None,
    urls: bool = False,
    system_messages: bool = False,
    secret: str | None = None,
    max_body: int = 1_000_000,
    max_messages: int = 1_000,
    body_timeout: float = 10.0,
    ping: float = PING_EVERY,
    error_text: ErrorText | None = None,
) -> list[Route]:
    """Return routes through which clients talk to agents, for ``app.router.routes`` of Starlette or FastAPI.

    The page "Answers over HTTP" has the rest.

    Args:
        agents: an agent, or several by name.
        runs: None: in memory.
        prefix: of each path.
        protocols: such as "sse", "vercel", "openai".
        owner: returns the user.
        keywords: returns those of the agents; or a function for each, by name.
        may_answer: returns who answers.
        urls: whether clients may send them.
        system_messages: the same.
        secret: signs what clients send back.
        max_body: bytes of a request.
        max_messages: of a request.
        body_timeout: seconds for it.
        ping: seconds between pings.
        error_text: makes a sentence for clients.

    Raises:
        ValueError, TypeError: an argument does not fit.

    Example:
        >>> from miniagents.ext.eliza import eliza_agent
        >>> chat_routes(eliza_agent, prefix="/chat")[0].path
        '/chat/runs'
    """
    named = dict(agents) if isinstance(agents, Mapping) else {agents.alias: agents}
    if not named:
        raise ValueError("chat_routes has no agent; give it at least one.")
    known = (*PLAIN, *_ROUTES)
    wrong = [each for each in protocols if each not in known]
    if wrong or not protocols:
        raise ValueError(
            f"{wrong[0] if wrong else protocols!r} is not a protocol; give one of {', '.join(known)}."
        )
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        raise ValueError(
            f"The prefix {prefix!r} must begin with a slash and not end with one, such as '/chat'."
        )
    if "vercel" in protocols and owner is None:
        raise ValueError(
            'The protocol "vercel" needs owner=: its clients choose the ids of their chats, so who knows or '
            "guesses one could read and stop its answer. Give a function that returns the user of a request, "
            "or owner='anyone' if there are no users."
        )
    check_seconds("chat_routes", "body_timeout", body_timeout)
    check_seconds("chat_routes", "ping", ping)
    check_count("chat_routes", "max_body", max_body)
    check_count("chat_routes", "max_messages", max_messages)
    _check_keywords(named, keywords)
    if runs is None:
        runs = Runs(error_text=error_text)
    runs.add_agents(named)
    chat = Chat(
        agents=MappingProxyType(named),
        runs=runs,
        owner=None if owner == "anyone" else owner,
        keywords=keywords,
        may_answer=may_answer,
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


def _check_keywords(agents: Mapping[str, Agent], keywords: KeywordsOf | None) -> None:
    """Refuse agents that would fail at each request, and keywords of an agent that is not there."""
    if callable(keywords):
        for needs, name in permutations(agents, 2):
            for each in sorted(agents[needs].required_keywords):
                if not agents[name].takes_keyword(each):
                    raise TypeError(
                        f"The agent {name!r} takes no keyword {each!r}, which {needs!r} needs, and one "
                        f"function is for all; give functions by name: keywords={{{needs!r}: ...}}."
                    )
        return
    given = keywords or {}
    for name in given.keys() - agents.keys():
        raise ValueError(f"keywords= has a function for {name!r}; the agents are: {', '.join(agents)}.")
    for name in agents.keys() - given.keys():
        try:
            agents[name].bind()
        except TypeError as error:
            raise TypeError(
                f"The agent {name!r} cannot be served: {error} Requests have no keywords, so write "
                "chat_routes(agent.bind(keyword=...), ...), or give keywords=, a function of the request."
            ) from None


_NOT_KEPT: Final[Mapping[str, str]] = MappingProxyType({"cache-control": "no-store"})
_LONGEST_POSITION: Final = 15  # digits


def run_routes(chat: Chat, protocols: Collection[str]) -> list[Route]:
    """Return the routes under ``/runs``.

    Args:
        chat: what they serve.
        protocols: those that runs are told in; the first one is for who asks for none.
    """

    async def begin(request: Request) -> Response:
        owner = await chat.owner_of(request)
        body = await chat.body(request)
        agent = chat.agent(body.get("agent"))
        messages = messages_of_body(body, urls=chat.urls, system=chat.system_messages)
        run = await chat.start(request, agent, messages, owner=owner)
        return JSON({"run": run}, 201, _NOT_KEPT)

    async def read(request: Request) -> Response:
        owner = await chat.owner_of(request)
        protocol = _protocol_of(request, protocols)
        after = _after(request)
        record = await chat.find(_run_of(request), owner=owner)
        if await chat.runs.has_read(record, after):
            return Response(status_code=204)  # an EventSource would come back for ever
        feed = await chat.runs.read(record.run, after, owner=owner)
        if feed is None:
            raise no_run()  # it was deleted meanwhile
        return FrameResponse(feed, PLAIN[protocol](), ping=chat.ping)

    async def stop(request: Request) -> Response:
        owner = await chat.owner_of(request)
        record = await chat.find(_run_of(request), owner=owner)
        return JSON({"stopped": await chat.runs.stop(record.run, owner=owner)})

    async def say(request: Request) -> Response:
        said = await chat.say(request, _run_of(request))
        return JSON({"id": said}, 202, _NOT_KEPT)

    async def questions(request: Request) -> Response:
        found = await chat.questions(request, _run_of(request))
        return JSON({"questions": [_question(each) for each in found]}, headers=_NOT_KEPT)

    async def answer(request: Request) -> Response:
        return await chat.take_answer(request, _run_of(request))

    return [
        Route("/runs", refusing(begin), methods=["POST"]),
        Route("/runs/{run}", refusing(read), methods=["GET"]),
        Route("/runs/{run}/stop", refusing(stop), methods=["POST"]),
        Route("/runs/{run}/say", refusing(say), methods=["POST"]),
        Route("/runs/{run}/questions", refusing(questions), methods=["GET"]),
        Route("/runs/{run}/questions/{question}", refusing(answer), methods=["POST"]),
    ]


def _run_of(request: Request) -> str:
    """Return the id of the run in the address."""
    return run_id(request.path_params["run"])


def _question(question: Question) -> dict[str, object]:
    frame = QuestionAsked(question.id, question.kind, question.shown, question.digest, question.due)
    return {name: value for name, value in frame.as_data().items() if name != "type"}


def _protocol_of(request: Request, protocols: Collection[str]) -> str:
    named = request.query_params.get("protocol")
    if named is not None:
        if named not in protocols:
            raise RequestError(f'"protocol" must be one of: {", ".join(protocols)}.', param="protocol")
        return named
    accepted = request.headers.get("accept", "")
    wanted = (each for each in protocols if PLAIN[each].media_type.partition(";")[0] in accepted)
    return next(wanted, next(iter(protocols)))


def _after(request: Request) -> int:
    """The position that a client has: EventSource says it when it comes back."""
    text = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_POSITION):
        raise RequestError("The position (Last-Event-ID, or ?after=) must be a number.", param="after")
    return int(text)
