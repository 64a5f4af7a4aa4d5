"""``Cassette``: records calls of models once, and replays them without a network."""

import asyncio
import difflib
import json
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Never, Self, TypeAlias, TypeVar, cast

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.messages import Message, MessagePromise
from miniagents.runs import (
    CallPlayer,
    Json,
    RecordedEvent,
    class_by_name,
    data_of,
    error_data,
    name_of_class,
    part_data,
    request_data,
)
from miniagents.values import Part

from ._cassette_file import CassetteError, RecordedCall, read_calls, write_calls

A = TypeVar("A", bound=MiniAgent[Never, Message, ...])

CassetteMode: TypeAlias = Literal["replay", "record", "rewrite"]
"""``"replay"`` calls no model; ``"record"`` records missing calls; ``"rewrite"`` records all calls anew."""

_DIFF_LINES: Final = 60
_COMPARED: Final = 20_000  # characters of a request that are compared to find the nearest one


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

    def __call__(self, agent: A) -> A:
        """Return the agent with its calls recorded or replayed.

        Args:
            agent: a model, or any other agent; its replies are recorded.
        """
        return agent.around(self._around)

    def check(self) -> None:
        """Check that all recorded calls were made.

        Raises:
            CassetteError: some were not made, or the cassette cannot be read.
        """
        if self._mode != "replay":
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """If the block did not fail, check that all recorded calls were made."""
        if kind is None:
            self.check()

    def _all(self) -> list[RecordedCall]:
        if self._calls is None:
            fresh = self._mode == "rewrite" or (self._mode == "record" and not self._path.exists())
            self._calls = [] if fresh else read_calls(self._path)
        return self._calls

    async def _around(self, ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        request = request_data(await ctx.messages, call.defaults)
        recorded = self._take(request)
        if recorded is None:
            await _Recording(self._begin(request), self._write).record(ctx, call)
        else:
            await CallPlayer(recorded.events, class_by_name, self._data, self._broken).play(ctx)

    def _data(self, data: Json) -> Mapping[str, object]:
        return data if isinstance(data, dict) else {}

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

    def _begin(self, request: dict[str, Json]) -> RecordedCall:
        call = RecordedCall(request, played=True)
        self._all().append(call)
        return call

    def _write(self) -> None:
        write_calls(self._path, self._all())

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
        lines = list(
            difflib.unified_diff(
                _indented(nearest.request), _indented(request), "recorded", "asked", lineterm="", n=2
            )
        )
        more = [f"... and {len(lines) - _DIFF_LINES} lines more"] if len(lines) > _DIFF_LINES else []
        return "\n".join(
            [
                f"{begin}. The nearest one is call {calls.index(nearest) + 1}:",
                *lines[:_DIFF_LINES],
                *more,
                again,
            ]
        )


def _indented(request: dict[str, Json]) -> list[str]:
    return json.dumps(request, indent=2, sort_keys=True, ensure_ascii=False).splitlines()


def _short(key: str) -> str:
    return key if len(key) <= 300 else f"{key[:300]}…"  # noqa: PLR2004 - enough to know it again


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

    async def record(self, ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        """Call the agent, and pass its replies on."""
        try:
            number = 0
            async for reply in call.inquire(ctx.messages):
                self._note("message", number, name_of_class(reply.message_class))
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
            metadata_so_far.update(
                {
                    name: value
                    for name, value in message
                    if name not in {"text", "parts"} and value is not None
                }
            )
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
