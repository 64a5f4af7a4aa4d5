r"""The user at the console, as an agent.

At a terminal Enter sends, Ctrl+Space breaks a line; on a pipe plain lines are read and nothing is coloured.

Example:
    >>> import io, sys
    >>> from miniagents import MiniAgents
    >>> stdin, sys.stdin = sys.stdin, io.StringIO("I am fine.\n")
    >>> async def main():
    ...     print(repr(str(await console_user_agent.inquire("How are you?"))))
    >>> MiniAgents().run(main())
    USER: How are you?
    'I am fine.'
    >>> sys.stdin = stdin
"""

from miniagents.agents import InteractionContext, MiniAgent, miniagent
from miniagents.core import Message, MessagePromise, UserMessage

from .chat_history import ChatHistory
from .console import Asker, Screen

__all__ = ["console_user_agent", "create_console_user_agent"]


@miniagent
async def console_user_agent(
    ctx: InteractionContext, chat_history: ChatHistory | None = None, alias: str = "USER"
) -> None:
    """Shows what it is sent, token by token under the name of who speaks; asks the user, and replies that.

    Control characters of what it shows are removed. With a `chat_history` it logs what it was sent and what
    the user said, and replies the whole history; `adialog_loop` does the keeping itself, with that history.

    Args:
        ctx: what is shown.
        chat_history: keeps the conversation; None when it is kept elsewhere.
        alias: the name in front of what the user types, at a terminal.

    Raises:
        EOFError: the user said `exit`, or the input has ended: the end of a dialog.
        KeyboardInterrupt: Ctrl-C at the prompt.
    """
    screen = Screen.of_process()
    async for promise in ctx.message_promises:
        await _show(screen, promise)
    said = UserMessage(await Asker().ask(alias))
    if chat_history is None:
        ctx.reply(said)
    else:
        ctx.reply(chat_history.agent.inquire([ctx.message_promises, said]))


def create_console_user_agent(
    chat_history: ChatHistory | None = None, alias: str = "USER"
) -> MiniAgent[Message, Message, ...]:
    """Make a console user with a history of his own; the same as `console_user_agent.fork(...)`.

    Args:
        chat_history: keeps the conversation; None when it is kept elsewhere.
        alias: the name in front of what the user types, at a terminal.

    Example:
        >>> from miniagents.ext.chat_history import InMemoryChatHistory
        >>> create_console_user_agent(chat_history=InMemoryChatHistory())
        <MiniAgent CONSOLE_USER_AGENT>
    """
    return console_user_agent.fork(chat_history=chat_history, alias=alias)


async def _show(screen: Screen, promise: MessagePromise[Message]) -> None:
    known = promise.preliminary_metadata
    screen.alias(str(known.get("agent_alias") or promise.message_class.role.upper()))
    try:
        async for token in promise:
            screen.text(token)
    finally:
        screen.end()
