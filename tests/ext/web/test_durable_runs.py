"""`Runs` with a journal: runs that go on after the end of their server, in order or not.

Crosses modules: runs, what is told of them for the second time, journals.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Image,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MiniAgents,
    NoActiveContextError,
    ToolCall,
    UserMessage,
    miniagent,
    tool,
)
from miniagents.ext._journal import _runs
from miniagents.ext.journal import (
    Event,
    Journal,
    JournalError,
    Lease,
    MemoryJournal,
    RunPage,
    RunRecord,
    RunStore,
    durable,
)
from miniagents.ext.web import (
    DataPart,
    Frame,
    MessageBegan,
    MessageEnded,
    MessagePart,
    RunEnded,
    Runs,
    chat_routes,
)
from miniagents.ext.web._frames import LOST, frame_from_data, json_of
from miniagents.ext.web._live_run import Agent, AnotherWayError, Retelling
from miniagents.ext.web._protocols import SSEEncoder
from miniagents.ext.web._response import FrameResponse
from miniagents.ext.web._source import FrameView, event_of
from miniagents.models import model_agent
from miniagents.runs import Json, RunRequest
from miniagents.testing import scripted_model
from miniagents.tools import ask
from miniagents.values import Part, Restart, ToolCallDelta, Usage


async def everything(runs: Runs, run: str, *, owner: str = "") -> list[Frame]:
    """The frames of a run, up to the last one."""
    feed = await runs.read(run, owner=owner)
    assert feed is not None
    more, frames = asyncio.Event(), list[Frame]()
    feed.open(more.set)
    try:
        while not frames or not isinstance(frames[-1], RunEnded):
            more.clear()
            new = [frame for _, frame in feed.take()]
            frames += new
            if not new:
                await more.wait()
    finally:
        feed.close()
    return frames


def texts_of(frames: Sequence[Frame]) -> list[str]:
    """The messages as whoever obeys a `Restart` has them."""
    texts: dict[int, str] = {}
    for frame in frames:
        if isinstance(frame, MessagePart):
            before = "" if isinstance(frame.part, Restart) else texts.get(frame.message, "")
            texts[frame.message] = before + (frame.part if isinstance(frame.part, str) else "")
    return list(texts.values())


class Halting:
    """A model that says the first word of an answer, and the rest when it is let go."""

    def __init__(self, *answers: str) -> None:
        self.asked = 0
        self.go = asyncio.Event()
        self.waits = asyncio.Event()

        @model_agent(alias="HALTING")
        async def halting(
            ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[object, ...] = ()
        ) -> None:
            del tools
            answer = answers[self.asked]
            self.asked += 1

            async def words(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
                first, space, rest = answer.partition(" ")
                yield first
                self.waits.set()
                await self.go.wait()
                yield space + rest

            ctx.reply(AssistantMessage.promise_of_parts(words))

        self.model = halting


def runs_of(journal: RunStore, agent: Agent | None = None, **settings: object) -> Runs:
    """Runs of a server that has just been started."""
    agents = {} if agent is None else {"agent": agent}
    return Runs(journal, agents=agents, **settings)  # type: ignore[arg-type]


async def killed(
    folder: Path,
    told: Sequence[Frame] = (),
    *,
    run: str = "r",
    version: str = "1",
    restart: Literal["server", "never"] = "server",
    request: Json = None,
    keywords: Mapping[str, object] | None = None,
) -> None:
    """Leave what a server leaves that is killed."""
    asked = request or RunRequest("agent", (UserMessage("Hi"),), keywords or {}).as_data()
    events: list[Event] = [["began", 0, asked], *map(event_of, told)]
    with Journal(folder / "runs.journal") as journal:
        await journal.begin(Lease(RunRecord(run, "ada", "chat", version, restart)), events)


async def unfinished(journal: RunStore) -> list[str]:
    """The runs that have not ended."""
    return [each.run for each in await journal.find() if not each.ended]


@pytest.mark.logs("had not ended drain_timeout")
async def test_a_server_that_ends_in_order(tmp_path: Path) -> None:
    """A run that the end of its server cuts goes on with the next one, which streams the cut answer anew."""
    halting = Halting("Once more unto", "Once upon a time")
    first = scripted_model("The first.", alias="FIRST")

    @miniagent
    async def both(ctx: InteractionContext) -> None:
        ctx.reply(first.inquire(ctx.messages))
        ctx.reply(halting.model.inquire(ctx.messages))

    with Journal(tmp_path / "runs.journal") as journal:
        async with MiniAgents(app_wide=True, drain_timeout=0):
            runs = runs_of(journal, both)
            run = await runs.begin("agent", "Hi", owner="ada", topic="chat")
            await halting.waits.wait()
            early = asyncio.create_task(everything(runs, run, owner="ada"))
            await asyncio.sleep(0.1)
        early.cancel()
        async with MiniAgents(app_wide=True):
            runs = runs_of(journal, both)
            await runs.open()  # and nobody asks for it
            halting.go.set()
            frames = await everything(runs, run, owner="ada")
            assert await runs.latest("chat", owner="ada") == run
        assert ["The first.", "Once upon a time"] == texts_of(frames)
        second = [each for each in frames if isinstance(each, MessagePart) and each.message == 1]
        assert [MessagePart(1, "Once"), MessagePart(1, Restart())] == second[:2]
        assert RunEnded("finished") == frames[-1]
        assert 2 == halting.asked
        assert [] == await unfinished(journal)


@pytest.mark.loop(virtual=True)
async def test_a_server_whose_block_is_cut() -> None:
    """A run is left to the next server, and not stopped, if its server ends by Ctrl-C or an error."""
    for error in (asyncio.CancelledError(), ValueError("the app failed")):
        journal, model, run = MemoryJournal(), scripted_model(then="Hello", delay=1.0), ""
        with pytest.raises(type(error)):  # noqa: PT012 - the block is what is cut
            async with MiniAgents():
                run = await runs_of(journal, model).begin("agent", "Hi")
                await asyncio.sleep(0.5)
                raise error
        assert "left" == (await journal.find())[0].state
        async with MiniAgents():
            assert "finished" == how_it_ended(await everything(runs_of(journal, model), run))


async def test_a_server_that_was_killed(tmp_path: Path) -> None:
    """A run of a server that was killed goes on when the next one opens its `Runs`, behind what was told."""
    told: list[Frame] = [MessageBegan(0, "assistant"), MessagePart(0, "Hel"), MessagePart(0, "lp")]
    with Journal(tmp_path / "runs.journal") as journal:
        await killed(tmp_path, told)
        async with MiniAgents():
            runs = runs_of(journal, scripted_model("Hello"))
            await runs.open()
            frames = await everything(runs, "r", owner="ada")
    assert told == frames[:3]
    assert MessagePart(0, Restart()) == frames[3]
    assert ["Hello"] == texts_of(frames)
    assert RunEnded("finished") == frames[-1]


async def test_the_first_request_opens(tmp_path: Path) -> None:
    """If nobody opens the `Runs`, they go on with what was left at their first use."""
    with Journal(tmp_path / "runs.journal") as journal:
        await killed(tmp_path)
        async with MiniAgents():
            runs = runs_of(journal)
            chat_routes({"agent": scripted_model("Hello")}, runs=runs)  # which knows the agent
            assert ["Hello"] == texts_of(await everything(runs, "r", owner="ada"))


@pytest.mark.logs("had not ended drain_timeout")
async def test_tools(tmp_path: Path) -> None:
    """A tool that has ended is not called again, and the end of a message is told when its call is kept."""
    calls: list[str] = []

    @tool
    def pay(amount: int) -> str:
        calls.append(f"pay {amount}")
        return "paid"

    halting = Halting("Well then", "Very well")
    asked = AssistantMessage(parts=["I pay.", ToolCall("c1", "pay", '{"amount": 1}')])
    payer = scripted_model(asked, "It is paid.").with_tools(pay)

    @miniagent
    async def both(ctx: InteractionContext) -> None:
        ctx.reply(payer.inquire(ctx.messages))
        ctx.reply(halting.model.inquire(ctx.messages))

    with Journal(tmp_path / "runs.journal") as journal:
        async with MiniAgents(app_wide=True, drain_timeout=0.001):
            runs = runs_of(journal, both)
            run = await runs.begin("agent", "Hi")
            await halting.waits.wait()
            while 3 > sum(each[0] == "kept" for each in (await journal.read(run)).events):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        kept = {str(event[3]) for event in (await journal.read(run)).events if event[0] == "kept"}
        assert {"SCRIPTED_MODEL", "pay"} == kept
        async with MiniAgents(app_wide=True):
            runs = runs_of(journal, both)
            await runs.open()
            halting.go.set()
            frames = await everything(runs, run)
    assert ["pay 1"] == calls
    assert ["I pay.", "", "It is paid.", "Very well"] == texts_of(frames)
    assert 1 == sum(isinstance(each, MessagePart) and isinstance(each.part, Restart) for each in frames)
    assert 4 == sum(isinstance(each, MessageEnded) for each in frames)


@pytest.mark.logs("A run is lost")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(
            {"version": "2"}, "The agents have changed", marks=pytest.mark.gate("half a second of real time")
        ),
        ({"agents": {"other": scripted_model()}}, "The agent of this answer does not exist any more"),
        ({"max_attempts": 1}, "The server ended once during this answer"),
    ],
)
async def test_what_cannot_go_on(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    """A run is `lost`, with a sentence, if its agent is gone or changed, or its server died too often."""
    told: list[Frame] = [MessageBegan(0, "assistant"), MessagePart(0, "Hel")]
    with Journal(tmp_path / "runs.journal", lease=0.05) as journal:
        await killed(tmp_path, told)
        async with MiniAgents():
            settings = {"agents": {"agent": scripted_model("Hello")}, **change}
            runs = Runs(journal, **settings)  # type: ignore[arg-type]
            await runs.open()
            frames = await everything(runs, "r", owner="ada")
        assert told == frames[:-1]
        last = frames[-1]
        assert isinstance(last, RunEnded)
        assert ("lost", True) == (last.how, last.sentence.startswith(sentence))
        assert [] == await unfinished(journal)


@pytest.mark.logs("A run is lost")
async def test_a_request_that_cannot_be_read(tmp_path: Path) -> None:
    """So does one of which it is not known any more what it was asked; the others go on."""
    with Journal(tmp_path / "runs.journal") as journal:
        await killed(tmp_path, request={"agent": 7})
        await killed(tmp_path, run="s")
        async with MiniAgents():
            runs = runs_of(journal, scripted_model("Hello"))
            await runs.open()
            (last,) = await everything(runs, "r", owner="ada")
            assert ["Hello"] == texts_of(await everything(runs, "s", owner="ada"))
    assert isinstance(last, RunEnded)
    assert ("lost", True) == (last.how, "can no longer be read" in last.sentence)


async def test_what_the_log_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says that a run of another server was taken over, or is lost and why; not if it was parked.

    It warns only of a run that was to go on.
    """

    @miniagent
    async def asks(ctx: InteractionContext) -> None:
        ctx.reply(await ask("Well?"))

    caplog.set_level("INFO", "miniagents")
    await killed(tmp_path)
    await killed(tmp_path, run="s", version="0")
    await killed(tmp_path, run="t", restart="never")
    with Journal(tmp_path / "runs.journal", lease=0.01) as journal:
        async with MiniAgents():
            runs = runs_of(journal, asks)
            await runs.open()
            async with asyncio.timeout(10):
                while (await journal.find(run="r"))[0].state != "parked":  # noqa: ASYNC110 - of another task
                    await asyncio.sleep(0.01)
            (question,) = await runs.questions("r", owner="ada")
            await runs.answer("r", question.id, "Yes.", owner="ada")
            assert ["Yes."] == texts_of(await everything(runs, "r", owner="ada"))
            (lost,) = await everything(runs, "s", owner="ada")
            assert [LOST] == await everything(runs, "t", owner="ada")
    assert isinstance(lost, RunEnded)
    wanted = [
        ("INFO", "A run of another server was taken over: r"),
        ("INFO", f"A run is lost (t): {LOST.sentence}"),
        ("WARNING", f"A run is lost (s): {lost.sentence}"),
    ]
    logged = [
        (each.levelname, each.message)
        for each in caplog.records
        if each.name.startswith("miniagents.ext.web")
    ]
    assert sorted(wanted) == sorted(logged)


