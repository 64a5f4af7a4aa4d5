"""``Cassette``: records calls of models once, and replays them without a network.

Its file has a line of JSON for each event, with its time.
"""

import asyncio
import difflib
import json
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import ClassVar, Final, Literal, Never, Self, TypeAlias, TypeVar, cast

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.messages import Message, MessagePromise
from miniagents.runs import (
    CASSETTE_VERSION,
    CallPlayer,
    Json,
    MessageForm,
    RecordedEvent,
    call_lines,
    data_of,
    error_data,
    part_data,
    request_data,
)
from miniagents.values import MiniAgentsError, Part

A = TypeVar("A", bound=MiniAgent[Never, Message, ...])
AnyAgent: TypeAlias = MiniAgent[Message, Message, ...]

CassetteMode: TypeAlias = Literal["replay", "record", "rewrite"]
"""``"replay"`` calls no model; ``"record"`` records missing calls; ``"rewrite"`` records all calls anew."""

_DIFF_LINES: Final = 60
_COMPARED: Final = 20_000  # characters of a request that are compared to find the nearest one
_LATEST: Final = 10_000_000.0  # seconds; a time after this is a mistake


class CassetteError(MiniAgentsError, AssertionError):
    """A cassette is missing or cannot be read, has no such call, or has a call that was not made.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import cassette, scripted_model
        >>> async def main():
        ...     await cassette(scripted_model("Hi"), "no_such_file.jsonl").inquire("Hello")
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...CassetteError: There is no cassette 'no_such_file.jsonl'; record it with ...
    """


@dataclass(slots=True)
class RecordedCall:
    """A call of a model.

    Attributes:
        request: the messages and keywords.
        events: what happened, in order.
        ended: True if the call has ended, so that it can be written.
        played: True if it was replayed, or has just been made.
        key: the request as a text; equal requests have the same.
    """

    request: dict[str, Json]
    events: list[RecordedEvent] = field(default_factory=list[RecordedEvent])
    ended: bool = False
    played: bool = False
    key: str = field(init=False)
    _written: tuple[int, bytes] = (0, b"")

    def __post_init__(self) -> None:
        """Compute the key."""
        self.key = json.dumps(self.request, sort_keys=True)

    def written(self, number: int) -> bytes:
        """Return the call, which has ended, as it is written.

        Args:
            number: of the call in the file.
        """
        if self._written[0] != number:  # it is written again with each later call
            self._written = number, b"".join(map(_line_of, call_lines(number, self.request, self.events)))
        return self._written[1]


