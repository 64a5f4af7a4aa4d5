"""``adialog_loop``: a dialog of a user agent and an assistant agent, with a history."""

from typing import Never, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from miniagents.messages import (
    AssistantMessage,
    Message,
    Messages,
    MessageSequencePromise,
    Summary,
    UserMessage,
)
from miniagents.messages._message import message_of

from ._agent import MiniAgent
from ._signals import END_OF_LOOP, looping

# Each of the two takes what the other one replies.
Question = TypeVar("Question", bound=Message)
Answer = TypeVar("Answer", bound=Message)

# Messages are validated when an agent runs.
_AnyAgent: TypeAlias = MiniAgent[Message, Message, ...]


@runtime_checkable
class KeepsHistory(Protocol):
    """The type of the ``chat_history`` that a user agent may have."""

    @property
    def agent(self) -> MiniAgent[Message, Message, ...]:
        """The agent that stores the messages that it is sent and replies the whole history."""
        ...


async def adialog_loop(
    user_agent: MiniAgent[Answer, Question, ...],
    assistant_agent: MiniAgent[Question, Answer, ...],
    history_agent: MiniAgent[Never, Message, ...] | None = None,
    *,
    compact: MiniAgent[Message, Message] | None = None,
) -> Messages:
    """Let a user agent and an assistant take turns, until one of them raises ``StopLoop`` or ``EOFError``.

    The user agent is sent each answer as it streams, and replies the user's message; the assistant is sent
    the whole conversation. Exactly one place stores the conversation: ``history_agent``, else the user
    agent's own ``chat_history``, else a list of this call.

    Args:
        user_agent: the agent of the user, for example ``console_user_agent``.
        assistant_agent: the agent that answers, for example ``openai_agent.fork(model="...")``.
        history_agent: an agent that stores the messages that it is sent, and replies the whole history with
            all earlier turns.
        compact: shortens what the assistant is sent, as :func:`compact` of ``miniagents.ext.chat_history``
            does; the conversation keeps its summaries too.

    Returns:
        The last answer.

    Raises:
        Exception: any other error of one of the agents.

    Example:
        >>> from miniagents import MiniAgents, StopLoop, adialog_loop
        >>> from miniagents.testing import ScriptedModel, scripted_model
        >>> user = scripted_model("Hello!", "And what is my name?", StopLoop())
        >>> model = ScriptedModel("Hello, who are you?", "You have not told me.")
        >>> print(MiniAgents().run(adialog_loop(user, model.agent)))
        You have not told me.
        >>> [str(message) for message in model.requests[1].messages]
        ['Hello!', 'Hello, who are you?', 'And what is my name?']
    """
    user, assistant = cast("_AnyAgent", user_agent), cast("_AnyAgent", assistant_agent)
    keeper = cast("_AnyAgent | None", history_agent)
    own = user.defaults.get("chat_history")
    if isinstance(own, KeepsHistory):
        # The loop stores the history, so the user agent must not store it a second time.
        user = user.fork(**{"chat_history": None})  # noqa: PIE804 - a keyword that the type does not have
        keeper = keeper or own.agent
    # A fork, because each fork of an in-memory history agent has a history of its own.
    history = _History(None if keeper is None else keeper.fork())
    answer = Messages[Message]()
    try:
        with looping():
            answering: MessageSequencePromise | None = None
            while True:
                # Leaving the block cancels the user agent: it does not wait for the user any more if the
                # answer fails.
                async with user.inquire(answering) as user_turn:
                    if answering is not None:
                        answer = await history.log(await answering, AssistantMessage)
                    _ = await history.log(await user_turn, UserMessage)
                sent = history.whole if compact is None else await compact.inquire(history.whole)
                new = [each for each in sent if isinstance(each, Summary) and each not in history.whole]
                if new:
                    _ = await history.log(Messages(new), UserMessage)
                answering = assistant.inquire(sent)
    except END_OF_LOOP:
        return answer


class _History:
    """The place that stores the conversation of a loop."""

    def __init__(self, agent: MiniAgent[Message, Message, ...] | None) -> None:
        self._agent = agent
        self.whole: Messages = Messages()

    async def log(self, turn: Messages, speaker: type[Message]) -> Messages:
        """Add a turn of ``speaker`` and return it; afterwards ``whole`` is the whole conversation."""
        spoken = _spoken(turn, speaker)
        if self._agent is None:
            self.whole = Messages((*self.whole, *spoken))
        else:
            self.whole = await self._agent.inquire(spoken)
        return spoken


def _spoken(messages: Messages, speaker: type[Message]) -> Messages:
    """Give plain messages the role of their speaker, so that a model can distinguish them."""
    return Messages(
        message_of(speaker, message.text, {name: value for name, value in message if name != "text"})
        if type(message) is Message
        else message
        for message in messages
    )
