"""Each example is run as a user without a key does: as a script, offline, in a process of its own.

One of them starts as users start it; the others are forked.
"""

from pathlib import Path

import pytest

from tests.support.plugin import plugin_path
from tests.support.scripts import run_script

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXPECTED = Path(__file__).parent / "expected"
WITHOUT_A_MODEL = {
    "agent_classes.py",
    "budget.py",
    "correct_it.py",
    "hello.py",
    "helpdesk.py",
    "custom_message.py",
    "custom_provider.py",
    "errors.py",
    "refund_chat.py",
    "test_with_marbles.py",
    "third_provider.py",
    "timeline.py",
    "tracing.py",
}
ELSEWHERE = {"conversation.py", "ray_job.py", "web_chat.py"}  # they have tests of their own
PROCESSES = {"durable_graph.py": 2}  # that ask a model; one, if it is not here
NOTICE = "No key is set, so"

scripts = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py"))


def expected(script: str) -> str:
    """What it must print; `write_readme.py` has written the README beside the examples."""
    name = Path(script).stem
    file = EXAMPLES / "README.md" if name == "write_readme" else EXPECTED / f"{name}.txt"
    return file.read_text(encoding="utf-8")


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


GATE = pytest.mark.gate("starts a program")
PLAIN = {"hello.py"}  # one is tried by every run


@pytest.mark.parametrize(
    "script",
    [
        script if script in PLAIN else pytest.param(script, marks=GATE)
        for script in scripts
        if script not in ELSEWHERE
    ],
)
async def test_script(script: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It prints what it should, says on stderr who answers if that is no model, and leaves nothing behind."""
    environ = {"PYTHONPATH": plugin_path(tmp_path_factory.mktemp("plugin"))} if "test_" in script else {}
    done = await run_script(EXAMPLES / script, tmp_path, environ=environ, anew=script in PLAIN)
    assert done.out == expected(script)
    assert done.err.startswith("" if script in WITHOUT_A_MODEL else NOTICE)
    assert done.err.count("\n") == (0 if script in WITHOUT_A_MODEL else PROCESSES.get(script, 1))
    assert done.code == 0
    assert names(tmp_path) == []


@pytest.mark.gate("two processes more")
async def test_timeline_in_a_file(tmp_path: Path) -> None:
    """The example of the timeline writes its picture to a file that is named."""
    for name in ("run.html", "run.svg"):
        done = await run_script(EXAMPLES / "timeline.py", tmp_path, "", None, name)
        assert (done.code, done.err) == (0, "")
    assert (tmp_path / "run.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "run.svg").read_text(encoding="utf-8").startswith("<svg ")


@GATE
async def test_conversation(tmp_path: Path) -> None:
    """A conversation is kept in a file, and goes on there the next time."""
    first = await run_script(EXAMPLES / "conversation.py", tmp_path, "My brother is angry with me.\nexit\n")
    assert (first.code, first.err.count("\n")) == (0, 1)
    assert "How do you know that your brother is angry with you?" in first.out
    again = await run_script(EXAMPLES / "conversation.py", tmp_path, "Yes.\nexit\n")
    assert again.code == 0
    kept = (tmp_path / "CHAT.md").read_text(encoding="utf-8")
    assert [kept.count(said) for said in ("My brother is angry", "How do you know that", "Yes.")] == [1, 1, 1]
    assert kept.index("How do you know") < kept.index("Yes.")
