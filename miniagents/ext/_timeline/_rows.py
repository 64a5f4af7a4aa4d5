"""What every picture of runs shows: the rows in their order, and what is told of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from miniagents.values import Usage

from ._lanes import Lane
from ._texts import clean, duration, line

NAME: Final = 200
_TEXT: Final = 300
_OUTCOMES: Final = (
    ("failed", "failed"),
    ("cancelled", "cancelled"),
    ("abandoned", "left by their readers"),
    ("running", "still running"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A lane in its place.

    Attributes:
        lane: what is shown.
        depth: how many runs stand above it.
        name: the alias, in one clean line.
    """

    lane: Lane
    depth: int
    name: str


def rows_of(lanes: Sequence[Lane]) -> list[Row]:
    """The lanes in the order in which they are drawn: each one below the one that began it.

    Args:
        lanes: in the order in which they began.
    """
    below: dict[Lane | None, list[Lane]] = {}
    for lane in lanes:
        below.setdefault(lane.parent, []).append(lane)
    rows: list[Row] = []
    waiting = [(lane, 0) for lane in reversed(below.get(None, []))]
    while waiting:
        lane, depth = waiting.pop()
        rows.append(Row(lane, depth, line(lane.alias, NAME)))
        waiting += [(each, depth + 1) for each in reversed(below.get(lane, []))]
    return rows


def caption(lanes: Sequence[Lane], more: int, total: float) -> str:
    """What happened in all, in one line.

    Args:
        lanes: all that are drawn.
        more: how many runs are not drawn.
        total: how long it took, in seconds.
    """
    told = [f"{_count(len(lanes), 'run')} in {duration(total)}"]
    told.append(_count(sum(lane.parts for lane in lanes), "part"))
    endings = [lane.ending for lane in lanes]
    told += [f"{endings.count(each)} {words}" for each, words in _OUTCOMES if each in endings]
    used = [lane.used for lane in lanes if lane.kind == "model"]
    known = [usage for usage in used if usage is not None]
    if known:
        told.append(f"models used {tokens(sum(known, Usage()))}")
    if more:
        told.append(f"{_count(more, 'more run')} not drawn")
    return ", ".join(told)


def facts(row: Row, now: float) -> list[str]:
    """What is told of a run, line by line.

    Args:
        row: which one.
        now: the last time that is known, in seconds.
    """
    lane = row.lane
    end = now if lane.ended is None else lane.ended
    model = f", {line(lane.model, NAME)}" if lane.model else ""
    told = [f"{lane.kind} run {lane.number}{model}"]
    told.append(
        f"{duration(lane.began)} to {duration(end)}: {_ending(lane)} after {duration(end - lane.began)}"
    )
    if lane.first is not None:
        told.append(f"{_count(lane.parts, 'part')}, the first after {duration(lane.first - lane.began)}")
    if lane.again:
        told.append(f"began again {_count(len(lane.again), 'time')}")
    used = lane.used
    if used is not None:
        told.append(f"used {tokens(used)}")
    told += [f"{what}: {line(text, _TEXT)}" for what, text in lane.asked.items()]
    return told


def tokens(used: Usage) -> str:
    """Tokens, as people read them.

    Args:
        used: what a provider has counted.

    Example:
        >>> tokens(Usage(1200, 30, cached_tokens=1024))
        '1,200 tokens in (1,024 cached), 30 out'
    """
    more_in = [(used.cached_tokens, "cached"), (used.cache_write_tokens, "written to the cache")]
    told = f"{_number(used.input_tokens)} tokens in{_brackets(more_in)}"
    return f"{told}, {_number(used.output_tokens)} out{_brackets([(used.reasoning_tokens, 'reasoning')])}"


def said(lane: Lane, most: int) -> tuple[list[tuple[float, str]], int]:
    """The texts that a run wrote, clean, with their times; and how many characters are missing.

    Args:
        lane: of the run.
        most: how many characters are looked at.
    """
    if lane.said is None:
        return [], 0
    pieces: list[tuple[float, str]] = []
    length = 0
    for at, piece in zip(lane.said.times, lane.said.pieces, strict=True):
        if length >= most:
            break
        pieces.append((at, piece[: most - length]))
        length += len(pieces[-1][1])
    whole = "".join(piece for _, piece in pieces)
    cleaned = clean(whole)
    missing = lane.said.length + lane.said.missing - length
    if cleaned == whole:
        return pieces, missing
    each_cleaned = [(at, clean(piece)) for at, piece in pieces]
    if cleaned != "".join(piece for _, piece in each_cleaned):  # a key that came in pieces
        each_cleaned = [(pieces[0][0], cleaned)]
    return each_cleaned, missing


def _ending(lane: Lane) -> str:
    if lane.ending == "failed":
        return f"failed with {line(lane.error, NAME)}" if lane.error else "failed"
    return {"abandoned": "left by its readers", "running": "still running"}.get(lane.ending, lane.ending)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _brackets(counts: Iterable[tuple[int | None, str]]) -> str:
    told = [f"{count:,} {what}" for count, what in counts if count]
    return f" ({', '.join(told)})" if told else ""
