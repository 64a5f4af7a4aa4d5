"""What plain `pytest` leaves out is a step of the gate."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
LINES = [line.strip() for line in GATE.replace("\\\n", "").splitlines()]
STEPS = [word for line in LINES if line.startswith(("step ", "steps ")) for word in shlex.split(line)[1:]]


def test_the_command_of_the_readme_is_first() -> None:
    """The gate begins with what the README says, word for word."""
    assert STEPS[0] == "pip install -e '.[test]' && pytest"


@pytest.mark.parametrize(
    "command",
    [
        "ruff check",
        "ruff format --check",
        "mypy",
        "pyright",
        "pytest -m gate",
        "python -m tests.docs_site site",
        "tests.quiet",
        "tests.laws.orders",
        "pytest --uvloop $other_loops",
        "pytest --eager-tasks $other_loops",
    ],
)
def test_a_step_is_there(command: str) -> None:
    """The gate has the step."""
    assert [step for step in STEPS[1:] if step.endswith(command)]


def test_a_step_that_fails_turns_the_gate_red(tmp_path: Path) -> None:
    """The other steps run to their end, also side by side, and the summary says which one failed."""
    functions = GATE[GATE.index("summary=()") : GATE.index("step \"pip install -e '.[test]'")]
    for command, expected in (
        ('steps "echo one" "echo two; exit 3" "echo three"', ["ok", "FAILED", "ok", "1"]),
        ('step "exit 3"; step "echo two"', ["FAILED", "ok", "1"]),
        ('steps "echo one" "echo two"', ["ok", "ok", "0"]),
    ):
        program = f'set -euo pipefail\nscratch="{tmp_path}"\n{functions}\n{command}\n'
        told = 'printf "%s\\n" "${summary[@]}" "$failed"'
        done = subprocess.run(  # noqa: S603 - our own words
            ["/bin/bash", "-c", program + told], capture_output=True, text=True, check=True
        )
        lines = done.stdout.splitlines()
        assert expected == [line.split()[0] for line in lines[-len(expected) :]]
        assert command.count("echo") == sum(line in {"one", "two", "three"} for line in lines)


def test_the_site_is_built_first() -> None:
    """The tests of the gate look at the site that was just built."""
    (built,) = (at for at, step in enumerate(STEPS) if "zensical build --strict --clean" in step)
    (tested,) = (at for at, step in enumerate(STEPS) if step.endswith("pytest -m gate"))
    assert built < tested


@pytest.mark.parametrize("program", ["postgresql", "chromium-headless-shell"])
def test_a_program_is_installed(program: str) -> None:
    """The gate installs the programs that tests need, and has no test leave itself out."""
    (names,) = re.findall(r"^for program in (.*); do$", GATE, re.MULTILINE)
    assert program in names.split()
    assert "export CI=true" in LINES


def test_what_is_left_out(request: pytest.FixtureRequest) -> None:
    """Plain `pytest` leaves out the tests that are marked for the gate, and nothing else."""
    options: list[str] = request.config.getini("addopts")
    assert [options[at + 1] for at, option in enumerate(options) if option == "-m"] == ["not gate"]
    assert [option for option in options if option.startswith(("--ignore", "--deselect", "-k"))] == []
    assert [marker for marker in request.config.getini("markers") if marker.startswith("gate(why)")]
