"""Random programs against the model.

python -m tests.model --count 100000            what a night does
python -m tests.model --pipes --count 100000    the same of pipes of operators (tests/model/pipes.py)
python -m tests.model --flows --count 100000    the same of messages about demand (tests/model/flows.py)
python -m tests.model --talks --count 100000    the same of model agents (tests/model/talks.py)
python -m tests.model --served --count 100000   the same of agents that servers serve (tests/model/served.py)
python -m tests.model --live --count 100000     the same of live input (tests/model/live.py)
python -m tests.model --only 4711               one program: its text, and what is wrong with it
python -m tests.model --tree ../other           the miniagents of another folder

What fails is made smaller, and printed as Python that can be pasted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import Final, Protocol, cast

from tests.model import programs as p
from tests.model.generate import program_of
from tests.model.loops import LOOPS
from tests.model.run import Outcome, check
from tests.model.shrink import shrunk
from tests.support.eager import SUPPORTED

ROOT: Final = Path(__file__).parents[2]
CHUNK: Final = 250
SHOWN: Final = 10


class Others(Protocol):
    """`tests.model.pipes`, `flows`, ..., imported when needed: `--tree` may lack its names."""

    def drawn(self, seed: int) -> object:
        """Return the pipe, the flow, ..., of a seed."""
        ...

    def check(self, other: object, loops: str) -> Outcome:
        """Run it; what differs from the model."""
        ...


def _others(name: str) -> Others:
    return cast("Others", import_module(f"tests.model.{name}"))


@dataclass
class Tally:
    """What some programs did.

    Attributes:
        programs: how many there were.
        undecided: in how many of them two things happen at the same time, on which something depends.
        failed: the seeds of those that failed.
    """

    programs: int = 0
    undecided: int = 0
    failed: list[int] = field(default_factory=list[int])

    def add(self, other: "Tally") -> None:
        """Add what other programs did."""
        self.programs += other.programs
        self.undecided += other.undecided
        self.failed += other.failed


def run(seeds: range, loops: str, others: str = "") -> Tally:
    """Run the programs of some seeds, or `pipes`, `flows`, `talks`, `served`, or those of `live` input."""
    tally = Tally()
    for seed in seeds:
        outcome = _check_other(seed, loops, others) if others else check(program_of(seed), loops)
        tally.programs += 1
        tally.undecided += outcome.undecided
        if outcome.wrong:
            tally.failed.append(seed)
    return tally


def _check_other(seed: int, loops: str, others: str) -> Outcome:
    return _others(others).check(_others(others).drawn(seed), loops)


def kinds(wrong: Sequence[str]) -> set[str]:
    """Return in which ways a program fails."""
    return {line.split(":")[0].split()[0] for line in wrong}


def described(seed: int, loops: str, others: str = "") -> str:
    """Return the smallest program, pipe, flow or talk that fails as that of a seed, as Python."""
    if others:
        same = kinds(_check_other(seed, loops, others).wrong)

        def fails_too(smaller: object) -> bool:
            with suppress(Exception):  # what is smaller may be nothing that can run
                return bool(same & kinds(_others(others).check(smaller, loops).wrong))
            return False

        least = shrunk(_others(others).drawn(seed), fails_too)
        wrong = "\n".join(f"#   {line}" for line in _others(others).check(least, loops).wrong)
        module = f"tests.model.{others}"
        return f"# seed {seed}\n{wrong}\nfrom {module} import *\n\nprint(check({least!r}, {loops!r}))\n"
    program = program_of(seed)
    ways = kinds(check(program, loops).wrong)

    def fails(smaller: p.Program) -> bool:
        return bool(ways & kinds(check(smaller, loops).wrong))

    smallest = shrunk(program, fails)
    lines = "\n".join(f"#   {line}" for text in check(smallest, loops).wrong for line in text.splitlines())
    return (
        f"# seed {seed}\n{lines}\n"
        "from tests.model.programs import *\n"
        "from tests.model.run import check\n\n"
        f"print(check({smallest!r}, {loops!r}))\n"
    )


def chunks(first: int, count: int) -> Iterator[range]:
    """Yield seeds, some at a time."""
    for begin in range(first, first + count, CHUNK):
        yield range(begin, min(begin + CHUNK, first + count))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as many programs as are wanted; the number of those that failed is the exit code, 100 at most."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first one")
    parser.add_argument("--only", type=int, help="the seed of the only one")
    parser.add_argument("--loop", choices=LOOPS, default="asyncio", help="the event loop")
    for name, what in (
        ("pipes", "pipes of operators, without agents"),
        ("flows", "messages about demand"),
        ("talks", "model agents"),
        ("served", "model agents that several servers serve"),
        ("live", "live input"),
    ):
        parser.add_argument(
            f"--{name}", dest="others", action="store_const", const=name, default="", help=what
        )
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--tree", type=Path, help="the folder of another miniagents")
    options = parser.parse_args(arguments)
    if options.loop == "eager" and not SUPPORTED:
        parser.error("eager tasks need Python 3.12 or newer")
    if options.tree is not None:
        return _in_tree(options.tree, list(sys.argv[1:] if arguments is None else arguments))
    if options.only is not None:
        only = _others(options.others).drawn(options.only) if options.others else program_of(options.only)
        sys.stdout.write(f"{only!r}\n")
        options.seed, options.count = options.only, 1
    tally = Tally()
    begun = time.monotonic()
    seeds = list(chunks(options.seed, options.count))
    if options.jobs == 1:
        for each in seeds:
            tally.add(run(each, options.loop, options.others))
    else:
        with ProcessPoolExecutor(options.jobs) as pool:
            for done in pool.map(run, seeds, repeat(options.loop), repeat(options.others)):
                tally.add(done)
    seconds = time.monotonic() - begun
    for seed in tally.failed[:SHOWN]:
        sys.stdout.write(described(seed, options.loop, options.others))
    sys.stdout.write(
        f"{tally.programs} programs on {options.loop}, {len(tally.failed)} failed"
        f"{' (seeds ' + ', '.join(map(str, tally.failed[:100])) + ')' if tally.failed else ''}"
        f"; {tally.undecided} undecided; "
        f"{tally.programs / seconds:.0f} a second\n"
    )
    return min(len(tally.failed), 100)


def _in_tree(tree: Path, arguments: list[str]) -> int:
    """Run the same command with the miniagents of another folder."""
    place = arguments.index("--tree") if "--tree" in arguments else -1
    if place < 0:
        raise SystemExit("Write the folder as a word of its own: --tree FOLDER.")
    rest = arguments[:place] + arguments[place + 2 :]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "miniagents").symlink_to((tree / "miniagents").resolve())
        environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
        command = [sys.executable, "-P", "-m", "tests.model", *rest]
        return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
