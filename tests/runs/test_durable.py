"""``durable``: a run of many agents that was killed goes on from its finished calls."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    MessageType,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    ToolCall,
    miniagent,
    tool,
)
from miniagents.errors import QuestionError
from miniagents.ext.journal import (
    Event,
    Journal,
    JournalError,
    Lease,
    MemoryJournal,
    answer_question,
    durable,
    open_questions,
    recorded,
)
from miniagents.models import ModelAgent
from miniagents.runs import DurableRun
from miniagents.testing import scripted_model
from miniagents.tools import ask
from tests.support.kills import kills_wanted, run_and_kill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "calls.journal"


async def ran(
    path: Path, agent: MiniAgent, *messages: MessageType, run_id: str = "r"
) -> tuple[list[str], DurableRun]:
    """What an agent replies in a durable run."""
    with Journal(path) as journal:
        async with MiniAgents(), durable(journal, run_id=run_id) as run:
            texts = [str(message) for message in await agent.inquire(messages)]
    return texts, run


async def test_goes_on(path: Path) -> None:
    """What models answered is played; what had failed, or was not reached, is asked."""
    first = scripted_model("one")
    second = scripted_model(ValueError("killed"), "two")
    with pytest.raises(ValueError, match="killed"):
        await ran(path, first | second, "Hi")
    texts, run = await ran(path, scripted_model() | second, "Hi")
    assert (["two"], 1, 1) == (texts, run.played, run.made)
    texts, run = await ran(path, scripted_model() | scripted_model(), "Hi")
    assert (["two"], 2, 0) == (texts, run.played, run.made)


async def test_runs_are_apart(path: Path) -> None:
    """Two runs that ask the same have answers of their own."""
    model = scripted_model("one", "two")
    assert ["one"] == (await ran(path, model, "Hi", run_id="a"))[0]
    assert ["two"] == (await ran(path, model, "Hi", run_id="b"))[0]
    assert ["one"] == (await ran(path, scripted_model(), "Hi", run_id="a"))[0]


async def test_each_occurrence(path: Path) -> None:
    """Of calls that ask the same in one run each has its own answer, also after a retry."""
    policy = RetryPolicy(delay=0.001)

    def three(model: ModelAgent[...]) -> MiniAgent:
        again = model.retry(policy)
        return (again & again & again).bind()

    first, run = await ran(path, three(scripted_model("a", OSError("no"), "b", "c")), "Hi")
    assert (["a", "b", "c"], 3) == (sorted(first), run.made)
    texts, run = await ran(path, three(scripted_model()), "Hi")
    assert (sorted(first), 3, 0) == (sorted(texts), run.played, run.made)


async def test_equal_calls_of_branches() -> None:
    """Equal calls of different agents at the same time keep their answers in any order."""
    journal, prepared, decided = MemoryJournal(), scripted_model("1", "2"), scripted_model("one", "two")

    def branch(alias: str, gate: asyncio.Event) -> MiniAgent:
        @miniagent(alias=alias)
        async def decides(ctx: InteractionContext) -> None:
            await prepared.inquire(alias)
            await gate.wait()
            ctx.reply(decided.inquire("Which?"))

        return decides

    opened = asyncio.Event()
    opened.set()
    first, second = [durable(journal, run_id="r") for _ in range(2)]
    for run, gate in ((first, asyncio.Event()), (second, opened)):
        with suppress(ConnectionError):
            async with MiniAgents(), run:
                slow, fast = branch("SLOW", gate).inquire(), branch("FAST", opened).inquire()
                assert "one" == str(await fast)
                gate.set()
                assert "two" == str(await slow)
                raise ConnectionError
    assert (4, 0) == (second.played, second.made)


async def test_tools(path: Path) -> None:
    """A tool that has ended is not called again, also one that failed: the model was told."""
    calls: list[str] = []

    @tool
    def pay(amount: int) -> str:
        calls.append(f"pay {amount}")
        if amount > 1:
            raise ValueError("too much")
        return "paid"

    asked = AssistantMessage(
        parts=[ToolCall("c1", "pay", '{"amount": 1}'), ToolCall("c2", "pay", '{"amount": 2}')]
    )

    def model(*answers: AssistantMessage | str | Exception) -> MiniAgent:
        return scripted_model(*answers).with_tools(pay)

    with pytest.raises(OSError, match="killed"):
        await ran(path, model(asked, OSError("killed")), "Pay.")
    texts, run = await ran(path, model("Done."), "Pay.")
    assert "Done." == texts[-1]
    assert (["pay 1", "pay 2"], 3) == (calls, run.played)
    assert any("paid" in each for each in texts)
    assert any("too much" in each for each in texts)


@pytest.mark.logs("made other calls")
async def test_a_tool_that_changed(path: Path) -> None:
    """C11: a tool whose schema has changed is called again; its old result is not played."""
    calls: list[str] = []

    @tool(name="pay")
    def pay(amount: int) -> str:
        calls.append(f"pay {amount}")
        return "paid"

    @tool(name="pay")
    def pay_in(amount: int, currency: str = "EUR") -> str:
        calls.append(f"pay {amount} {currency}")
        return "paid"

    asked = AssistantMessage(parts=[ToolCall("c1", "pay", '{"amount": 1}')])
    killed = OSError("killed")
    models = (
        scripted_model(asked, killed).with_tools(pay),
        scripted_model(killed).with_tools(pay),  # its first answer is played
        scripted_model(asked, "Done.").with_tools(pay_in),
    )
    for model in models:
        with suppress(OSError):
            await ran(path, model, "Pay.")
    assert ["pay 1", "pay 1 EUR"] == calls


async def test_recorded_is_a_leaf(path: Path) -> None:
    """What is recorded by itself is not recorded twice."""
    with Journal(path) as journal:
        for model in (scripted_model("one"), scripted_model()):
            async with MiniAgents():
                agent = recorded(model.timeout(total=60), journal, version="1")
                async with durable(journal, run_id="r") as run:
                    assert "one" == str(await agent.inquire("Hi"))
                assert ((), 0) == (run.unasked, run.made)
    (call,) = Journal.read_calls(path)
    assert "" == call.scope


@pytest.mark.loop(virtual=True)
async def test_what_is_recorded_is_not_missed() -> None:
    """A block that waited for people plays what is `recorded`, with its tools and questions; it goes on."""
    runs, calls = MemoryJournal(), MemoryJournal()

    @tool
    async def pay() -> str:
        """Pay an amount."""
        return f"{await ask('How much?')} paid"

    async def block() -> str:
        model = scripted_model(then=lambda messages: "Done." if len(messages) > 1 else asked).with_tools(pay)
        async with MiniAgents(), durable(runs, run_id="r") as run:
            said = [str(each) for each in await recorded(model, calls, version="1").inquire("Pay.")]
            return f"{' '.join(said)} {await ask('Go on?')} {run.unasked}"

    asked = AssistantMessage(parts=[ToolCall("c1", "pay", "{}")])
    for answer in ("100", "Yes."):
        with pytest.raises(QuestionError, match="waits for an answer"):
            await block()
        (question,) = await open_questions(runs)
        await answer_question(runs, "r", question.id, answer)
    assert " 100 paid Done. Yes. ()" == await block()


async def test_another_way(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run whose code took another way than before says which recorded calls it did not ask for."""
    await ran(path, scripted_model("one", alias="JUDGE"), "Hi")
    assert "another way" not in caplog.text
    texts, run = await ran(path, scripted_model("two", alias="JUDGE"), "Hello")
    assert (["two"], ("JUDGE",)) == (texts, run.unasked)
    said = "Run 'r' made other calls than before: 1 recorded calls were not used, of JUDGE."
    assert said in caplog.text


