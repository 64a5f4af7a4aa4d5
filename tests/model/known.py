"""Classes of defects that programs find and that are not mended yet: this list must become empty."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.model import programs as p

__all__ = ["KNOWN", "Known", "known"]


@dataclass(frozen=True)
class Known:
    """A class of defects.

    Attributes:
        number: of the finding.
        what: is wrong, in a sentence.
        is_it: tells a program, and what is wrong with it, that is of this class.
        smallest: its smallest program.
    """

    number: str
    what: str
    is_it: Callable[[p.Program, list[str]], bool]
    smallest: p.Program


def known(program: p.Program, wrong: list[str]) -> Known | None:
    """Return the class of what is wrong with a program; None if it is new."""
    return next((each for each in KNOWN if each.is_it(program, wrong)), None)


def _logged_too(program: p.Program, wrong: list[str]) -> bool:
    return all(line.startswith("log: ") for line in wrong)


def _late_limit(program: p.Program, wrong: list[str]) -> bool:
    text = repr(program)
    return "Timeout(" in text and (
        any("AgentTimeoutError" in line for line in wrong) or bool(re.search(r"total=\d", text))
    )


def _cancelled_reply(program: p.Program, wrong: list[str]) -> bool:
    readers = any(line.startswith("reader") for line in wrong)
    text = repr(program)
    return readers and any(each in text for each in ("ErrorsAsMessages(", "Raise(", "fails=(", "Failure("))


def _only_sources(program: p.Program, wrong: list[str]) -> bool:
    return all(line.startswith(("source: ", "log: ")) for line in wrong)


def _stopped(program: p.Program, wrong: list[str]) -> bool:
    stopped = program.cancelled is not None or program.ends is not None
    return stopped and all(line.startswith(("source: ", "log: ")) for line in wrong)


_READ: Final = (p.Reader("iterate"),)

KNOWN: Final = (
    Known(
        "C7",
        "An error that a reader got is also logged, as that of an unread copy; or one is swallowed.",
        _logged_too,
        p.Program(
            p.Function((p.Reply(p.Received()), p.EachMessage("upper"))), p.Failure("e"), (p.Reader("tokens"),)
        ),
    ),
    Known(
        "N1",
        "A stall limit counts from a message that has come, not from one that has come and had failed.",
        _late_limit,
        p.Program(
            p.Timeout(p.Identity(), stall=1.0),
            p.Listed((p.Streamed((), ends=2.0), p.Failure("e"))),
            _READ,
        ),
    ),
    Known(
        "C2",
        "What a chain whose last stage fails while it rewrites has replied is cancelled.",
        _cancelled_reply,
        p.Program(
            p.Chain(
                p.Function((p.Reply(p.Streamed((), ends=1.0)),)),
                p.Function((p.EachMessage("upper"), p.Raise("e"))),
            ),
            p.Text("x"),
            _READ,
        ),
    ),
    Known(
        "N2",
        "`cancel()` does not stop what a run below, which has ended, is still writing.",
        _stopped,
        p.Program(
            p.Catching(
                p.Function(
                    (
                        p.Forget(p.Function((p.Reply(p.Streamed((), ends=5.0)),)), p.Text("x")),
                        p.Reply(p.Streamed((), ends=5.0)),
                        p.Sleep(3.0),
                    )
                ),
                p.Received(),
            ),
            p.Text("x"),
            (p.Reader("await"),),
            cancelled=1.0,
            dropped=True,
        ),
    ),
    Known(
        "C4",
        "An error that a handler and a reader got holds the frames of the function that raised it.",
        _only_sources,
        p.Program(
            p.Catching(p.Function((p.EachMessage("whole"),)), p.Received()),
            p.Listed((p.Streamed((), (1.0, "e")), p.Streamed((), ends=2.0))),
            (p.Reader("tokens"),),
            dropped=True,
        ),
    ),
)
