"""`miniagents map --ray`: what cannot be a cluster is one line, before anything is asked."""

import asyncio
import socket
import sys
from contextlib import ExitStack
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest

from miniagents import miniagent
from miniagents.cli._arguments import BadInputError
from miniagents.cli._main import main
from miniagents.cli._ray import ClusterHead, run_by_workers


@miniagent
async def nobody(ctx: object) -> None:
    """Never asked."""


class Ray(SimpleNamespace):
    """As much of Ray as begins and ends.

    Attributes:
        calls: what was called.
        failure: of `init`.
    """

    __spec__ = ModuleSpec("ray", None)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[object] = []
        self.failure: Exception | None = None

    def init(self, address: str | None, **options: object) -> None:
        """Become a driver."""
        self.calls.append(address)
        if self.failure is not None:
            raise self.failure

    def shutdown(self) -> None:
        """Be one no more."""
        self.calls.append("shutdown")

    def is_initialized(self) -> bool:
        """Whether it was joined."""
        return self.failure is None

    def get_runtime_context(self) -> SimpleNamespace:
        """Where its head is: nothing answers there."""
        return SimpleNamespace(gcs_address="127.0.0.1:1")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    """Ray, for this test."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Ray()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.mark.parametrize(("address", "told"), [("local", None), ("auto", "auto")])
def test_begin_and_end(ray: Ray, address: str, told: str | None) -> None:
    """J8: the program joins a cluster and leaves it at its end; it does not wait for a head that is gone."""
    with ExitStack() as stack:
        agent = run_by_workers(nobody, address, 4, 64, stack)
        assert [told] == ray.calls
        assert agent.alias == nobody.alias
    assert [told, *(["shutdown"] if address == "local" else [])] == ray.calls


async def test_a_head_that_goes() -> None:
    """J8: a head that answers is there; one that has not answered four times in a row is gone."""
    server = socket.create_server(("127.0.0.1", 0))
    head = ClusterHead("127.0.0.1", server.getsockname()[1], every=0.01)
    watching = asyncio.create_task(head.until_gone())
    await asyncio.sleep(0.2)
    assert (False, False) == (watching.done(), head.is_gone)
    server.close()
    async with asyncio.timeout(10):
        await watching
    assert head.is_gone


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:0", "127.0.0.1:port", ":6379", "ray://h"])
def test_no_address(ray: Ray, address: str) -> None:
    """What is no address is told so."""
    with (
        ExitStack() as stack,
        pytest.raises(BadInputError, match="is not an address; write HOST:PORT, auto or local"),
    ):
        run_by_workers(nobody, address, 4, 64, stack)
    assert [] == ray.calls


def test_nobody_answers(ray: Ray) -> None:
    """An address at which nobody listens is told at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with (
        ExitStack() as stack,
        pytest.raises(BadInputError, match=f"--ray: no cluster answers at {address}: Conn"),
    ):
        run_by_workers(nobody, address, 4, 64, stack)
    assert [] == ray.calls


def test_no_cluster(ray: Ray) -> None:
    """What Ray says of a cluster that it cannot join is told in one line."""
    ray.failure = ConnectionError("Could not find any running Ray instance.\nMore of it.")
    with (
        ExitStack() as stack,
        pytest.raises(BadInputError, match=r"Ray cannot be used: Could .* instance\.$"),
    ):
        run_by_workers(nobody, "auto", 4, 64, stack)


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray it is told what to install."""
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with ExitStack() as stack, pytest.raises(BadInputError, match=r"pip install 'miniagents\[ray\]'"):
        run_by_workers(nobody, "auto", 4, 64, stack)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--replicas", "3"], "--replicas has a meaning only with Ray; add --ray ADDRESS"),
        (["--ray", "local", "--replicas", "0"], "0 is too few; give 1 or more"),
        (["--ray", ""], "--ray is empty"),
    ],
)
def test_words(capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    """Words that make no sense are told in one line, with exit code 2."""
    assert 2 == main(["map", "eliza", "in.jsonl", "-o", "out.jsonl", "--text-column", "text", *words])
    assert line in capsys.readouterr().err
