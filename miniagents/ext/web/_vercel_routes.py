"""The routes that ``useChat`` of the Vercel AI SDK calls: ask, come back, answer, say, stop."""

import asyncio
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ._chat import Chat
from ._frames import BATCH
from ._request_errors import JSON, RequestError, refusing
from ._response import FrameResponse
from ._vercel import Seal, VercelEncoder, vercel_message_id
from ._vercel_messages import VercelRequest, read_vercel_request


def vercel_routes(chat: Chat) -> list[Route]:
    """Return the routes under ``/vercel``.

    A client that leaves an answer detaches from it: it can come back, which tells the whole answer again, or
    stop it. A chat answers one question at a time: a new one stops the answer before. A response ends where
    its run waits for the approval of calls; the next request of the client has it, and goes on with the run.

    Args:
        chat: what they serve.
    """
    turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def ask(request: Request) -> Response:
        owner = await chat.owner_of(request)
        body = await chat.body(request)
        seal = Seal(chat.key, owner)
        wanted = read_vercel_request(body, urls=chat.urls, system=chat.system_messages, seal=seal)
        agent = chat.agent(body.get("agent"))
        topic = _topic(wanted.chat)
        if wanted.approvals:
            return await _approved(chat, request, wanted, seal)
        async with turns.setdefault((owner, topic), asyncio.Lock()):
            before = await chat.current(topic, owner=owner)
            if before is not None:
                await chat.runs.stop(before, owner=owner)
            run = await chat.start(request, agent, wanted.messages, owner=owner, topic=topic)
        encoder = VercelEncoder("" if wanted.goes_on else vercel_message_id(run), seal)
        _, feed = await chat.runs.turn(run, owner=owner)
        return FrameResponse(feed, encoder, ping=chat.ping)

    async def answer(request: Request) -> Response:
        return await chat.take_answer(request, await _current(chat, request))

    async def say(request: Request) -> Response:
        run = await _current(chat, request)
        # A rollback is not among them: the client would keep, and send back, what has left the conversation.
        said = await chat.say(request, run, ways=("steer", "queue", "interrupt"))
        return JSON({"id": said}, 202)

    async def come_back(request: Request) -> Response:
        owner = await chat.owner_of(request)
        run = await chat.current(_topic(request.path_params["chat"]), owner=owner, lost=True)
        if run is None:
            return Response(status_code=204)
        encoder = VercelEncoder(vercel_message_id(run), Seal(chat.key, owner))
        _, feed = await chat.runs.turn(run, owner=owner)
        return FrameResponse(feed, encoder, ping=chat.ping)

    async def stop(request: Request) -> Response:
        owner = await chat.owner_of(request)
        run = await chat.current(_topic(request.path_params["chat"]), owner=owner)
        stopped = run is not None and await chat.runs.stop(run, owner=owner)
        return JSON({"success": True, "stopped": stopped})

    return [
        Route("/vercel", refusing(ask, _refusal), methods=["POST"]),
        Route("/vercel/{chat:path}/stream", refusing(come_back, _refusal), methods=["GET"]),
        Route("/vercel/{chat:path}/questions/{question}", refusing(answer, _refusal), methods=["POST"]),
        Route("/vercel/{chat:path}/say", refusing(say, _refusal), methods=["POST"]),
        Route("/vercel/{chat:path}/stop", refusing(stop, _refusal), methods=["POST"]),
    ]


async def _current(chat: Chat, request: Request) -> str:
    """The run that answers in the chat of a request."""
    run = await chat.current(_topic(request.path_params["chat"]), owner=await chat.owner_of(request))
    if run is None:
        raise RequestError("Nothing is being answered in this chat.", 404)
    return run


async def _approved(chat: Chat, request: Request, wanted: VercelRequest, seal: Seal) -> Response:
    """Go on with the run whose approvals a request answers."""
    owner = await chat.owner_of(request)
    run = await chat.runs.latest(_topic(wanted.chat), owner=owner)
    if run is None:
        raise RequestError("The answer that asks for this approval is no longer kept.", 404)
    for question, answer in wanted.approvals.items():
        await chat.answer(request, run, question, answer)
    encoder = VercelEncoder("", seal)
    known, feed = await chat.runs.turn(run, tuple(wanted.approvals), wanted.results, owner=owner)
    for position, frame in known:
        encoder.encode(position, frame)  # which the client has
        if not position % BATCH:
            await asyncio.sleep(0)  # the other tasks have their turn
    return FrameResponse(feed, encoder, ping=chat.ping)


def _topic(chat: str) -> str:
    return f"vercel {chat}"


def _refusal(error: RequestError) -> Response:
    return PlainTextResponse(error.sentence, error.status)  # their client shows the body as it is
