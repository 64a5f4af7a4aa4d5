"""How many packages a call and a token pass through: `python -m tests.bench.package_changes [--trace]`.

Counts, with `sys.setprofile`, the frames of `miniagents` that are entered, in how many files they are, and
the changes of package: how many frames are in another package than the frame entered before them. A package
is the first two levels of a module's name, such as ``miniagents.agents``. A coroutine or generator that is
resumed is entered again. Frames of other libraries are not counted, nor are returns.

All with `openai_agent`, whose server answers from memory:

* ``inquire``: the call ``openai_agent.inquire("x", ...)``, until it returns;
* ``begin``: the same, and on to the first line of the agent function;
* ``ask``: the same, and on until the HTTP transport gets the request;
* ``token``: from one token to the next where the message is read (``async for token in message``);
* ``tokens``: from one token to the next where ``replies.tokens`` is read.
"""

import argparse
import asyncio
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from types import FrameType, MappingProxyType

import httpx2
from openai import AsyncOpenAI
from typing_extensions import override

from miniagents import Message, MessageSequencePromise, MiniAgents
from miniagents.ext.llm.openai import openai_agent
from miniagents.operators import to_async_iter
from tests.support.chat_wire import chat

BOUNDS: Mapping[str, int] = MappingProxyType(
    {"inquire": 4, "begin": 7, "ask": 15, "token": 4, "tokens": 4},
)
"""The most changes of package that each path may have.

A change of the code that lowers a count lowers its bound here too.
"""

AGENT_FUNCTION = ("miniagents.ext.llm.openai", "openai_agent")
TOKENS = 6
BETWEEN = 3, 4
"""The tokens between which is counted: neither the first one nor the last one."""
TURNS = 10
"""Turns of the event loop after which all readers wait again."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was entered.

    Attributes:
        module: the module of its code.
        function: its qualified name.
        line: the first line of the function.
    """

    module: str
    function: str
    line: int

    @property
    def package(self) -> str:
        """The first two levels of the module's name."""
        return ".".join(self.module.split(".")[:2])


@dataclass(frozen=True, slots=True)
class CodePath:
    """Frames in the order in which they were entered."""

    frames: Sequence[Frame]

    @property
    def files(self) -> int:
        """The number of modules."""
        return len({frame.module for frame in self.frames})

    @property
    def by_package(self) -> list[tuple[str, list[Frame]]]:
        """The packages in order, each with the frames that are entered before the next one."""
        return [(package, list(each)) for package, each in groupby(self.frames, lambda frame: frame.package)]

    @property
    def changes(self) -> int:
        """The number of frames that are in another package than the frame before."""
        return max(0, len(self.by_package) - 1)

    @property
    def trace(self) -> Iterator[str]:
        """The packages with their frames, as lines of text."""
        for number, (package, frames) in enumerate(self.by_package):
            yield f"{number:4} {package}"
            for frame in frames:
                yield f"         {frame.module}:{frame.line} {frame.function}"


