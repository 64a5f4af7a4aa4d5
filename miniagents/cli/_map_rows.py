"""Makes the text that is sent for a row: from a template, or from one column."""

import json
from collections.abc import Mapping, Sequence
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
        return Template([("", options.text_column)])
    return None if options.prompt is None else _template(options.prompt)


class Template:
    """Makes the text to send from a row.

    Args:
        parts: each a text, and the column whose value follows it; None if none does.

    Attributes:
        columns: whose values are sent.
    """

    def __init__(self, parts: Sequence[tuple[str, str | None]]) -> None:
        self._parts = parts
        self.columns: list[str] = [column for _, column in parts if column is not None]

    def __call__(self, row: Mapping[str, object]) -> str:
        return "".join(text + ("" if name is None else _value(row, name)) for text, name in self._parts)


def _template(prompt: str) -> Template:
    """Read a template. Its braces may have only names of columns, so a template cannot run code."""
    try:
        parsed = list(Formatter().parse(prompt))
    except ValueError as error:
        raise BadInputError(f"--prompt: {error}; write {{text}} for a column, and {{{{ for a brace") from None
    for _, column, form, conversion in parsed:
        if form or conversion or column == "":
            shown = f"{{{column}{'!' + conversion if conversion else ''}{':' + form if form else ''}}}"
            raise BadInputError(
                f"--prompt: {shown} is not the name of a column; write {{text}}, and {{{{ for a brace"
            )
    template = Template([(text, column) for text, column, _, _ in parsed])
    if not template.columns:
        raise BadInputError(
            "--prompt names no column, so every row would be sent the same text; write one like {text}"
        )
    return template


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
    wanted = [(sent, column) for column in (message.columns if message else ())]
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
