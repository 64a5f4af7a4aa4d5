"""The routes for the Vercel AI SDK, over a socket, and with its real chat in node.

Crosses modules: routes, encoders, sources and journals.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path

import httpx2
import pytest

from miniagents import AssistantMessage, InteractionContext, ToolCall, miniagent
from miniagents.ext.journal import MemoryJournal
from miniagents.ext.web import Runs
from miniagents.testing import ScriptedModel
from tests.support.forked import start_program
from tests.support.mcp_servers import ROOT
from tests.support.vercel_chat import AI_6, AI_VERSION, Shown, VercelChat, vercel_chat
from tests.support.web_agents import SECRET, Gate, chatting, failing, forecaster, payer, poet


def body(text: str, chat: str = "chat-1") -> dict[str, object]:
    said = {"id": "u", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": chat, "messages": [said], "trigger": "submit-message", "theme": "dark"}


class TestRoutes:
    async def test_stream(self) -> None:
        """An answer is a stream of theirs, with their headers."""
        async with chatting(poet) as url, httpx2.AsyncClient() as http:
            told = await http.post(f"{url}/vercel", json=body("Hi"))
        assert (200, "v1") == (told.status_code, told.headers["x-vercel-ai-ui-message-stream"])
        assert "text/event-stream" == told.headers["content-type"].partition(";")[0]
        assert told.text.endswith("data: [DONE]\n\n")

    async def test_nothing_to_come_back_to(self) -> None:
        """There is nothing to come back to in a chat that is not known, or whose answer has ended."""
        async with chatting(poet) as url, httpx2.AsyncClient() as http:
            assert 204 == (await http.get(f"{url}/vercel/chat-1/stream")).status_code
            await http.post(f"{url}/vercel", json=body("Hi"))
            assert 204 == (await http.get(f"{url}/vercel/chat-1/stream")).status_code
            stopped = await http.post(f"{url}/vercel/chat-1/stop")
        assert {"success": True, "stopped": False} == stopped.json()

    async def test_ids_with_slashes(self) -> None:
        """An id of a chat may have any characters."""
        gate = Gate()
        async with chatting(gate.agent()) as url, httpx2.AsyncClient() as http:
            asked = asyncio.create_task(http.post(f"{url}/vercel", json=body("Hi", "a/../ü?")))
            await gate.begun.wait()
            stopped = await http.post(f"{url}/vercel/a%2F..%2F%C3%BC%3F/stop")
            assert {"success": True, "stopped": True} == stopped.json()
            assert '"type":"abort"' in (await asked).text

    async def test_a_new_question_stops_the_answer_before(self) -> None:
        """A chat answers one question at a time."""
        gate = Gate()
        async with chatting(gate.agent()) as url, httpx2.AsyncClient() as http:
            first = asyncio.create_task(http.post(f"{url}/vercel", json=body("Hi")))
            await gate.begun.wait()
            second = asyncio.create_task(http.post(f"{url}/vercel", json=body("Hi again")))
            assert '"type":"abort"' in (await first).text
            gate.go.set()
            assert "done." in (await second).text

    async def test_questions_at_the_same_time(self) -> None:
        """Of questions that come to a chat at the same time, one is answered, and the others are stopped."""
        gate = Gate()
        async with chatting(gate.agent()) as url, httpx2.AsyncClient() as http:
            asked = [asyncio.create_task(http.post(f"{url}/vercel", json=body("Hi"))) for _ in range(4)]
            told = iter(asyncio.as_completed(asked))
            stopped = [(await each).text for each in islice(told, 3)]
            gate.go.set()
            answered = (await next(told)).text
        assert all('"type":"abort"' in each for each in stopped)
        assert "done." in answered

    @pytest.mark.parametrize("parks", [False, True])
    async def test_approvals(self, parks: bool) -> None:
        """A response ends where calls need approval; the answers go on with the run, also a parked one."""
        runs = Runs(MemoryJournal()) if parks else Runs()
        paid: list[int] = []

        async def told(
            responded: dict[str, object] | None = None, done: str = "c0"
        ) -> list[dict[str, object]]:
            asked = body("Pay.")
            if responded is not None:
                past = {"type": "tool-pay", "toolCallId": done, "state": "output-denied"}
                given = {"id": "a", "role": "assistant", "parts": [past, responded]}
                asked["messages"] = [*asked["messages"], given]  # type: ignore[misc]
            response = await http.post(f"{url}/vercel", json=asked)
            lines = response.text.splitlines()
            return [json.loads(line[6:]) for line in lines if line.startswith("data: {")] or [
                {"error": response.text}
            ]

        def answer(approval: object, **how: object) -> dict[str, object]:
            call: dict[str, object] = {"type": "tool-pay", "toolCallId": "c", "input": {}}
            return {**call, "state": "approval-responded", "approval": {"id": approval, **how}}

        async with chatting(payer(paid), runs=runs) as url, httpx2.AsyncClient() as http:
            first = await told()
            asked = {each["toolCallId"]: each["approvalId"] for each in first if "approvalId" in each}
            assert ({"c100", "c5"}, "finish") == ({*asked}, first[-1]["type"])
            unknown = await told(answer("nothing", approved=True))
            assert [{"error": "the run has no question 'nothing'."}] == [
                {"error": re.sub("the run '[^']+'", "the run", str(each["error"]))} for each in unknown
            ]
            second = await told(answer(asked["c100"], approved=False, reason="No."))
            assert ["start", "tool-output-denied", "finish-step", "finish"] == [
                each["type"] for each in second
            ]
            last = await told(answer(asked["c5"], approved=True), done="c100")
        assert [5] == paid
        assert ["start", "tool-output-available", "finish-step", "start-step"] == [
            each["type"] for each in last[:4]
        ]
        assert "105; No.; 5 for tip" == "".join(str(each.get("delta", "")) for each in last)

    @pytest.mark.parametrize(
        "wrong", [{}, {"id": "c"}, {"id": "c", "messages": []}, {"id": 7, "messages": [1]}]
    )
    async def test_refusals(self, wrong: dict[str, object]) -> None:
        """What cannot be read is refused with a sentence alone, which their client shows as it is."""
        async with chatting(poet) as url, httpx2.AsyncClient() as http:
            told = await http.post(f"{url}/vercel", json=wrong)
        assert (400, "text/plain") == (told.status_code, told.headers["content-type"].partition(";")[0])
        assert told.text.endswith(".")
        assert "\n" not in told.text


def states(shown: Shown) -> dict[str, str]:
    """The states of the calls in the last message."""
    return {str(part["toolCallId"]): str(part["state"]) for part in shown.parts if "toolCallId" in part}


def approval_of(shown: Shown, call: str) -> str:
    """The id of the approval that a call needs."""
    (part,) = [part for part in shown.parts if part.get("toolCallId") == call]
    approval: dict[str, str] = part["approval"]  # type: ignore[assignment]
    return approval["id"]


async def eventually(chat: VercelChat) -> dict[str, str]:
    """The question that is shown, when there is one."""
    for _ in range(500):
        for part in (await chat.do("look")).data:
            if part["type"] == "data-question":
                asked: dict[str, str] = part["data"]  # type: ignore[assignment]
                return asked
        await asyncio.sleep(0.02)
    raise AssertionError("no question is shown")


PROGRAM = """
import asyncio, sys
from miniagents.ext.journal import Journal
from miniagents.ext.web import Runs
from tests.support.web_agents import Gate, chatting