@contextmanager
def entered_frames() -> Generator[list[Frame]]:
    """Collect the frames of miniagents that are entered inside the block."""
    frames: list[Frame] = []

    def on_event(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            module = str(frame.f_globals.get("__name__", ""))
            if module.partition(".")[0] == "miniagents":
                code = frame.f_code
                frames.append(Frame(module, code.co_qualname, code.co_firstlineno))

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield frames
    finally:
        sys.setprofile(before)


class OneByOne(httpx2.AsyncByteStream):
    """An answer whose events arrive one at a time, each when all readers wait."""

    @override
    async def __aiter__(self) -> AsyncGenerator[bytes]:
        for event in chat(*(f"word{number} " for number in range(TOKENS))):
            await after(TURNS)
            yield event


def after(turns: int) -> asyncio.Future[None]:
    """A future that is done after so many turns of the loop, so that its reader is resumed once."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def turn(left: int) -> None:
        if left:
            loop.call_soon(turn, left - 1)
        else:
            done.set_result(None)

    turn(turns)
    return done


def ignore() -> None:
    """Do nothing."""


class Server:
    """A server in memory.

    Attributes:
        on_request: is called when a request arrives.
        transport: what an HTTP client sends its requests to.
    """

    def __init__(self) -> None:
        self.on_request: Callable[[], None] = ignore
        self.transport = httpx2.MockTransport(self._answer)

    def _answer(self, _: httpx2.Request) -> httpx2.Response:
        self.on_request()
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=OneByOne())


Inquire = Callable[[], MessageSequencePromise[Message]]


async def until_it_returns(inquire: Inquire, _: Server) -> CodePath:
    """The call of `inquire`."""
    with entered_frames() as frames:
        replies = inquire()
    await replies
    return CodePath(frames)


async def until_it_begins(inquire: Inquire, server: Server) -> CodePath:
    """From the call of `inquire` to the agent function."""
    frames = (await until_it_asks(inquire, server)).frames
    names = [(frame.module, frame.function) for frame in frames]
    return CodePath(frames[: names.index(AGENT_FUNCTION) + 1])


async def until_it_asks(inquire: Inquire, server: Server) -> CodePath:
    """From the call of `inquire` to the request; the replies are not read before."""
    arrived: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with entered_frames() as frames:
        server.on_request = lambda: arrived.set_result(len(frames))
        replies = inquire()
        count = await arrived
        server.on_request = ignore
    await replies
    return CodePath(frames[:count])


async def token_of_message(inquire: Inquire, _: Server) -> CodePath:
    """From one token of the message to the next one."""
    async for message in inquire():
        return await between_tokens(message)
    raise AssertionError("No message came.")


async def token_of_replies(inquire: Inquire, _: Server) -> CodePath:
    """From one token of all replies to the next one."""
    return await between_tokens(to_async_iter(inquire().tokens))


async def between_tokens(tokens: AsyncIterable[object]) -> CodePath:
    """Read all tokens; return what is entered between two of them."""
    with entered_frames() as frames:
        counts = [len(frames) async for _ in tokens]
    first, second = BETWEEN
    return CodePath(frames[counts[first] : counts[second]])


PATHS: Mapping[str, Callable[[Inquire, Server], Awaitable[CodePath]]] = MappingProxyType(
    {
        "inquire": until_it_returns,
        "begin": until_it_begins,
        "ask": until_it_asks,
        "token": token_of_message,
        "tokens": token_of_replies,
    }
)


async def code_paths() -> dict[str, CodePath]:
    """Every path, the second time that it is taken: what a program makes once is made the first time."""
    server = Server()
    http_client = httpx2.AsyncClient(transport=server.transport)
    async with MiniAgents(), AsyncOpenAI(api_key="key", http_client=http_client) as client:

        def inquire() -> MessageSequencePromise[Message]:
            return openai_agent.inquire("x", model="model-of-bench", client=client)

        for path in PATHS.values():
            await path(inquire, server)
        return {name: await path(inquire, server) for name, path in PATHS.items()}


HEAD = ("| path | frames | files | changes of package | at most | |", "|---|---|---|---|---|---|")


def row(name: str, path: CodePath) -> str:
    """One line of a Markdown table."""
    verdict = "holds" if path.changes <= BOUNDS[name] else "missed"
    return f"| {name} | {len(path.frames)} | {path.files} | {path.changes} | {BOUNDS[name]} | {verdict} |"


def main() -> None:
    """Print the table, and the frames if they are asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.package_changes",
        description="How many frames, files and changes of package a call and a token pass through.",
    )
    parser.add_argument("names", nargs="*", metavar="PATH", help=f"any of {', '.join(PATHS)}; all without")
    parser.add_argument("--trace", action="store_true", help="print the frames too, package by package")
    wanted = parser.parse_args()
    names: list[str] = wanted.names or list(PATHS)
    found = asyncio.run(code_paths(), debug=False)
    lines = [*HEAD, *(row(name, found[name]) for name in names)]
    if wanted.trace:
        for name in names:
            lines += ["", f"{name}:", *found[name].trace]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
