"""One call of a model as a stream of parts: send the request, read, check the end, release the connection.

The rule that finds truncation: a stream that ends without its end marker is truncated, even if the SDK raises
nothing. (Recorded answers were cut at 8,565 places: the SDKs raised nothing, and text was missing in 6,496
cases. This rule found all of them.) After the marker the message is complete, even if the connection breaks.
If pieces follow a finish reason, the reason was not the marker: then only the end marker of the protocol, or
the end of the body, is one.

The path of a token: `ModelCall.parts` awaits `_Reading.next`, which awaits the next bytes of the body; these
go through `EventSource.feed` and `AnswerAssembler.take`, which calls the provider's decoder.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message
from miniagents.messages._parts import current_watch
from miniagents.values import (
    Backoff,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMTruncatedError,
    Part,
    Retry,
)

from ._answer import AnswerAssembler, Decode
from ._errors import CallRecord, SDKErrors, error_from, may_pass
from ._json import WireError
from ._opaque import Origin
from ._prompt_cache import at_once
from ._sse import ERRORS, STRAY, ServerEvent
from ._timeouts import Clock, Timeouts
from ._transport import EventSource, Response

_LOG: Final = logging.getLogger("miniagents.ext.llm")
_BACKOFF: Final = Backoff(delay=0.5, max_delay=8.0, jitter=0.25)
_REFUSED: Final = frozenset({"refusal", "content_filter"})


@dataclass(frozen=True, slots=True)
class Wire:
    """The protocol of one provider: all that differs between providers after the request.

    Attributes:
        provider: the name of the provider.
        sdk: the meaning of the exceptions of its SDK.
        decoder: makes a new decoder for the events of one stream.
        decode_whole: decodes an answer that does not stream.
        request_id_header: the name of the response header with the id of the request.
        terminal: the name of the end marker of an answer, for error texts.

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
    """A call that is ready to be made; `parts` is the streamer of the message that it makes.

    Attributes:
        wire, ask: the protocol of the provider; makes the network call of its SDK.
        model, server: its name; host and port, for error texts.
        secrets: removed from all texts.
        prompt, attached, schemas: the text; whether files; whether tools or a schema are sent.
        stream, timeouts, max_retries: of the call.
        needs_finish, refusal_is_error: whether its end has a reason; a refusal is raised.
        goes_ahead: waits until it may begin; returns what is called with its answer.

    Example:
        >>> from miniagents.ext.llm import SDKErrors
        >>> class AcmeError(Exception): ...
        >>> errors = SDKErrors(AcmeError, TimeoutError, ConnectionError, AcmeError, AcmeError)
        >>> wire = Wire("acme", errors, lambda: lambda _: [], lambda _: [], "x-id", "end")
        >>> ModelCall(wire, print, model="m-1", server="api.acme.example").model
        'm-1'
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
    goes_ahead: Callable[[], Awaitable[Callable[[], None]]] = at_once

    async def parts(self, metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        """Call the model, and yield the parts of its answer as they come.

        Args:
            metadata_so_far: gets `model` and `response_id` as they become known, and `attempts` if there was
                more than one.

        Yields:
            The `ResponseHeaders` of each response that has any, before its parts; a `Retry` before each
            further attempt; then the text and the other parts of the answer. A piece of text is never empty
            and never ends in the middle of a character.

        Raises:
            LLMError: the call failed; the error has the text that came before it.
        """
        call = CallRecord(self)
        has_begun = await self.goes_ahead()
        clock = Clock(self.timeouts, streaming=self.stream)
        reading: _Reading | None = None
        try:
            while reading is None:
                step = await self._attempt(call, clock, metadata_so_far)
                if call.headers is not None:
                    yield call.headers
                if isinstance(step, LLMError):
                    raise step
                if isinstance(step, Retry):
                    yield step
                    with clock:
                        await asyncio.sleep(step.delay)
                    call.attempts, call.headers = call.attempts + 1, None
                else:
                    reading = step
            has_begun()
            while True:
                for part in reading.parts:
                    call.parts.append(part)
                    yield part
                if reading.over or not await self._go_on(reading, call):
                    break
            for part in self._end(reading, call):
                call.parts.append(part)
                yield part
        finally:
            has_begun()
            clock.stop()
            if reading is not None:
                await reading.source.release()

    async def _attempt(
        self, call: CallRecord, clock: Clock, metadata: MutableMapping[str, object]
    ) -> "_Reading | Retry | LLMError":
        """Send the request once, and read until the first piece of an answer has come.

        The retries of the SDKs are switched off: an SDK does not report how often it has tried, and one of
        them obeys a `Retry-After` of an hour. Connection errors, the statuses 408, 409, 425, 429 and 5xx, and
        errors of an overloaded provider are tried again, unless the error says that the request is at fault.
        The delay is that of `Retry-After`, else 0.5, 1, 2, ... up to 8 s. If the delay would end after a
        timeout of the call, there is no further attempt.

        Returns:
            The answer; or a `Retry`, if another attempt after its delay can help; or the error of the last
            attempt, which the caller raises when it has yielded the headers.
        """
        try:
            return await self._begin(call, clock, metadata)
        except Exception as exc:  # noqa: BLE001 - the caller raises it
            error = error_from(exc, call)
            if error is not exc:
                error.__cause__ = exc
            if call.attempts > self.max_retries or not may_pass(exc, self.wire.sdk):
                return error
            asked = error.retry_after
            delay = _BACKOFF.pause(call.attempts) if asked is None else asked
            if delay >= clock.remaining:
                error.add_note(f"The next attempt would be in {delay:.0f} s, after a timeout of this call.")
                return error
        _LOG.info("attempt %d failed, the next one is in %.1f s: %s", call.attempts, delay, error)
        return Retry(call.attempts, delay, str(error))

    async def _go_on(self, reading: "_Reading", call: CallRecord) -> bool:
        """Read the next bytes; return False if the answer is complete and the connection has failed."""
        try:
            await reading.next()
        except Exception as exc:
            if reading.answer.finished:  # the answer is complete
                return False
            raise error_from(exc, call) from exc
        return True

    async def _begin(
        self, call: CallRecord, clock: Clock, metadata: MutableMapping[str, object]
    ) -> "_Reading":
        """Send the request, and read until there is a part for the reader, or the answer has ended."""
        with clock:
            response = await self.ask().__aenter__()
        try:
            source = EventSource(response, stream=self.stream, request_id_header=self.wire.request_id_header)
        except WireError:
            await response.http_response.aclose()
            raise
        call.headers = source.headers
        decode = self.wire.decoder() if self.stream else self.wire.decode_whole
        answer = AnswerAssembler(
            decode,
            metadata,
            origin=Origin(self.wire.provider, self.server),
            prompt=self.prompt,
            needs_finish=self.needs_finish,
        )
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
        """Yield the rest when the body has ended; raise an error if a part of the answer is missing."""
        answer = reading.answer
        yield from answer.rest()
        if self.refusal_is_error and (answer.refused or answer.finish_reason in _REFUSED):
            raise call.error(LLMRefusalError, "the model refused to answer; ask for something else")
        if not answer.complete:
            raise self._truncated(reading.source, call)
        try:
            yield from answer.conclude()
        except WireError as exc:
            raise error_from(exc, call) from exc

    def _truncated(self, source: EventSource, call: CallRecord) -> LLMError:
        """Return the error of an answer without its end marker."""
        if self.stream and not source.spoke and not source.is_event_stream:
            what = source.content_type or "a body of unknown type"
            return call.error(
                LLMProtocolError,
                f"answered with {what} instead of an event stream; check the base URL, or set stream=False",
            )
        return call.error(
            LLMTruncatedError,
            f"the answer ended after {len(call.text)} characters without its {self.wire.terminal}, "
            "so a part is missing; ask again",
        )


class _Reading:
    """An answer while it is read.

    Attributes:
        source: returns the events.
        answer: makes parts of the events.
        parts: the parts of the last events; at the beginning, of all events until `began`.
        began: whether a part for the reader, or the end marker, has come.
        over: whether these are the last parts.
    """

    def __init__(self, source: EventSource, answer: AnswerAssembler, clock: Clock) -> None:
        self.source = source
        self.answer = answer
        self._clock = clock
        self.parts: list[Part] = []
        self._failure: Exception | None = None  # the error that came after the parts
        self._usage_known: bool | None = None  # as it was when the clock was last set for the end
        self.began = False
        self.over = False

    async def next(self) -> None:
        """Read the next bytes and decode them. If an error came after the last parts, raise it first."""
        if self._failure is not None:
            raise self._failure
        self._clock.check()
        source, answer = self.source, self.answer
        progressed = False
        with self._clock:
            try:
                data = await anext(source.body)
            except StopAsyncIteration:
                events = source.end()
            except Exception as exc:  # noqa: BLE001 - it is raised after the parts before it
                events = self._broken_off(exc)
            else:
                events = source.feed(data)
            if self.began:
                self.parts = []
            for event in events:
                try:
                    if event.name in ERRORS:
                        event.raise_error()
                        continue
                    self.parts += answer.take(event)
                except Exception as exc:  # noqa: BLE001 - it is raised after the parts before it
                    self._failure = self._failed(exc, event)
                    break
                progressed = progressed or answer.progressed
                if answer.failure is not None:
                    self._failure = answer.failure
                    break
        self.over = source.ended and self._failure is None
        self._note(progressed=progressed)

    def _broken_off(self, exc: Exception) -> list[ServerEvent]:
        """Return what came before the connection broke; its error is raised after that."""
        events = self.source.feed(self.source.unread())
        if not events:
            raise exc
        self._failure = exc
        return events

    def _note(self, *, progressed: bool) -> None:
        """Note the progress of the answer."""
        answer = self.answer
        if answer.finished and not answer.may_go_on:
            self._finished()
        elif progressed:
            self.began = True
            self._clock.progressed()
        elif answer.finished:
            self.began = True

    def _failed(self, exc: Exception, event: ServerEvent) -> Exception | None:
        """Return the error of an event; None if the event was cut off: then it is missing, not wrong."""
        if not isinstance(exc, WireError):
            return exc
        # It may be an error in another form: gateways send errors with status 200.
        return None if self.source.may_be_cut else ServerEvent(STRAY, event.data).error or exc

    def _finished(self) -> None:
        """Note that the end marker has come."""
        self.began = True
        # Not for each event: a stream that continues after its end must not delay the message.
        known = self.answer.usage_known
        if self._usage_known is not known:
            self._usage_known = known
            self._clock.finished(all_known=known)


def reply_with(ctx: InteractionContext[Message, AssistantMessage], call: ModelCall) -> None:
    """Begin a call and reply its message; this returns at once.

    Args:
        ctx: the conversation.
        call: that is ready to be made.

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
    watch = current_watch()
    if watch is not None:
        watch.asked(call.wire.provider, call.model, call.server, stream=call.stream)
    ctx.reply(AssistantMessage.promise_of_parts(call.parts, model=call.model, agent_alias=alias))
