"""Which run began what, and the agents that an error went through: names, and nothing that is kept alive."""


class Ancestry:
    """A run, as what it began sees it: nothing but the run that began it in turn.

    It holds neither the run nor a stream, so that knowing where something came from keeps nothing alive.
    """

    __slots__ = ("name", "parent")

    def __init__(self, parent: "Ancestry | None", name: str = "") -> None:
        self.parent: Ancestry | None = parent
        self.name: str = name

    def began(self, other: "Ancestry | None") -> bool:
        """Whether ``other`` is this run, or was begun by it, through however many runs."""
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False


def extend_chain(error: Exception, chain: tuple[str, ...], name: str | None) -> tuple[str, ...]:
    """The agents that ``error`` went through, with one more at the end; its note tells all of them.

    Args:
        error: has a note with ``chain``, if it went through any agent yet.
        chain: the aliases of the agents so far.
        name: the alias of the next one; None if it went through no agent.
    """
    if not name or chain[-1:] == (name,):  # of no run, or it comes from another part of this run
        return chain
    longer = (*chain, name)
    before, after = (f"agents: {' → '.join(names)}" for names in (chain, longer))
    notes: list[str] = getattr(error, "__notes__", [])
    if before in notes:
        notes[notes.index(before)] = after
    elif after not in notes:
        error.add_note(after)
    return longer
