"""Reads fields of the JSON of a provider, without trust in their types.

A field that is missing or null is empty. A field of a wrong type is a `WireError` if it could contain text or
a call; otherwise it is ignored.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from miniagents.values import Citation, Usage

from ._answer import Identity
from ._json import WireError, integer_at, look


def identifier(value: object) -> str | None:
    """Return an id or name: a text, or a number, as some servers send it; None for all else.

    Args:
        value: of a field with an id or a name.

    Example:
        >>> identifier("call-1"), identifier(7), identifier("")
        ('call-1', '7', None)
    """
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def object_of(value: object) -> Mapping[str, object]:
    """Return an object; refuse all else."""
    if not isinstance(value, dict):
        raise WireError("an event is not what it should be: a field is not an object")
    return cast("dict[str, object]", value)


def list_of(value: object) -> list[object]:
    """Return a list; an empty one for all else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text_of(value: object) -> str:
    """Return a text; ``""`` for null; refuse all else."""
    if value is not None and not isinstance(value, str):
        raise WireError("an event is not what it should be: a text is not a string")
    return value or ""


def arguments_of(value: object) -> str:
    """Return arguments as JSON; some servers send the object."""
    return json.dumps(value) if isinstance(value, dict) else text_of(value)


def identity_of(answer: Mapping[str, object]) -> Identity:
    """Return the id and the model of an answer."""
    model = answer.get("model")
    return Identity(identifier(answer.get("id")), model if isinstance(model, str) else None)


def rest_of(fields: Mapping[str, object], known: Collection[str]) -> dict[str, object]:
    """Return the fields that are not known here, and that the server may need back."""
    return {name: value for name, value in fields.items() if name not in known and value is not None}


def citations_in(annotations: Iterable[object]) -> Iterator[Citation]:
    """Yield the citations among the annotations of a text; in Chat Completions they are inside of a field."""
    for each in annotations:
        cited = look(each, "url_citation") or each
        source = look(cited, "url") or look(cited, "file_id")
        title = look(cited, "title") or look(cited, "filename")
        if isinstance(source, str):
            yield Citation(
                source,
                title if isinstance(title, str) else None,
                start=integer_at(cited, "start_index"),
                end=integer_at(cited, "end_index"),
            )


def with_the_rest(usage: Usage, total: int | None) -> Usage:
    """Return a usage with all tokens in its input and output, if a server counts some of them apart.

    These are what came from a cache or was written to it, and thoughts that are only in the total.

    Args:
        usage: as the server reports it.
        total: the tokens of input and output together; None if it is not known.

    Example:
        >>> with_the_rest(Usage(9, 3), 171)
        Usage(input_tokens=9, output_tokens=162, cached_tokens=None, reasoning_tokens=159, ...)
        >>> with_the_rest(Usage(9, 3, cached_tokens=40), None).input_tokens
        49
    """
    apart = (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    if usage.input_tokens is not None and apart > usage.input_tokens:
        usage = replace(usage, input_tokens=usage.input_tokens + apart)
    if total is None or usage.input_tokens is None:
        return usage
    thoughts = total - usage.input_tokens - (usage.output_tokens or 0)
    if thoughts <= 0:
        return usage
    told = thoughts if usage.reasoning_tokens is None else usage.reasoning_tokens
    return replace(usage, output_tokens=total - usage.input_tokens, reasoning_tokens=told)
