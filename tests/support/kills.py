"""Programs that are killed at random moments, and run again until they end by themselves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from .forked import open_program

__all__ = ["kills_wanted", "run_and_kill"]


def kills_wanted(in_the_gate: int) -> int:
    """How often a test kills: ``KILLS`` of the environment, where there is one, as in the nightly run.

    Args:
        in_the_gate: how often else.
    """
    return int(os.environ.get("KILLS", in_the_gate))


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def run_and_kill(program: str, *words: str, out: Path, kills: int, within: float, seed: int) -> int:
    """Run a program until it ends; some of its runs are killed, soon after they have written something.

    Args:
        program: its text; it is given the words and the file.
        *words: its first arguments.
        out: the file that it writes to, its last argument.
        kills: how many of its runs are killed at most.
        within: seconds after it has begun to write in which it is killed.
        seed: of the moments.

    Returns:
        How many of its runs were killed.
    """
    random, killed = Random(seed), 0  # noqa: S311 - when it is killed
    while True:
        before = _size(out)
        process = open_program(sys.executable, "-c", program, *words, str(out))
        while killed < kills and process.poll() is None and _size(out) == before:
            time.sleep(0.005)  # for another process, which cannot be awaited
        try:
            process.wait(random.uniform(0, within) if killed < kills else 60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            continue
        assert 0 == process.returncode
        return killed