@pytest.mark.logs("A run cannot continue")
@pytest.mark.parametrize(
    "told",
    [
        [MessageBegan(0, "assistant"), MessagePart(0, "Good bye"), MessageEnded(0)],
        [MessageBegan(0, "tool")],
        [
            MessageBegan(0, "assistant"),
            MessagePart(0, "Hello"),
            MessageEnded(0),
            MessageBegan(1, "assistant"),
        ],
    ],
)
async def test_another_way(tmp_path: Path, told: list[Frame]) -> None:
    """A run that does not say again what it had said to its end is lost: it is never told something false."""
    with Journal(tmp_path / "runs.journal") as journal:
        await killed(tmp_path, told)
        async with MiniAgents():
            runs = runs_of(journal, scripted_model("Hello"))
            await runs.open()
            frames = await everything(runs, "r", owner="ada")
    assert told == frames[:-1]
    assert isinstance(frames[-1], RunEnded)
    assert ("lost", True) == (frames[-1].how, "answered differently" in frames[-1].sentence)


@pytest.mark.logs("A run failed")
async def test_stopped_and_failed(tmp_path: Path) -> None:
    """A run that was stopped, or has failed, does not go on."""
    halting = Halting("One two")

    @miniagent
    async def fails(ctx: InteractionContext) -> None:
        ctx.reply(scripted_model(ValueError("no")).inquire(ctx.messages))

    with Journal(tmp_path / "runs.journal") as journal:
        async with MiniAgents():
            runs = runs_of(journal, halting.model)
            runs.add_agents({"fails": fails})
            run = await runs.begin("agent", "Hi")
            await halting.waits.wait()
            assert await runs.stop(run)
            frames = await everything(runs, run)
            failed = await everything(runs, await runs.begin("fails", "Hi"))
        assert (["One"], "stopped") == (
            texts_of(frames),
            frames[-1].how if isinstance(frames[-1], RunEnded) else "",
        )
        assert isinstance(failed[-1], RunEnded)
        assert "failed" == failed[-1].how
        assert [] == await unfinished(journal)


