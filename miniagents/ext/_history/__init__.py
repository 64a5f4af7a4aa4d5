"""How a chat history is kept: the classes of histories, messages in Markdown, the file on the disk."""

from ._chat_history import ChatHistory, ChatHistoryMD, InMemoryChatHistory, keep_and_reply
from ._markdown_file import HistoryFileError, MarkdownFile
from ._records import Json, Note, Record

__all__ = [
    "ChatHistory",
    "ChatHistoryMD",
    "HistoryFileError",
    "InMemoryChatHistory",
    "Json",
    "MarkdownFile",
    "Note",
    "Record",
    "keep_and_reply",
]
