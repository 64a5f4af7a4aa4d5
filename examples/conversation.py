"""A conversation at the console, kept in CHAT.md; start it again, and it goes on where it ended.

Type `exit` to leave. `miniagents chat` is this, with options.
"""

from miniagents import MiniAgent, MiniAgents, adialog_loop
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.console_user_agent import create_console_user_agent
from miniagents.ext.default_model import default_model


async def main(model: MiniAgent, history_file: str = "CHAT.md") -> None:
    """Let the user and the model speak in turns."""
    user_agent = create_console_user_agent(chat_history=ChatHistoryMD(history_file))
    await adialog_loop(user_agent, model)


if __name__ == "__main__":
    MiniAgents().run(main(default_model()))
