"""`POST /runs/{id}/say`: what a client says to an agent while it works."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import httpx2
import pytest
from typing_extensions import override

from miniagents import AssistantMessage, MiniAgent, MiniAgents, ToolCall, miniagent, tool
from miniagents.agents import InteractionContext
from miniagents.ext.journal import Event, Journal, JournalError, Lease, MemoryJournal
from miniagents.ext.web import RequestError, Runs
from miniagents.ext.web._frames import frame_from_data
from miniagents.ext.web._vercel import VercelEncoder
from miniagents.ext.web._vercel_messages import read_vercel_request
from miniagents.messages import Message
from miniagents.runs import Json, RunLog
from miniagents.testing import ScriptedModel, scripted_model
from miniagents.types import InputMessage
from tests.ext.web.test_routes import begin, client_of, events
from tests.support.vercel_chat import vercel_chat
from tests.support.web_agents import chatting

CALL = AssistantMessage(parts=["Let me look.", ToolCall("1", "look")])


class Look:
    """A model with a tool that waits until the test lets it go."""

    def __init__(self, *answers: str) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.model = ScriptedModel(CALL, *answers)

    def agent(self) -> MiniAgent[Message, Message]:
        """The agent, which takes what is said while it works."""

        @tool
        async def look() -> str:
            """Look."""
            self.begun.set()
            await self.go.wait()
            return "Paris is in France."

        return self.model.agent.with_tools(look).interactive().described(alias="GUIDE")


def told(stream: str) -> list[tuple[str, str]]:
    """The messages of a stream of events: who says them, and their text."""
    messages: list[tuple[str, str]] = []
    for each in events(stream):
        if each["type"] == "message_began":
            messages.append((each.get("when", each["role"]), ""))
        elif each["type"] == "part" and isinstance(each["part"], str):
            messages[-1] = messages[-1][0], messages[-1][1] + each["part"]
    return messages


async def say(client: httpx2.AsyncClient, run: str, **body: object) -> tuple[int, object]:
    """Say something; the status, and the id or the code of the error."""
    answer = await client.post(f"/chat/runs/{run}/say", json=body)
    data: Mapping[str, Mapping[str, object]] = answer.json()
    return answer.status_code, data["error"]["code"] if "error" in data else data["id"]


async def test_a_steer_comes_into_the_run() -> None:
    """What is said is a message of the user among the frames, with its `when` and `id`, and counts once."""
    look = Look("In Texas.")
    async with client_of(look.agent()) as client:
        run = await begin(client, text="Where is Paris?")
        await look.begun.wait()
        for _ in range(2):
            assert (202, "m7") == await say(client, run, text="Paris, Texas!", when="steer", id="m7")
        look.go.set()
        stream = (await client.get(f"/chat/runs/{run}")).text
        wanted = [
            ("assistant", "Let me look."),
            ("tool", ""),
            ("steer", "Paris, Texas!"),
            ("assistant", "In Texas."),
        ]
        assert wanted == told(stream)
        (said,) = [each for each in events(stream) if each.get("when")]
        assert ("user", "steer", "m7") == (said["role"], said["when"], said["id"])
        assert (409, "run_over") == await say(client, run, text="Thanks", when="queue")


async def test_an_interrupt_and_a_queue() -> None:
    """An interrupt ends the answer and its tool; what is queued is answered after it."""
    look = Look("Hm?", "Bye.")
    async with client_of(look.agent()) as client:
        run = await begin(client, text="Where is Paris?")
        await look.begun.wait()
        assert 202 == (await say(client, run, text="And Rome?", when="queue"))[0]
        assert 202 == (await say(client, run, text="Stop!", when="interrupt"))[0]
        stream = told((await client.get(f"/chat/runs/{run}")).text)
        wanted = [("interrupt", "Stop!"), ("assistant", "Hm?"), ("queue", "And Rome?"), ("assistant", "Bye.")]
        assert wanted == stream[2:]


@pytest.mark.parametrize(
    ("status", "code", "body"),
    [
        (400, "invalid_request", {"when": "steer"}),
        (400, "invalid_request", {"text": " "}),
        (400, "invalid_request", {"text": "a", "when": "later"}),
        (400, "invalid_request", {"text": "a", "id": ""}),
        (409, "not_interactive", {"text": "a"}),
    ],
)
async def test_what_is_refused(status: int, code: str, body: dict[str, object]) -> None:
    """A body without a text, another way to say it, and agents that do not listen are refused."""
    gone = asyncio.Event()

    @miniagent
    async def deaf(ctx: InteractionContext) -> None:
        await gone.wait()

    async with client_of(deaf) as client:
        run = await begin(client)
        assert (status, code) == await say(client, run, **body)
        assert (404, "no_such_run") == await say(client, "other", text="a")
        gone.set()


async def said_by_another(look: Look, journal: MemoryJournal) -> tuple[Runs, str]:
    """A server with a run that has begun, and to which another server has said something."""
    here = Runs(journal, agents={"guide": look.agent()})
    there = Runs(journal, agents={"guide": look.agent()})
    run = await here.begin("guide", "Where is Paris?")
    await look.begun.wait()
    await there.say(run, InputMessage("Paris, Texas!", input_id="m7"))
    return here, run


async def test_another_process_says_it() -> None:
    """Through the store, a server says something to a run of another server; the run then goes on with it."""
    look, journal = Look("In Texas."), MemoryJournal()
    async with MiniAgents(app_wide=True):
        here, run = await said_by_another(look, journal)
        look.go.set()
        said = [frame async for _, frame in here.frames(run) if getattr(frame, "when", None)]
    assert ["m7"] == [getattr(each, "id", None) for each in said]


class Late(MemoryJournal):
    """A store whose writer gets what is sent to it when the test lets it."""

    @override
    def listen(self, lease: Lease, on_sent: Callable[[str, Json], None], /) -> None:
        self.go = partial(super().listen, lease, on_sent)


async def test_two_servers_say_it() -> None:
    """Of two texts that two servers say under one id, the one that was recorded first is heard."""
    look, journal = Look("In Texas."), Late()
    async with MiniAgents(app_wide=True):
        here, run = await said_by_another(look, journal)
        await here.say(run, InputMessage("Paris, Maine!", input_id="m7"))
        journal.go()
        look.go.set()
        frames = [frame.as_data() async for _, frame in here.frames(run)]
    (at,) = [each["message"] for each in frames if each.get("when")]
    assert ["Paris, Texas!"] == [each["part"] for each in frames if "part" in each and each["message"] == at]


class Held(MemoryJournal):
    """A store that has sent something, and ends a run, when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.ends = asyncio.Event(), asyncio.Event()

    @override
    async def send(self, run: str, key: str, data: Json, /) -> None:
        await super().send(run, key, data)
        if self.ends.is_set():
            return
        await self.go.wait()

    @override
    async def end(
        self, lease: Lease, events: Sequence[Event], /, *, how: str, keep: float | None = None
    ) -> None:
        self.ends.set()
        await self.go.wait()
        await super().end(lease, events, how=how, keep=keep)


