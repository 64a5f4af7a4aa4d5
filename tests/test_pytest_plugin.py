"""The plugin for pytest, as users have it: found by its entry point, in a bare project of its own.

Crosses modules: the plugin uses what `miniagents.testing` has.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forked import start_program
from tests.support.plugin import BESIDE_PLUGINS, plugin_path
from tests.support.scripts import Done

ROOT = Path(__file__).parents[1]


async def run(folder: Path, tests: str, *options: str, conftest: str = "", anew: bool = False) -> Done:
    """Run tests in a bare project, in which `miniagents` is installed."""
    without = "-p no:cacheprovider -p no:xdist -p no:hypothesispytest"  # which import much, each time
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = -q --strict-markers {without}\n")
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_inner.py").write_text(tests)
    ours = ("PYTEST", "PYTHONWARNINGS", "COV")  # how our own tests run says nothing of theirs
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    process = await start_program(
        *(sys.executable, "-m", "pytest", *options),
        imported=BESIDE_PLUGINS,
        anew=anew,
        cwd=folder,
        env=kept | {"PYTHONPATH": plugin_path(folder / "installed")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Done(process.returncode, out.decode(), err.decode())


ASYNCIO = """
import asyncio, time
import pytest, pytest_asyncio
from miniagents import MiniAgents

pytestmark = pytest.mark.asyncio

@pytest_asyncio.fixture
async def slept():
    await asyncio.sleep(3600)
    yield asyncio.get_running_loop().time()
    await asyncio.sleep(3600)

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def of_the_module():
    return asyncio.get_running_loop()

@pytest.mark.virtual_time
async def test_sleeps(slept):
    await asyncio.sleep(3600)
    assert (slept, asyncio.get_running_loop().time()) == (3600, 7200)

@pytest.mark.virtual_time(io_patience=0.01)
async def test_marbles(marbles):
    async with MiniAgents():
        await marbles.expect(marbles.model("5m a|").inquire("Hi")).to_be("5m a|")

async def test_real(of_the_module):
    assert asyncio.get_running_loop().time() > 0
    assert "virtual" not in type(asyncio.get_running_loop()).__name__.lower()

@pytest.mark.virtual_time
async def test_function_beside_module(of_the_module):
    assert of_the_module is not asyncio.get_running_loop()
    await asyncio.sleep(3600)

@pytest.mark.virtual_time
@pytest.mark.asyncio(loop_scope="module")
async def test_too_wide():
    raise ValueError("it must not run")
"""
SYNC = """
import asyncio
import pytest
from miniagents import MiniAgents
from miniagents.testing import virtual_time

@pytest.mark.virtual_time
def test_sync():
    asyncio.run(asyncio.sleep(3600))
    assert MiniAgents().run(asyncio.sleep(3600, "slept")) == "slept"

def test_used_up(scripted_model):
    model = scripted_model("Hello")
    async def main():
        assert str(await model.inquire("Hi")) == "Hello"
    MiniAgents().run(main())
    assert str(scripted_model.requests[0].messages) == "Hi"

def test_left_over(scripted_model):
    scripted_model("Hello", "Bye", alias="GREETER")

def test_failed_already(scripted_model):
    scripted_model("Hello", alias="QUIET")
    raise ValueError("this is why")

@pytest.mark.virtual_time
def test_not_compared(marbles):
    async def main():
        async with MiniAgents():
            marbles.expect(marbles.model("a|").inquire("Hi"))
            await asyncio.sleep(1)
    asyncio.run(main())
"""
ANYIO = """
import asyncio, anyio, pytest
from hypothesis import given, strategies as st

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

@pytest.fixture
async def slept():
    await anyio.sleep(3600)
    yield anyio.current_time()
    await anyio.sleep(3600)

async def test_sleeps(slept):
    await anyio.sleep(3600)
    assert (slept, anyio.current_time()) == (3600, 7200)

@given(number=st.integers())
async def test_property(number):
    await anyio.sleep(3600)
"""
TIMELINES = """
import asyncio
import pytest
from miniagents import MiniAgents
from miniagents.testing import scripted_model

async def ask(timeline):
    async with MiniAgents(observers=[timeline]):
        await (scripted_model("Hello", alias="ASKED") | scripted_model("Bye", alias="THEN")).inquire("Hi")

