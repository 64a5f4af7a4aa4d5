"""``open_journal``: a journal from its name, which is a path or the address of a database."""

from pathlib import Path

from miniagents.runs import JournalError

from ._codec import Keep
from ._postgres import PostgresJournal
from ._sqlite import Journal


def open_journal(place: str | Path, *, keep: Keep = "hash", create: bool = True) -> Journal | PostgresJournal:
    """Open a journal by its name, as the command line and jobs do: that of a file, or of a database.

    Args:
        place: a path, or an address such as ``postgresql://user@host/database``; a `Path` is always a file.
        keep: of messages: ``"hash"`` or ``"text"``.
        create: whether a new journal is made where there is none.

    Raises:
        JournalError: the journal cannot be used, or is of another database, or psycopg is not installed; or
            there is none, and `create` is False.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, open_journal(f"{folder}/app.journal") as journal:
        ...     type(journal).__name__
        'Journal'
    """
    kind, is_address, _ = str(place).partition("://")
    if isinstance(place, Path) or not is_address:
        if not create:
            next(Journal.read_calls(place), None)
        return Journal(place, keep=keep)
    if kind not in {"postgresql", "postgres"}:
        raise JournalError(
            f"A journal is a file, or has an address that begins with postgresql://, not {kind}://."
        )
    try:
        return PostgresJournal(str(place), keep=keep, create=create)
    except ModuleNotFoundError as error:
        raise JournalError(str(error)) from None
