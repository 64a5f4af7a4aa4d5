r"""The user at the console, as an agent.

In a terminal, Enter sends and Ctrl+Space begins a new line. On a pipe, it reads plain lines, without colours.

Example:
    >>> import io, sys
    >>> from miniagents import MiniAgents
    >>> stdin, sys.stdin = sys.stdin, io.StringIO("I am fine.\n")
    >>> async def main():
    ...     print(repr(str(await console_user_agent.inquire("How are you?"))))
    >>> MiniAgents().run(main())
    ASSISTANT: How are you?
    'I am fine.'
    >>> sys.stdin = stdin
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, cast

from miniagents.agents import InteractionContext, MiniAgent, miniagent
from miniagents.messages import AssistantMessage, InputMessage, Message, MessagePromise, UserMessage
from miniagents.values import WithdrawnError

from .chat_history import ChatHistory
from .console import Screen

__all__ = ["console_user_agent", "create_console_user_agent"]

_WHEN: Final[Mapping[str, Literal["steer", "queue", "interrupt"]]] = MappingProxyType(
    {"\t": "steer", "\x1b": "interrupt"}
)


@miniagent
async def console_user_agent(
    ctx: InteractionContext,
    chat_history: ChatHistory | None = None,
    alias: str = "USER",
    interactive: bool = False,
) -> None:
    """Shows messages token by token, each under the name of its agent, and replies what the user types.

    Control characters are removed from what it shows. With a `chat_history`, it adds the messages and the
    user's text to the history, and replies the whole history; `adialog_loop` adds them itself.

    Args:
        ctx: the messages to show.
        chat_history: keeps the conversation; None to keep nothing here.
        alias: the name in front of the user's text, in a terminal.
        interactive: reads lines also while it shows messages, and replies each one at once, as an
            ``InputMessage``. Enter queues it; at a terminal, Tab before Enter steers with it, and Esc before
            Enter interrupts with it. `adialog_loop(..., interactive=True)` makes it true.

    Raises:
        EOFError: the user typed `exit`, or the input has ended: the end of a dialog.
        KeyboardInterrupt: Ctrl-C at the prompt.
        TypeError: `chat_history` is no history.
    """
    if not isinstance(cast("object", chat_history), ChatHistory | None):
        raise TypeError(
            f"chat_history={chat_history!r} is no history; give one, such as ChatHistoryMD('CHAT.md')."
        )
    screen = Screen.of_process()
    promises = aiter(ctx.message_promises)
    if interactive and (first := await anext(promises, None)) is not None:
        showing = asyncio.ensure_future(_show_all(screen, promises, first))
        said: Message = InputMessage(await _listen(ctx, screen, alias, showing), when="queue")
    else:
        await _show_all(screen, promises)
        said = UserMessage(await screen.ask(alias))
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


async def _show_all(
    screen: Screen,
    promises: AsyncIterator[MessagePromise[Message]],
    first: MessagePromise[Message] | None = None,
) -> None:
    if first is not None:
        await _show(screen, first)
    async for promise in promises:
        await _show(screen, promise)


async def _listen(ctx: InteractionContext, screen: Screen, alias: str, showing: "asyncio.Task[None]") -> str:
    """Reply the lines that the user types while messages are shown; return the first one behind these."""
    lines = Screen(screen.out, is_terminal=False)  # a prompt would be among the text
    asking: asyncio.Future[str] = asyncio.ensure_future(lines.ask(alias))
    try:
        while True:
            await asyncio.wait((showing, asking), return_when=asyncio.FIRST_COMPLETED)
            if showing.done():
                await showing
                # A line that is typed at a terminal comes whole, so none is lost.
                return await (screen.ask(alias) if screen.is_terminal and not asking.done() else asking)
            if asking.exception() is not None:  # the user leaves when everything is shown
                await showing
            text = asking.result()
            key = text[-1] if screen.is_terminal else ""
            if words := text.rstrip("\t\x1b"):
                ctx.reply(InputMessage(words, when=_WHEN.get(key, "queue")))
            asking = asyncio.ensure_future(lines.ask(alias))
    finally:
        showing.cancel()
        asking.cancel()
        await asyncio.wait((showing, asking))


async def _show(screen: Screen, promise: MessagePromise[Message]) -> None:
    if promise.message_class is InputMessage:  # the user has typed it
        return
    known = promise.preliminary_metadata
    # What has no role of its own is not the user's: it is shown to the user.
    kind = AssistantMessage if promise.message_class is Message else promise.message_class
    screen.alias(str(known.get("agent_alias") or kind.role.upper()))
    try:
        async for token in promise:
            screen.text(token)
    except WithdrawnError:
        screen.text(f"\n[begun again]\n{await promise}")
    finally:
        screen.end()
