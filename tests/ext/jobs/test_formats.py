"""Rows in files: what is read, what is refused and where, what is written."""

import gzip
import hashlib
import json
import os
import sys
import time
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest

from miniagents.ext.jobs._formats import FileForm, Row, RowsError, form_of, json_line, read_rows, row_writer

ROWS: list[Row] = [{"id": 1, "text": "Grüße"}, {"id": 2, "text": 'two\n"lines"', "more": {"a": [1, None]}}]


def written(
    path: Path, rows: list[Row], like: Path | None = None, added: Mapping[str, object] = MappingProxyType({})
) -> Path:
    """A file of rows, each with the same columns added."""
    writer = row_writer(path, form_of(path, written=True), source=None if like is None else read_rows(like))
    for row in rows:
        writer.write(row if like is None else {**added})
    writer.close()
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(path.name)] == [path.name]
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson", "rows.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    """What is written as JSONL is read again, as often as one likes; the same rows make the same bytes."""
    path = written(tmp_path / name, ROWS)
    rows = read_rows(path)
    assert list(rows) == list(rows) == ROWS
    assert (rows.columns, rows.count(), rows.name) == (("id", "text"), 2, str(path))
    assert rows.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    if name.endswith(".gz"):
        assert path.read_bytes()[4:8] == bytes(4), "no time stands in it"
    (tmp_path / "again").mkdir()
    assert path.read_bytes() == written(tmp_path / "again" / name, ROWS).read_bytes()


def test_csv(tmp_path: Path) -> None:
    """Values of CSV are texts as they stand; fields may be long and have lines; blank lines are none."""
    long = "x" * 200_000
    path = tmp_path / "rows.csv"
    path.write_text(f'\ufeffid,text\r\n007,"a\nb"\r\n\r\nNA,{long}\r\n', encoding="utf-8")
    rows = read_rows(path)
    assert rows.columns == ("id", "text")
    assert list(rows) == [{"id": "007", "text": "a\nb"}, {"id": "NA", "text": long}]
    zipped = tmp_path / "rows.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_rows(zipped)) == list(rows)
    (tmp_path / "header.csv").write_text("id,text\n")
    assert (list(read_rows(tmp_path / "header.csv")), read_rows(tmp_path / "header.csv").count()) == ([], 0)
    assert ("id", "text") == read_rows(tmp_path / "header.csv").columns


TYPED: list[Row] = [
    {
        "at": datetime(2026, 11, 22, 20, 15, tzinfo=UTC),
        "day": date(2026, 11, 22),
        "price": Decimal("1.10"),
        "bytes": b"\x00\xff",
        "list": [1, 2],
        "share": 0.5,
        "none": None,
    }
]


def test_parquet(tmp_path: Path) -> None:
    """What is written as Parquet is read again with its types; columns keep those of the input."""
    path = written(tmp_path / "rows.parquet", TYPED * 3)
    rows = read_rows(path)
    assert list(rows) == list(rows) == TYPED * 3
    assert (rows.count(), rows.columns) == (3, tuple(TYPED[0]))
    answered = written(tmp_path / "out.parquet", [*rows], like=path, added={"output": "yes"})
    assert list(read_rows(answered)) == [{**TYPED[0], "output": "yes"}] * 3
    empty = written(tmp_path / "empty.parquet", [], like=path)
    assert (read_rows(empty).count(), read_rows(empty).columns) == (0, tuple(TYPED[0]))


