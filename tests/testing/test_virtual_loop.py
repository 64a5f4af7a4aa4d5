"""An event loop with virtual time: what is outside of it, where it waits, and real I/O on it."""

import asyncio
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import NoReturn

import pytest

from miniagents import MiniAgents
from miniagents.testing import virtual_time
from miniagents.testing._virtual_loop import Now, StuckLoopError, Traffic, VirtualSelector, traffic
from tests.support.sse_server import answer, hold, raw, serve

QUIET = Traffic(outside=False, inside=False)
INSIDE = Traffic(outside=False, inside=True)
OUTSIDE = Traffic(outside=True, inside=False)


@contextmanager
def connection() -> Generator[tuple[int, int, int]]:
    """The descriptors of a listening socket and of the two ends of a connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
        listening.accept()[0] as server,
    ):
        yield listening.fileno(), client.fileno(), server.fileno()


def test_nothing() -> None:
    """Without files nothing can come."""
    assert traffic([], []) == QUIET


def test_both_ends() -> None:
    """What is connected to a socket of the same loop is inside, also if the loop does not watch both now."""
    with connection() as (_, client, server):
        assert traffic([client, server], []) == traffic([client], [server, client]) == INSIDE


def test_one_end() -> None:
    """What is connected to anybody else is outside."""
    with connection() as (_, client, _server):
        assert traffic([client], []) == OUTSIDE


def test_listening() -> None:
    """A listening socket is no traffic."""
    with connection() as (listening, _client, _server):
        assert traffic([listening], [listening]) == QUIET


def test_one_outside_is_enough() -> None:
    """One file from outside beside a connection inside is told, and so is the connection."""
    read, write = os.pipe()
    with connection() as (_, client, server):
        assert traffic([client, server, read], []) == Traffic(outside=True, inside=True)
    os.close(read)
    os.close(write)


def test_what_cannot_be_told() -> None:
    """Socket pairs, datagram sockets and sockets that are not connected yet are outside."""
    one, other = socket.socketpair()
    with one, other, socket.socket() as fresh, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for each in (one, other, fresh, datagrams):
            assert traffic([each.fileno()], [one.fileno(), other.fileno()]) == OUTSIDE


def test_closed() -> None:
    """A descriptor that was watched once and is closed by now is looked over."""
    with connection() as (_, client, server):
        gone = os.dup(client)
        os.close(gone)
        assert traffic([client, server], [gone]) == INSIDE


class StuckHere(Exception):  # noqa: N818 - what the loop's own error stands for
    """Nothing is left to wait for."""


def stuck() -> NoReturn:
    raise StuckHere


@contextmanager
def selector(*, busy: bool = False) -> Generator[VirtualSelector]:
    """A selector whose first file, as with a loop, is the one through which it is woken."""
    waker, waking = socket.socketpair()
    waiting = VirtualSelector(Now(), 0.01, lambda: busy, stuck, lambda: False)
    with waker, waking:
        waiting.register(waker, selectors.EVENT_READ)
        yield waiting
        waiting.close()


def test_jump() -> None:
    """With nothing else to wait for, the clock is put forward by the timeout at once."""
    with selector() as waiting:
        assert (waiting.select(3600), waiting._now.seconds) == ([], 3600)


def test_no_timeout() -> None:
    """A look without waiting takes no time, and a wait for ever with nothing to wait for is an error."""
    with selector() as waiting:
        assert waiting.select(0) == waiting.select(-1) == []
        with pytest.raises(StuckHere):
            waiting.select(None)
        assert waiting._now.seconds == 0


def test_busy() -> None:
    """While something is at work that is no file, the timeout is waited for in real time."""
    with selector(busy=True) as waiting:
        assert waiting.select(0.01) == []
        assert 0.01 <= waiting._now.seconds < 10


def test_a_pipe() -> None:
    """A pipe is waited for, however far the timeout, and the clock says how long it took."""
    read, write = os.pipe()
    answering = threading.Timer(0.2, os.close, [write])
    with selector() as waiting:
        key = waiting.register(read, selectors.EVENT_READ, "data")
        answering.start()
        assert waiting.select(3600) == [(key, selectors.EVENT_READ)]
        assert 0 < waiting._now.seconds < 60
        assert waiting.unregister(read) == key
        assert (waiting.select(3600), waiting._now.seconds > 3600) == ([], True)
    answering.join()
    os.close(read)


def test_what_is_watched() -> None:
    """It is a selector as any other: files are registered, changed, listed and taken out."""
    one, other = socket.socketpair()
    with one, other, selector() as waiting:
        waiting.register(one, selectors.EVENT_READ)
        key = waiting.modify(one, selectors.EVENT_WRITE, "data")
        assert waiting.get_map()[one.fileno()] == waiting.get_key(one) == key
        assert waiting.select(0) == [(key, selectors.EVENT_WRITE)]
        waiting.unregister(one)
        assert list(waiting.get_map()) != [one.fileno()]


async def hour_beside(outside: Awaitable[object]) -> float:
    """Return when `outside` ended, while an hour-long timer is set that must not come first."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(3600, pytest.fail, "the timer came first")
    await outside
    timer.cancel()
    return loop.time()


