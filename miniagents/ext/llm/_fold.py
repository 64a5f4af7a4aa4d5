"""From parts to a message: text goes on to the reader, all else into the message's data."""

from collections.abc import MutableMapping

from ._parts import Decode, Finish, Identity, Progress, Refusal, Usage
from ._surrogates import SurrogateJoiner

__all__ = ["Fold"]


class Fold:
    """Takes the events of one answer, in order.

    Args:
        decode: what becomes of one event.
        metadata: where the data of the message goes: `model`, `response_id`, `finish_reason`, `usage` and, if
            the model refused, `refusal`.

    Attributes:
        finished: whether the terminal marker has come. What comes after it is not text any more.
        usage_known: whether the provider has told its last numbers.
        progressed: whether the last event brought the answer forward.
    """

    def __init__(self, decode: Decode, metadata: MutableMapping[str, object]) -> None:
        self._decode = decode
        self._metadata = metadata
        self._joiner = SurrogateJoiner()
        self._usage: dict[str, int] = {}
        self._refusal = ""
        self.finished = False
        self.usage_known = False
        self.progressed = False

    def take(self, event: object) -> list[str]:
        """Return the texts that an event brings to the reader; none of them is empty.

        Raises:
            WireError: if the event is not what the provider's protocol says.
            ProviderError: if the event is an error.
        """
        texts: list[str] = []
        ended = self.finished
        self.progressed = False
        for part in self._decode(event):
            match part:
                case str() | Refusal() if ended:
                    pass
                case str():
                    self._say(part, texts)
                case Refusal(text):
                    self._refusal += text
                    self._metadata["refusal"] = self._refusal
                    self._say(text, texts)
                case Progress():
                    self.progressed = True
                case Identity(response_id, model):
                    self._identify(response_id, model)
                case Usage():
                    self._count(part)
                case Finish(reason) if not ended:
                    self.finished = True
                    self._metadata["finish_reason"] = reason
                case Finish():
                    pass
        return texts

    def rest(self) -> str:
        """Return the text that was held back, when no event comes any more."""
        return self._joiner.rest()

    def _say(self, text: str, texts: list[str]) -> None:
        self.progressed = self.progressed or bool(text)
        if whole := self._joiner.feed(text):
            texts.append(whole)

    def _identify(self, response_id: str | None, model: str | None) -> None:
        if response_id:
            self._metadata["response_id"] = response_id
        if model:
            self._metadata["model"] = model

    def _count(self, usage: Usage) -> None:
        # The last number of each kind holds: providers repeat them, and count up.
        numbers = {
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "cached_tokens": usage.cached,
            "reasoning_tokens": usage.reasoning,
        }
        self._usage |= {name: number for name, number in numbers.items() if number is not None}
        if self._usage:
            self._metadata["usage"] = dict(self._usage)
        self.usage_known = usage.final