def joined(frames: list[Frame]) -> list[Frame]:
    """The frames, texts joined: how many come together is a matter of time."""
    found: list[Frame] = []
    for frame in frames:
        last = found[-1] if found else None
        match last, frame:
            case MessagePart(0, str() as before), MessagePart(0, str() as text):
                found[-1] = MessagePart(0, before + text)
            case _:
                found.append(frame)
    return found


async def test_told_as_without_a_journal(tmp_path: Path) -> None:
    """What clients are told is the same with a journal and without."""
    told: list[list[Frame]] = []
    agent = scripted_model(then=AssistantMessage(parts=["Hel", "lo"], usage=Usage(1, 2)), alias="POET")
    with Journal(tmp_path / "runs.journal") as journal:
        for runs in (runs_of(journal, agent), Runs(agents={"agent": agent})):
            async with MiniAgents():
                told.append(await everything(runs, await runs.begin("agent", "Hi")))
    assert joined(told[0]) == joined(told[1])
    assert MessageBegan(0, "assistant", "POET", "scripted") == told[0][0]


async def test_what_runs_are_given(tmp_path: Path) -> None:
    """What cannot work is refused with a sentence: agents of one name, unknown ones."""
    with Journal(tmp_path / "runs.journal") as journal:
        runs = runs_of(journal, scripted_model())
        with pytest.raises(ValueError, match="another agent called 'agent'"):
            runs.add_agents({"agent": scripted_model()})
        async with MiniAgents():
            with pytest.raises(ValueError, match="no agent called 'poet'; they have: agent"):
                await runs.begin("poet")
            with pytest.raises(TypeError, match="cannot keep a value of type object"):
                await runs.begin("agent", keywords={"client": object()})


