"""``Journal``: keeps runs and calls in a file, which several processes may use at once."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ._calls import StoredCall, stored_calls
from ._codec import Codec, Content, Hook, Keep
from ._sqlite import SQLiteDatabase, read_page
from ._sqlite_runs import SQLiteRuns
from ._store import JournalInDatabase


class Journal(JournalInDatabase):
    """Keeps the logs of runs, and calls of agents, in a SQLite file that several processes may use at once.

    The file must be on a local disk. Only its owner can read it. It never has keys or client objects.

    Args:
        path: the file; its folder must exist.
        keep, content: of messages: ``"hash"`` or ``"text"``; of runs: ``"keep"``, ``"run"`` or ``"off"``.
        lease: seconds without a sign of life after which other processes take over runs.
        seal, unseal: an encryption of texts, calls and answers.
        clock: returns the time in seconds since 1970.

    Raises:
        JournalError: the file cannot be used.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import recorded
        >>> from miniagents.testing import scripted_model
        >>> async def ask(path, *answers):
        ...     with Journal(path) as journal:
        ...         print(await recorded(scripted_model(*answers), journal, version="1").inquire("Hi"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     MiniAgents().run(ask(f"{folder}/calls.journal", "Hello!"))
        ...     MiniAgents().run(ask(f"{folder}/calls.journal"))  # tomorrow
        Hello!
        Hello!
    """

    def __init__(
        self,
        path: str | Path,
        *,
        keep: Keep = "hash",
        content: Content = "keep",
        lease: float = 3.0,
        seal: Hook | None = None,
        unseal: Hook | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        codec = Codec(keep, content, seal, unseal)
        self.path: Path = Path(path)
        place, database = f"the journal {self.path}", SQLiteDatabase(self.path.resolve(), content != "keep")
        super().__init__(database, SQLiteRuns, place, codec, lease=lease, clock=clock)

    @staticmethod
    def read_calls(path: str | Path) -> Iterator[StoredCall]:
        """Return the calls of a file in their order, also while another process uses it; this blocks.

        One that cannot be read is left out, with a warning.

        Args:
            path: the path of the file.

        Raises:
            JournalError: it is not a journal, or cannot be read, or is sealed.

        Example:
            >>> next(Journal.read_calls("no_such.journal"))
            Traceback (most recent call last):
                ...
            miniagents...JournalError: The journal no_such.journal does not exist.
        """
        return stored_calls(partial(read_page, Path(path)), f"the journal {path}", Codec())
