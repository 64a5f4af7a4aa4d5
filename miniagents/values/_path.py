"""Where in a value something stands: a linked path that becomes text only when an error needs it."""

from typing import NamedTuple

from typing_extensions import override


class Index(NamedTuple):
    """The position of an item in a list or tuple."""

    at: int


class Member(NamedTuple):
    """An element of a set, which has no position, or a key of a mapping; `what` says which."""

    what: str


class Path:
    """One step of a path; `str(path)` reads like Python: ``Message.meta.items[3]``.

    Args:
        parent: The path to the container, or ``None`` at the root.
        step: The name of the root, a mapping's key, an `Index` or a `Member`.
    """

    __slots__ = ("parent", "step")

    def __init__(self, parent: "Path | None", step: object) -> None:
        self.parent: Path | None = parent
        self.step: object = step

    @override
    def __str__(self) -> str:
        parts: list[str] = []
        here: Path | None = self
        while here is not None:
            parts.append(_step_text(here.step, is_root=here.parent is None))
            here = here.parent
        return "".join(reversed(parts))


def _step_text(step: object, *, is_root: bool) -> str:
    match step:
        case Index(at):
            return f"[{at}]"
        case Member(what):
            return f"[{what}]"
        case str() if is_root:
            return step
        case str() if step.isidentifier():
            return f".{step}"
        case str() | int() | bytes() | None:
            return f"[{step!r}]"
        case _:
            return f"[a {type(step).__name__} key]"
