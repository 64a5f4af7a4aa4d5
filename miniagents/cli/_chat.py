"""The conversation of `miniagents chat`: the user and an agent in turns; each message is kept."""

import asyncio
from dataclasses import dataclass, field

from miniagents.ext.chat_history import ChatHistory
from miniagents.ext.console import OutputError, Screen
from miniagents.messages import Message, Messages, UserMessage
from miniagents.models import CARRIER

from ._arguments import complain
from ._models import ChatModel
from ._printed import PrintedAnswer
from ._questions import ConsoleQuestions
from ._signals import StoppedError, until_signal


@dataclass(slots=True)
class Chat:
    """A conversation at the console.

    Attributes:
        model: answers the user.
        history: keeps every message.
        screen: where the answers are shown, and the user is asked; Ctrl-C there must raise `EOFError`.
        so_far: the whole conversation, earlier chats included.
        failed: whether a model failed, a message could not be kept, or the input ended at a question.
    """

    model: ChatModel
    history: ChatHistory
    screen: Screen
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
            self.screen.line(f"{self.screen.keys}, Ctrl-C stops an answer; type exit to leave.")
        while (text := await self._ask()) is not None:
            await self._keep(UserMessage(text))
            await self._answer()
        return not self.failed

    async def _ask(self) -> str | None:
        try:
            return await until_signal(self.screen.ask("YOU"), "SIGINT", out=self.screen.out)
        except (EOFError, StoppedError):
            return None

    async def _answer(self) -> None:
        answer = PrintedAnswer(self.screen, self.model.alias)
        reason = "interrupted"
        try:
            CARRIER.set(ConsoleQuestions(answer))
            replies = self.model.agent.inquire(tuple(self.so_far))
            await until_signal(answer.show(replies), "SIGINT", out=self.screen.out)
        except StoppedError:
            self.screen.line("(stopped)")
        except asyncio.CancelledError:
            if not answer.stopped:
                raise
            self.screen.line("(stopped)")
            self.failed = self.failed or not self.screen.is_terminal  # the input ended before the answer
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
