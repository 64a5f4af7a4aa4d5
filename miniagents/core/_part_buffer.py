"""The buffer of a message that has other parts than text.

Rule of this module: **parts cost readers of tokens nothing.** `items` has the tokens, as in every buffer, so
everything that reads tokens (``async for``, operators, joins) can read it; `parts` has all parts, in order.
Every part counts against the demand, as a token does, so a long thought waits for slow readers too.
"""

from collections.abc import AsyncIterable, Callable, Sequence
from typing import TypeAlias, cast

from typing_extensions import override

from miniagents.values import Finish, Part, PartValue, Refusal, Restart, Usage, content_of

from ._buffer import ReplayBuffer
from ._context import Context
from ._lifetime import NO_RESULT
from ._observers import RunWatch
from ._producer_task import ProducerTask
from ._protocols import Sink
from ._pump import pump
from ._stream import Stream

__all__ = ["PartBuffer", "Parts", "parts_of_message", "shown_text", "start_part_pump", "told_by"]


Parts: TypeAlias = Stream[Part]
"""All parts of a message, in order."""


class PartBuffer(ReplayBuffer[str]):
    """A buffer of tokens and of all other parts between them.

    Attributes:
        parts: the tokens and all other parts, in order.

    Args:
        context: the context that owns it.
        parts: the parts that have come already.
        closed: whether the parts are complete.

    Example:
        >>> from miniagents import MiniAgents, Reasoning
        >>> from miniagents.core import current_context
        >>> async def main():
        ...     buffer = PartBuffer(current_context())
        ...     buffer.put(Reasoning("They greet me."))
        ...     buffer.put("Hello")
        ...     print(buffer.items, len(buffer.parts))
        >>> MiniAgents().run(main())
        ['Hello'] 2
    """

    __slots__ = ("parts",)

    def __init__(
        self,
        context: Context,
        parts: list[Part] | None = None,
        *,
        closed: bool = False,
        result: object = NO_RESULT,
    ) -> None:
        self.parts: list[Part] = [] if parts is None else parts
        texts = [text for text in map(shown_text, self.parts) if text]
        super().__init__(context, texts, closed=closed, result=result)

    def put(self, part: Part) -> None:
        """Add one part; a text or the text of a refusal is also added to the tokens.

        Args:
            part: anything that a message streams.

        Raises:
            TypeError: the value is not a part.
        """
        if self.closed:
            return
        if type(part) is str and part:  # the most frequent case; `append` is inlined, which saves two calls
            self.parts.append(part)
            self.items.append(part)
            if self.notify_next:
                self.notify()
            return
        text = shown_text(part)
        self.parts.append(part)
        if text:
            self.append(text)
        else:
            self.consume()

    @override
    def forget(self) -> None:
        super().forget()
        if not self.items:
            self.parts.clear()


def shown_text(part: Part) -> str:
    """Return the token that readers of tokens get for a part; empty if they get none.

    Args:
        part: anything that a message streams.

    Raises:
        TypeError: the value is not a part.

    Example:
        >>> from miniagents import Reasoning
        >>> shown_text("Hello"), shown_text(Reasoning("They greet me."))
        ('Hello', '')
    """
    if isinstance(part, str):
        return part
    if isinstance(part, Refusal):
        return part.text
    wrong = cast("object", part)  # an untyped streamer may yield anything
    if not isinstance(wrong, PartValue):
        msg = (
            f"A part of a message is of type {type(wrong).__name__}; a part streamer must yield str or parts "
            "like Reasoning, ToolCallDelta or Usage. Put data into metadata_so_far instead."
        )
        raise TypeError(msg)
    return ""


def parts_of_message(buffer: ReplayBuffer[str]) -> Stream[Part]:
    """Return all parts of a message's buffer; if the message is only text, its tokens are its parts."""
    parts = buffer.parts if isinstance(buffer, PartBuffer) else cast("list[Part]", buffer.items)
    return Stream(cast("ReplayBuffer[Part]", buffer), parts)


def start_part_pump(
    context: Context,
    name: str,
    streamer: Callable[[], AsyncIterable[Part]],
    buffer: PartBuffer,
    sink: Sink,
    *,
    watch: RunWatch | None = None,
) -> None:
    """Fill ``buffer`` from what ``streamer`` gives, as a task of ``context``; ``sink`` says how it ends."""
    driver = ProducerTask(name, context, buffer, sink, part=True)
    if watch is not None:
        driver.observe(watch)
    driver.start(lambda: pump(streamer(), cast("ReplayBuffer[object]", buffer), buffer.put))


def told_by(parts: Sequence[Part]) -> dict[str, object]:
    """Return the data that the parts of a stream give to their message: usage, finish reason, content.

    Args:
        parts: all parts of the stream.

    Example:
        >>> from miniagents import Usage
        >>> told_by(["Hello", Usage(output_tokens=1)])["usage"].output_tokens
        1
    """
    told: dict[str, object] = {}
    only_text = True
    for part in parts:
        if type(part) is str:
            continue
        if isinstance(part, Finish):
            told["finish_reason"] = part.reason
        elif isinstance(part, Usage):
            told["usage"] = part
        else:
            only_text = False
    if only_text:
        return told
    content = content_of(parts)
    behind = next((at for at in range(len(parts), 0, -1) if isinstance(parts[at - 1], Restart)), 0)
    if behind:
        told["text"] = "".join(map(shown_text, parts[behind:]))
    if not all(isinstance(each, str) for each in content):
        told["parts"] = content
    return told
