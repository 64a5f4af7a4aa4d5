"""Crosses modules: the benchmarks run. They are no timed tests; their figures are looked at by people."""

import re
import subprocess
import sys

import pytest

from tests.bench.__main__ import NOTES
from tests.bench.cases import CASES
from tests.bench.growth import SERIES, rows
from tests.bench.measure import Measured, measure_peer
from tests.bench.memory import KEPT
from tests.bench.peers.known import PEERS
from tests.bench.report import METHOD, Report
from tests.bench.web_clients import KINDS, installed, measure
from tests.bench.web_soak import Used, complaint, soak
from tests.support.docs_pages import ROOT


@pytest.mark.gate("all cases, if only with a few tokens")
@pytest.mark.parametrize("name", [name for name in CASES if name not in {"S7", "S7-agent"}])
@pytest.mark.parametrize("role", ["limit", "ours"])
def test_case_runs(name: str, role: str) -> None:
    """Every case runs at a small size, and takes time."""
    case = CASES[name]
    assert (case.ours if role == "ours" else case.limit)(case.small) > 0


@pytest.mark.gate("starts servers")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if installed(kind)])
def test_clients_of_a_server(kind: str) -> None:
    """Clients of each kind of response are told events, and what one costs is measured."""
    found = measure(kind, 5, 0.5)
    assert found["events_per_second"] > 0 < found["microseconds_per_event"]


@pytest.mark.gate("starts a server")
def test_soak() -> None:
    """A server is used by clients that come and go, and whether it has grown is told."""
    sentence, samples = soak(4, 10)
    assert len(samples) > 3
    assert "tasks" not in sentence
    assert "files" not in sentence


def test_what_has_grown() -> None:
    """Memory, tasks and files that have grown are a sentence each."""
    flat, more = (
        [Used(100_000, 5, 9)] * 10,
        [Used(100_000 * (10 + number) / 10, 5, 9) for number in range(10)],
    )
    first = flat[0]
    assert not complaint(flat, first, first)
    assert "The memory has grown" in complaint(more, first, first)
    assert "50 tasks are left" in complaint(flat, first, Used(1, 50, 9))
    assert "90 files are open" in complaint(flat, first, Used(1, 5, 90))


def test_row_tells_the_ratio_and_whether_it_holds() -> None:
    """A row says how many times the limit ours takes, and whether that is within the target.

    The ratio is the median of those of neighbours: what holds up a few of the runs does not change it.
    """
    rounds = [(0.001, 0.002), (0.001, 0.009), (0.004, 0.008), (0.009, 0.018), (0.001, 0.002)]
    row = Measured("S0", rounds, count=1000, target=1.5).row
    assert row == "| S0 | 1.000 | 8.000 | 2.00 | 2.00 to 2.00 | 1.5 | missed |"
    swaying = Measured("S0", [(1.0, ratio) for ratio in (1.0, 2.0, 3.0, 4.0, 9.0)], count=1, target=3)
    assert "| 3.00 | 2.00 to 4.00 | 3 | holds |" in swaying.row


def test_a_target_may_be_microseconds() -> None:
    """Such a target is compared with what an item of ours takes; in the picture it is a ratio too."""
    rounds = [(0.010, 0.100), (0.020, 0.160), (0.030, 0.140)]
    missed, holds = (Measured("S0", rounds, count=1000, target=target, in_us=True) for target in (139, 140))
    assert missed.row == "| S0 | 20.000 | 140.000 | 8.00 | 6.33 to 9.00 | 139 µs | missed |"
    assert holds.row.endswith("| 140 µs | holds |")
    assert (7.0, 139) == (holds.target_ratio, Measured("S0", rounds, count=1000, target=139).target_ratio)


def test_a_target_may_be_what_is_added() -> None:
    """Such a target is compared with the median of what ours takes more than the limit in each round."""
    rounds = [(0.010, 0.014), (0.020, 0.026), (0.030, 0.090)]
    missed, holds = (Measured("S0", rounds, count=1000, target=target, added=True) for target in (5.5, 6))
    assert missed.row == "| S0 | 20.000 | 26.000 | 1.40 | 1.35 to 2.20 | +5.5 µs | missed |"
    assert holds.row.endswith("| +6 µs | holds |")
    assert 1.3 == holds.target_ratio


@pytest.mark.gate("up to half a second for each series")
@pytest.mark.parametrize("name", SERIES)
def test_series_runs(name: str) -> None:
    """Every series of growth runs at a small size, and takes time."""
    series = SERIES[name]
    assert series.run(series.small) > 0


@pytest.mark.parametrize("case", PEERS["reactivex"].cases)
def test_a_peer_runs(case: str) -> None:
    """The peer that we depend on runs every case that it can do, and takes time."""
    assert PEERS["reactivex"].roles()[case](20) > 0


@pytest.mark.gate("starts three interpreters")
def test_a_peer_is_measured_in_an_interpreter_of_its_own() -> None:
    """Its ratio is that of its own process to that of the limit."""
    assert measure_peer("reactivex", "S1", 100, "", rounds=1) > 0


def test_the_page() -> None:
    """The page has every table; a peer that cannot do a case has an empty cell there."""
    cases = [Measured(name, [(0.001, 0.002)], count=1000, target=3) for name in ("S1", "S3", "S6")]
    peers = {"one": {"S1": 9.0}, "another": {"S1": 10.0, "S3": 8.0}}
    page = Report(cases, peers, ["growth"], ["memory"], "Notes.").text
    assert "| S1 | 1.000 | 2.000 | 2.00 | 2.00 | 3 | holds |" in page
    assert "| S1 | **2.00** | 9.0 | 10.0 |\n| S3 | **2.00** |  | 8.0 |\n\n## How cost grows" in page
    assert page.endswith("## What is kept\n\nmemory\n\nNotes.\n")


def test_the_list_of_cases() -> None:
    """The notes say of every case what it measures, and the results have the notes as they are."""
    notes = NOTES.read_text(encoding="utf-8")
    listed = notes.partition("## What each case measures")[2].partition("\n## ")[0]
    assert [] == [name for name in CASES if not re.search(rf"(\\| |, ){name}(,| \\|)", listed)]
    results = NOTES.with_name("RESULTS.md").read_text(encoding="utf-8")
    assert METHOD in results
    assert results.endswith(notes)


def test_a_table_of_growth() -> None:
    """A series whose items cost more among many than among few grows; one that does not is flat.

    How much more they may cost is said by the series.
    """
    grown = {10: 1e-6, 400: 1.3e-6}
    assert ["flat", "grows"] == [
        rows({name: grown})[-1].split(" | ")[-1][:-2] for name in ("chain", "rewriting")
    ]
    flat, grows = (rows({"chain": costs})[-1] for costs in ({1: 1e-6, 10: 1e-6}, {1: 1e-6, 10: 1e-5}))
    assert flat == "| agents in a chain | 1: 1.00, 10: 1.00 | 1.00 | 1.00 | flat |"
    assert grows.endswith("| 10.00 | 10.00 | grows |")


@pytest.mark.gate("makes thousands of streams")
def test_what_is_kept() -> None:
    """What a token, a waiting stream and a called agent keep is what was promised, or less."""
    # In a process of its own: asyncio's table of all tasks grows by factors, at a count that depends on
    # how many there were.
    told = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory"], capture_output=True, check=True, cwd=ROOT, text=True
    )
    rows = told.stdout.splitlines()[2:]
    assert [True] * len(KEPT) == [row.endswith("| holds |") for row in rows], told.stdout
