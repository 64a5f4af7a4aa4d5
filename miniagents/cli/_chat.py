"""The conversation of `miniagents chat`. It shows an answer while it streams, and keeps each message."""

from dataclasses import dataclass, field

from miniagents.ext.chat_history import ChatHistory
from miniagents.ext.console import Asker, OutputError, Screen
from miniagents.messages import (
    AssistantMessage,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    UserMessage,
)

from ._arguments import complain
from ._models import ChatModel
from ._signals import StoppedError, until_signal


@dataclass(slots=True)
class PrintedAnswer:
    """The part of an answer that was shown.

    Attributes:
        screen: where it is shown.
        alias: the name in front of it.
        finished: the messages that are complete.
        shown: the tokens of the message that is not complete.
        known: the data of that message that came before its text.
    """

    screen: Screen
    alias: str
    finished: list[Message] = field(default_factory=list[Message])
    shown: list[str] = field(default_factory=list[str])
    known: dict[str, object] = field(default_factory=dict[str, object])

    async def show(self, replies: MessageSequencePromise[Message]) -> None:
        """Show the replies token by token, and stop their streams at the end or at an error.

        Raises:
            OutputError: the screen cannot be written.
            Exception: any error of the agent.
        """
        async with replies:
            async for promise in replies:
                # A run may end before the streams that it replied, so each stream is stopped by itself.
                async with promise:
                    await self._show(promise)

    async def _show(self, promise: MessagePromise[Message]) -> None:
        self.known = dict(promise.preliminary_metadata)
        # At a terminal the name is shown at once; on a pipe only when there is text, so no line is empty.
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
        """Return the messages that were shown; an incomplete one gets a `finish_reason`.

        Args:
            reason: the `finish_reason` of an incomplete message.
        """
        text = "".join(self.shown)
        if not text:
            return self.finished
        data = {**self.known, "text": text, "finish_reason": reason}
        return [*self.finished, AssistantMessage.model_validate(data)]


@dataclass(slots=True)
class Chat:
    """A conversation at the console.

    Attributes:
        model: answers the user.
        history: keeps every message.
        screen: where the answers are shown.
        asker: asks the user. Ctrl-C at its prompt must raise `EOFError`.
        so_far: the whole conversation, earlier chats included.
        failed: whether a model failed, or a message could not be kept.
    """

    model: ChatModel
    history: ChatHistory
    screen: Screen
    asker: Asker
    so_far: list[Message] = field(default_factory=list[Message])
    failed: bool = False

    async def run(self) -> bool:
        """Talk until the user leaves.

        Returns:
            True if nothing failed.

        Raises:
            OutputError: the screen cannot be written.
        """
        if self.model.opening is not None:
            self.screen.alias(self.model.alias)
            self.screen.text(self.model.opening)
            self.screen.end()
        if self.screen.is_terminal:
            self.screen.line(f"{self.asker.keys}, Ctrl-C stops an answer; type exit to leave.")
        while (text := await self._ask()) is not None:
            await self._keep(UserMessage(text))
            await self._answer()
        return not self.failed

    async def _ask(self) -> str | None:
        try:
            return await until_signal(self.asker.ask("YOU"), "SIGINT")
        except (EOFError, StoppedError):
            return None

    async def _answer(self) -> None:
        answer = PrintedAnswer(self.screen, self.model.alias)
        reason = "interrupted"
        try:
            replies = self.model.agent.inquire(tuple(self.so_far))
            await until_signal(answer.show(replies), "SIGINT")
        except StoppedError:
            self.screen.line("(stopped)")
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - any error of a model is shown, and the user may try again
            reason = "error"
            self._complain(error)
        finally:
            for message in answer.to_keep(reason):
                await self._keep(message)

    async def _keep(self, message: Message) -> None:
        self.so_far.append(message)
        try:
            await self.history.append(Messages((message,)))
        except OSError as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        self.failed = True
        complain(f"{type(error).__name__}: {error}")
