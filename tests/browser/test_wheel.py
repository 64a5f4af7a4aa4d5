"""The page is in the wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

from tests.support.page_server import page_server

pytestmark = [pytest.mark.gate("pip builds a wheel"), pytest.mark.loop(timeout=300.0)]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "miniagents" / "cli" / "_server" / "page"


async def test_a_wheel_serves_the_page(tmp_path: Path) -> None:
    """The command of a built wheel serves the page and each of its files, as they are in the sources."""
    words = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "wheel",
        "--no-deps",
        f"--wheel-dir={tmp_path}",
        str(ROOT),
    ]
    subprocess.run(words, check=True)  # noqa: S603, ASYNC221 - our own words, and nothing else runs
    (wheel,) = [name for name in os.listdir(tmp_path) if name.endswith(".whl")]  # noqa: PTH208 - as above
    with zipfile.ZipFile(tmp_path / wheel) as files:
        files.extractall(tmp_path / "wheel")
    async with (
        page_server(tmp_path, agent=None, root=tmp_path / "wheel", anew=True) as server,
        httpx2.AsyncClient(base_url=server.address, trust_env=False, verify=False) as client,
    ):
        assert (PAGE / "index.html").read_bytes() == (await client.get("/")).content
        names = os.listdir(PAGE)  # noqa: PTH208 - as above
        assert {"app.js", "page.css", "icon.svg"} < set(names)
        for name in names:
            assert (PAGE / name).read_bytes() == (await client.get(f"/page/{name}")).content
