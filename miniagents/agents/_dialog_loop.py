"""``adialog_loop``: a dialog of a user agent and an assistant agent, with a history."""

import asyncio
from typing import Final, Never, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from miniagents.messages import (
    AssistantMessage,
    InputMessage,
    Message,
    Messages,
    MessageSequencePromise,
    Summary,
    SystemMessage,
    UserMessage,
)
from miniagents.messages._message import message_of
from miniagents.streams import Promise
from miniagents.values import File, Image

from ._agent import InteractiveAgent, MiniAgent
from ._algebra._entrant import ended
from ._algebra._interactive import DIALOGS
from ._call import Delivery, InteractiveCall
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
    interactive: bool = False,
) -> Messages:
    """Let a user agent and an assistant take turns, until one of them raises ``StopLoop`` or ``EOFError``.

    The user agent is sent each answer as it streams, and replies the user's message; the assistant is sent
    the whole conversation. What a model says in the place of a user becomes a ``UserMessage``. Returns the
    last answer.

    Args:
        user_agent: for example ``console_user_agent``.
        assistant_agent: for example ``openai_agent.fork(model="...")``.
        history_agent: stores the messages that it is sent, and replies the whole history.
        compact: shortens what the assistant is sent.
        interactive: whether replies reach a streaming assistant at once.

    Raises:
        Exception: any other error of an agent.
        TypeError: what is given is no agent, or is interactive already, or the block is ``durable``.

    Example:
        >>> from miniagents import MiniAgents, StopLoop, adialog_loop
        >>> from miniagents.testing import scripted_model
        >>> user, model = scripted_model("Hello!", "Who?", StopLoop()), scripted_model("Hi.", "Me.")
        >>> print(MiniAgents().run(adialog_loop(user, model)))
        Me.
    """
    user, assistant = _agent("user_agent", user_agent), _agent("assistant_agent", assistant_agent)
    keeper = None if history_agent is None else _agent("history_agent", history_agent)
    own = user.defaults.get("chat_history")
    if isinstance(own, KeepsHistory):
        # The loop stores the history, so the user agent must not store it a second time.
        user = user.fork(**{"chat_history": None})  # noqa: PIE804 - a keyword that the type does not have
        keeper = keeper or own.agent
    listening: InteractiveAgent[Message, Message] | None = None
    if interactive:
        user, listening = _listening(user, assistant)
    # A fork, because each fork of an in-memory history agent has a history of its own.
    history = _History(None if keeper is None else keeper.fork())
    answer = Messages[Message]()
    known: set[str] = set()
    user_left = False
    try:
        with looping():
            answering: MessageSequencePromise | None = None
            talk: _Talk | None = None
            while True:
                # Leaving the block cancels the user agent: it does not wait for the user any more if the
                # answer fails.
                async with user.inquire(answering) as user_turn:
                    if talk is not None:
                        answer, question, user_left = await talk.run(user_turn, history)
                    else:
                        if answering is not None:
                            answer = await history.log(await answering, AssistantMessage)
                        question = await user_turn
                    begins, later = _split(question, split=interactive)
                    _ = await history.log(Messages(map(_question, begins)), UserMessage)
                if talk is not None and not question:  # all that was said is answered
                    if user_left:
                        return answer
                    answering = talk = None
                    continue
                sent = await history.current(compact)
                if listening is None:
                    answering = assistant.inquire(sent)
                else:
                    call = listening.initiate_inquiry()
                    _ = call.send_message(sent)
                    answering, talk = call.reply_sequence(finish_call=False), _Talk(call, known, later)
    except END_OF_LOOP:
        return answer


def _agent(name: str, given: object) -> _AnyAgent:
    if isinstance(given, MiniAgent):
        return cast("_AnyAgent", given)
    kind = type(given).__name__
    raise TypeError(
        f"adialog_loop({name}=...) is of type {kind}; give an agent. The one of a history is history.agent."
    )


def _listening(user: _AnyAgent, assistant: _AnyAgent) -> tuple[_AnyAgent, InteractiveAgent[Message, Message]]:
    """Return a user who may speak at any time, and an assistant that ends when all of that is answered."""
    if isinstance(assistant, InteractiveAgent):
        raise TypeError(
            f"adialog_loop(..., interactive=True) makes {assistant.alias} interactive for each question; "
            "give it the agent without .interactive()."
        )
    if DIALOGS.get() is not None:
        raise TypeError(
            "adialog_loop(..., interactive=True) cannot be in a block of durable or in a run of Runs: the "
            "user agent would say again what is in the log. Call the agent with .interactive() there, and "
            "say each message with an id (InteractiveCall.steer, Runs.say); or let a history keep the "
            "dialog, without durable."
        )
    if "interactive" in user.defaults:
        user = user.fork(**{"interactive": True})  # noqa: PIE804 - as above
    return user, assistant.interactive(idle=0)