def test_parquet_of_any_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Columns that come late, grow wider, or have no common type fit at the end; warnings name the last."""
    rows: list[Row] = [
        {
            "number": at if at < 1500 else at + 0.5,
            "mixed": at if at % 2 else f"text {at}",
            "exact": 2**53 + 1 if at < 2000 else 0.5,
            "object": {"a": at} if at < 2500 else {"b": [at]},
            "empty": {},
            "big": 2**70 if at == 10 else at,
            "half": "\ud83d" if at == 7 else "whole",
            **({"late": True} if at >= 2000 else {}),
        }
        for at in range(3001)
    ]
    read = list(read_rows(written(tmp_path / "rows.parquet", rows)))
    assert len(read) == 3001
    first, last = read[0], read[-1]
    assert (first["number"], first["mixed"], first["late"], first["object"]) == (
        0.0,
        "text 0",
        None,
        {"a": 0, "b": None},
    )
    assert (last["number"], last["mixed"], last["late"], last["object"]) == (
        3000.5, "text 3000", True, {"a": None, "b": [3000]},
    )  # fmt: skip
    assert (first["empty"], read[7]["half"], read[10]["big"]) == ("{}", "?", str(2**70))
    assert read[1]["mixed"] == "1"
    assert (first["exact"], last["exact"]) == (str(2**53 + 1), "0.5")
    assert ["mixed", "exact", "big"] == [record.getMessage().split("'")[1] for record in caplog.records]


@pytest.mark.logs("have no type in common")
@pytest.mark.parametrize(
    ("value", "shown"),
    [(False, "false"), ([True], "[true]"), ({"a": [False]}, '{"a": [false]}'), ({"a": [1.5]}, {"a": [1.5]})],
)
def test_truth_beside_floats(tmp_path: Path, value: object, shown: object) -> None:
    """Parquet: True and False in a column of numbers stay what they are, as a text, whatever comes first."""
    number: object = 0.5 if isinstance(value, bool) else [0.5]
    number = {"a": number} if isinstance(value, dict) else number
    both: list[tuple[object, object]] = [(number, value), (value, number)]
    for values in both:
        read = list(read_rows(written(tmp_path / "rows.parquet", [{"x": each} for each in values])))
        assert shown in [row["x"] for row in read]


@pytest.mark.logs("have no type in common")
def test_texts_are_what_came(tmp_path: Path) -> None:
    """In a column of Parquet that becomes text late, each value is the text of what came."""
    came: list[object] = [1.5, 5, [1, 2.5], {"a": 1}, {"b": [2]}, None]
    for first in ([1.5, 5], [[1, 2.5]], [{"a": 1}, {"b": [2]}], [{"a": 1.5}, {"a": 5}]):
        rows: list[Row] = [{"x": each} for each in [*first * 600, "abc", *came]]
        read = [row["x"] for row in read_rows(written(tmp_path / "rows.parquet", rows))]
        assert read == [*[json.dumps(each) for each in first] * 600, "abc", *map(json.dumps, came[:5]), None]


@pytest.mark.logs("have no type in common")
@pytest.mark.parametrize("depth", [30, 55, 300])
@pytest.mark.parametrize(("begin", "end"), ["[]", ('{"a": ', "}")])
def test_parquet_of_deep_rows(tmp_path: Path, depth: int, begin: str, end: str) -> None:
    """A value that is nested deeper than Parquet can be read is written as a text."""
    text = f"{begin * depth}1{end * depth}"
    row: Row = {"x": json.loads(text)}
    (read,) = read_rows(written(tmp_path / "rows.parquet", [row]))
    assert read["x"] in (row["x"], text)


def test_times_of_nanoseconds(tmp_path: Path) -> None:
    """J6: times with nanoseconds, which Python's cannot have, are read as texts, and written as they were."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    exact, whole = 1_700_000_000_123_456_789, 1_700_000_000_123_456_000
    day = 3_723_000_000_001
    table = pyarrow.table(
        {
            "at": pyarrow.array([exact, whole, None], pyarrow.timestamp("ns", "UTC")),
            "local": pyarrow.array([exact] * 3, pyarrow.timestamp("ns")),
            "day": pyarrow.array([day] * 3, pyarrow.time64("ns")),
            "took": pyarrow.array([day] * 3, pyarrow.duration("ns")),
        }
    ).replace_schema_metadata({"made by": "a test"})
    parquet.write_table(table, tmp_path / "t.parquet")
    rows = list(read_rows(tmp_path / "t.parquet"))
    moment = datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(microseconds=123_456)
    assert ["2023-11-14T22:13:20.123456789+00:00", moment, None] == [row["at"] for row in rows]
    assert "2023-11-14T22:13:20.123456789" == rows[0]["local"]
    assert ("01:02:03.000000001", "PT3723.000000001S") == (rows[0]["day"], rows[0]["took"])
    out = written(tmp_path / "out.parquet", rows, like=tmp_path / "t.parquet", added={"output": "yes"})
    copied = parquet.read_table(out)
    assert table.append_column("output", pyarrow.array(["yes"] * 3)).equals(copied)
    assert b"a test" == copied.schema.metadata[b"made by"]


