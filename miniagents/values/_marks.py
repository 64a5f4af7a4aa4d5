"""What `freeze` and the hash keys must know of a frozen model, so that they need not know `Frozen` itself."""

from ._path import Path


class FrozenValue:
    """The mark of a value that is frozen by itself, with the two questions that are asked of it."""

    __slots__ = ()

    def __frozen_depth__(self) -> int:
        """Return how many levels are nested in the value, itself counted: 1 for flat data."""
        raise NotImplementedError

    def __hash_key_of__(self, path: Path) -> tuple[str, bool]:
        """Return the hash key, and whether it is good for ever.

        Args:
            path: Where the value stands, for the text of an error.
        """
        raise NotImplementedError
