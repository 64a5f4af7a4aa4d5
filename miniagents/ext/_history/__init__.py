"""How a chat history is kept: who keeps it, the Markdown form of messages, the file on the disk."""

from ._chat_history import ChatHistory, keep_and_reply
from ._chat_history_md import ChatHistoryMD
from ._errors import HistoryFileError
from ._in_memory import InMemoryChatHistory
from ._markdown_file import MarkdownFile
from ._record import Json, Note, Record

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