def write_calls(path: Path, calls: Sequence[RecordedCall]) -> None:
    """Write all calls that have ended, and replace the whole file.

    Args:
        path: of the file; missing folders are made.
        calls: in order.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(_line_of({"cassette": CASSETTE_VERSION}))
        ended = (call for call in calls if call.ended)
        file.writelines(call.written(number) for number, call in enumerate(ended, start=1))
    beside.replace(path)


def _content(call: RecordedCall) -> str:
    return json.dumps([*call_lines(1, call.request, call.events)])


def _line_of(data: dict[str, Json]) -> bytes:
    # Half of a surrogate pair is written as JSON escapes it.
    return f"{json.dumps(data, ensure_ascii=False)}\n".encode(errors="backslashreplace")


def read_calls(path: Path) -> list[RecordedCall]:
    """Read a file.

    Args:
        path: of the file.

    Raises:
        CassetteError: the file is missing, or not a cassette of this version; the error names the line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = [*file]  # `splitlines` would also divide at U+2028, which may stand in a text
    except FileNotFoundError:
        raise CassetteError(
            f"There is no cassette '{path}'; record it with `pytest --cassettes=record`, or with "
            'mode="record".'
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CassetteError(f"The cassette '{path}' cannot be read: {error}.") from None
    calls: list[RecordedCall] = []
    for number, line in enumerate(lines, start=1):
        try:
            _read_line(_object(line), number, calls)
        except (ValueError, RecursionError) as error:
            raise CassetteError(
                f"Line {number} of the cassette '{path}' cannot be read: {error}. Mend it, or record the "
                "cassette anew with `pytest --cassettes=rewrite`."
            ) from None
    if not lines:
        raise CassetteError(f"The cassette '{path}' is empty; record it with `pytest --cassettes=rewrite`.")
    return calls


def _object(line: str) -> dict[str, Json]:
    found: object = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - it is wrong in a file, not in a call
    return cast("dict[str, Json]", found)


def _read_line(line: dict[str, Json], number: int, calls: list[RecordedCall]) -> None:
    if number == 1:
        version = line.get("cassette")
        if version != CASSETTE_VERSION:
            raise ValueError(
                f"its version is {version!r}, but this miniagents reads version {CASSETTE_VERSION}"
            )
        return
    request = line.get("request")
    if isinstance(request, dict):
        calls.append(RecordedCall(request, ended=True))
        return
    if not calls or line.get("call") != len(calls):
        raise ValueError("it does not belong to the call before it")
    at, what, message = line.get("at"), line.get("what"), line.get("message")
    if isinstance(at, bool) or not isinstance(at, int | float) or not isfinite(at) or not 0 <= at <= _LATEST:
        raise ValueError(f"its time is {at!r}")
    if what not in {"message", "part", "end", "error", "cancelled"}:
        raise ValueError(f"its event is {what!r}, which is not known")
    if message is not None and (isinstance(message, bool) or not isinstance(message, int)):
        raise ValueError(f"its message is {message!r}")
    calls[-1].events.append(RecordedEvent(float(at), str(what), message, line.get("data")))


class Cassette:
    """Calls of models in a file: recorded part by part with their times, and replayed with the same pauses.

    A call is found by its messages, tools, schema and keywords; its address, timeouts and retries
    (``base_url``, ``total_timeout``, ``max_retries``, ...) do not count. Each recorded call is replayed once;
    calls with the same request are replayed in the order in which they were made. Errors are raised again, of
    the same class if it is an `LLMError` or a builtin class. The file contains no clients, keys and headers;
    a text in a request that looks like a key is replaced.

    In virtual time the pauses take no time.

    Args:
        file: of JSON lines; the first line has the version.
        mode: see :data:`CassetteMode`.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import Cassette, scripted_model
        >>> async def ask(model):
        ...     print(await model.inquire("Hi", temperature=0.5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Cassette(f"{folder}/greeting.jsonl", mode="record") as recorder:
        ...         MiniAgents().run(ask(recorder(scripted_model("Hello!"))))
        ...     with Cassette(f"{folder}/greeting.jsonl") as player:
        ...         MiniAgents().run(ask(player(scripted_model())))
        Hello!
        Hello!
    """

    def __init__(self, file: str | Path, *, mode: CassetteMode = "replay") -> None:
        self._path = Path(file)
        self._mode = mode
        self._calls: list[RecordedCall] | None = None
        self._known: tuple[int, int] | None = None  # the version of the file that this has read or written

    def __call__(self, agent: A) -> A:
        """Return the agent with its calls recorded or replayed.

        Args:
            agent: a model, or any other agent; its replies are recorded.
        """
        return agent.around(_CassetteCalls(self._around))

    def check(self) -> None:
        """Check that all recorded calls were made; if none was made in the other modes, write that.

        Raises:
            CassetteError: some were not made, or the cassette cannot be read.
        """
        if self._mode != "replay":
            if self._calls is None and not self._all():
                self._write()
            return
        left = [call for call in self._all() if not call.played]
        if left:
            raise CassetteError(
                f"{len(left)} of {len(self._all())} calls of the cassette '{self._path}' were not made; the "
                f"first asks {_short(left[0].key)}. Find out why, or record the cassette anew with `pytest "
                "--cassettes=rewrite`."
            )

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """If the block did not fail, check that all recorded calls were made."""
        if kind is None:
            self.check()

    def _all(self) -> list[RecordedCall]:
        if self._calls is None:
            fresh = self._mode == "rewrite" or (self._mode == "record" and not self._path.exists())
            self._known = self._version()
            self._calls = [] if fresh else read_calls(self._path)
        return self._calls

    async def _around(self, ctx: InteractionContext, call: AnyAgent) -> None:
        request = request_data(await ctx.messages, call.defaults)
        recorded = self._take(request)
        if recorded is None:
            recorded = RecordedCall(request, played=True)
            self._all().append(recorded)
            await _Recording(recorded, self._write).record(ctx, call)
        else:
            await CallPlayer(recorded.events, MessageForm.of(call), self._broken).play(ctx)

    def _write(self) -> None:
        """Write the calls, with those that another cassette has recorded in the same file."""
        calls = self._all()
        if self._mode == "record" and self._version() not in {None, self._known}:
            own = Counter(_content(call) for call in calls)
            for call in read_calls(self._path):
                own[_content(call)] -= 1
                if own[_content(call)] < 0:
                    call.played = True
                    calls.append(call)
        write_calls(self._path, calls)
        self._known = self._version()

    def _version(self) -> tuple[int, int] | None:
        """Return what changes when another cassette writes the file; None if there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _broken(self, event: RecordedEvent, why: str) -> CassetteError:
        if event.what == "cancelled":
            return CassetteError(
                f"A call of the cassette '{self._path}' was cancelled after {event.at:g} s when it was "
                "recorded, but not now, so the rest of its answer is not known. Record it anew with "
                "`pytest --cassettes=rewrite`."
            )
        return CassetteError(f"A part in the cassette '{self._path}' cannot be read: {why}.")

    def _take(self, request: dict[str, Json]) -> RecordedCall | None:
        """Return the recorded call with the same request; None if the call must be made.

        Raises:
            CassetteError: there is none in the mode ``"replay"``; the error shows how the nearest one
                differs.
        """
        key = RecordedCall(request).key
        calls = self._all()
        found = next((call for call in calls if not call.played and call.ended and call.key == key), None)
        if found is not None:
            found.played = True
        elif self._mode == "replay":
            raise CassetteError(self._unmatched(request, key))
        return found

    def _unmatched(self, request: dict[str, Json], key: str) -> str:
        calls = self._all()
        begin = f"The cassette '{self._path}' has no call that asks this"
        again = "Record it with `pytest --cassettes=record`, or all of them anew with --cassettes=rewrite."
        if not calls:
            return f"{begin}; it has no calls. {again}"
        if any(call.key == key for call in calls):
            return f"{begin} once more: it was replayed as often as it was recorded. {again}"
        matcher = difflib.SequenceMatcher(autojunk=False)
        matcher.set_seq2(key[:_COMPARED].split(" "))

        def nearness(call: RecordedCall) -> tuple[bool, float]:
            matcher.set_seq1(call.key[:_COMPARED].split(" "))
            return not call.played, matcher.ratio()

        nearest = max(calls, key=nearness)
        texts = _indented(nearest.request), _indented(request)
        lines = list(difflib.unified_diff(*texts, "recorded", "asked", lineterm="", n=2))
        more = [f"... and {len(lines) - _DIFF_LINES} lines more"] if len(lines) > _DIFF_LINES else []
        first = f"{begin}. The nearest one is call {calls.index(nearest) + 1}:"
        return "\n".join([first, *lines[:_DIFF_LINES], *more, again])


def _indented(request: dict[str, Json]) -> list[str]:
    return json.dumps(request, indent=2, sort_keys=True, ensure_ascii=False).splitlines()


def _short(key: str) -> str:
    return key if len(key) <= 300 else f"{key[:300]}…"  # noqa: PLR2004 - enough to know it again


class _CassetteCalls:
    """Handles the calls of an agent; for ``agent.around(...)``.

    Args:
        handle: records or replays a call.
    """

    stands_in: ClassVar[bool] = True
    """A replayed call is one of the model: limits count it, and what the log of a run has is not replayed."""

    def __init__(self, handle: Callable[[InteractionContext, AnyAgent], Awaitable[None]]) -> None:
        self._handle = handle

    def __call__(self, ctx: InteractionContext, call: AnyAgent) -> Awaitable[None]:
        """Record or replay a call."""
        return self._handle(ctx, call)


class _Recording:
    """Makes one call, and records what happens.

    Args:
        call: gets the events.
        write: writes the file.
    """

    def __init__(self, call: RecordedCall, write: Callable[[], None]) -> None:
        self._call = call
        self._write = write
        self._began = asyncio.get_running_loop().time()
        self._open = 1  # the call itself, and messages that still stream

    async def record(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Call the agent, and pass its replies on."""
        try:
            number, form = 0, MessageForm.of(call)
            async for reply in call.inquire(ctx.messages):
                kinds = reply.message_class.__mro__
                named = (each.__name__ for each in kinds if form.class_of(each.__name__) is each)
                self._note("message", number, next(named))
                self._open += 1
                ctx.reply(reply.message_class.promise_of_parts(self._copy(reply, number)))
                number += 1
        except Exception as error:
            self._end("error", None, error_data(error))
            raise
        except BaseException:
            self._end("cancelled")
            raise
        self._end("end")

    def _copy(
        self, reply: MessagePromise[Message], number: int
    ) -> Callable[[MutableMapping[str, object]], AsyncGenerator[Part]]:
        async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            try:
                async for part in reply.parts:
                    data = part_data(part)
                    if data is not None:
                        self._note("part", number, data)
                    yield part
                message = await reply
            except Exception as error:
                self._end("error", number, error_data(error))
                raise
            except BaseException:
                self._end("cancelled", number)
                raise
            known = ((name, value) for name, value in message if name not in {"text", "parts"})
            metadata_so_far.update((name, value) for name, value in known if value is not None)
            self._end("end", number, cast("Json", data_of(message)))

        return parts

    def _note(self, what: str, message: int | None = None, data: Json = None) -> None:
        at = asyncio.get_running_loop().time() - self._began
        self._call.events.append(RecordedEvent(at, what, message, data))

    def _end(self, what: str, message: int | None = None, data: Json = None) -> None:
        self._note(what, message, data)
        self._open -= 1
        if not self._open:
            self._call.ended = True
            self._write()


def cassette(agent: A, file: str | Path, *, mode: CassetteMode = "replay") -> A:
    """Return the agent with its calls recorded in a file, or replayed from there; see :class:`Cassette`.

    It does not check that all recorded calls are made; ``with Cassette(file) as play:`` does.

    Args:
        agent: a model, or any other agent.
        file: of JSON lines.
        mode: ``"replay"`` calls no model; ``"record"`` makes and records calls that are not in the file;
            ``"rewrite"`` makes and records all calls.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import cassette, scripted_model
        >>> async def main(folder):
        ...     recorded = cassette(scripted_model("Hello!"), f"{folder}/greeting.jsonl", mode="record")
        ...     print(await recorded.inquire("Hi"))
        ...     print(await cassette(scripted_model(), f"{folder}/greeting.jsonl").inquire("Hi"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     MiniAgents().run(main(folder))
        Hello!
        Hello!
    """
    return Cassette(file, mode=mode)(agent)
