"""A web chat on FastAPI: a user can stop an answer, or close the page, come back and read the rest.

    python examples/web_chat.py              # then open http://127.0.0.1:8000
    uvicorn --factory web_chat:create_app    # or with any server

The page is `web_chat.html`, a hundred lines without a library. If the server is killed, answers continue
when you start it again: what runs do is in a journal in the current folder.
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
from miniagents.ext.journal import Journal
from miniagents.ext.web import Runs, chat_routes, end_on_signals

PAGE = Path(__file__).with_name("web_chat.html")
INSTRUCTIONS = SystemMessage("You are a friendly listener. Answer in two or three sentences.")


@miniagent(alias="CHAT")
async def chat_agent(ctx: InteractionContext, model: MiniAgent) -> None:
    """Answers a conversation; the instructions stay on the server, and a page cannot send others."""
    ctx.reply(model.inquire([INSTRUCTIONS, ctx.messages]))


def user_of(request: Request) -> str:
    """Return the user of a request: only they can read and stop their answers. Use your own login here."""
    return request.cookies.get("user", "")


def chat_app(model: MiniAgent, folder: Path) -> FastAPI:
    """Make the app: the page, and the routes that start, stream and stop an answer.

    Args:
        model: answers the questions.
        folder: for the journal, which several servers can use at the same time.
    """
    journal = Journal(folder / "web_chat.journal")
    runs = Runs(journal, version="1")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        with journal:
            async with MiniAgents(app_wide=True, drain_timeout=5):  # at the end, answers have five seconds
                end_on_signals()
                await runs.open()  # continues the answers that were interrupted
                yield

    app = FastAPI(lifespan=lifespan)
    app.router.routes.extend(
        chat_routes(chat_agent.bind(model=model), runs=runs, prefix="/chat", owner=user_of)
    )

    @app.get("/")
    async def page(request: Request) -> FileResponse:
        response = FileResponse(PAGE, headers={"cache-control": "no-store"})
        if not user_of(request):
            response.set_cookie("user", secrets.token_urlsafe(), httponly=True, samesite="strict")
        return response

    return app


def create_app() -> FastAPI:
    """Make the app with the model whose key is set, or with Eliza."""
    return chat_app(default_model(otherwise=eliza_agent.fork(delay=0.2)), Path())


if __name__ == "__main__":
    uvicorn.run(create_app(), port=int(sys.argv[1]) if sys.argv[1:] else 8000)
