"""Crosses modules: the README is short, and its app works; `tests/test_pages.py` runs its programs."""

from decimal import ROUND_HALF_UP, Decimal

import httpx2
import pytest
from starlette.applications import Starlette

from tests.support.docs_pages import BLOCKS, PAGES, ROOT
from tests.support.web import served

README = PAGES["README.md"].splitlines()
COMMANDS = ("pip install '.[chat]' && miniagents chat", "pip install -e '.[test]' && pytest")


def test_length() -> None:
    """It has at most 250 lines: what is longer has a page of its own."""
    assert len(README) <= 250


def test_first_screen() -> None:
    """The first screen has the two commands that are all the set-up there is."""
    assert all(command in README[:20] for command in COMMANDS)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_what_users_come_for(page: str) -> None:
    """First a pipe, then an awaited answer, then a dialog with its history."""
    forms = (".pipe(", "MessageSequencePromise[", "async with", "adialog_loop(")
    found = [PAGES[page].index(form) for form in forms]
    assert sorted(found) == found
    assert "history: ChatHistory" in PAGES[page]


@pytest.mark.loop(fifo=True)  # uvicorn counts on the order of callbacks
async def test_the_app() -> None:
    """The app streams an answer, and begins a run."""
    (app_block,) = [block for block in BLOCKS if block.page == "README.md" and block.kind == "app"]
    names: dict[str, object] = {"__name__": "app"}
    exec(compile(app_block.code, "README.md", "exec"), names)  # noqa: S102 - our own page
    app = names["app"]
    assert isinstance(app, Starlette)
    async with served(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
        assert '"part":"Hello!"' in (await client.get("/ask", params={"q": "Hi"})).text.replace('": "', '":"')
        assert (await client.post("/chat/runs", json={"text": "Hi"})).is_success


COSTS = {
    "S1": "a token through an agent, if the source never waits",
    "S1L": "a token through an agent, if the source waits before each token",
    "S9": "a token of a model's answer, read from HTTP",
    "S15-128": "a short streamed call over HTTP, with 128 at once",
    "S2-16": "a token through each of 16 operators",
    "S3": "a stored token, read by 100 readers",
    "S4": "each call, if 10,000 agents are called at once",
    "S5": "the first token through a chain of 100 agents, ms",
}
"""The cases of the benchmark that the README shows, in their order."""

COLUMNS = {
    "ours": "miniagents",
    "aiostream": "aiostream",
    "reactivex": "RxPY",
    "genai-processors": "genai-processors",
    "openai SDK": "OpenAI's SDK",
    "LangChain": "LangChain",
    "pydantic-ai": "pydantic-ai",
}
"""The columns of its results -> those of the README."""


def table_after(heading: str) -> dict[str, dict[str, str]]:
    """A table of the results of the benchmark: the first cell of each row -> its cells by column."""
    text = (ROOT / "tests" / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    lines = text.partition(f"\n## {heading}")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def short(figure: str, scale: str = "1") -> str:
    """A figure as people read it: 2.6, 16, 1,195."""
    value = Decimal(figure) * Decimal(scale)
    return f"{value.quantize(Decimal('0.1') if value < 10 else Decimal(1), ROUND_HALF_UP):,}"


def test_costs() -> None:
    """The table of costs has the figures of the last measurement, rounded, and so has the page on speed."""
    peers, limits = table_after("Peers"), table_after("Against the limit")
    lines = [f"| | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for case, what in COSTS.items():
        scale = str(Decimal(limits[case]["limit, µs"]) / 1000) if case == "S5" else "1"
        cells = [short(peers[case][name], scale) if peers[case][name] else "" for name in COLUMNS]
        lines.append(f"| {what} | **{cells[0]}** | {' | '.join(cells[1:])} |".replace("|  |", "| |"))
    expected = "\n".join(lines).replace("|  |", "| |")
    table = PAGES["README.md"].partition("[start:cost] -->\n")[2].partition("\n<!--")[0]
    assert table == expected, f"in the README it must be:\n{expected}"
    assert f"takes {limits['S7-agent']['ratio']} times what" in " ".join(PAGES["docs/speed.md"].split())