async def test_keywords(tmp_path: Path) -> None:
    """Keywords of the agent are kept with what it is asked."""

    @miniagent
    async def counts(ctx: InteractionContext, *, up_to: int = 9) -> None:
        ctx.reply(" ".join(map(str, range(up_to))))

    with Journal(tmp_path / "runs.journal") as journal:
        await killed(tmp_path, keywords={"up_to": 3})
        async with MiniAgents():
            runs = runs_of(journal, counts)
            await runs.open()
            assert ["0 1 2"] == texts_of(await everything(runs, "r", owner="ada"))
            run = await runs.begin("agent", keywords={"up_to": 2})
            assert ["0 1"] == texts_of(await everything(runs, run))


async def test_a_message_that_is_replied_twice() -> None:
    """Clients get the text of a message each time that an agent replies it, also after the run has ended."""

    @miniagent(alias="TWICE")
    async def twice(ctx: InteractionContext) -> None:
        replies = scripted_model("Hello there").inquire(ctx.messages)
        ctx.reply(replies)
        ctx.reply(replies)

    async with MiniAgents():
        runs = Runs(agents={"twice": twice})
        run = await runs.begin("twice")
        for _ in range(2):
            assert ["Hello there"] * 2 == texts_of(await everything(runs, run))


class Slow(MemoryJournal):
    """A journal that takes longer to begin a run than a server that ends waits for it."""

    @override
    async def begin(self, lease: Lease, events: Sequence[Event], /) -> None:
        await asyncio.sleep(20.0)
        await super().begin(lease, events)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("could not be recorded completely")
async def test_a_server_that_ends_while_a_run_begins() -> None:
    """A run whose server ends before its agent can begin is stopped: who began it gets an error."""
    journal, model = Slow(), scripted_model()
    async with MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents={"model": model.bind()})
        beginning = asyncio.create_task(runs.begin("model"))
        await asyncio.sleep(0.5)
    with pytest.raises(NoActiveContextError):
        await beginning
    await asyncio.sleep(1.0)
    assert ["stopped"] == [each.how for each in await journal.find()]


