"""One answer: shown while it streams, and what of it is to be kept."""

from dataclasses import dataclass, field

from miniagents.core import AssistantMessage, Message, MessagePromise, MessageSequencePromise
from miniagents.ext.console import Screen


@dataclass(slots=True)
class Answer:
    """An answer as far as it was shown.

    Attributes:
        screen: where it is shown.
        alias: the name in front of it.
        finished: the messages that came to their end.
        shown: the pieces of the message that did not, as they were sent.
        known: what was known of that message before its text.
    """

    screen: Screen
    alias: str
    finished: list[Message] = field(default_factory=list[Message])
    shown: list[str] = field(default_factory=list[str])
    known: dict[str, object] = field(default_factory=dict[str, object])

    async def show(self, replies: MessageSequencePromise[Message]) -> None:
        """Show the replies token by token. However it ends, the run and its streams are stopped then.

        Raises:
            OutputError: the screen cannot be written.
            Exception: whatever the agent raised.
        """
        async with replies:
            async for promise in replies:
                # A run that has returned its streams is over, so a stream is to be stopped by itself.
                async with promise:
                    await self._show(promise)

    async def _show(self, promise: MessagePromise[Message]) -> None:
        self.known = dict(promise.preliminary_metadata)
        # Who waits at a terminal sees at once that something comes; on a pipe there are no lines of nothing.
        named = self.screen.is_terminal
        if named:
            self.screen.alias(self.alias)
        try:
            async for token in promise:
                if not named:
                    named = True
                    self.screen.alias(self.alias)
                self.shown.append(token)
                self.screen.text(token)
            self.finished.append(await promise)
            self.shown.clear()
        finally:
            if named:
                self.screen.end()

    def to_keep(self, reason: str) -> list[Message]:
        """Give what was shown; a message that did not come to its end says so.

        Args:
            reason: its `finish_reason`.
        """
        text = "".join(self.shown)
        if not text:
            return self.finished
        return [*self.finished, AssistantMessage(text, **{**self.known, "finish_reason": reason})]
