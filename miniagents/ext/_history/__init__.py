"""How a chat history is kept: records, the Markdown form of them, the file on the disk."""

from ._errors import HistoryFileError
from ._markdown_file import MarkdownFile
from ._record import Json, Note, Record

__all__ = ["HistoryFileError", "Json", "MarkdownFile", "Note", "Record"]