class Deleting(MemoryJournal):
    """A store from which a run is deleted when something was sent to it."""

    @override
    async def send(self, run: str, key: str, data: Json, /) -> None:
        await super().send(run, key, data)
        await self.delete(run)


async def test_said_to_a_run_that_is_deleted() -> None:
    """A run of another server that is deleted just then cannot hear what is said: `say` refuses it."""
    look, journal = Look("In Texas."), Deleting()
    async with MiniAgents(app_wide=True):
        here = Runs(journal, agents={"guide": look.agent()})
        run = await here.begin("guide", "Where is Paris?")
        with pytest.raises(RequestError, match="does not exist"):
            await Runs(journal, agents={"guide": look.agent()}).say(run, InputMessage("Paris, Texas!"))
        look.go.set()


async def test_said_and_answered_before_that_is_known() -> None:
    """What a run has taken is not refused, also if it has ended before the store says that this is kept."""
    look, journal = Look("In Texas."), Held()
    async with MiniAgents(app_wide=True):
        runs = Runs(journal, agents={"guide": look.agent()})
        run = await runs.begin("guide", "Where is Paris?")
        await look.begun.wait()
        saying = asyncio.create_task(runs.say(run, InputMessage("Paris, Texas!", input_id="m7")))
        await asyncio.sleep(0)
        look.go.set()
        await journal.ends.wait()
        journal.go.set()
        said = [frame async for _, frame in runs.frames(run) if getattr(frame, "when", None)]
        await saying
        await runs.say(run, InputMessage("Paris, Texas!", input_id="m7"))
    assert ["m7"] == [getattr(each, "id", None) for each in said]


