"""The part that the routes of all protocols share: agents, runs, owners, and the limits of a request."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from starlette.requests import Request
from starlette.responses import Response

from miniagents.messages import InputMessage, Message, MessageSequencePromise
from miniagents.models import TOOL_CONTEXT
from miniagents.tools import Allow, Reject, ToolContext
from miniagents.utils import redact_keys

from ..journal import Question, RunRecord
from ._bodies import json_body
from ._feeds import Feed
from ._live_run import Agent
from ._request_errors import RequestError, no_run
from ._response import PING_EVERY, WAITING_LIMIT
from ._runs import Runs
from ._source import ErrorText, FrameSource

logger = logging.getLogger(__name__)

Owner: TypeAlias = Callable[[Request], str | Awaitable[str]]
"""Returns the id of the user who sends a request, never empty; it may raise an HTTPException to refuse."""

Keywords: TypeAlias = Callable[[Request], Mapping[str, object] | Awaitable[Mapping[str, object]]]
"""Returns the keywords of the agent for a request: plain data, which a restart of the server keeps."""

KeywordsOf: TypeAlias = Keywords | Mapping[str, Keywords]
"""The function for all agents, or those of some agents, by the names of the agents."""

MayAnswer: TypeAlias = Callable[[Request, Question], bool | Awaitable[bool]]
"""Returns whether the client that sends a request may answer a question."""

_When: TypeAlias = Literal["steer", "queue", "interrupt", "rollback"]
_WAYS: Final[tuple[_When, ...]] = ("steer", "queue", "interrupt", "rollback")
_MAX_ID: Final = 200
_MAX_ANSWER: Final = 64_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """The part that the routes of all protocols share.

    Attributes:
        agents: name -> agent.
        runs: the detached runs.
        owner: returns the user of a request; None: every client that knows the id of a run may use it.
        keywords: return the keywords of the agent for a request; None: there are none.
        may_answer: returns whether a client may answer a question; None: the owner of the run may.
        urls: whether messages may have addresses of images and files.
        system_messages: whether clients may give instructions.
        key: signs what clients keep and send back.
        max_body: the most bytes of a request.
        max_messages: the most messages of a request.
        body_timeout: the most seconds until the body has come.
        ping: seconds of silence after which a ping is sent.
        error_text: makes the sentence for clients from an error of an agent.
    """

    agents: Mapping[str, Agent]
    runs: Runs
    owner: Owner | None = None
    keywords: KeywordsOf | None = None
    may_answer: MayAnswer | None = None
    urls: bool = False
    system_messages: bool = False
    key: bytes = b""
    max_body: int = 1_000_000
    max_messages: int = 1_000
    body_timeout: float = 10.0
    ping: float = PING_EVERY
    error_text: ErrorText | None = None

    async def owner_of(self, request: Request) -> str:
        """Return the user who sends a request; `""` if there is no function `owner`.

        Args:
            request: the request.

        Raises:
            RequestError: `owner` returned no user.
        """
        if self.owner is None:
            return ""
        found = self.owner(request)
        name = found if isinstance(found, str) else await found
        if not name:
            raise RequestError("Log in first.", 401, code="not_authenticated")
        return name

    async def keywords_of(self, request: Request, agent: str) -> Mapping[str, object]:
        """Return the keywords of an agent for a request.

        Args:
            request: the request.
            agent: its name.
        """
        keywords = self.keywords if callable(self.keywords) else (self.keywords or {}).get(agent)
        if keywords is None:
            return {}
        found = keywords(request)
        return found if isinstance(found, Mapping) else await found

    def agent(self, name: object) -> str:
        """Return the name of an agent.

        Args:
            name: the name that the client sent; it may be None if there is only one agent.

        Raises:
            RequestError: no agent has this name.
        """
        if name is None and len(self.agents) == 1:
            return next(iter(self.agents))
        if isinstance(name, str) and name in self.agents:
            return name
        known = ", ".join(self.agents)
        raise RequestError(f'"agent" must be one of: {known}.', 404, code="no_such_agent", param="agent")

    async def body(self, request: Request, max_body: int | None = None) -> dict[str, object]:
        """Return the body of a request, a JSON object within the limits.

        Args:
            request: the request.
            max_body: the most bytes, if they are fewer than usual.

        Raises:
            RequestError: it is too large, too slow, or not a JSON object, or its content type is not JSON.
            starlette.requests.ClientDisconnect: the client left.
        """
        most = self.max_body if max_body is None else min(max_body, self.max_body)
        body = await json_body(request, max_body=most, body_timeout=self.body_timeout)
        messages = body.get("messages")
        if isinstance(messages, list) and len(cast("list[object]", messages)) > self.max_messages:
            raise RequestError(
                f"The request has more than {self.max_messages} messages.",
                413,
                code="too_large",
                param="messages",
            )
        return body

    # -- attached ----------------------------------------------------------------------------------------

    async def attached(self, request: Request, name: str, messages: tuple[Message, ...]) -> Feed:
        """Run an agent for one response; if its client leaves, the run is stopped.

        Args:
            request: the request.
            name: the name of the agent that answers.
            messages: the messages for it.

        Raises:
            RequestError: the agent does not take its keywords.
        """
        owner, keywords = await self.owner_of(request), await self.keywords_of(request, name)
        agent = self.agents[name]
        with _fitting(name):
            agent.bind(**keywords)
        TOOL_CONTEXT.set(ToolContext(owner=owner or None))  # this task has context variables of its own
        replies = agent.inquire(MessageSequencePromise(messages), **keywords)
        return FrameSource(replies, agent=agent.alias, limit=WAITING_LIMIT, error_text=self.error_text)

    # -- detached ----------------------------------------------------------------------------------------

    async def start(
        self, request: Request, agent: str, messages: tuple[Message, ...], *, owner: str, topic: str = ""
    ) -> str:
        """Start a run that continues without its client.

        Args:
            request: the request.
            agent: the name of the agent that answers.
            messages: the messages for it.
            owner: the user who asks.
            topic: what the run belongs to.

        Returns:
            The id of the run.

        Raises:
            RequestError: the server has too many runs, or the agent does not take its keywords.
        """
        keywords = await self.keywords_of(request, agent)
        with _fitting(agent):
            return await self.runs.begin(agent, messages, owner=owner, topic=topic, keywords=keywords)

    async def current(self, topic: str, *, owner: str = "", lost: bool = False) -> str | None:
        """Return the newest run of a topic, if it has not ended; else None.

        Args:
            topic: what the run belongs to.
            owner: the user who asks.
            lost: whether one that was lost counts, too: its client does not know yet.
        """
        run = await self.runs.latest(topic, owner=owner) if len(topic) <= _MAX_ID else None
        record = None if run is None else await self.runs.find(run, owner=owner)
        if record is None or (record.ended and not (lost and record.how == "lost")):
            return None
        return record.run

    async def say(self, request: Request, run: str, *, ways: tuple[_When, ...] = _WAYS) -> str:
        """Say something to the agent of a run while it works, as the body of a request says.

        Args:
            request: the request.
            run: the id of the run.
            ways: the values of `when` that the protocol has.

        Returns:
            The id of what was said.

        Raises:
            RequestError: the body has no text, or the run does not exist, is over, or takes nothing.
        """
        owner, body = await self.owner_of(request), await self.body(request)
        text, when, key = body.get("text"), body.get("when", "steer"), body.get("id", secrets.token_hex(8))
        if not isinstance(text, str) or not text.strip():
            raise RequestError('"text" must be a text.', param="text")
        if when not in ways:
            raise RequestError(f'"when" must be one of: {", ".join(ways)}.', param="when")
        if not isinstance(key, str) or not 0 < len(key) <= _MAX_ID:
            raise RequestError(f'"id" must be a text of 1 to {_MAX_ID} characters.', param="id")
        await self.runs.say(run, InputMessage(text, when=when, input_id=key), owner=owner)
        return key

    # -- questions ---------------------------------------------------------------------------------------

    async def questions(self, request: Request, run: str) -> list[Question]:
        """Return the open questions of a run that the client may answer.

        Args:
            request: the request.
            run: the id of the run.

        Raises:
            RequestError: the run does not exist, or it has another owner who alone may answer.
        """
        owner = await self.owner_of(request)
        if self.may_answer is None:
            await self.find(run, owner=owner)
            return await self.runs.questions(run, owner=owner)
        found = await self.runs.questions(run, owner=None)
        return [each for each in found if await _is_true(self.may_answer(request, each))]

    async def answer(
        self, request: Request, run: str, question: str, answer: object, digest: str | None = None
    ) -> None:
        """Answer a question of a run.

        Args:
            request: the request.
            run: the id of the run.
            question: the id of the question.
            answer: `Allow` or `Reject` for the call of a tool; else a value.
            digest: of the question as it was shown; None if that is not known.

        Raises:
            RequestError: there is no such question for this client, or it cannot be answered like this.
        """
        by = await self.owner_of(request)
        if self.may_answer is not None:
            found = await self.runs.question(run, question)
            if found is None or not await _is_true(self.may_answer(request, found)):
                raise RequestError("There is no such question.", 404, code="no_such_question")
        owner = by if self.may_answer is None else None
        await self.runs.answer(run, question, answer, digest=digest, owner=owner, by=by or None)

    async def take_answer(self, request: Request, run: str) -> Response:
        """Answer a question as the body of a request says, and return the response.

        Args:
            request: the request; its path names the question.
            run: the id of the run.

        Raises:
            RequestError: the body is no answer, or the question cannot be answered like this.
        """
        body = await self.body(request, _MAX_ANSWER)
        digest = body.get("digest")
        if not isinstance(digest, str):
            raise RequestError('"digest" must be that of the question that was shown.', param="digest")
        await self.answer(request, run, request.path_params["question"], _answer_in(body), digest)
        return Response(status_code=204)

    async def find(self, run: str, *, owner: str = "") -> RunRecord:
        """Return the record of a run.

        Args:
            run: its id.
            owner: the user who asks.

        Raises:
            RequestError: the run does not exist, or has another owner; the text is the same for both.
        """
        record = await self.runs.find(run, owner=owner)
        if record is None:
            raise no_run()
        return record


def run_id(given: str) -> str:
    """Return the id of a run that a client sent. None is long or has a NUL, which Postgres refuses.

    Args:
        given: by the client.

    Raises:
        RequestError: no run has such an id.
    """
    if len(given) > _MAX_ID or "\0" in given:
        raise no_run()
    return given


def _answer_in(body: Mapping[str, object]) -> object:
    """The answer in the body of a request; a name that is written wrong must not allow something else."""
    unknown = body.keys() - {"digest", "value", "allow", "reason", "arguments"}
    if unknown:
        named = ", ".join(sorted(map(repr, unknown)))
        raise RequestError(f"An answer has no field {named}.", param=min(unknown))
    if "value" in body:
        return body["value"]
    allow, reason, arguments = body.get("allow"), body.get("reason"), body.get("arguments")
    if not isinstance(allow, bool):
        raise RequestError('An answer has a "value", or "allow": true or false.', param="allow")
    if not allow:
        return Reject(reason) if isinstance(reason, str) and reason else Reject()
    if arguments is not None and not isinstance(arguments, dict):
        raise RequestError('"arguments" must be a JSON object.', param="arguments")
    return Allow(None if arguments is None else cast("dict[str, object]", arguments))


@contextmanager
def _fitting(agent: str) -> Generator[None]:
    """A block that begins a run of an agent, which refuses keywords of the app that do not fit."""
    try:
        yield
    except RequestError:
        raise
    except (TypeError, ValueError) as error:
        logger.error("The agent %r cannot begin: %s", agent, redact_keys(error))  # noqa: TRY400 - it says all
        sentence = f"The agent {agent!r} cannot begin; the log of the server says why."
        raise RequestError(sentence, 500) from None


async def _is_true(found: bool | Awaitable[bool]) -> bool:
    return found if isinstance(found, bool) else await found
