"""The job on Ray: with a Ray of this process, and as a program that starts one."""

import subprocess
import sys
from pathlib import Path

import pytest

from examples import ray_job
from miniagents import MiniAgents
from miniagents.testing import scripted_model
from tests.support.fake_ray import FakeRay, fake_ray
from tests.support.ray_processes import ray_place

__all__ = ["fake_ray"]

EXPECTED = Path(__file__).parent / "expected" / "ray_job.txt"


async def test_in_workers(fake_ray: FakeRay, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two workers judge the rows; the second run takes all answers from the journal."""
    async with MiniAgents():
        await ray_job.main(scripted_model(then="Positive."), tmp_path / "moods.journal")
    out = capsys.readouterr().out
    assert "first: {'positive': 8}\n  0 from the journal" in out
    assert "second: {'positive': 8}\n  8 from the journal" in out
    assert len(fake_ray.actors) == 2
    await fake_ray.ended()


async def test_failed(fake_ray: FakeRay, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that fails in a worker is told."""
    async with MiniAgents():
        await ray_job.main(scripted_model(ValueError("no"), then="Positive."), tmp_path / "moods.journal")
    out = capsys.readouterr().out
    assert "has failed: no\nfirst: {'positive': 7}\n" in out
    await fake_ray.ended()


@pytest.mark.gate("starts Ray")
@pytest.mark.loop(timeout=120)
def test_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints what it should with processes of Ray, and leaves none."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with ray_place(monkeypatch) as environment:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, ray_job.__file__],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == EXPECTED.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == []
