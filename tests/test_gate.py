"""What plain `pytest` leaves out is a step of the gate."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
LINES = [line.strip() for line in GATE.splitlines()]
STEPS = [line.partition(" ")[2].strip("\"'") for line in LINES if line.startswith("step ")]


def test_the_command_of_the_readme_is_first() -> None:
    """The gate begins with what the README says, word for word."""
    assert STEPS[0] == "pip install -e '.[test]' && pytest"


@pytest.mark.parametrize(
    "command",
    [
        "ruff check",
        "ruff format --check",
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