_MARKS: Final = frozenset({"text", "when", "input_id", "replaces"})
_NOT_TAKEN: Final = ("cancelled", "failed")


class _Talk:
    """One answer, and what the user says meanwhile.

    Args:
        call: answers.
        known: the ids that were said in this dialog.
        said: what waits behind the question.
    """

    def __init__(self, call: InteractiveCall, known: set[str], said: Messages) -> None:
        self._call = call
        self._known = known
        self._said = [(each, self._say(each)) for each in said]

    async def run(
        self, user_turn: MessageSequencePromise, history: "_History"
    ) -> tuple[Messages, Messages, bool]:
        """Log the answer as it comes; return it, what the user said behind it, and whether the user left."""
        replies = self._call.reply_sequence(finish_call=False)
        saying = asyncio.ensure_future(self._listen(user_turn, replies))
        answer: list[Message] = []
        try:
            async for promise in replies:
                answer += await history.log(Messages((await promise,)), AssistantMessage)
            user_left = await saying
        except Exception:
            replies.cancel()
            await ended((saying,))
            # The user has said it.
            _ = await history.log(Messages(map(_question, await self._behind())), UserMessage)
            raise
        finally:
            await ended((saying,))
        return Messages(answer), await self._behind(), user_left

    async def _listen(self, user_turn: MessageSequencePromise, replies: MessageSequencePromise) -> bool:
        """Say what the user says while it answers; return whether the user has ended the dialog."""
        try:
            async for promise in user_turn:
                message = await promise
                key = message.input_id if isinstance(message, InputMessage) else ""
                if key in self._known:
                    continue
                if key:
                    self._known.add(key)
                self._said.append((message, None if replies.done else self._say(message)))
        except END_OF_LOOP:
            return True
        except asyncio.CancelledError:  # this task has ended
            pass
        return False

    def _say(self, message: Message) -> Promise[Delivery] | None:
        """Say a message; rules, and what is of another class, stay what they are, and wait: None."""
        call = self._call
        if not isinstance(message, InputMessage):
            return call.steer(message) if type(message) in (Message, UserMessage) else None
        ways = {"steer": call.steer, "queue": call.queue}
        ways |= {"interrupt": call.interrupt, "rollback": call.rollback}
        return ways[message.when](message, id=message.input_id)

    async def _behind(self) -> Messages:
        """Return what was said and is not in the answer: it came when that had ended, or was about to."""
        said = self._said
        return Messages(
            [each for each, taken in said if taken is None or (await taken).outcome in _NOT_TAKEN]
        )


def _split(turn: Messages, *, split: bool) -> tuple[Messages, Messages]:
    """Return what an answer begins with, and what is said to it then: each has its own way to be taken."""
    marked = (at for at, each in enumerate(turn) if at and split and isinstance(each, InputMessage))
    end = next(marked, len(turn))
    return Messages(turn[:end]), Messages(turn[end:])


def _question(message: Message) -> Message:
    """Return what is said while nothing runs: it is a question like any other, also if a model says it."""
    if type(message) is AssistantMessage:
        shown = (each for each in message.content if isinstance(each, str | Image | File))
        return UserMessage(parts=shown)
    if not isinstance(message, InputMessage):
        return message
    own = {name: value for name, value in message if name not in _MARKS}
    return message_of(UserMessage, message.text, own)


def _without_replaced(messages: Messages) -> Messages:
    """Leave out what has left the conversation by a rollback; summaries and rules stay."""
    here: list[Message] = []
    for message in messages:
        at = len(here)
        replaces = message.replaces if isinstance(message, InputMessage) else 0
        while replaces and at:
            at -= 1
            if not isinstance(here[at], Summary | SystemMessage):
                del here[at]
                replaces -= 1
        rolled_back = isinstance(message, InputMessage) and message.replaces
        here.append(message.model_copy(update={"replaces": 0}) if rolled_back else message)
    return Messages(here)


class _History:
    """The place that stores the conversation of a loop."""

    def __init__(self, agent: MiniAgent[Message, Message, ...] | None) -> None:
        self._agent = agent
        self.whole: Messages = Messages()

    async def current(self, compact: MiniAgent[Message, Message] | None) -> Messages:
        """Return the conversation as it is sent; new summaries are kept too."""
        whole = _without_replaced(self.whole)
        sent = whole if compact is None else await compact.inquire(whole)
        new = [each for each in sent if isinstance(each, Summary) and each not in whole]
        if new:
            _ = await self.log(Messages(new), UserMessage)
        return sent

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