def test_values_that_python_does_not_have(tmp_path: Path) -> None:
    """A year that Python does not have is read as a text; what cannot be one is an error with its column."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    early, late = "-1199-02-15 14:13:20.000000", f"<value out of range: {10**18}>"
    times = pyarrow.array([-(10**17), 0, 10**18], pyarrow.timestamp("us"))
    parquet.write_table(pyarrow.table({"at": times}), path)
    assert [early, datetime(1970, 1, 1), late] == [row["at"] for row in read_rows(path)]  # noqa: DTZ001
    nanoseconds = pyarrow.array([[1]], pyarrow.list_(pyarrow.timestamp("ns")))
    for column in (nanoseconds, pyarrow.array([b"\xff"]).view(pyarrow.string())):
        parquet.write_table(pyarrow.table({"at": column}), path)
        with pytest.raises(RowsError, match="column 'at' has a value of type"):
            list(read_rows(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name")
def test_csv_in_threads(tmp_path: Path) -> None:
    """Several threads can read CSV with long texts at the same time."""
    paths = [tmp_path / "first.csv", tmp_path / "second.csv"]
    with ThreadPoolExecutor() as threads, ExitStack() as stack:
        counts: list[Future[int]] = []
        for path in paths:
            path.write_text("text\n")
            rows = read_rows(path)
            path.unlink()
            os.mkfifo(path)
            counts.append(threads.submit(rows.count))
        ends = [stack.enter_context(path.open("w")) for path in paths]
        for end in ends:  # each thread waits for its row, the second one behind the first one
            end.write("text\n")
            end.flush()
            time.sleep(0.1)
        for count, end in zip(counts, ends, strict=True):
            end.write(f"{'x' * 140_000}\n")
            end.close()
            assert 1 == count.result(10)


@pytest.mark.gate("half a second for each form")
@pytest.mark.parametrize("name", ["big.jsonl", "big.parquet"])
def test_large_rows(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large rows are, a few of them are in memory at once, read and written."""
    monkeypatch.setattr("miniagents.ext.jobs._parquet.AT_ONCE", 2**20)
    tracemalloc.start()
    try:
        writer = row_writer(tmp_path / name, form_of(name))
        for at in range(100):
            writer.write({"text": str(at % 10) * 2**19})
        writer.close()
        read = sum(len(str(row["text"])) for row in read_rows(tmp_path / name))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == 100 * 2**19
    assert most < 16 * 2**20, "of 50 MB"


