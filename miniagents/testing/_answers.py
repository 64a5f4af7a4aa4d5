"""What a scripted model may be told to say, and the pieces in which it comes."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from miniagents.core import AssistantMessage, MessagePromise, Messages
from miniagents.values import FrozenMapping, Part, parts_of_content

Tokens: TypeAlias = Sequence[Part | Exception]
Answer: TypeAlias = str | Tokens | AssistantMessage | Exception | Callable[[Messages], "Answer"]
"""What may be given as an answer:

* a text, which is streamed word by word,
* the tokens themselves, and parts (`Reasoning`, `ToolCallDelta`, ...); an exception among them is raised
  where it stands,
* a message, streamed as its text and its parts, which brings data of its own,
* an exception, which is raised,
* a function of the conversation that gives one of these.
"""

_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Script:
    """One answer, ready to be spoken.

    Attributes:
        pieces: tokens and parts; an exception is raised where it stands, and nothing comes after it.
        message_class: of the message that comes of it.
        metadata: its data.
    """

    pieces: tuple[Part | Exception, ...]
    message_class: type[AssistantMessage] = AssistantMessage
    metadata: Mapping[str, object] = FrozenMapping()

    @classmethod
    def of(cls, answer: Answer, messages: Messages) -> "Script":
        """Find the pieces of an answer to a conversation.

        Example:
            >>> from miniagents import Message
            >>> Script.of(lambda messages: f"You said: {messages[-1]}", Messages([Message("Hi")])).pieces
            ('You ', 'said: ', 'Hi')
        """
        while callable(answer):
            answer = answer(messages)
        if isinstance(answer, AssistantMessage):
            return cls(_pieces(answer), type(answer), FrozenMapping(_data(answer)))
        if isinstance(answer, Exception):
            return cls((answer,))
        return cls(words(answer) if isinstance(answer, str) else tuple(answer))

    def promise(self, model: str) -> MessagePromise[AssistantMessage]:
        """Start to speak.

        Args:
            model: what the message says it comes from, unless it says so itself.

        Returns:
            The promise of the message; its tokens come one turn of the event loop apart, as from a network.
        """

        async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            for piece in self.pieces:
                await asyncio.sleep(0)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
            metadata_so_far.setdefault("finish_reason", "stop")

        return self.message_class.promise_of_parts(parts, **{"model": model, **self.metadata})


def _pieces(answer: AssistantMessage) -> tuple[Part, ...]:
    pieces: list[Part] = []
    for part in parts_of_content(answer.content if answer.parts else [str(answer)]):
        pieces += words(part) if isinstance(part, str) else (part,)
    return tuple(pieces)


def _data(answer: AssistantMessage) -> dict[str, object]:
    # What it does not say itself is said while it streams.
    return {name: value for name, value in answer if value is not None and name not in {"text", "parts"}}


def words(text: str) -> tuple[str, ...]:
    r"""Cut a text into words, each with the white space behind it; together they are the text again.

    Example:
        >>> words("One  two.\n")
        ('One  ', 'two.\n')
    """
    return tuple(_WORD.findall(text))