async def test_said_when_all_is_answered() -> None:
    """`say` of another server refuses what it is told while the run writes that it has ended."""
    look, journal = Look("In France."), Held()
    async with MiniAgents(app_wide=True):
        here = Runs(journal, agents={"guide": look.agent()})
        there = Runs(journal, agents={"guide": look.agent()})
        run = await here.begin("guide", "Where is Paris?")
        look.go.set()
        await journal.ends.wait()
        saying = asyncio.create_task(there.say(run, InputMessage("Paris, Texas!", input_id="m7")))
        await asyncio.sleep(0.01)
        journal.go.set()
        with pytest.raises(RequestError) as refused:
            await saying
    assert "run_over" == refused.value.code


async def test_said_in_any_turn() -> None:
    """In whatever turn of the event loop something is said to a run: what is heard is answered."""
    journal, turn, lost = MemoryJournal(), 0, list[int]()
    async with MiniAgents(app_wide=True):
        runs = Runs(journal, agents={"guide": scripted_model(then="Hm?").interactive()})
        went_on = True
        while went_on:
            turn, run = turn + 1, await runs.begin("guide", "Where is Paris?")
            for _ in range(turn):
                await asyncio.sleep(0)
            try:
                await journal.send(run, *RunLog.saying(InputMessage("Paris, Texas!", input_id="m7")))
            except JournalError:
                went_on = False
            said = [getattr(frame, "id", None) async for _, frame in runs.frames(run)]
            if ("m7" in RunLog.heard((await journal.read(run)).events)) is not ("m7" in said):
                lost.append(turn)
    assert [] == lost


async def test_without_an_id() -> None:
    """Two equal messages without ids are two, each with an id of its own."""
    look, journal = Look("Hm?", "Hm!"), MemoryJournal()
    async with MiniAgents(app_wide=True):
        runs = Runs(journal, agents={"guide": look.agent()})
        run = await runs.begin("guide", "Where is Paris?")
        await look.begun.wait()
        for _ in range(2):
            await runs.say(run, InputMessage("Well?"))
        look.go.set()
        frames = [frame async for _, frame in runs.frames(run)]
    said = [getattr(each, "id", None) for each in frames if getattr(each, "when", None)]
    assert (2, 2, True) == (len(said), len({*said}), all(said))


async def test_a_run_goes_on_with_what_was_said() -> None:
    """A server that takes over an interactive run tells the same frames, and goes on with the dialog."""
    first, second, journal = Look("unused"), Look(), MemoryJournal()
    second.model = ScriptedModel("In Texas.")  # its first answer is in the journal
    async with MiniAgents(app_wide=True, drain_timeout=0):
        here = Runs(journal, agents={"guide": first.agent()})
        run = await here.begin("guide", "Where is Paris?")
        await first.begun.wait()
        await here.say(run, InputMessage("Paris, Texas!", input_id="m7"))
    async with MiniAgents(app_wide=True):
        there = Runs(journal, agents={"guide": second.agent()})
        second.go.set()
        frames = [frame.as_data() async for _, frame in there.frames(run)]
    assert ["m7"] == [each["id"] for each in frames if each.get("when")]
    assert "In Texas." in "".join(text for each in frames if isinstance(text := each.get("part"), str))


@pytest.mark.logs("had not ended drain_timeout")
async def test_said_while_no_server_runs(tmp_path: Path) -> None:
    """What is said to a run while no server runs is taken in its order, whatever its ids are."""
    first, second, ids = Look("unused"), Look(), ["c", "a", "d", "b"]
    second.model = ScriptedModel(*map(str, range(5)))
    async with Journal(tmp_path / "runs.journal") as journal:
        async with MiniAgents(app_wide=True, drain_timeout=0):
            here = Runs(journal, agents={"guide": first.agent()})
            run = await here.begin("guide", "Where is Paris?")
            await first.begun.wait()
        for each in ids:
            await journal.send(run, *RunLog.saying(InputMessage(each, when="queue", input_id=each)))
        async with MiniAgents(app_wide=True):
            there = Runs(journal, agents={"guide": second.agent()})
            second.go.set()
            frames = [frame.as_data() async for _, frame in there.frames(run)]
    assert ids == [each["id"] for each in frames if each.get("when")]