@pytest.mark.virtual_time
@pytest.mark.parametrize("fails", [False, True], ids=["a", "b/c"])
def test_it(run_timeline, fails):
    asyncio.run(ask(run_timeline))
    assert not fails
"""
CASSETTES = """
import asyncio, os
import pytest
from miniagents import MiniAgents
from miniagents.testing import scripted_model

def ask(model, *questions):
    async def main():
        return [str(await model.inquire(each, api_key="canary-5d1f0a7e")) for each in questions]
    return MiniAgents().run(main())

ANSWERS = os.environ.get("ANSWERS", "").split()

@pytest.mark.cassette
@pytest.mark.parametrize("name", ["a", "a/b"])
def test_named(cassette, name):
    assert ask(cassette(scripted_model(*ANSWERS)), "1", "2") == ["one", "two"]

@pytest.mark.virtual_time
@pytest.mark.cassette("own.jsonl")
def test_own(cassette):
    assert ask(cassette(scripted_model(*ANSWERS)), *os.environ.get("ASKED", "1").split()) == ["one"]

@pytest.mark.cassette
def test_without_the_fixture():
    pass

def test_without_the_mark(cassette):
    pass
"""


ALIKE = """
import os
import pytest
from miniagents import MiniAgents
from miniagents.testing import scripted_model

def ask(model, *questions):
    async def main():
        return [str(await model.inquire(each, api_key="canary-5d1f0a7e")) for each in questions]
    return MiniAgents().run(main())

ANSWERS = os.environ.get("ANSWERS", "").split()

class TestFirst:
    @pytest.mark.cassette
    def test_alike(self, cassette):
        assert ask(cassette(scripted_model(*ANSWERS)), "1", "2") == ["one", "two"]

class TestSecond:
    @pytest.mark.cassette
    @pytest.mark.parametrize("name", ["a" * 300])
    def test_alike(self, cassette, name):
        assert ask(cassette(scripted_model(*ANSWERS)), "1", "2") == ["one", "two"]

class TestThird:
    @pytest.mark.cassette
    def test_alike(self, cassette):
        assert ask(cassette(scripted_model(*ANSWERS)), "3", "4") == ["one", "two"]
"""


@pytest.mark.gate("starts pytest")
async def test_sync_tests(tmp_path: Path) -> None:
    """Sync tests have virtual time in their loops; what was never asked for or compared fails."""
    done = await run(tmp_path, SYNC)
    assert "2 passed, 3 failed" in _counted(done), done.out
    assert "GREETER was asked 0 time(s) and has 2 answer(s) left" in done.out
    assert "1 expectation(s) of marbles were never compared" in done.out
    assert "QUIET was asked" not in done.out


def _counted(done: Done) -> str:
    words = done.out.strip().splitlines()[-1].split(" in ")[0].split(", ")
    kinds = ("passed", "error", "failed")
    return ", ".join(sorted(words, key=lambda word: [kind in word for kind in kinds].index(True)))


@pytest.mark.gate("it starts a pytest of its own")
async def test_pytest_asyncio(tmp_path: Path) -> None:
    """With pytest-asyncio tests and async fixtures have virtual time; one whose loop is too wide says so."""
    done = await run(tmp_path, ASYNCIO)
    assert "4 passed, 1 failed" in _counted(done), done.out
    assert "The test is marked with virtual_time, but its event loop (" in done.out
    assert ") has real time: it was made before the test, in a wider scope" in done.out
    assert "it must not run" not in done.out.replace('raise ValueError("it must not run")', "")


@pytest.mark.gate("it starts a pytest of its own")
async def test_anyio(tmp_path: Path) -> None:
    """With anyio's plugin a test, its async fixtures and properties have virtual time."""
    backend = "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    plugins = ("-p", "no:asyncio", "-p", "hypothesispytest")
    done = await run(tmp_path, ANYIO, *plugins, conftest=backend)
    assert "2 passed" in _counted(done), done.out


