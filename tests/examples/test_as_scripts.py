"""Each example is run as a user without a key does: as a script, offline, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXPECTED = Path(__file__).parent / "expected"
WITHOUT_A_MODEL = {"hello.py", "custom_message.py", "custom_provider.py", "errors.py"}
NOTICE = "No key is set, so"

scripts = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py"))


def run(script: str, folder: Path, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run an example in an empty folder; any warning is an error."""
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-X", "dev", "-W", "error", EXAMPLES / script],
        cwd=folder,
        env={**environ, "PYTHONUTF8": "1"},
        input=said,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def expected(script: str) -> str:
    """What it must print; `write_readme.py` has written the README beside the examples."""
    name = Path(script).stem
    file = EXAMPLES / "README.md" if name == "write_readme" else EXPECTED / f"{name}.txt"
    return file.read_text(encoding="utf-8")


@pytest.mark.parametrize("script", [script for script in scripts if script != "conversation.py"])
def test_script(script: str, tmp_path: Path) -> None:
    """It prints what it should, says on stderr who answers if that is no model, and leaves nothing behind."""
    done = run(script, tmp_path)
    assert done.stdout == expected(script)
    assert done.stderr.startswith("" if script in WITHOUT_A_MODEL else NOTICE)
    assert done.stderr.count("\n") == (0 if script in WITHOUT_A_MODEL else 1)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_conversation(tmp_path: Path) -> None:
    """A conversation is kept in a file, and goes on there the next time."""
    first = run("conversation.py", tmp_path, "My brother is angry with me.\nexit\n")
    assert (first.returncode, first.stderr.count("\n")) == (0, 1)
    assert "How do you know that your brother is angry with you?" in first.stdout
    again = run("conversation.py", tmp_path, "Yes.\nexit\n")
    assert again.returncode == 0
    kept = (tmp_path / "CHAT.md").read_text(encoding="utf-8")
    assert [kept.count(said) for said in ("My brother is angry", "How do you know that", "Yes.")] == [1, 1, 1]
    assert kept.index("How do you know") < kept.index("Yes.")