def test_vercel() -> None:
    """A client of the AI SDK gets a `steering-message` before the step that has it, and sends it back."""
    encoder = VercelEncoder("msg-1")
    data: list[dict[str, object]] = [
        {"type": "message_began", "message": 0, "role": "assistant"},
        {"type": "part", "message": 0, "part": "Hi"},
        {"type": "message_ended", "message": 0},
        {"type": "message_began", "message": 1, "role": "user", "when": "steer", "id": "m7"},
        {"type": "part", "message": 1, "part": "Texas!"},
        {"type": "message_ended", "message": 1},
        {"type": "message_began", "message": 2, "role": "assistant"},
    ]
    stream = b"".join(encoder.encode(at, frame_from_data(each)) for at, each in enumerate(data))
    kinds = [each["type"] for each in events(stream.decode())]
    assert ["text-end", "finish-step", "steering-message", "start-step"] == kinds[-4:]
    (part,) = [each for each in events(stream.decode()) if each["type"] == "steering-message"]
    assert {"type": "steering-message", "id": "m7", "parts": [{"type": "text", "text": "Texas!"}]} == part
    parts = [{"type": "step-start"}, {"type": "text", "text": "Hi"}, part, {"type": "step-start"}]
    body = {
        "id": "c",
        "messages": [{"role": "assistant", "parts": [*parts, {"type": "text", "text": "Yes."}]}],
    }
    assert ["assistant", "user", "assistant"] == [each.role for each in read_vercel_request(body).messages]


async def test_vercel_route() -> None:
    """`POST /vercel/{chat}/say` says something to the answer of a chat, if there is one."""
    look = Look("In Texas.")
    asked = {"id": "c/1", "messages": [{"role": "user", "parts": [{"type": "text", "text": "Where?"}]}]}
    async with chatting(look.agent()) as url, httpx2.AsyncClient() as http:
        where = f"{url}/vercel/c%2F1/say"
        answering = asyncio.create_task(http.post(f"{url}/vercel", json=asked))
        await look.begun.wait()
        for _ in range(2):
            said = await http.post(where, json={"text": "Texas!", "id": "m7"})
            assert (202, {"id": "m7"}) == (said.status_code, said.json())
        refused = await http.post(where, json={"text": "Sorry", "when": "rollback"})
        assert (400, '"when" must be one of: steer, queue, interrupt.') == (refused.status_code, refused.text)
        look.go.set()
        stream = (await answering).text.removesuffix("data: [DONE]\n\n")
        steers = [each for each in events(stream) if each["type"] == "steering-message"]
        late = await http.post(where, json={"text": "Thanks"})
    assert ["m7"] == [each["id"] for each in steers]
    assert (404, "Nothing is being answered in this chat.") == (late.status_code, late.text)


@pytest.mark.gate("installs the package of the client, and starts node")
@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("steer", ["Let me look.", "steer me", "One.", "Then?", "Two."]),
        ("queue", ["Let me look.", "One.", "Then?", "Two.", "steer me", "Three."]),
        ("interrupt", ["Let me look.", "steer me", "One.", "Then?", "Two."]),
    ],
)
async def test_the_real_client(when: str, wanted: list[str]) -> None:
    """The chat of the AI SDK shows what was said in its place, on a second page too, and sends it back."""
    look = Look("One.", "Two.", "Three.")
    async with chatting(look.agent()) as url, vercel_chat() as chat, vercel_chat() as other:
        await chat.open(api=f"{url}/vercel", id="chat-1")
        await chat.send("Where is Paris?")
        first = await chat.until("Let me look.")
        await look.begun.wait()
        await other.open(api=f"{url}/vercel", id="chat-1", messages=first.messages[:1])
        await other.do("resume")
        await other.until("Let me look.")
        for body in ({"text": "Then?", "when": "queue"}, {"text": "steer me", "when": when, "id": "m7"}):
            told = await chat.do("fetch", url=f"{url}/vercel/chat-1/say", method="POST", body=body)
            assert 202 == told.http
        look.go.set()
        shown, elsewhere = await chat.wait(), await other.wait()
        assert ("ready", None, wanted) == (shown.status, shown.error, texts(shown.parts))
        assert shown.parts == elsewhere.parts
        await chat.send("Bye")
        await chat.wait()
        asked = [str(each) for each in look.model.requests[-1].messages if each.role != "tool"]
        assert ["Where is Paris?", *wanted, "Bye"] == asked


def texts(parts: list[dict[str, object]]) -> list[object]:
    """The texts of a message of the SDK, with those of the user."""
    found: list[object] = []
    for part in parts:
        said = part["parts"] if part["type"] == "steering-message" else [part]
        found += [each["text"] for each in said if each["type"] == "text"]  # type: ignore[attr-defined]
    return found