def test_a_line_of_any_row() -> None:
    """Whatever stands in a row becomes JSON that every reader takes."""
    row = {
        "nan": float("nan"), "inf": [float("inf")], "half": "\ud83d", "set": {2, 1}, "bytes": b"\x00\xff",
        "after": timedelta(seconds=1.5), "path": Path("a"), **TYPED[0],
    }  # fmt: skip
    read = json.loads(json_line(row))
    assert (read["nan"], read["inf"], read["half"], read["set"]) == (None, [None], "\ud83d", [1, 2])
    assert (read["bytes"], read["after"], read["path"], read["price"]) == ("AP8=", 1.5, "a", "1.10")
    assert (read["at"], read["day"]) == ("2026-11-22T20:15:00+00:00", "2026-11-22")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2: this is not JSON at column 7: Expecting value."),
        ("a.jsonl", b"\n[1, 2]\n", "line 2: a row is an object, such as {\"text\": ...}, and this is '[1, "),
        ("a.jsonl", b'{"a": "\xff"}\n', "line 1: byte 8 is not UTF-8; save the file as UTF-8."),
        ("a.jsonl", b"[" * 100_000, "line 1: the JSON is nested too deep."),
        ("a.jsonl", b"{" + b"1" * 5000 + b"}", "line 1: this is not JSON"),
        ("a.jsonl", b'{"a": ' + b"1" * 5000 + b"}", "line 1: this is not JSON."),
        ("a.csv", b"", "is empty; its first line must name the columns."),
        ("a.csv", b"a,,b\n", "line 1: the header has a column without a name"),
        ("a.csv", b"a,b,a\n", "line 1: the header has 'a' twice; give each column a name of its own."),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "line 3: the line has 3 columns, and the header names 2."),
        ("a.csv", b"a,b\n1\n", "line 2: the line has 1 column, and the header names 2."),
        ("a.csv", b'a,b\n1,"2\n', "line 2: this is not CSV: unexpected end of data."),
        ("a.csv", b"a,b\n1,\xe4\n", "line 2: byte 3 is not UTF-8; save the file as UTF-8."),
        ("a.jsonl.gz", b'{"a": 1}', "is not a gzip file, although its name ends with .gz"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "is cut off: its gzip data"),
        ("a.parquet", b"no parquet", "cannot be read as Parquet: "),
        ("a.txt", b"", "files of .txt are not read; give .jsonl, .csv or .parquet (.jsonl and "),
        ("a.parquet.gz", b"", "files of .parquet.gz are not read; give .jsonl, .csv or .parquet"),
        ("a", b"", "files of no ending are not read"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """A file that has no rows is refused in a sentence that says where, at the latest by counting."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RowsError) as refused:
        read_rows(path).count()
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there, a folder and one that may not be read are refused."""
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(RowsError, match=r"none\.\w+ cannot be read: No such file or directory\."):
            read_rows(tmp_path / name)
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(RowsError, match="is a folder; give a file"):
        read_rows(tmp_path / "folder.jsonl")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(RowsError, match="cannot be read"):
        read_rows(tmp_path / "folder.parquet")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("o.csv", ".csv files are not written, because answers may have fields"),
        ("o.xlsx", "files of .xlsx are not"),
    ],
)
def test_what_is_not_written(name: str, said: str) -> None:
    """Files that cannot take answers are refused by their names."""
    with pytest.raises(RowsError) as refused:
        form_of(name, written=True)
    assert said in str(refused.value)
    assert form_of("o.jsonl.gz", written=True) == FileForm("jsonl", zipped=True)


@pytest.mark.parametrize("name", ["o.jsonl", "o.jsonl.gz", "o.parquet"])
def test_discarded(tmp_path: Path, name: str) -> None:
    """What is discarded leaves nothing, also a second time, and nothing happens after the end."""
    path = tmp_path / name
    writer = row_writer(path, form_of(path))
    writer.write({"a": 1})
    writer.discard()
    writer.discard()
    assert list(tmp_path.iterdir()) == []
    written(path, ROWS)
    writer = row_writer(path, form_of(path))
    writer.close()
    writer.discard()
    assert path.exists()


def test_a_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that no memory could hold is refused before it is read whole."""
    monkeypatch.setattr("miniagents.ext.jobs._formats._LONGEST", 2**20)
    (tmp_path / "a.jsonl").write_text('{"a": "' + "x" * 2**20 + '"}\n')
    with pytest.raises(RowsError, match=r"line 1: the line is longer than 1 MB\."):
        read_rows(tmp_path / "a.jsonl")


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the error of Parquet says what to install; all else works."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        RowsError, match=r"Parquet needs pyarrow, which is not installed; pip install 'miniagents\[jobs\]'\."
    ):
        read_rows(tmp_path / "a.parquet")
    with pytest.raises(RowsError, match="Parquet needs pyarrow"):
        form_of(tmp_path / "a.parquet", written=True)
    assert list(read_rows(written(tmp_path / "a.jsonl", ROWS))) == ROWS


def test_a_name_of_ones_own(tmp_path: Path) -> None:
    """Errors call a file as they are told to."""
    (tmp_path / "a.jsonl").write_text("{}\n[]\n")
    with pytest.raises(RowsError, match=r"^stdin, line 2: "):
        read_rows(tmp_path / "a.jsonl", name="stdin").count()
