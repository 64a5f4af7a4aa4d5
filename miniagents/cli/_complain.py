"""What the user is told when something is wrong: one line on stderr."""

import sys
from contextlib import suppress

from miniagents.values import strip_control


class BadInputError(Exception):
    """What the user gave cannot be used: what was wrong, and what to do; the exit code is 2."""


def complain(text: str) -> None:
    """Say what is wrong in one line on stderr; when nobody can hear it, nothing happens.

    Args:
        text: any text; line breaks become spaces, control characters go.
    """
    with suppress(OSError, AttributeError):  # stderr is closed, or there is none
        sys.stderr.write(f"miniagents: {' '.join(strip_control(text).split())}\n")
        sys.stderr.flush()
