"""Makes the text that is sent for a row: from a template, or from one column."""

import json
from collections.abc import Mapping
from string import Formatter

from miniagents.ext.jobs import RowsError, RowSource

from ._arguments import BadInputError
from ._map_arguments import MapOptions


def message_maker(options: MapOptions) -> "Template | None":
    """The function that makes the text to send from a row; None if the row itself is sent.

    Args:
        options: the arguments of the command line.

    Raises:
        BadInputError: the template is wrong.
    """
    if options.text_column is not None:
        return Template((("", options.text_column),), "")
    return None if options.prompt is None else _template(options.prompt)


class Template:
    """Makes the text to send from a row.

    Args:
        parts: each a text, and the column whose value follows it.
        end: the text after the last column.
    """

    def __init__(self, parts: tuple[tuple[str, str], ...], end: str) -> None:
        self.parts: tuple[tuple[str, str], ...] = parts
        self._end = end

    def __call__(self, row: Mapping[str, object]) -> str:
        return "".join([*(f"{text}{_value(row, column)}" for text, column in self.parts), self._end])


def _template(prompt: str) -> Template:
    """Read a template. Its braces may have only names of columns, so a template cannot run code."""
    parts: list[tuple[str, str]] = []
    text = ""
    try:
        for literal, column, form, conversion in Formatter().parse(prompt):
            text += literal
            if column is None:
                continue
            if form or conversion or not column:
                shown = f"{{{column}{'!' + conversion if conversion else ''}{':' + form if form else ''}}}"
                raise BadInputError(
                    f"--prompt: {shown} is not the name of a column; write {{text}}, and {{{{ for a brace"
                )
            parts.append((text, column))
            text = ""
    except ValueError as error:
        raise BadInputError(f"--prompt: {error}; write {{text}} for a column, and {{{{ for a brace") from None
    if not parts:
        raise BadInputError(
            "--prompt names no column, so every row would be sent the same text; write one like {text}"
        )
    return Template(tuple(parts), text)


def _value(row: Mapping[str, object], column: str) -> str:
    value = row.get(column)
    if value is None:
        why = "is null" if column in row else "is missing"
        raise RowsError(f"The column {column!r} of this row {why}, so there is nothing to send.")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def check_columns(options: MapOptions, message: Template | None, source: RowSource) -> None:
    """Refuse columns that do not exist, and columns of the input that OUT would overwrite.

    Args:
        options: the arguments of the command line.
        message: makes the text to send from a row.
        source: the rows.

    Raises:
        BadInputError: with the name of the column.
    """
    there = source.columns
    if not there:  # no rows
        return
    sent = "--text-column" if options.prompt is None else "--prompt"
    wanted = [(sent, column) for _, column in (message.parts if message else ())]
    if options.row_id is not None:
        wanted.append(("--id", options.row_id))
    for option, column in wanted:
        if column not in there:
            raise BadInputError(
                f"{option}: {source.name} has no column {column!r}; its columns are {', '.join(there)}"
            )
    for column in (options.output_column, options.error_column):
        if column in there:
            raise BadInputError(
                f"{source.name} already has a column {column!r}; give the column of answers another name "
                "with --output-column NAME (errors are then in NAME_error)"
            )
