"""Connections that ask for nothing, or say it slowly, take nobody's place."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from miniagents.cli._server._connections import SilentConnections
from miniagents.testing import scripted_model
from tests.support.pages import Page, page_of


async def connected(page: Page) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the server."""
    return await asyncio.open_connection("127.0.0.1", page.port)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection that the other side may have closed."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def patience(monkeypatch: pytest.MonkeyPatch, seconds: float, most: int = 200) -> None:
    """Have the servers of the test wait so long, for so many."""
    monkeypatch.setattr(
        "miniagents.cli._server._serve.SilentConnections",
        lambda: SilentConnections(patience=seconds, most=most),
    )


async def test_who_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without a whole request is cut after a time, also if its head comes byte by byte."""
    patience(monkeypatch, 0.2)
    async with page_of(scripted_model(), tmp_path) as page:
        loop = asyncio.get_running_loop()
        began = loop.time()
        silent, one = await connected(page)
        slow, other = await connected(page)
        head = f"GET /api/info HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\n"
        with suppress(OSError):
            for each in head:
                other.write(each.encode())
                await other.drain()
                await asyncio.sleep(0.01)
        with suppress(OSError):
            assert b"" == await silent.read()
        with suppress(OSError):
            assert b"" == await slow.read()
        assert 0.15 < loop.time() - began < 2
        await closed(one)
        await closed(other)


async def test_answers_are_not_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to a client is sent at once: the system does not wait for more of it (Nagle)."""
    made: list[asyncio.Transport] = []

    def note(_: SilentConnections, transport: asyncio.Transport) -> None:
        made.append(transport)

    monkeypatch.setattr(SilentConnections, "add", note)
    async with page_of(scripted_model(), tmp_path) as page:
        await page.client.get("/api/info")
        connection = made[0].get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_who_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is being answered is not cut; one that does not come after it is."""
    patience(monkeypatch, 0.05)
    forever = asyncio.Event()
    model = scripted_model(["a"], then=["b"])
    async with page_of(model, tmp_path) as page:
        thread = await page.thread()
        monkeypatch.setattr("miniagents.cli._server._threads.Threads.make", _after(forever, thread))
        reader, writer = await connected(page)
        head = f"HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\n"
        writer.write(f"POST /api/threads {head}content-length: 0\r\n\r\n".encode())
        await asyncio.sleep(0.1)
        forever.set()
        assert (await reader.readline()).startswith(b"HTTP/1.1 201")
        await reader.readuntil(b"}")
        writer.write(b"GET /ap")  # and no more
        began = asyncio.get_running_loop().time()
        with suppress(OSError):
            await reader.read()
        assert asyncio.get_running_loop().time() - began < 2
        await closed(writer)


def _after(event: asyncio.Event, result: str) -> object:
    async def wait(*_: object) -> str:
        await event.wait()
        return result

    return wait


@pytest.mark.parametrize("count", [50, pytest.param(1_000, marks=pytest.mark.gate("1,000 connections"))])
async def test_many_who_send_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """However many connections send nothing, others are served at once; the longest silent ones are cut."""
    patience(monkeypatch, 30.0, most=20)
    async with page_of(scripted_model("Hello"), tmp_path) as page:
        silent = [await connected(page) for _ in range(count)]
        async with asyncio.timeout(5):
            thread = await page.thread()
            assert "finished" == (await page.say(thread, "Hi"))[-1]["how"]
        gone = 0
        for reader, _ in silent[: count - 20]:
            with suppress(ConnectionResetError):
                assert b"" == await reader.read()
            gone += 1
        assert count - 20 == gone
        assert not silent[-1][0].at_eof()
        for _, writer in silent:
            await closed(writer)
