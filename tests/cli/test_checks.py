import asyncio
import os
import re
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniagents import Messages, UserMessage
from miniagents.cli._checks import check_base_url, open_history
from miniagents.cli._complain import BadInputError
from tests.cli.processes import environment
from tests.support.sse_server import refused_url


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)


@contextmanager
def listening() -> Generator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server, f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_a_server_that_answers_is_left_in_peace() -> None:
    """One connection, not a byte on it, and it is closed again."""
    loop = asyncio.get_running_loop()
    with listening() as (server, url):
        await check_base_url(f"{url}/v1")
        connection, _ = await loop.sock_accept(server)
        with connection:
            assert b"" == await loop.sock_recv(connection, 1)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://localhost", "http://", "http://x:99999", "http://[", "http://x:y/v1"]
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    """The error shows how to write one."""
    with pytest.raises(
        BadInputError, match=re.escape(f"the base URL {url} is no address; write it like http://")
    ):
        await check_base_url(url)


async def test_where_nobody_listens_nothing_answers() -> None:
    """A refused connection is said to be one, also when a name has several addresses."""
    url = refused_url()
    expected = f"nothing answers at the base URL {url}: Connection refused"
    with pytest.raises(BadInputError, match=re.escape(expected)):
        await check_base_url(url)
    with pytest.raises(BadInputError, match=r"Connection refused|none of its addresses takes a connection"):
        await check_base_url(url.replace("127.0.0.1", "localhost"))


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 300])
async def test_a_name_that_leads_nowhere_is_refused(host: str) -> None:
    """A name without an address, or one that can be none."""
    with pytest.raises(BadInputError, match="nothing answers at the base URL"):
        await check_base_url(f"http://{host}/v1")


async def test_a_server_that_does_not_accept_is_not_waited_for() -> None:
    """The patience is bounded, and the error tells how long it was."""
    with listening() as (_, url), pytest.raises(BadInputError, match="within 0 seconds"):
        await check_base_url(url, patience=0)


async def test_behind_a_proxy_only_the_address_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that only the proxy reaches cannot be connected to from here."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    await check_base_url("http://nowhere.invalid/v1")
    with pytest.raises(BadInputError):
        await check_base_url("https://nowhere.invalid/v1")


async def test_a_history_is_opened_without_making_it(tmp_path: Path) -> None:
    """No file yet: nothing so far, and no file after looking either."""
    path = tmp_path / "CHAT.md"
    history, so_far = await open_history(path)
    assert () == so_far
    assert not path.exists()
    await history.append(Messages((UserMessage("hello"),)))
    _, so_far = await open_history(path)
    assert (UserMessage("hello"),) == so_far


async def test_without_a_file_it_is_kept_in_memory() -> None:
    """No history file, no file."""
    _, so_far = await open_history(None)
    assert () == so_far


async def test_a_folder_is_no_history(tmp_path: Path) -> None:
    """What cannot be read or written as a file is refused."""
    with pytest.raises(BadInputError, match=re.escape(str(tmp_path))):
        await open_history(tmp_path)
