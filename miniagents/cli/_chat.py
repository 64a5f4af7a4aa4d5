"""The conversation: ask, keep, answer, keep, and so on."""

from dataclasses import dataclass, field

from miniagents.core import Message, Messages, UserMessage
from miniagents.ext.chat_history import ChatHistory
from miniagents.ext.console import Asker, OutputError, Screen

from ._answer import Answer
from ._complain import complain
from ._models import ChatModel
from ._signals import StoppedError, until_signal

_HOW_TO = "Enter sends, Ctrl+Space breaks a line, Ctrl-C stops an answer, exit ends."


@dataclass(slots=True)
class Chat:
    """A conversation at the console.

    Attributes:
        model: who answers.
        history: keeps every message.
        screen: where the answers are shown.
        asker: asks the user. Ctrl-C at its prompt must be `EOFError`.
        so_far: the whole conversation, old turns included.
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
            Whether nothing failed.

        Raises:
            OutputError: the screen cannot be written.
        """
        if self.model.opening is not None:
            self.screen.alias(self.model.alias)
            self.screen.text(self.model.opening)
            self.screen.end()
        if self.screen.is_terminal:
            self.screen.line(_HOW_TO)
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
        answer = Answer(self.screen, self.model.alias)
        reason = "interrupted"
        try:
            replies = self.model.agent.inquire(tuple(self.so_far))
            await until_signal(answer.show(replies), "SIGINT")
        except StoppedError:
            self.screen.line("(stopped)")
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model raises is said, and the user may try again
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
