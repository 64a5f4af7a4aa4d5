"""A server of Chat Completions in a process of its own, and how its clients are measured.

`python -m tests.bench.answer_server TOKENS PAUSE` prints its port and serves until its standard input ends.
It writes an answer token by token: as fast as it can, so that a client reads some ten tokens at once, or with
a pause before each. Its length is told beforehand: of chunks of HTTP the parsing alone would be half of what
the limit takes. Nothing here imports us: clients of other libraries are measured with it too.
"""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Final

import httpx2

from .sources import Role, timed

TOKENS: Final = 300
"""Tokens of an answer, at most."""
PAUSE: Final = 0
"""Seconds between two tokens of an answer."""
LIVE_PAUSE: Final = 0.02
"""Seconds between two tokens of a live answer: the speed of a fast model."""
MODEL: Final = "model-of-bench"
KEY: Final = "key"
QUESTION: Final = "How are you?"
ROOT = Path(__file__).parents[2]

Ask = Callable[[], Awaitable[int]]
"""Asks once, reads the answer token by token and returns how many tokens there were."""

Asking = Callable[[str, httpx2.AsyncClient], Awaitable[Ask]]
"""Makes what asks, from the base URL of the server and an HTTP client."""


# -- the clients -----------------------------------------------------------------------------------------


def reading(
    asking: Asking, context: Callable[[], AbstractAsyncContextManager[object]] = nullcontext, pause: float = 0
) -> Role:
    """Read answers of `TOKENS` tokens at once, ``count`` tokens in all; the CPU seconds of this process.

    Args:
        asking: the library that is measured; what it makes once is not measured.
        context: is entered before.
        pause: seconds between two tokens of an answer; 0 for as fast as they can be sent.
    """

    def role(count: int) -> float:
        tokens = min(count, TOKENS)
        answers = ceil(count / tokens)

        async def main(url: str) -> float:
            limits = httpx2.Limits(max_connections=None)
            async with context(), httpx2.AsyncClient(trust_env=False, verify=False, limits=limits) as client:
                ask = await asking(url, client)

                async def work() -> None:
                    found = await asyncio.gather(*(ask() for _ in range(answers)))
                    if found != [tokens] * answers:
                        msg = f"{sum(found)} tokens came, and {tokens * answers} were sent."
                        raise AssertionError(msg)

                return await timed(work)

        with serving(tokens, pause) as url:
            return asyncio.run(main(url), debug=False)

    return role


@contextmanager
def serving(tokens: int, pause: float) -> Generator[str]:
    """Serve answers of so many tokens, from another process.

    Args:
        tokens: of each answer.
        pause: seconds between two tokens.

    Yields:
        The base URL.
    """
    command = [sys.executable, "-m", "tests.bench.answer_server", str(tokens), str(pause)]
    with subprocess.Popen(  # noqa: S603 - ours
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.communicate()  # its input ends, and so does the server


# -- the server ------------------------------------------------------------------------------------------


async def serve(tokens: int, pause: float) -> None:
    """Serve until the standard input ends."""
    chat = import_module("tests.support.chat_wire").chat
    events: tuple[bytes, ...] = chat(*(f"word{number} " for number in range(tokens)))
    length = sum(map(len, events))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % length

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := (await reader.readuntil(b"\r\n\r\n")).lower():
                await reader.readexactly(int(request.partition(b"content-length:")[2].partition(b"\r\n")[0]))
                writer.write(head)
                for event in events:
                    await asyncio.sleep(pause)
                    writer.write(event)
        except (asyncio.IncompleteReadError, ConnectionError):  # the client has gone
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1_000)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - this is its output
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])), debug=False)
