"""``Journal``: keeps runs and calls in a file, which several processes may use at once."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from miniagents.runs import JournalError

from ._calls import StoredCall, stored_calls
from ._sqlite import SQLiteDatabase, read_page
from ._sqlite_runs import SQLiteRuns
from ._store import JournalInDatabase


class Journal(JournalInDatabase):
    """Keeps the logs of runs, and calls of agents, in a SQLite file that several processes may use at once.

    A thread writes, and commits all that came meanwhile together. The file must be on a local disk: SQLite
    cannot be shared over a network. If a process is suspended in the middle of a commit, the others wait.

    Only the owner of the file can read it. It has the replies of agents, and the messages for them only with
    ``keep="text"``. Keys and client objects are never in it.

    Args:
        path: the file. It is created if it does not exist; its folder must exist.
        keep: what to keep of the messages for agents whose calls are recorded: ``"hash"`` or ``"text"``.
        lease: seconds after which other processes may take over the runs of one that shows no sign of life.
            One of the same machine that has ended is noticed at once.
        clock: returns the time in seconds since 1970.

    Raises:
        JournalError: the file cannot be used.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import Journal, recorded
        >>> from miniagents.testing import scripted_model
        >>> async def ask(journal, *answers):
        ...     print(await recorded(scripted_model(*answers), journal, version="1").inquire("Hi"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Journal(f"{folder}/calls.journal") as journal:
        ...         MiniAgents().run(ask(journal, "Hello!"))
        ...     with Journal(f"{folder}/calls.journal") as journal:  # tomorrow
        ...         MiniAgents().run(ask(journal))
        Hello!
        Hello!
    """

    def __init__(
        self,
        path: str | Path,
        *,
        keep: Literal["hash", "text"] = "hash",
        lease: float = 3.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if keep not in {"hash", "text"}:
            raise JournalError(f"keep={keep!r} of a journal is neither 'hash' nor 'text'.")
        self.path: Path = Path(path)
        database = SQLiteDatabase(self.path.resolve())
        super().__init__(
            database, SQLiteRuns, f"the journal {self.path}", keep=keep, lease=lease, clock=clock
        )

    @staticmethod
    def read_calls(path: str | Path) -> Iterator[StoredCall]:
        """Return the calls of a file in their order, also while another process uses it; this blocks.

        One that cannot be read is left out, with a warning.

        Args:
            path: the path of the file.

        Raises:
            JournalError: it is not a journal, or cannot be read.

        Example:
            >>> next(Journal.read_calls("no_such.journal"))
            Traceback (most recent call last):
                ...
            miniagents...JournalError: The journal no_such.journal does not exist.
        """
        return stored_calls(partial(read_page, Path(path)), f"the journal {path}")