@pytest.mark.gate("it starts a pytest of its own")
async def test_names_of_cassettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of two classes have two cassettes, also if they have one name; the name of a test may be long."""
    monkeypatch.setenv("ANSWERS", "one two")
    recorded = await run(tmp_path, ALIKE, "--cassettes=record")
    assert "3 passed" in recorded.out, recorded.out
    assert ["TestFirst.test_alike.jsonl", "TestThird.test_alike.jsonl"] == [
        file.name for file in _files(tmp_path) if "[" not in file.name
    ]
    monkeypatch.delenv("ANSWERS")
    assert "3 passed" in (await run(tmp_path, ALIKE)).out


@pytest.mark.gate("it starts a pytest of its own")
@pytest.mark.loop(timeout=120)  # eight of them, one after the other
async def test_cassettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A marked test replays its cassette, the option records it; missing, other and left over ones fail."""
    missing = await run(tmp_path, CASSETTES)
    assert "4 failed, 1 error" in missing.out, missing.out
    assert missing.out.count("There is no cassette '") >= 3
    assert "The test is marked with cassette but records nothing" in missing.out
    assert "The fixture cassette needs a test with @pytest.mark.cassette." in missing.out
    assert _files(tmp_path) == []
    monkeypatch.setenv("ANSWERS", "one two")
    only = ("-k", "named or own")
    recorded = await run(tmp_path, CASSETTES, "--cassettes=record", *only)
    assert "3 passed" in recorded.out, recorded.out
    first, second, own = _files(tmp_path)
    assert (first.name, own.name) == ("test_named[a].jsonl", "own.jsonl")
    assert second.name.startswith("test_named[a_b]-")
    assert first.parent == tmp_path / "cassettes" / "test_inner"
    assert not any("canary" in file.read_text() for file in (first, second, own))
    monkeypatch.delenv("ANSWERS")
    monkeypatch.setenv("ASKED", "7")
    other = await run(tmp_path, CASSETTES, *only)
    assert "1 failed, 2 passed" in other.out, other.out
    assert '+      "text": "7"' in other.out
    assert other.code == 1
    monkeypatch.setenv("ANSWERS", "one two")
    assert "1 passed" in (await run(tmp_path, CASSETTES, "--cassettes=record", "-k", "own")).out
    left = await run(tmp_path, CASSETTES, "-k", "own")
    assert "1 of 2 calls of the cassette" in left.out, left.out
    assert "1 passed" in (await run(tmp_path, CASSETTES, "--cassettes=rewrite", "-k", "own")).out
    assert "1 passed" in (await run(tmp_path, CASSETTES, "-k", "own")).out


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


@pytest.mark.gate("it starts a pytest of its own")
async def test_other_loops(tmp_path: Path) -> None:
    """A loop of another factory has no virtual time, and the test says so."""
    factory = """
import asyncio
class OtherLoop(asyncio.SelectorEventLoop): pass
def pytest_asyncio_loop_factories(config, item): return {"other": OtherLoop}
"""
    tests = "import pytest\n@pytest.mark.virtual_time\n@pytest.mark.asyncio\nasync def test_it(): pass\n"
    done = await run(tmp_path, tests, conftest=factory)
    assert "its event loop (conftest.OtherLoop) has real time" in done.out, done.out
    assert done.code == 1


@pytest.mark.gate("it starts a pytest of its own")
async def test_timelines(tmp_path: Path) -> None:
    """A test that fails shows what ran, and saves it as a page where it is told to; others do neither."""
    done = await run(tmp_path, TIMELINES, "--timelines=pictures")
    assert "1 passed, 1 failed" in _counted(done), done.out
    assert done.out.count("- what ran -") == 1
    assert "3 runs in 0 s" in done.out
    assert "ASKED" in done.out
    (page,) = (tmp_path / "pictures").iterdir()
    assert page.name.startswith("test_it[b_c]-")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(page) in done.out
    without = await run(tmp_path, TIMELINES)
    assert "ASKED" in without.out
    assert "with times and tokens" not in without.out


@pytest.mark.gate("it starts a pytest of its own")
async def test_nothing_is_active(tmp_path: Path) -> None:
    """A project that asks for nothing has no layer of miniagents imported."""
    tests = """
import sys
def test_it(request):
    assert "miniagents._pytest_plugin" in sys.modules
    assert [name for name in sys.modules if name.startswith("miniagents.")] == [
        "miniagents._lazy_names", "miniagents._pytest_plugin"
    ]
"""
    done = await run(tmp_path, tests, anew=True)  # it is about imports
    assert "1 passed" in _counted(done), done.out


@pytest.mark.gate("starts a program")
def test_importing_miniagents_imports_no_pytest() -> None:
    """Neither the package nor its test kit imports pytest."""
    code = "import sys, miniagents.testing; sys.exit('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, check=False)  # noqa: S603 - our own
    assert done.returncode == 0