@pytest.mark.loop(virtual=True)
async def test_runs_that_are_closed() -> None:
    """Runs that are closed with their context do not open again in it: the next server has its runs."""
    closed = asyncio.Event()

    async def late() -> None:
        await closed.wait()
        with pytest.raises(NoActiveContextError):
            await runs.find("7")

    async def at_last() -> None:
        closed.set()
        await finding

    async with MiniAgents() as context:
        runs = Runs(MemoryJournal(), agents={"model": scripted_model().bind()})
        context.on_close(at_last)  # called behind what is added later
        await runs.open()
        finding = asyncio.create_task(late())
    finding.result()


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("stops", [True, False])
async def test_a_call_of_a_run_that_is_cancelled(*, stops: bool) -> None:
    """What a run calls after it was stopped, or its server has let go of it, is cancelled: it is no error."""
    errors: list[type[Exception]] = []

    @miniagent(alias="POLITE")
    async def polite(_: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            try:
                await scripted_model().inquire("Good bye.")
            except Exception as error:  # noqa: BLE001 - any
                errors.append(type(error))

    journal = MemoryJournal()
    async with MiniAgents(drain_timeout=0):
        runs = Runs(journal, agents={"polite": polite})
        run = await runs.begin("polite")
        await asyncio.sleep(5.0)
        if stops:
            await runs.stop(run)
    (record,) = await journal.find()
    assert ([InquiryCancelledError], stops) == (errors, record.ended)


def test_retelling_holds_ends_back() -> None:
    """The end of a message is told when something follows, which is when its call is kept."""
    retelling = Retelling()
    began, end = MessageBegan(0, "assistant"), MessageEnded(0)
    assert [began] == retelling.take([began, end])
    assert [end, RunEnded("finished")] == retelling.take([RunEnded("finished")])


def test_retelling_what_was_told_whole() -> None:
    """A message that was told whole, but for its end, is told once more behind a `Restart`."""
    told: list[Frame] = [MessageBegan(0, "assistant"), MessagePart(0, "Hello")]
    retelling = Retelling(told)
    again: list[Frame] = [
        MessageBegan(0, "assistant"),
        MessagePart(0, "Hel"),
        MessagePart(0, "lo"),
        MessageEnded(0),
    ]
    assert [MessagePart(0, Restart()), *again[1:3]] == retelling.take(again)
    other = Retelling([*told, MessageEnded(0)])
    assert [] == other.take(again)
    with pytest.raises(AnotherWayError, match="message 0 is another one"):
        Retelling([*told, MessageEnded(0)]).take(again[:2] + again[3:])


def test_retelling_what_went_through_json() -> None:
    """What clients were told is compared with what comes now, wherever JSON has changed its form."""
    data, image = DataPart("x", {"a": (1, 2)}), Image(data=b"x", media_type="image/png")
    parts = [MessagePart(0, each) for each in (data, image, ToolCallDelta(0, "c", "f"))]
    frames: list[Frame] = [MessageBegan(0, "assistant"), *parts, MessageEnded(0)]
    told = [frame_from_data(json.loads(json_of(each.as_data()))) for each in frames]
    assert [RunEnded("finished")] == Retelling(told).take([*frames, RunEnded("finished")])


def test_retelling_what_was_withdrawn() -> None:
    """An image that was withdrawn with the rest of its message does not make it another message."""
    part = MessagePart(0, Image(data=b"x", media_type="image/png"))
    told: list[Frame] = [MessageBegan(0, "assistant"), part, MessagePart(0, Restart()), part, MessageEnded(0)]
    assert [RunEnded("finished")] == Retelling(told).take([*told[:2], told[-1], RunEnded("finished")])


async def test_readers_wait_for_the_next_server(tmp_path: Path) -> None:
    """Another process that reads the run of a server that was killed waits, and reads on when it goes on."""
    with Journal(tmp_path / "runs.journal") as journal, Journal(tmp_path / "runs.journal") as other:
        await killed(tmp_path, [MessageBegan(0, "assistant")])

        async def read() -> list[Frame]:
            view = FrameView()
            return [frame async for events in other.follow("r") for frame in view.take(events)]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        async with MiniAgents(app_wide=True):
            runs = runs_of(journal, scripted_model("Hello"))
            await runs.open()
            assert await everything(runs, "r", owner="ada") == await reading
    assert ["Hello"] == texts_of(reading.result())


class HeldJournal(MemoryJournal):
    """A journal on a slow disk, which a test lets go on."""

    def __init__(self, error: JournalError | None = None) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.written = asyncio.Event()
        self.begun = asyncio.Event()
        self.begun.set()
        self.error = error
        self.leases: dict[str, Lease] = {}

    @override
    async def begin(self, lease: Lease, events: Sequence[Event], /) -> None:
        await super().begin(lease, events)
        self.leases[lease.run] = lease
        self.written.set()
        await self.begun.wait()

    @override
    async def end(
        self, lease: Lease, events: Sequence[Event], /, *, how: str, keep: float | None = None
    ) -> None:
        await self.go.wait()
        if self.error is not None:
            raise self.error
        await super().end(lease, events, how=how, keep=keep)


async def test_a_stop_is_recorded_before_it_is_confirmed() -> None:
    """The model is stopped at once; that it was is confirmed when a next server would find it."""
    halting, journal = Halting("Once upon a time"), HeldJournal()
    async with MiniAgents(app_wide=True):
        runs = runs_of(journal, halting.model)
        run = await runs.begin("agent", "Hi")
        await halting.waits.wait()
        stopping = asyncio.create_task(runs.stop(run))
        await asyncio.sleep(0.05)
        assert not stopping.done()
        assert {"stop": None} == (await journal.read(run)).sent
        journal.go.set()
        assert await stopping
        assert ("stopped", 1) == (how_it_ended(await everything(runs, run)), halting.asked)


@pytest.mark.logs("A run cannot be recorded", "Nor can the end")
async def test_a_stop_that_is_not_recorded() -> None:
    """A stop that the journal cannot record is no success: the error says so."""
    halting, journal = Halting("Once upon a time"), HeldJournal(JournalError("the disk is full"))
    journal.go.set()
    async with MiniAgents(app_wide=True):
        runs = runs_of(journal, halting.model)
        run = await runs.begin("agent", "Hi")
        await halting.waits.wait()
        with pytest.raises(JournalError, match=r"was stopped, but the journal did not record this"):
            await runs.stop(run)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_stop_while_it_begins(*, elsewhere: bool) -> None:
    """A run that is in the journal and has not started yet can be stopped, also by another process."""
    halting, journal = Halting("Once upon a time"), HeldJournal()
    journal.go.set()
    journal.begun.clear()
    async with MiniAgents(app_wide=True):
        runs = runs_of(journal, halting.model)
        begins = asyncio.create_task(runs.begin("agent", "Hi", topic="chat"))
        await journal.written.wait()
        run = await runs.latest("chat")
        assert run is not None
        if elsewhere:
            await journal.send(run, "stop", None)
        else:
            assert await runs.stop(run)
        journal.begun.set()
        assert run == await begins
        assert "stopped" == how_it_ended(await everything(runs, run))


async def test_cancelled_while_it_begins(tmp_path: Path) -> None:
    """A run whose `begin` or `start` is cancelled at any moment ends, and no agent works on it."""
    with Journal(tmp_path / "runs.journal") as journal:
        async with MiniAgents(app_wide=True):
            model = scripted_model(then="Hello")
            runs = runs_of(journal, model)
            await runs.open()
            tasks: dict[str, asyncio.Task[str]] = {}
            for turns in range(8):
                for topic, begin in (
                    (f"begun {turns}", runs.begin("agent", "Hi", topic=f"begun {turns}")),
                    (
                        f"started {turns}",
                        runs.start(scripted_model("Hello").inquire("Hi"), topic=f"started {turns}"),
                    ),
                ):
                    task = tasks[topic] = asyncio.create_task(begin)
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.wait((task,))
            found = {topic: await runs.latest(topic) for topic in tasks}
            for topic, run in found.items():
                if run is not None:
                    how = "stopped" if tasks[topic].cancelled() else "finished"
                    assert how == how_it_ended(await everything(runs, run))
            assert any(found.values())


class DamagedJournal(MemoryJournal):
    """A journal that cannot read one run."""

    @override
    async def read(self, run: str, after: int = 0, /) -> RunPage:
        if run == "damaged":
            raise JournalError("The run 'damaged' cannot be read: its log is damaged.")
        return await super().read(run, after)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("A run of an earlier server cannot continue now", "A run is lost")
async def test_a_log_that_is_not_understood() -> None:
    """A run with events of a later version is left to others; one with a damaged log is lost."""
    journal, request = DamagedJournal(), RunRequest("agent", (UserMessage("Hi"),), {}).as_data()
    for run in ("damaged", "later 1", "later 2"):
        await journal.begin(
            lease := Lease(RunRecord(run, restart="server")), [["began", 0, request], ["novel", 0]]
        )
        await journal.leave(lease)
    async with MiniAgents(app_wide=True):
        runs = runs_of(journal, scripted_model("Hello"), keep=None)
        await runs.open()
        assert {"parked"} == {each.state for each in await journal.find()}
        assert await runs.stop("later 1")
        assert await runs.delete("later 2")
        await asyncio.sleep(200.0)
        assert {"damaged": "lost", "later 1": "stopped"} == {
            each.run: each.how for each in await journal.find()
        }


class DeafJournal(MemoryJournal):
    """A journal that fails whenever a server begins a run again."""

    @override
    def listen(self, lease: Lease, on_sent: Callable[[str, Json], None], /) -> None:
        raise RuntimeError("no connection is free")


async def left_run(journal: MemoryJournal) -> None:
    """Leave a run of which clients have two frames, as a server does that ends in order."""
    request = RunRequest("agent", (UserMessage("Hi"),), {}).as_data()
    told = [event_of(MessageBegan(0, "assistant")), event_of(MessagePart(0, "Hel"))]
    await journal.begin(
        lease := Lease(RunRecord("r", restart="server")), [["began", 0, request], ["asked", 0, []], *told]
    )
    await journal.leave(lease)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("A run of an earlier server cannot continue now", "A run is lost")
async def test_what_can_never_go_on() -> None:
    """A run that no server can begin again ends after `max_attempts`, and a client knows its last frame.

    Those of a server that has ended count, too.
    """
    journal = DeafJournal()
    await left_run(journal)
    async with MiniAgents(app_wide=True):
        await runs_of(journal, scripted_model("Hello")).open()
    async with MiniAgents(app_wide=True):
        runs = runs_of(journal, scripted_model("Hello"), max_attempts=3, keep=None)
        await runs.open()
        async with asyncio.timeout(70):
            frames = [each async for each in runs.frames("r")]
        (record,) = await journal.find()
        assert ([1, 2, 3], "lost", 3) == ([at for at, _ in frames], record.how, record.attempts)
        assert "failed whenever it began" in str(frames[-1])
        assert await runs.has_read(record, 3)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("A run of an earlier server cannot continue now")
async def test_what_cannot_go_on_now() -> None:
    """A run that a server could not begin again just now is deleted at once, and does not delay its end."""
    journal = DeafJournal()
    await left_run(journal)
    async with MiniAgents(app_wide=True), asyncio.timeout(6):
        runs = runs_of(journal, scripted_model("Hello"), max_live=1)
        await runs.open()
        assert await runs.delete("r")
        assert [] == await journal.find()


@pytest.mark.loop(virtual=True)
async def test_frames_of_a_block() -> None:
    """A run of `durable` that has ended has one frame, which says so; its readers do not wait."""
    journal = MemoryJournal()
    async with MiniAgents(app_wide=True), asyncio.timeout(1):
        async with durable(journal, run_id="order-4711"):
            await scripted_model("Hello").inquire("Hi")
        frames = [each async for each in Runs(journal).frames("order-4711")]
    assert [(1, RunEnded("finished"))] == frames


async def test_a_stop_that_a_killed_server_did_not_get(tmp_path: Path) -> None:
    """A run that another process has asked to stop ends as stopped when a next server finds it."""
    halting = Halting("Once upon a time")
    with Journal(tmp_path / "runs.journal") as journal:
        await killed(tmp_path, [MessageBegan(0, "assistant"), MessagePart(0, "Once")])
        await journal.send("r", "stop", None)
        async with MiniAgents(app_wide=True):
            frames = await everything(runs_of(journal, halting.model), "r", owner="ada")
        assert ("stopped", 0) == (how_it_ended(frames), halting.asked)
        assert [] == await unfinished(journal)


def how_it_ended(frames: Sequence[Frame]) -> str:
    """How a run ended whose frames these are."""
    last = frames[-1]
    assert isinstance(last, RunEnded)
    return last.how


@pytest.mark.loop(virtual=True)
async def test_its_own_run_again() -> None:
    """A process that has slept so long that it takes its own run over writes it once, as clients see it."""
    journal, model = HeldJournal(), scripted_model("One, two, three.", "One, two, three.", delay=1.0)
    journal.go.set()
    async with MiniAgents():
        runs = runs_of(journal, model)
        run = await runs.begin("agent", "Count.")
        await asyncio.sleep(1.5)
        await journal.leave(journal.leases[run])  # as another process does that takes it for dead
        frames = await everything(runs, run)
        assert frames == await everything(Runs(journal), run)
    assert (["One, two, three."], "finished") == (texts_of(frames), how_it_ended(frames))
    events = (await journal.read(run)).events
    assert 1 == sum(event[0] == "kept" for event in events)


class _FailingJournal(MemoryJournal):
    """A journal that cannot be written so many times, after so many batches."""

    def __init__(self, failures: int, after: int) -> None:
        super().__init__()
        self.failures = failures
        self.after = after

    @override
    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        self.after -= 1
        if self.after < 0 and self.failures:
            self.failures -= 1
            raise JournalError("The journal cannot be written: the server is away.")
        await super().append(lease, events, hard=hard)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("cannot be recorded", "No reader ever saw this error")
@pytest.mark.parametrize(("failures", "how"), [(2, "finished"), (9, "lost")])
async def test_a_journal_that_is_away(failures: int, how: str) -> None:
    """A run whose journal cannot be written for a moment begins again by itself; its client waits."""
    answer = "One, two, three."
    journal, model = _FailingJournal(failures, 4), scripted_model(then=answer, delay=1.0)
    async with MiniAgents():
        runs = runs_of(journal, model)
        frames = await everything(runs, await runs.begin("agent", "Count."))
    assert how == how_it_ended(frames)
    assert how == "lost" or [answer] == texts_of(frames)


@pytest.mark.gate("half a second of real time")
@pytest.mark.logs("away", "cannot be recorded", "No reader ever saw this error")
async def test_a_journal_that_is_away_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its journal is away, a run is not told to be lost: it goes on when the journal is back."""
    monkeypatch.setattr(_runs, "_AGAIN", 0.05)
    path, answer = tmp_path / "runs.journal", "One, two, three."
    with Journal(path) as journal, sqlite3.connect(path) as database:
        async with MiniAgents():
            runs = runs_of(journal, scripted_model(then=answer, delay=0.1))
            reading = asyncio.create_task(everything(runs, await runs.begin("agent", "Count.")))
            await asyncio.sleep(0.15)
            for name, action in (("a", "INSERT ON tail"), ("b", "UPDATE ON runs")):
                refuse = "BEGIN SELECT RAISE(FAIL, 'away'); END"
                database.execute(f"CREATE TRIGGER {name} BEFORE {action} {refuse}")
            await asyncio.sleep(0.3)
            assert not reading.done()
            for name in "ab":
                database.execute(f"DROP TRIGGER {name}")
            async with asyncio.timeout(10):
                frames = await reading
        assert ([answer], "finished") == (texts_of(frames), how_it_ended(frames))
    database.close()


class _LettingGo(Journal):
    """A journal that says when it could not even write that a run is left."""

    @override
    async def leave(self, *words: Any, **settings: Any) -> None:
        try:
            await super().leave(*words, **settings)
        except JournalError:
            self.let_go.set()
            raise

    let_go: asyncio.Event


@pytest.mark.gate("half a second of real time")
@pytest.mark.logs("away", "cannot be recorded", "No reader ever saw this error", "can be used again")
async def test_many_outages_of_a_journal(tmp_path: Path) -> None:
    """An outage of the journal is no end of a server: a run goes on after any number of them."""
    path, over, begun = tmp_path / "runs.journal", asyncio.Event(), asyncio.Event()

    @miniagent
    async def counter(ctx: InteractionContext) -> None:
        async def words(_: object) -> AsyncGenerator[str]:
            begun.set()
            while not over.is_set():
                yield "more "
                await asyncio.sleep(0.01)
            yield "over"

        ctx.reply(Message.promise(words))

    with _LettingGo(path, lease=0.3) as journal, sqlite3.connect(path) as database:
        journal.let_go = asyncio.Event()
        async with MiniAgents(), asyncio.timeout(20):
            runs = runs_of(journal, counter, max_attempts=2)
            reading = asyncio.create_task(everything(runs, run := await runs.begin("agent", "Count.")))
            for _ in range(5):
                await begun.wait()
                for name, action in (("a", "INSERT ON tail"), ("b", "UPDATE ON runs")):
                    refuse = "BEGIN SELECT RAISE(FAIL, 'away'); END"
                    database.execute(f"CREATE TRIGGER {name} BEFORE {action} {refuse}")
                await journal.let_go.wait()
                begun.clear()
                journal.let_go.clear()
                for name in "ab":
                    database.execute(f"DROP TRIGGER {name}")
            await begun.wait()
            over.set()
            assert "finished" == how_it_ended(await reading)
            assert 1 == (await journal.find(run=run))[0].attempts
    database.close()


class _AwayJournal(MemoryJournal):
    """A journal that can be read until `away_at`, and again from `back_at` on, in seconds of the loop."""

    away_at = back_at = 0.0

    @override
    async def follow(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Event]]:
        clock = asyncio.get_running_loop().time
        async for events in super().follow(run, after):
            if self.away_at <= clock() < self.back_at:
                raise JournalError("The journal cannot be read: the server is away.")
            yield events


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("The reader of a run waits for its journal")
@pytest.mark.parametrize("back", [10.0, 90.0])
async def test_a_reader_elsewhere_while_the_journal_is_away(back: float) -> None:
    """A reader on another server waits a minute, and is then sent away; it misses and repeats nothing."""
    answer = "One, two, three, four, five."
    journal, model = _AwayJournal(), scripted_model(then=answer, delay=1.0)
    async with MiniAgents():
        here, elsewhere = runs_of(journal, model), runs_of(journal)
        now = asyncio.get_running_loop().time()
        run = await here.begin("agent", "Count.")
        journal.away_at, journal.back_at = now + 1.5, now + back
        told = [item async for item in elsewhere.frames(run)]
        if back > 60:
            assert 59 < asyncio.get_running_loop().time() - now < 65
            assert not isinstance(told[-1][1], RunEnded)
            await asyncio.sleep(40)
            told += [item async for item in elsewhere.frames(run, told[-1][0])]
        assert list(range(1, len(told) + 1)) == [position for position, _ in told]
        frames = [frame for _, frame in told]
        assert "finished" == how_it_ended(frames)
        assert joined(frames) == joined(await everything(here, run))
        assert [answer] == texts_of(frames)


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("The reader of a run waits for its journal")
async def test_a_response_elsewhere_while_the_journal_is_away() -> None:
    """A response on another server ends if its journal is away for a minute: its client comes back."""
    journal, model = _AwayJournal(), scripted_model(then="One, two, three.", delay=1.0)
    async with MiniAgents():
        here, elsewhere = runs_of(journal, model), runs_of(journal)
        now = asyncio.get_running_loop().time()
        run = await here.begin("agent", "Count.")
        journal.away_at, journal.back_at = now + 1.5, now + 500
        feed = await elsewhere.read(run)
        assert feed is not None
        sent: list[MutableMapping[str, Any]] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        async def receive() -> MutableMapping[str, Any]:
            await asyncio.Event().wait()
            return {}

        async with asyncio.timeout(100):
            await FrameResponse(feed, SSEEncoder())({"type": "http"}, receive, send)
        assert 59 < asyncio.get_running_loop().time() - now < 65
        assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
