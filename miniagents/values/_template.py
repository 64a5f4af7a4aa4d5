"""`text_template`: a text with plain field names in braces, and nothing that runs code."""

from collections.abc import Callable, Iterable
from string import Formatter
from typing import Final

from ._errors import TemplateError

_HELP: Final = "a text_template knows plain field names only, such as {name}; {{ and }} stand for braces"


class Template:
    """A checked template.

    Args:
        source: The text with fields, such as ``"Hello, {name}!"``.
        owner: The name of the class it belongs to, for the text of an error.

    Raises:
        TemplateError: If a field is anything but a plain name (attributes, indexes, conversions, format specs,
            positions), or a brace has no partner.

    Example:
        >>> Template("Hello, {name}! {{}}", "Greeting").fill({"name": "Ada"}.__getitem__, ["name"])
        'Hello, Ada! {}'
    """

    __slots__ = ("_owner", "_parts")

    def __init__(self, source: str, owner: str) -> None:
        self._owner = owner
        self._parts: tuple[tuple[str, str | None], ...] = tuple(_parse(source, owner))

    def fill(self, value_of: Callable[[str], object], known: Iterable[str]) -> str:
        """Return the text with every field replaced by `str` of its value.

        Args:
            value_of: Gives the value of a known field.
            known: The names of the fields there are.

        Raises:
            TemplateError: If the template names a field that is not known.
        """
        names = frozenset(known)
        pieces: list[str] = []
        for literal, field in self._parts:
            pieces.append(literal)
            if field is None:
                continue
            if field not in names:
                there = ", ".join(sorted(names)) or "none"
                raise TemplateError(
                    f"the text_template of {self._owner} names the field {field!r}, which is not there; known: {there}"
                )
            pieces.append(str(value_of(field)))
        return "".join(pieces)


def _parse(source: str, owner: str) -> Iterable[tuple[str, str | None]]:
    try:
        parts = list(Formatter().parse(source))
    except ValueError as error:
        raise TemplateError(f"the text_template of {owner} is malformed ({error}); {_HELP}") from None
    for literal, field, spec, conversion in parts:
        if field is not None and (not field.isidentifier() or spec or conversion):
            shown = field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise TemplateError(f"the text_template of {owner} has the field {{{shown}}}; {_HELP}")
        yield literal, field
