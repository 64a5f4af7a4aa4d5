"""Texts with plain names in braces, for `text_template` and prompts; filling them in runs no code."""

from collections.abc import Mapping
from string import Formatter
from typing import Final

from ._errors import MessageValidationError

_HELP: Final = "it may have plain field names only, such as {name}; {{ and }} stand for braces"


class Template:
    """A checked template.

    Args:
        source: The text with fields, such as ``"Hello, {name}!"``.
        owner: The name of the class it belongs to, for the text of an error.

    Raises:
        MessageValidationError: If it is not a str, a brace has no partner, or a field is anything but a plain
            name (attributes, indexes, conversions, format specs, positions).
    """

    def __init__(self, source: object, owner: str) -> None:
        if not isinstance(source, str):
            raise MessageValidationError(
                f"the text_template of {owner} is of type {type(source).__name__}; give a str"
            )
        self.source: str = source
        self._owner = owner
        self._parts = named_fields(source, f"the text_template of {owner}")

    def fill(self, values: Mapping[str, object]) -> str:
        """Return the text with every field replaced by `str` of its value.

        Args:
            values: The fields by name; their ``__format__`` is never called.

        Raises:
            MessageValidationError: If the template names a field that does not exist.
        """
        pieces: list[str] = []
        for literal, field in self._parts:
            pieces.append(literal)
            if field is None:
                continue
            if field not in values:
                known = ", ".join(sorted(values)) or "none"
                raise MessageValidationError(
                    f"the text_template of {self._owner} names the field {field!r}, which does not exist; "
                    f"known fields: {known}"
                )
            pieces.append(str(values[field]))
        return "".join(pieces)


def named_fields(source: str, where: str) -> tuple[tuple[str, str | None], ...]:
    """Return the literal texts, each with the name that follows it; None after the last text.

    Args:
        source: The text with names in braces.
        where: What the text is, for the text of an error.

    Raises:
        MessageValidationError: If a brace has no partner, or what is in braces is anything but a plain name.

    Example:
        >>> named_fields("{{Hello}}, {name}!", "the prompt")
        (('{', None), ('Hello}', None), (', ', 'name'), ('!', None))
    """
    try:
        parts = tuple((literal, field, spec, how) for literal, field, spec, how in Formatter().parse(source))
    except ValueError as error:
        raise MessageValidationError(f"{where} is malformed ({error}); {_HELP}") from None
    for _, field, spec, conversion in parts:
        if field is not None and (not field.isidentifier() or spec or conversion):
            shown = field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise MessageValidationError(f"{where} has the field {{{shown}}}; {_HELP}")
    return tuple((literal, field) for literal, field, _, _ in parts)