def test_a_job_on_a_thread() -> None:
    """While a thread works, time is real: a far timer does not come before the end of the job."""
    with virtual_time() as clock:
        ended = asyncio.run(hour_beside(asyncio.to_thread(time.sleep, 0.02)))
        assert 0.01 <= ended <= clock.time() < 60


def test_a_timeout_of_a_job() -> None:
    """A timeout that is due while a thread works comes, in real time."""
    go = threading.Event()

    async def main() -> float:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await asyncio.to_thread(go.wait, 20)
        go.set()
        return asyncio.get_running_loop().time()

    with virtual_time():
        assert 0.01 <= asyncio.run(main()) < 20


def test_after_a_job() -> None:
    """When the thread is done, time jumps again, although its pool lives on."""

    async def main() -> None:
        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, int)
            await asyncio.to_thread(int)
            await asyncio.sleep(3600)

    with virtual_time() as clock:
        asyncio.run(main())
    assert 3600 <= clock.time() < 3660


def test_a_job_that_fails() -> None:
    """A job that raised is over, too."""

    async def main() -> None:
        with pytest.raises(ValueError, match="x"):
            await asyncio.to_thread(int, "x")
        await asyncio.Event().wait()

    with virtual_time(), pytest.raises(StuckLoopError):
        asyncio.run(main())


async def hours() -> AsyncIterator[int]:
    """Yield a number each hour."""
    for number in range(3):
        await asyncio.sleep(3600)
        yield number


def test_a_job_that_waits_for_the_loop() -> None:
    """While a job waits for the loop, time jumps; while another one works, it does not."""

    def job() -> list[int]:
        numbers: list[int] = []
        for number in MiniAgents.iterate_from_thread(hours):
            numbers.append(number)
            time.sleep(0.002)
        return numbers

    async def main() -> None:
        async with MiniAgents():
            assert [0, 1, 2] == await asyncio.to_thread(job)
            assert 5 == await asyncio.to_thread(lambda: MiniAgents.from_thread(asyncio.sleep, 3600, 5))
            ended = asyncio.get_running_loop().time()
            assert 4 * 3600 <= ended < 4 * 3600 + 60
            both = asyncio.to_thread(time.sleep, 0.02), asyncio.to_thread(job)
            await asyncio.wait([*map(asyncio.ensure_future, both)], return_when=asyncio.FIRST_COMPLETED)
            assert asyncio.get_running_loop().time() - ended < 60

    with virtual_time():
        asyncio.run(main())


def test_a_job_that_waits_for_a_stuck_loop() -> None:
    """If what a job waits for cannot come, the loop is stuck, and does not wait for the job."""

    async def main() -> None:
        async with MiniAgents(app_wide=True):
            await asyncio.to_thread(MiniAgents.from_thread, asyncio.Event().wait)

    with virtual_time(), pytest.raises(StuckLoopError):
        asyncio.run(main())


def test_a_name_is_looked_up() -> None:
    """Looking up a host is a job on a thread, too."""
    with virtual_time():
        infos = asyncio.run(_look_up())
    assert infos[0][4][:2] == ("127.0.0.1", 80)


async def _look_up() -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    found = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    return [(*info[:4], tuple(info[4])) for info in found]


@pytest.mark.parametrize("piped", [True, False])
def test_a_process(*, piped: bool) -> None:
    """While a process runs, time is real, also if nothing is read from it."""
    # Longer than the 0.04 s below: what the loop itself takes to start the process is no time of its clock.
    script = "import time; time.sleep(0.2); print(1)"

    async def run() -> bytes:
        pipe = asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", script, stdout=pipe)
        return (await process.communicate())[0]

    async def main() -> float:
        task = asyncio.create_task(run())
        ended = await hour_beside(task)
        assert not piped or await task == b"1\n"
        return ended

    with virtual_time():
        assert 0.04 <= asyncio.run(main()) < 60


def test_a_shell() -> None:
    """The same holds for a shell."""

    async def run() -> None:
        process = await asyncio.create_subprocess_shell("exit 3")
        assert await process.wait() == 3

    with virtual_time():
        assert asyncio.run(hour_beside(run())) < 60


