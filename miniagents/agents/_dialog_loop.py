"""``adialog_loop``: a user and an assistant, and one history that somebody keeps."""

from typing import Never, Protocol, TypeAlias, cast, runtime_checkable

from miniagents.core import (
    AssistantMessage,
    Message,
    Messages,
    MessageSequencePromise,
    UserMessage,
    message_of,
)

from ._agent import MiniAgent
from ._signals import END_OF_LOOP, looping

# What an agent takes is validated when it runs.
_AnyAgent: TypeAlias = MiniAgent[Message, Message, ...]


@runtime_checkable
class KeepsHistory(Protocol):
    """What a user agent may have as its ``chat_history``."""

    @property
    def agent(self) -> MiniAgent[Message, Message, ...]:
        """Logs what it is sent and replies the whole history."""
        ...


async def adialog_loop(
    user_agent: MiniAgent[Never, Message, ...],
    assistant_agent: MiniAgent[Never, Message, ...],
    history_agent: MiniAgent[Never, Message, ...] | None = None,
) -> Messages:
    """Let a user and an assistant speak in turns, until one of them raises ``StopLoop`` or ``EOFError``.

    The user agent is sent each answer as it streams and replies what the user says; the assistant is sent the
    whole conversation. The conversation is kept by exactly one: ``history_agent``, else the user agent's own
    ``chat_history``, else a list of this one call.

    Args:
        user_agent: asks the user, for example ``console_user_agent``.
        assistant_agent: answers, for example ``openai_agent.fork(model="...")``.
        history_agent: logs what it is sent and replies the whole history, old turns included.

    Returns:
        The last answer.

    Raises:
        Exception: whatever else one of the agents raises.

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
        # The loop has it kept, so the user agent must not keep it a second time.
        user = user.fork(**{"chat_history": None})  # noqa: PIE804 - a keyword that the type does not name
        keeper = keeper or own.agent
    # A fork, because an in-memory history agent keeps a history in each: this dialog gets one of its own.
    history = _History(None if keeper is None else keeper.fork())
    answer = Messages[Message]()
    try:
        with looping():
            answering: MessageSequencePromise | None = None
            while True:
                # Leaving the block cancels: if the answer fails, the user is not asked any more.
                async with user.inquire(answering) as user_turn:
                    if answering is not None:
                        answer = await history.log(await answering, AssistantMessage)
                    _ = await history.log(await user_turn, UserMessage)
                answering = assistant.inquire(history.whole)
    except END_OF_LOOP:
        return answer


class _History:
    """The one place where the conversation of a loop is kept."""

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
    """Plain messages get the role of who said them, so that a model can tell them apart."""
    return Messages(
        message_of(speaker, message.text, {name: value for name, value in message if name != "text"})
        if type(message) is Message
        else message
        for message in messages
    )