async def main():
    journal, version, goes_on = sys.argv[1:]
    gate = Gate()
    if goes_on:  # when the client is there
        asyncio.get_running_loop().call_later(1, gate.go.set)
    runs = Runs(Journal(journal, lease=0.1), version=version)
    async with chatting(gate.agent(), runs=runs) as url:
        print(url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def gate_served(
    folder: Path, *, version: str = "1", goes_on: str = ""
) -> AsyncGenerator[tuple[str, asyncio.subprocess.Process]]:
    """The address of an agent that ends if it is let go, in a process of its own, and the process."""
    server = await start_program(
        *(sys.executable, "-c", PROGRAM, str(folder / "runs.journal"), version, goes_on),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert server.stdout is not None
        yield (await server.stdout.readline()).decode().strip(), server
    finally:
        if server.returncode is None:
            with suppress(ProcessLookupError):
                server.kill()
        await server.wait()


@pytest.mark.gate("installs the package of the client, and starts node")
class TestRealClient:
    async def test_text_and_reasoning(self) -> None:
        """A conversation of two turns: their client shows it, and sends it back as it was."""
        async with chatting(poet) as url, vercel_chat() as chat:
            await chat.open(api=f"{url}/vercel", id="chat-1")
            await chat.send("Far north")
            shown = await chat.wait()
            assert ("ready", "Far north ") == (shown.status, shown.text)
            assert ["reasoning", "text"] == [part["type"] for part in shown.parts]
            assert ["done", "done"] == [part["state"] for part in shown.parts]
            await chat.send("again")
            again = await chat.wait()
        assert ["user", "assistant", "user", "assistant"] == [each["role"] for each in again.messages]
        assert "Far north Far north again " == again.text
        assert 4 == len({each["id"] for each in again.messages})

    async def test_tools(self) -> None:
        """A call of the server's own tool is shown with its arguments and its result."""
        async with chatting(forecaster()) as url, vercel_chat() as chat:
            await chat.open(api=f"{url}/vercel", id="chat-1")
            await chat.send("Oslo?")
            shown = await chat.wait()
        (call,) = [part for part in shown.parts if part["type"] == "tool-weather"]
        assert ("output-available", {"city": "Oslo"}) == (call["state"], call["input"])
        assert {"city": "Oslo", "degrees": 12} == call["output"]
        assert "Let me look.It is 12 °C." == shown.text

    @pytest.mark.parametrize("version", [AI_6, AI_VERSION])
    async def test_approvals(self, version: str) -> None:
        """An answer ends where calls need approval; its client answers, and gets the rest of the same run."""
        paid: list[int] = []
        async with (
            chatting(payer(paid)) as url,
            vercel_chat(version) as first,
            vercel_chat(version) as chat,
            httpx2.AsyncClient() as http,
        ):
            await first.open(api=f"{url}/vercel", id="chat-1")
            await first.send("Pay.")
            shown = await first.wait()
            assert ("ready", "Let me pay.") == (shown.status, shown.text)
            assert states(shown) == {
                "c0": "output-available",
                "c100": "approval-requested",
                "c5": "approval-requested",
            }
            # The page is opened again.
            await chat.open(api=f"{url}/vercel", id="chat-1", messages=shown.messages[:1])
            await chat.do("resume")
            again = await chat.wait()
            assert shown.messages == again.messages
            await chat.do("approve", id=approval_of(again, "c5"), approved=False, reason="Too little.")
            waiting = await chat.do("approve", id=approval_of(again, "c100"), approved=True)
            assert "approval-responded" == states(waiting)["c5"]
            asked = await eventually(chat)
            answer = {"digest": asked["digest"], "value": "books"}
            told = await http.post(f"{url}/vercel/chat-1/questions/{asked['question']}", json=answer)
            assert 204 == told.status_code
            shown = await chat.do("settle")
            assert ("ready", "Let me pay.105; 100 for books; Too little.") == (shown.status, shown.text)
            assert states(shown) == {
                "c0": "output-available",
                "c100": "output-available",
                "c5": "output-denied",
            }
            assert ["user", "assistant"] == [each["role"] for each in shown.messages]
            assert again.messages[1]["id"] == shown.messages[1]["id"]
            # What is answered in another way, or not by this run, is refused.
            await first.do("approve", id=approval_of(again, "c5"), approved=True)
            await first.do("approve", id=approval_of(again, "c100"), approved=True)
            late = await first.do("settle")
            assert ("error", "this question was answered already, in another way.") == (
                late.status,
                late.error,
            )
        assert [100] == paid

    @pytest.mark.parametrize("version", [AI_6, AI_VERSION])
    async def test_approvals_of_an_agent_that_is_a_tool(self, version: str) -> None:
        """Its calls that need approval are shown; the answer ends there, and goes on with both."""
        paid: list[int] = []
        order = AssistantMessage(parts=["I order it.", ToolCall("o1", "buyer", '{"text": "Pay."}')])
        model = ScriptedModel(order, "Bought.", "You are welcome.")
        buyer = payer(paid, ask_why=False).described(alias="buyer", description="Buys things.")
        async with chatting(model.agent.with_tools(buyer)) as url, vercel_chat(version) as chat:
            await chat.open(api=f"{url}/vercel", id="chat-1")
            await chat.send("Buy it.")
            shown = await chat.wait()
            wanted = {"o1": "input-available", "c100": "approval-requested", "c5": "approval-requested"}
            assert ("ready", wanted) == (shown.status, states(shown))
            await chat.do("approve", id=approval_of(shown, "c5"), approved=False, reason="Too little.")
            await chat.do("approve", id=approval_of(shown, "c100"), approved=True)
            shown = await chat.do("settle")
            wanted = {"o1": "output-available", "c100": "output-available", "c5": "output-denied"}
            assert ("ready", wanted) == (shown.status, states(shown))
            assert shown.text.endswith("Bought.")
            await chat.send("Thanks!")
            await chat.wait()
        assert [100] == paid
        # Its own model sees only its own call.
        calls = [each.tool_calls for each in model.requests[2].messages if isinstance(each, AssistantMessage)]
        assert [["o1"]] == [[call.id for call in each] for each in calls if each]

    @pytest.mark.logs("A run failed")
    async def test_errors(self) -> None:
        """A run that fails is an error with a safe sentence; a refused request is one with the reason."""
        async with chatting(failing) as url, vercel_chat() as chat:
            await chat.open(api=f"{url}/vercel", id="chat-1")
            await chat.send("Hi")
            shown = await chat.wait()
            assert ("error", "Half of ") == (shown.status, shown.text)
            assert "The agent failed" in str(shown.error)
            assert SECRET not in str(shown.error)
            await chat.open(api=f"{url}/vercel", id="chat-2", body={"agent": "nobody"})
            await chat.send("Hi")
            assert '"agent" must be one of: failing.' == (await chat.wait()).error

    async def test_stop(self) -> None:
        """Stopped by its route, a run ends at once, and what had come stays."""
        gate = Gate()
        async with chatting(gate.agent()) as url, vercel_chat() as chat:
            await chat.open(api=f"{url}/vercel", id="chat-1")
            await chat.send("Hi")
            await chat.until("Begun")
            assert 200 == (await chat.do("fetch", url=f"{url}/vercel/chat-1/stop", method="POST")).http
            shown = await chat.wait()
            assert gate.left.is_set()
        assert ("ready", "Begun ") == (shown.status, shown.text)
        assert ["done"] == [part["state"] for part in shown.parts]

    async def test_leave_and_come_back(self) -> None:
        """A client that leaves does not stop the run; it, and another page, come back to the whole answer."""
        gate = Gate()
        async with chatting(gate.agent()) as url, vercel_chat() as chat, vercel_chat() as other:
            await chat.open(api=f"{url}/vercel", id="chat-1")
            await chat.send("Hi")
            first = await chat.until("Begun")
            await chat.do("leave")
            assert not gate.left.is_set()
            await chat.do("resume")
            await other.open(api=f"{url}/vercel", id="chat-1", messages=first.messages[:1])
            await other.do("resume")
            await chat.until("Begun")
            await other.until("Begun")
            gate.go.set()
            shown, elsewhere = await chat.wait(), await other.wait()
        assert ("ready", "Begun done.") == (shown.status, shown.text)
        assert ["user", "assistant"] == [each["role"] for each in shown.messages]
        assert shown.messages[-1] == elsewhere.messages[-1]
        assert first.messages[-1]["id"] == shown.messages[-1]["id"]

    async def test_a_server_that_is_killed(self, tmp_path: Path) -> None:
        """What a killed server had recorded is told by one of another version, which says what is lost."""
        async with vercel_chat() as chat:
            async with gate_served(tmp_path) as (url, server):
                await chat.open(api=f"{url}/vercel", id="chat-1")
                await chat.send("Hi")
                first = await chat.until("Begun")
                server.kill()
                cut = await chat.wait()
            async with gate_served(tmp_path, version="2") as (url, _):
                await chat.open(api=f"{url}/vercel", id="chat-1", messages=first.messages)
                await chat.do("resume")
                shown = await chat.wait()
        assert ("error", "error") == (cut.status, shown.status)
        assert "have changed" in str(shown.error)
        assert ("Begun ", 2) == (shown.text, len(shown.messages))

    async def test_a_run_that_outlives_its_server(self, tmp_path: Path) -> None:
        """The answer goes on, and their client ends with its text, without what was cut."""
        async with vercel_chat() as chat:
            async with gate_served(tmp_path) as (url, server):
                await chat.open(api=f"{url}/vercel", id="chat-1")
                await chat.send("Hi")
                first = await chat.until("Begun")
                server.kill()
                await chat.wait()
            async with gate_served(tmp_path, goes_on="yes") as (url, _):
                await chat.open(api=f"{url}/vercel", id="chat-1", messages=first.messages)
                await chat.do("resume")
                shown = await chat.wait()
        assert ("ready", "Begun done.", 2) == (shown.status, shown.text, len(shown.messages))

    async def test_tools_of_the_page(self) -> None:
        """A call that is left open is the page's to answer, and what follows goes on in its message."""

        @miniagent(alias="asking")
        async def asks(ctx: InteractionContext) -> None:
            from_page = [each async for each in ctx.message_promises]
            ctx.reply(f"{len(from_page)}")

        async with chatting(asks) as url, vercel_chat() as chat:
            part: dict[str, object] = {
                "type": "tool-look",
                "toolCallId": "c",
                "state": "input-available",
                "input": {},
            }
            said: list[object] = [
                {"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]},
                {"id": "a", "role": "assistant", "parts": [part]},
            ]
            await chat.open(api=f"{url}/vercel", id="chat-1", messages=said)
            await chat.do("output", tool="look", call="c", output={"x": 1})
            await chat.do("again")
            shown = await chat.wait()
        assert ["u", "a"] == [each["id"] for each in shown.messages]
        assert "3" == shown.text