def test_a_server_of_ones_own() -> None:
    """A request to a server on the same loop takes no virtual time, and is answered before a timer comes."""

    async def main() -> tuple[bytes, float]:
        async with serve(answer(200, b"hello")) as server:
            port = int(server.url.rsplit(":", 1)[1])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
            async with asyncio.timeout(0.001):
                await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(5)
            writer.close()
            await writer.wait_closed()
        return body, asyncio.get_running_loop().time()

    with virtual_time():
        assert asyncio.run(main()) == (b"hello", 0)


def test_much_data_over_a_socket() -> None:
    """Megabytes through full socket buffers take no virtual time, either."""
    data = bytes(4_000_000)

    async def main() -> float:
        async with serve(raw(data)) as server:
            port = int(server.url.rsplit(":", 1)[1])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(0.001):
                assert await reader.read(-1) == data
            writer.close()
            await writer.wait_closed()
        return asyncio.get_running_loop().time()

    with virtual_time():
        assert asyncio.run(main()) == 0


def test_a_silent_server() -> None:
    """A server that says nothing is waited for as long as the timeout says, and that takes no real time."""
    begun = time.monotonic()

    async def main() -> float:
        async with serve(raw(hold)) as server:
            port = int(server.url.rsplit(":", 1)[1])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with suppress(TimeoutError):
                async with asyncio.timeout(3600):
                    await reader.read()
            writer.close()
            await writer.wait_closed()
        return asyncio.get_running_loop().time()

    with virtual_time():
        assert asyncio.run(main()) == 3600
    assert time.monotonic() - begun < 60


def test_a_server_nobody_asks() -> None:
    """A server that only listens is no I/O under way: sleeping beside it takes no real time."""

    async def main() -> float:
        async with serve(answer(200, b"")):
            await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    with virtual_time():
        assert asyncio.run(main()) == 3600


def _in_a_thread(conversation: Callable[[socket.socket], object]) -> "tuple[int, threading.Thread]":
    listening = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        with listening, listening.accept()[0] as connection:
            conversation(connection)

    thread = threading.Thread(target=talk)
    thread.start()
    return listening.getsockname()[1], thread


def test_a_server_elsewhere() -> None:
    """A peer that is not on this loop takes the real time it takes, and no timer comes early."""

    def slow(connection: socket.socket) -> None:
        time.sleep(0.1)  # twice the patience with sockets of one's own
        connection.sendall(b"late")

    port, thread = _in_a_thread(slow)

    async def main() -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ended = await hour_beside(reader.readexactly(4))
        writer.close()
        await writer.wait_closed()
        return ended

    with virtual_time():
        assert 0.04 < asyncio.run(main()) < 60
    thread.join()


def test_a_socket_pair() -> None:
    """Of a pair of sockets without addresses it is not known who holds the other end: time is real."""
    one, other = socket.socketpair()
    answering = threading.Timer(0.02, other.sendall, [b"x"])

    async def main() -> float:
        one.setblocking(False)  # noqa: FBT003 - the name of the method says it
        return await hour_beside(asyncio.get_running_loop().sock_recv(one, 1))

    with one, other, virtual_time():
        answering.start()
        assert asyncio.run(main()) < 60
    answering.join()


def test_a_datagram() -> None:
    """A datagram socket may hear from anybody: time is real."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)  # noqa: FBT003
            answering = threading.Timer(0.02, sock.sendto, [b"x", sock.getsockname()])
            answering.start()
            ended = await hour_beside(loop.sock_recv(sock, 1))
            await asyncio.to_thread(answering.join)
        return ended

    with virtual_time():
        assert asyncio.run(main()) < 60


def test_a_pipe_virtual_loop() -> None:
    """What a watched pipe brings is waited for."""
    read, write = os.pipe()

    async def main() -> float:
        loop = asyncio.get_running_loop()
        there = asyncio.Event()
        loop.add_reader(read, there.set)
        try:
            return await hour_beside(there.wait())
        finally:
            loop.remove_reader(read)

    answering = threading.Timer(0.02, os.close, [write])
    with virtual_time():
        answering.start()
        assert asyncio.run(main()) < 60
    answering.join()
    os.close(read)


def test_a_thread_of_ones_own() -> None:
    """A thread that asyncio does not run is not seen, and the error says what to do."""
    go = threading.Event()

    async def main() -> None:
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            go.wait(20)
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(woken.set)

        threading.Thread(target=wake).start()
        await woken.wait()

    with virtual_time(), pytest.raises(StuckLoopError, match=r"as asyncio\.to_thread does"):
        asyncio.run(main())
    go.set()


def test_a_cancelled_job_is_not_forgotten() -> None:
    """Leaving an executor's job behind ends as it does with real time: its pool is waited for."""

    async def main() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.to_thread(time.sleep, 0.02)

    with virtual_time():
        asyncio.run(main())
