"""An answer that is shown while it streams."""

import asyncio
from dataclasses import dataclass, field

from miniagents.ext.console import Screen
from miniagents.messages import AssistantMessage, Message, MessagePromise, MessageSequencePromise, ToolMessage


@dataclass(slots=True)
class PrintedAnswer:
    """The part of an answer that was shown.

    Attributes:
        screen: where it is shown.
        alias: the name in front of it.
        finished: the messages that are complete.
        shown: the tokens of the message that is not complete.
        known: the data of that message that came before its text.
        turn: held by what writes to the screen: the answer, or a question to the user.
        stopped: whether the user left a question, which stops the answer.
    """

    screen: Screen
    alias: str
    finished: list[Message] = field(default_factory=list[Message])
    shown: list[str] = field(default_factory=list[str])
    known: dict[str, object] = field(default_factory=dict[str, object])
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    stopped: bool = False
    _named: bool = False
    _showing: asyncio.Task[None] | None = None

    async def show(self, replies: MessageSequencePromise[Message]) -> None:
        """Show the replies token by token, and stop their streams at the end or at an error.

        Raises:
            OutputError: the screen cannot be written.
            Exception: any error of the agent.
        """
        self._showing = asyncio.current_task()
        try:
            if self.screen.is_terminal:  # at once; on a pipe only when there is text, so no line is empty
                self._name()
            async with replies:
                async for promise in replies:
                    # A run may end before the streams that it replied, so each stream is stopped by itself.
                    async with promise:
                        await self._show(promise)
        finally:
            self.end_line()

    async def _show(self, promise: MessagePromise[Message]) -> None:
        self.known = dict(promise.preliminary_metadata)
        if not issubclass(promise.message_class, ToolMessage):  # results are for the model
            async for token in promise:
                async with self.turn:
                    self._name()
                    self.shown.append(token)
                    self.screen.text(token)
        self.finished.append(await promise)
        if self.shown:
            self.shown.clear()
            self.end_line()

    def _name(self) -> None:
        if not self._named:
            self._named = True
            self.screen.alias(self.alias)

    def end_line(self) -> None:
        """End the line of the answer, if one has begun."""
        if self._named:
            self._named = False
            self.screen.end()

    def stop(self) -> None:
        """Stop the answer."""
        self.stopped = True
        if self._showing is not None:
            self._showing.cancel()

    def to_keep(self, reason: str) -> list[Message]:
        """Return the messages that were shown; an incomplete one gets a `finish_reason`.

        Args:
            reason: the `finish_reason` of an incomplete message.
        """
        text = "".join(self.shown)
        if not text:
            return self.finished
        data = {**self.known, "text": text, "finish_reason": reason}
        return [*self.finished, AssistantMessage.model_validate(data)]
