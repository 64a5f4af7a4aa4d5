"""`main`, which imports the rest itself: from the first moment Ctrl-C ends the program in one line."""

import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from ._imports import whole_imports

_INTERRUPTED = 128 + signal.SIGINT


def main(words: Sequence[str] | None = None) -> int:
    r"""Run the command line; wrong input and failures outside of the program show no traceback.

    Args:
        words: the arguments; those of the process when None.

    Returns:
        The exit code: 0; 1 when a model failed on a pipe or something could not be written; 2 for wrong
        input; 128 plus the number of the signal that ended it. `map` has more, see its `--help`.

    Raises:
        SystemExit: `--help` or `--version` was printed.

    Example:
        >>> import io, sys
        >>> stdin, sys.stdin = sys.stdin, io.StringIO("My brother is angry with me.\n")
        >>> main(["chat", "--model", "eliza", "--no-history"])  # doctest: +ELLIPSIS
        eliza (rules, no language model) answers; nothing is kept.
        ...
        ELIZA: How do you know that your brother is angry with you?
        0
        >>> sys.stdin = stdin
    """
    try:
        try:
            with whole_imports():
                run: Callable[[Sequence[str] | None], int] = import_module("miniagents.cli._main").main
            return run(words)
        finally:
            if (
                words is None
            ):  # the process ends: another Ctrl-C, and the end of the interpreter, show nothing
                signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        sys.stderr.write("miniagents: stopped.\n")
        return _INTERRUPTED