async def test_cancelled(path: Path) -> None:
    """The one that lost a race is not kept, and the one that won is played."""
    never = asyncio.Event()

    @miniagent
    async def slow(ctx: InteractionContext) -> None:
        await never.wait()
        ctx.reply("slow")

    quick: ModelAgent[...] = scripted_model("quick")
    assert ["quick"] == (await ran(path, quick.hedge(slow, after=0), "Hi"))[0]
    assert ["quick"] == (await ran(path, scripted_model().hedge(slow, after=0), "Hi"))[0]


async def test_two_at_once(path: Path) -> None:
    """Two blocks with one id at once would take each other's answers: the second one is refused by the id."""
    with Journal(path) as journal:
        async with MiniAgents():
            async with durable(journal, run_id="order-4711"), durable(journal, run_id="another"):
                with pytest.raises(JournalError, match=r"run 'order-4711' .* is already going on"):
                    async with durable(journal, run_id="order-4711"):
                        pytest.fail("it was let in")
            async with durable(journal, run_id="order-4711") as run:
                assert "order-4711" == run.run_id


async def test_cancelled_while_it_begins(path: Path) -> None:
    """A block that is cancelled at any moment of its beginning leaves its run: the same id begins again."""

    async def begin(journal: Journal, run_id: str) -> None:
        async with MiniAgents(), durable(journal, run_id=run_id):
            pass

    with Journal(path) as journal:
        for turns in range(8):
            for run_id in ("known", f"new {turns}"):
                task = asyncio.create_task(begin(journal, run_id))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait((task,))
                await begin(journal, run_id)
        assert {"ended"} == {each.state for each in await journal.find()}


