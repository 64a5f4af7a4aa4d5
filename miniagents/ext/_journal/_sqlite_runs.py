"""What is special to the runs in a SQLite file.

New events of all runs are written one after another into `tail`: under a key of the run, a commit of 64 runs
would write 64 pages. The process that writes a run packs its events every 10 seconds, and at its end.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, cast

from typing_extensions import override

from ._database import in_groups
from ._runs import LARGE, Block, OwnRun, RunTables

EVENT_TABLES: Final = (
    (
        "CREATE TABLE tail (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, "
        "first INTEGER NOT NULL, last INTEGER NOT NULL, data BLOB NOT NULL)"
    ),
    (
        "CREATE TABLE packed (run INTEGER NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL, "
        "data BLOB NOT NULL, PRIMARY KEY (run, last)) WITHOUT ROWID"
    ),
)
_BEATS: Final = 6  # in a lease
_NEXT: Final = "(SELECT coalesce(max(id), 0) + 1 FROM tail)"
_DAMAGED: Final = b""  # a row that is refused when it is read


class SQLiteRuns(RunTables):
    """The runs of a journal in a SQLite file."""

    by_version = "INDEXED BY runs_idle"
    _cursor = 0  # the last row of `tail` that was looked at

    @override
    def _renew(self) -> int | None:
        # Nothing else can be written in this transaction, so that a look is enough, and writes no page.
        found = self._all("SELECT news FROM servers WHERE server = ?", self._server)
        if found and time.monotonic() > self._seen + self._lease / _BEATS:
            self._beat()
        return cast("int", found[0][0]) if found else None

    @override
    def _opened(self, number: int) -> None:
        self._database.execute(f"UPDATE runs SET tail_from = {_NEXT} WHERE id = ?", (number,))  # noqa: S608

    @override
    def _insert(self, rows: list[tuple[int, int, int, bytes]]) -> None:
        for statement, values in in_groups("INSERT INTO tail (run, first, last, data) VALUES {}", rows):
            self._database.execute(statement, values)

    @override
    def _blocks(self, number: int, after: int) -> list[Block]:
        blocks = self._rows(
            "SELECT first, last, data FROM packed WHERE run = ? AND last > ? ORDER BY last", number, after
        )
        own = next((each for each in self._own.values() if each.number == number), None)
        if own is not None:
            row, new = self._codec.row, (each for each in own.blocks if each[1] > after)
            return [*blocks, *((first, last, row(number, first, last, body)) for first, last, body in new)]
        return blocks + self._rows(
            "SELECT first, last, data FROM tail WHERE id >= (SELECT tail_from FROM runs WHERE id = ? AND "
            "server NOT IN ('', 'parked') AND ended IS NULL) AND run = ? AND last > ? ORDER BY id",
            *(number, number, max([after, *(last for _, last, _ in blocks)])),
        )

    def _rows(self, statement: str, *values: object) -> list[Block]:
        return cast("list[Block]", self._all(statement, *values))

    @override
    def _poll(self) -> None:
        before = self._cursor
        try:
            super()._poll()
        except BaseException:
            self._cursor = before  # the next look reads the same again
            raise

    @override
    def _fresh(self, watched: Mapping[int, int]) -> Iterable[tuple[int, int, int, bytes]]:
        before = self._cursor
        self._cursor = cast("int", self._all("SELECT coalesce(max(id), 0) FROM tail")[0][0])
        found = self._all(
            "SELECT run, first, last, data FROM tail WHERE id > ? "  # noqa: S608 - numbers
            f"AND run IN ({', '.join(map(str, watched))}) ORDER BY id",
            before,
        )
        return cast("list[tuple[int, int, int, bytes]]", found)

    @override
    def _lasts(self, numbers: Collection[int]) -> Mapping[int, int]:
        those = ", ".join(map(str, numbers))
        found = self._all(
            "SELECT run, max(last) FROM tail WHERE id >= (SELECT min(tail_from) FROM runs "  # noqa: S608 - numbers
            f"WHERE id IN ({those})) AND run IN ({those}) GROUP BY run"
        )
        return {cast("int", number): cast("int", last) for number, last in found}

    @override
    def _fold(self, own: Sequence[OwnRun]) -> None:
        for each in own:
            if not each.blocks:
                continue
            self._pack_rows(each.number, each.blocks)
            self._database.execute(
                f"UPDATE runs SET last = ?, tail_from = {_NEXT} WHERE id = ?",  # noqa: S608
                (each.last, each.number),
            )
            self._undo.append(partial(self._unfold, each, each.blocks, each.size))
            each.blocks, each.size = [], 0

    def _unfold(self, own: OwnRun, blocks: list[Block], size: int) -> None:
        own.blocks, own.size = blocks, size

    @override
    def _pack_rows(self, number: int, blocks: Sequence[Block]) -> None:
        first, last, body = blocks[0][0], blocks[-1][1], b",".join(body for _, _, body in blocks)
        self._database.execute(
            "INSERT INTO packed (run, last, first, data) VALUES (?, ?, ?, ?)",
            (number, last, first, self._codec.row(number, first, last, body)),
        )

    @override
    def _fold_of(self, server: str) -> None:
        live = self._all("SELECT id, tail_from FROM runs WHERE server = ? AND ended IS NULL", server)
        known = {cast("int", number): cast("int", tail_from) for number, tail_from in live}
        if not known:
            return
        blocks: dict[int, list[Block]] = {number: [] for number in known}
        for number, at, first, last, data in cast(
            "list[tuple[int, int, int, int, bytes]]",
            self._all(
                "SELECT run, id, first, last, data FROM tail WHERE id >= ? ORDER BY id", min(known.values())
            ),
        ):
            if number in known and at >= known[number]:
                blocks[number].append((first, last, data))
        for number, rows in blocks.items():
            self._fold_rows(number, rows)

    def _fold_rows(self, number: int, rows: Sequence[Block]) -> None:
        block: list[Block] = []
        size = 0
        for first, last, data in rows:
            try:
                body = self._codec.body(number, first, last, data)
            except ValueError:  # the reader of this run gets the error
                self._database.execute(
                    "INSERT OR IGNORE INTO packed (run, last, first, data) VALUES (?, ?, ?, ?)",
                    (number, last, first, _DAMAGED),
                )
                continue
            if block and (size + len(body) > LARGE or block[-1][1] != first - 1):
                self._pack_rows(number, block)
                block, size = [], 0
            block.append((first, last, body))
            size += len(body)
        if block:
            self._pack_rows(number, block)
        if rows:
            self._database.execute("UPDATE runs SET last = ? WHERE id = ?", (rows[-1][1], number))

    @override
    def _cut(self) -> None:
        (needed,) = self._all(
            f"SELECT coalesce(min(tail_from), {_NEXT}) FROM runs WHERE ended IS NULL "  # noqa: S608
            "AND server IN (SELECT server FROM servers)"
        )[0]
        # The last row stays, though without events, so that no number is used twice.
        self._database.execute("UPDATE tail SET run = 0, data = x'' WHERE id < ?", (needed,))
        self._database.execute("DELETE FROM tail WHERE id < ? AND id < (SELECT max(id) FROM tail)", (needed,))

    @override
    def _forget(self, numbers: Collection[int]) -> None:
        those = ", ".join(map(str, numbers))
        self._database.execute(f"DELETE FROM packed WHERE run IN ({those})")  # noqa: S608 - numbers
        self._database.execute(f"UPDATE tail SET run = 0, data = x'' WHERE run IN ({those})")  # noqa: S608
