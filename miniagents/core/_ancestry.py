"""Which run began which, and the agents that an error went through; this keeps no run alive."""


class Ancestry:
    """The name of a run, and the ancestry of the run that began it.

    It holds neither the run nor a stream, so it keeps nothing alive.
    """

    __slots__ = ("name", "parent")

    def __init__(self, parent: "Ancestry | None", name: str = "") -> None:
        self.parent: Ancestry | None = parent
        self.name: str = name

    def began(self, other: "Ancestry | None") -> bool:
        """Return whether ``other`` is this run, or was begun by it, directly or through other runs."""
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False


def extend_chain(error: Exception, chain: tuple[str, ...], name: str | None) -> tuple[str, ...]:
    """Add an agent to those that ``error`` went through, also in the note of the error; return all of them.

    Args:
        error: the error; it has a note with ``chain`` if it went through an agent already.
        chain: the aliases of the agents so far.
        name: the alias of the next agent; None to add none.
    """
    if not name or chain[-1:] == (name,):  # no run, or the error comes from another part of the same run
        return chain
    longer = (*chain, name)
    before, after = (f"agents: {' → '.join(names)}" for names in (chain, longer))
    notes: list[str] = getattr(error, "__notes__", [])
    if before in notes:
        notes[notes.index(before)] = after
    elif after not in notes:
        error.add_note(after)
    return longer