def test_empty_id(path: Path) -> None:
    """A run has an id."""
    with Journal(path) as journal, pytest.raises(ValueError, match="its own id"):
        durable(journal, run_id="")


_PROGRAM: Final = """
import asyncio, os, random, sys
from miniagents import MiniAgents, RetryPolicy, AssistantMessage, race
from miniagents.ext.journal import Journal, durable
from miniagents.models import model_agent

out = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@model_agent(alias="WORK")
async def work(ctx, *, tag: str = "", tools=()):
    asked = str((await ctx.messages)[-1])
    os.write(out, f"made {tag}{asked}\\n".encode())
    await asyncio.sleep(random.uniform(0, 0.02))
    if random.random() < 0.2:
        raise ConnectionError("gone")
    ctx.reply(AssistantMessage(f"{asked}."))

async def noted(ctx, call):  # when its run has ended, a call is finished
    replies = call.inquire(ctx.messages)
    ctx.reply(replies)
    await replies
    os.write(out, f"done {call.defaults['tag']}{(await ctx.messages)[-1]}\\n".encode())

again = RetryPolicy(delay=0.001, attempts=50)

def worker(tag):
    return work.fork(tag=tag).around(noted).retry(again)

async def main(journal):
    async with durable(journal, run_id="r") as run:
        text = "x"
        for step in range(int(sys.argv[2])):
            fan = worker(f"{step}a") & worker(f"{step}b") & race(worker(f"{step}c"), worker(f"{step}d"))
            answers = await fan.inquire(text)
            text = str(await worker(f"{step}e").inquire("".join(map(str, answers))[:9]))
        os.write(out, f"answer {text}\\n".encode())

with Journal(sys.argv[1]) as journal:
    MiniAgents().run(main(journal))
"""


def repeated(lines: Iterable[str]) -> list[str]:
    """What was made again after it was done."""
    done: set[str] = set()
    again: list[str] = []
    for line in lines:
        what, name = line.split()
        if what == "done":
            done.add(name)
        elif what == "made" and name in done:
            again.append(name)
    return again


@pytest.mark.gate("kills programs")
@pytest.mark.loop(timeout=30 + 3 * kills_wanted(6))
def test_kills(path: Path, tmp_path: Path) -> None:
    """A graph with fan-out, race and retries, killed at any moment, repeats no call that had ended."""
    seed, out, wanted = 11, tmp_path / "out", kills_wanted(6)
    steps = max(6, wanted // 2)
    kills = run_and_kill(_PROGRAM, str(path), str(steps), out=out, kills=wanted, within=0.06, seed=seed)
    lines = out.read_text().splitlines()
    assert kills >= wanted // 2
    assert [] == repeated(lines), f"seed {seed}"
    text = "x"
    for _ in range(steps):
        text = f"{(f'{text}.' * 3)[:9]}."
    assert f"answer {text}" == lines[-1]


class _Lost(MemoryJournal):
    """A journal in which another process may have taken the run over."""

    is_lost = False

    @override
    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        if self.is_lost:
            raise JournalError.taken(lease.run)
        await super().append(lease, events, hard=hard)


@pytest.mark.loop(virtual=True)
async def test_a_process_that_was_asleep() -> None:
    """Law 2: a process that wakes after its lease requests nothing, because its run goes on elsewhere."""
    journal, model = _Lost(), scripted_model("one", "two", "three")
    async with MiniAgents():
        async with durable(journal, run_id="r") as run:
            await model.inquire("Hi")
            await asyncio.sleep(5)
            await model.inquire("Hi again")
            journal.is_lost = True
            await asyncio.sleep(5)
            with pytest.raises(JournalError, match="another process"):
                await model.inquire("And again")
        assert 2 == run.made
        assert "three" == str(await model.inquire("Here"))


async def test_another_version() -> None:
    """With another version, all calls are made again; with the former one, its answers are played."""
    journal = MemoryJournal()
    texts = list[str]()
    for version, answer in (("1", "one"), ("2", "two"), ("1", "three")):
        async with MiniAgents(), durable(journal, run_id="report", version=version):
            texts.append(str(await scripted_model(answer).inquire("Hi")))
    assert ["one", "two", "one"] == texts
