"""The routes that ``useChat`` of the Vercel AI SDK calls: ask, come back, stop."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ._chat import Chat
from ._endpoints import refusing
from ._request_errors import RequestError
from ._vercel import VercelEncoder, vercel_message_id
from ._vercel_messages import read_vercel_request

__all__ = ["vercel_routes"]


def vercel_routes(chat: Chat) -> list[Route]:
    """Return the routes under ``/vercel``.

    A client that leaves an answer detaches from it: it can come back, which tells the whole answer again, or
    stop it. A chat answers one question at a time: a new one stops the answer before.

    Args:
        chat: what they serve.
    """

    async def ask(request: Request) -> Response:
        owner = await chat.owner_of(request)
        body = await chat.body(request)
        seal = chat.seal(owner)
        wanted = read_vercel_request(body, urls=chat.urls, system=chat.system_messages, seal=seal)
        agent, _ = chat.agent(body.get("agent"))
        topic = _topic(wanted.chat)
        before = await chat.current(topic, owner=owner)
        if before is not None:
            await chat.stop(before, owner=owner)
        run = await chat.start(request, agent, wanted.messages, owner=owner, topic=topic)
        encoder = VercelEncoder("" if wanted.goes_on else vercel_message_id(run), seal)
        return await chat.response(run, encoder, owner=owner)

    async def come_back(request: Request) -> Response:
        owner = await chat.owner_of(request)
        run = await chat.current(_topic(request.path_params["chat"]), owner=owner, lost=True)
        if run is None:
            return Response(status_code=204)
        encoder = VercelEncoder(vercel_message_id(run), chat.seal(owner))
        return await chat.response(run, encoder, owner=owner)

    async def stop(request: Request) -> Response:
        owner = await chat.owner_of(request)
        run = await chat.current(_topic(request.path_params["chat"]), owner=owner)
        stopped = run is not None and await chat.stop(run, owner=owner)
        return JSONResponse({"success": True, "stopped": stopped})

    return [
        Route("/vercel", refusing(ask, _refusal), methods=["POST"]),
        Route("/vercel/{chat:path}/stream", refusing(come_back, _refusal), methods=["GET"]),
        Route("/vercel/{chat:path}/stop", refusing(stop, _refusal), methods=["POST"]),
    ]


def _topic(chat: str) -> str:
    return f"vercel {chat}"


def _refusal(error: RequestError) -> Response:
    return PlainTextResponse(error.sentence, error.status)  # their client shows the body as it is
