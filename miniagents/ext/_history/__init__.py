"""How a chat history is kept: the classes of histories, messages in Markdown, the files on the disk."""

from ._chat_history import ChatHistory, ChatHistoryMD, ChatHistorySQLite, InMemoryChatHistory, keep_and_reply
from ._compact import compact
from ._markdown_file import HistoryFileError, MarkdownFile
from ._sqlite_file import HistoryThread

__all__ = [
    "ChatHistory",
    "ChatHistoryMD",
    "ChatHistorySQLite",
    "HistoryFileError",
    "HistoryThread",
    "InMemoryChatHistory",
    "MarkdownFile",
    "compact",
    "keep_and_reply",
]
