"""``RowAgent``: sends the rows of a job to its agent."""

from collections.abc import Sequence
from typing import Generic, TypeVar, cast

from miniagents.agents import MiniAgent
from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._promise import when_complete

from ._calls import RowCall

__all__ = ["RowAgent"]

RowT = TypeVar("RowT")


class RowAgent(Generic[RowT]):
    """Sends the message of a row to the agent.

    Args:
        agent: of the job.
    """

    def __init__(self, agent: MiniAgent[Message, Message]) -> None:
        self.alias: str = agent.alias
        self._agent = agent

    def inquire(self, call: RowCall[RowT]) -> MessageSequencePromise[Message]:
        """Send a row.

        Args:
            call: of the row.
        """
        call.attempts += 1
        replies = self._agent.inquire(call.given)
        _take_errors(replies.buffer)
        return replies


def _take_errors(replies: ReplayBuffer[MessagePromise[Message]]) -> None:
    """Take the errors of a row. If the job is stopped before it reads them, the row is sent again later."""

    def messages() -> list[ReplayBuffer[object]]:
        return [cast("ReplayBuffer[object]", message.buffer) for message in replies.items]

    def take(ended: Sequence[ReplayBuffer[object]]) -> None:
        replies.mark_error_handled()
        for message in ended:
            message.mark_error_handled()

    when_complete(cast("ReplayBuffer[object]", replies), messages, take)
