"""A web chat on FastAPI: answers stream, are stopped, and go on while the page is closed and opened again.

    python examples/web_chat.py              # then open http://127.0.0.1:8000
    uvicorn --factory web_chat:create_app    # or with any server

The page is `web_chat.html`, a hundred lines without a library.
It needs `pip install 'miniagents[web]' fastapi`.
"""

import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse

from miniagents import InteractionContext, MiniAgent, MiniAgents, SystemMessage, miniagent
from miniagents.ext.default_model import default_model
from miniagents.ext.eliza import eliza_agent
from miniagents.ext.web import FrameLog, Runs, SQLiteFrames, chat_routes

PAGE = Path(__file__).with_name("web_chat.html")
INSTRUCTIONS = SystemMessage("You are a friendly listener. Answer in two or three sentences.")


@miniagent(alias="CHAT")
async def chat_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Answers a conversation; the instructions stay on the server, and a page cannot send others."""
    ctx.reply(model.inquire([INSTRUCTIONS, ctx.messages]))


def user_of(request: Request) -> str:
    """Who asks: only they read and stop their answers. An app with a login returns the user's id."""
    return request.cookies.get("user", "")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Have one context for all requests; answers that are under way at the end have five seconds."""
    async with MiniAgents(app_wide=True, drain_timeout=5):
        yield


def chat_app(model: MiniAgent, frames: FrameLog) -> FastAPI:
    """Make the app: the page, and the routes that begin, tell and stop an answer.

    Args:
        model: that answers.
        frames: what keeps the answers while they come, and some minutes longer.
    """
    app = FastAPI(lifespan=lifespan)
    routes = chat_routes(chat_agent.bind(model=model), runs=Runs(frames), prefix="/chat", owner=user_of)
    app.router.routes.extend(routes)

    @app.get("/")
    async def page(request: Request) -> FileResponse:
        response = FileResponse(PAGE, headers={"cache-control": "no-store"})
        if not user_of(request):
            response.set_cookie("user", secrets.token_urlsafe(), httponly=True, samesite="strict")
        return response

    return app


def create_app() -> FastAPI:
    """Make the app with the model whose key is set, or with Eliza."""
    return chat_app(default_model(otherwise=eliza_agent.fork(delay=0.2)), SQLiteFrames("web_chat_frames.db"))


if __name__ == "__main__":
    uvicorn.run(create_app(), port=int(sys.argv[1]) if sys.argv[1:] else 8000)
