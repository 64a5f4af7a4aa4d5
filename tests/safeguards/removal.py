"""A safeguard: the text that it is, the text without it, and the test that must be red then."""

from dataclasses import dataclass

__all__ = ["Removal"]


@dataclass(frozen=True)
class Removal:
    """A safeguard that somebody takes away.

    Attributes:
        safeguard: what it does.
        file: where it stands, in the package.
        old: its text, which stands there exactly once.
        new: what is there without it.
        test: the node of pytest that notices, below `tests`.
    """

    safeguard: str
    file: str
    old: str
    new: str
    test: str

    def applied(self, text: str) -> str:
        """The file without the safeguard.

        Raises:
            ValueError: its text is not there, or more than once.
        """
        found = text.count(self.old)
        if found != 1:
            raise ValueError(
                f"The safeguard {self.safeguard!r} is a text that must stand once in miniagents/{self.file} "
                f"and stands there {found} times; say in tests/safeguards/ what it is now:\n"
                f"{self.old}"
            )
        return text.replace(self.old, self.new)
