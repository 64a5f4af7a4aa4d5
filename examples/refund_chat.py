"""A support chat on the web: a refund waits until a colleague allows it, days later and in another process.

Each process below serves the same app on the same journal, as your server does before and after a deploy.
"""

import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from miniagents import AssistantMessage, MiniAgents, ToolCall, ToolMessage, tool
from miniagents.ext.journal import Journal, Question
from miniagents.ext.web import Runs, chat_routes
from miniagents.messages import Messages
from miniagents.testing import scripted_model
from miniagents.tools import approval


@tool(effects="write")
async def refund(order: int, cents: int) -> str:
    """Give a customer money back."""
    return f"{cents} cents are paid back for order {order}"


def reply(seen: Messages) -> AssistantMessage | str:
    """Answer as a model would."""
    if isinstance(seen[-1], ToolMessage):
        return f"Done: {seen[-1]}."
    call = ToolCall("1", "refund", '{"order": 4711, "cents": 9900}')
    return AssistantMessage(parts=["I ask a colleague. ", call])


model = scripted_model(then=reply, alias="MODEL")  # or openai_agent.fork(model="...")
support = model.with_tools(refund, approve=approval()).bind()


def user(request: Request) -> str:
    """Return who sends a request; use your own login here."""
    return request.headers.get("user", "")


def may_answer(request: Request, question: Question) -> bool:
    """Return whether a request may allow a call: no customer may."""
    return user(request) == "colleague" and question.shown.get("tool") == "refund"


def chat_app(file: Path) -> Starlette:
    """Make the app.

    Args:
        file: keeps the runs.
    """
    journal = Journal(file)
    runs = Runs(journal)

    async def questions(request: Request) -> JSONResponse:
        """All that waits for a colleague, for a page of theirs."""
        found = [each for each in await runs.questions(owner=None) if may_answer(request, each)]
        return JSONResponse([[each.run, each.id, each.digest, each.shown["arguments"]] for each in found])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        with journal:
            async with MiniAgents(app_wide=True):
                await runs.open()
                yield

    routes = chat_routes({"support": support}, runs=runs, owner=user, may_answer=may_answer)
    return Starlette(routes=[Route("/questions", questions), *routes], lifespan=lifespan)


def monday(client: TestClient) -> None:
    """A customer asks, and leaves."""
    asked = {"text": "My lamp arrived broken!"}
    client.post("/runs", json=asked, headers={"user": "ada"})
    while not client.get("/questions", headers={"user": "colleague"}).json():
        time.sleep(0.01)
    print("Open for ada:", client.get("/questions", headers={"user": "ada"}).json())


def wednesday(client: TestClient) -> None:
    """A colleague allows less, and the customer reads on."""
    ((run, question, digest, arguments),) = client.get("/questions", headers={"user": "colleague"}).json()
    print("Open for a colleague:", arguments)
    answer = {"digest": digest, "allow": True, "arguments": {**arguments, "cents": 5000}}
    where = f"/runs/{run}/questions/{question}"
    print("ada:", client.post(where, json=answer, headers={"user": "ada"}).json()["error"]["code"])
    print("colleague:", client.post(where, json=answer, headers={"user": "colleague"}).status_code)
    print(client.get(f"/runs/{run}", headers={"user": "ada", "accept": "text/plain"}).text)


if __name__ == "__main__":
    if sys.argv[1:]:
        with TestClient(chat_app(Path(sys.argv[2]))) as served:
            {"monday": monday, "wednesday": wednesday}[sys.argv[1]](served)
    else:
        with TemporaryDirectory() as folder:
            for day in ("monday", "wednesday"):
                print(f"On {day}:", flush=True)
                subprocess.run([sys.executable, __file__, day, f"{folder}/runs.journal"], check=True)  # noqa: S603
