r"""The user at the console, as an agent.

In a terminal, Enter sends and Ctrl+Space begins a new line. On a pipe, it reads plain lines, without colours.

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
from miniagents.messages import Message, MessagePromise, UserMessage
from miniagents.values import WithdrawnError

from .chat_history import ChatHistory
from .console import Asker, Screen

__all__ = ["console_user_agent", "create_console_user_agent"]


@miniagent
async def console_user_agent(
    ctx: InteractionContext, chat_history: ChatHistory | None = None, alias: str = "USER"
) -> None:
    """Shows messages token by token, each under the name of its agent, and replies what the user types.

    Control characters are removed from what it shows. With a `chat_history`, it adds the messages and the
    user's text to the history, and replies the whole history; `adialog_loop` adds them itself.

    Args:
        ctx: the messages to show.
        chat_history: keeps the conversation; None to keep nothing here.
        alias: the name in front of the user's text, in a terminal.

    Raises:
        EOFError: the user typed `exit`, or the input has ended: the end of a dialog.
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
    """Return `console_user_agent.fork(...)`: the console user with a history.

    Args:
        chat_history: keeps the conversation; None to keep nothing here.
        alias: the name in front of the user's text, in a terminal.

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
    except WithdrawnError:
        screen.text(f"\n[begun again]\n{await promise}")
    finally:
        screen.end()
