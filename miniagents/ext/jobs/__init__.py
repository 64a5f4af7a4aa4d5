"""Jobs: send many rows to an agent, and lose none.

``map_rows(agent, rows)`` sends each row of an iterable or a table to an agent, and ``map_file(agent,
"in.csv", "out.jsonl")`` each row of a file, as ``miniagents map`` does. With a journal, a job that was killed
continues where it stopped.
"""

from ._failures import TooManyFailuresError
from ._formats import RowsError, RowSource, read_rows
from ._map_file import map_file
from ._map_rows import map_rows
from ._options import JobOptions, Limits
from ._rows import JobResult, Progress, Row

__all__ = [
    "JobOptions",
    "JobResult",
    "Limits",
    "Progress",
    "Row",
    "RowSource",
    "RowsError",
    "TooManyFailuresError",
    "map_file",
    "map_rows",
    "read_rows",
]
