"""Where something comes from: which run began it, and who began that."""


class Ancestry:
    """A run, as those see it who were begun by it: nothing but who began it in turn.

    It holds neither the run nor a stream, so that knowing where something came from keeps nothing alive.
    """

    __slots__ = ("parent",)

    def __init__(self, parent: "Ancestry | None") -> None:
        self.parent: Ancestry | None = parent

    def began(self, other: "Ancestry | None") -> bool:
        """Whether ``other`` is this run, or was begun by it, through however many runs."""
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False
