"""Reads and writes the JSON of providers.

* JSON of a known form is validated as a whole (`parsed`). In JSON of an unknown form, `look` finds single
  values: a field may be missing, or have any type.
* **No error text quotes the JSON.** It may contain text of the user. The error names the field, and what was
  expected there.
* JSON writes an emoji as two surrogates, and a provider may cut between them. `SurrogateJoiner` joins such
  halves. A half that stays alone cannot be written to a file or socket, so it becomes U+FFFD, the replacement
  character.
"""

import json
from collections.abc import Mapping
from typing import Final, Never, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

T = TypeVar("T")

_HIGH_SURROGATES: Final = range(0xD800, 0xDC00)
_MOST_TOKENS: Final = 10**8  # more than any answer has; less than a count of 32 bits that was below 0


class WireError(ValueError):
    """An event does not fit the protocol of the provider; the text says what is wrong.

    Example:
        >>> raise WireError("choices[0] is null, not an object")
        Traceback (most recent call last):
            ...
        miniagents.ext.llm._json.WireError: choices[0] is null, not an object
    """


class ProviderError(Exception):
    """An error that the provider reports inside a stream or body that began well.

    Args:
        kind: the type of the error, as the provider names it, such as ``"overloaded_error"``.
        message: the text of the provider.

    Example:
        >>> str(ProviderError("overloaded_error", "try again later"))
        'overloaded_error: try again later'
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}" if kind and message else kind or message or "no text was given")
        self.kind = kind
        self.message = message


def look(value: object, *path: str) -> object:
    """Return the value at a path of fields or keys; None if there is none.

    Args:
        value: an object of an SDK, or JSON.
        *path: the names, from the outside in.

    Example:
        >>> look({"error": {"type": "overloaded"}}, "error", "type")
        'overloaded'
    """
    for name in path:
        if isinstance(value, Mapping):
            value = cast("Mapping[object, object]", value).get(name)
        else:
            value = getattr(value, name, None)
    return value


def integer_at(value: object, *path: str) -> int | None:
    """Return the whole number at a path; None if there is none, since a wrong count is not worth an error.

    Some servers write whole numbers as `7.0`.

    Args:
        value: an object.
        *path: the names, from the outside in.

    Example:
        >>> usage = {"usage": {"output_tokens": 7, "input_tokens": "many"}}
        >>> integer_at(usage, "usage", "output_tokens"), integer_at(usage, "usage", "input_tokens")
        (7, None)
    """
    found = look(value, *path)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def tokens_at(usage: object, *path: str) -> int | None:
    """Return the count of tokens at a path; None if there is none, or it makes no sense, such as -1.

    Args:
        usage: an object.
        *path: the names, from the outside in.

    Example:
        >>> tokens_at({"sent": 7}, "sent"), tokens_at({"sent": -1}, "sent")
        (7, None)
    """
    count = integer_at(usage, *path)
    return count if count is not None and 0 <= count <= _MOST_TOKENS else None


def parsed(model: TypeAdapter[T], data: bytes) -> T:
    """Return the value of JSON, validated.

    Args:
        model: the expected type.
        data: one JSON document in UTF-8.

    Raises:
        WireError: it is not JSON, or not of that type; the text names the first field that is wrong.

    Example:
        >>> parsed(TypeAdapter(dict[str, int]), b'{"a": 1}')
        {'a': 1}
    """
    try:
        # Not by the method of the adapter, whose options cost as much time as the work; without `cast`.
        value: T = model.validator.validate_json(data)
    except ValidationError:
        # JSON may contain halves of a character, which the fast parser refuses; otherwise it is not JSON.
        return checked(model, untyped(data))
    return value


def checked(model: TypeAdapter[T], value: object) -> T:
    """Return the value of JSON, validated.

    Args:
        model: the expected type.
        value: from `untyped`.

    Raises:
        WireError: it is not of that type; the text names the first field that is wrong.

    Example:
        >>> checked(TypeAdapter(dict[str, int]), {"a": 1})
        {'a': 1}
    """
    try:
        return model.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"])) or "it"
    raise WireError(f"an event is not what it should be ({where}: {first['msg']})")


def untyped(data: bytes) -> object:
    """Return the value of JSON, of any type.

    Args:
        data: UTF-8.

    Raises:
        WireError: it is not JSON.

    Example:
        >>> untyped(b"[1]")
        [1]
    """
    try:
        value: object = from_json(data)
    except ValueError:  # it may have halves of characters, which the fast parser refuses
        try:
            value = json.loads(data.decode())
        except UnicodeDecodeError:
            raise WireError("the bytes of an event are not UTF-8") from None
        except (ValueError, RecursionError):
            raise WireError("an event is not JSON") from None
    return value


def plain(value: object) -> object:
    """Return frozen data as dicts and lists, which the SDKs can write.

    Args:
        value: data of a message or a schema.

    Example:
        >>> from miniagents.values import FrozenMapping
        >>> plain(FrozenMapping({"required": ("city",)}))
        {'required': ['city']}
    """
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("list[object]", value)]
    return value


def arguments_object(arguments: str) -> dict[str, object]:
    """Return the arguments of a call as an object, since servers accept nothing else.

    Args:
        arguments: as the model wrote them. If they are not a JSON object, the result is an object with this
            text under ``"no object"``.

    Example:
        >>> arguments_object('{"city": "Oslo"}'), arguments_object(""), arguments_object("Oslo")
        ({'city': 'Oslo'}, {}, {'no object': 'Oslo'})
    """
    try:
        given: object = json.loads(arguments.strip() or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        given = None
    return cast("dict[str, object]", given) if isinstance(given, dict) else {"no object": arguments}


def arguments_as_text(arguments: str) -> str:
    """Return `arguments_object` as a text: unchanged if the model wrote an object.

    Args:
        arguments: as the model wrote them.

    Example:
        >>> print(arguments_as_text('{"city":"Oslo"}'), arguments_as_text(""), arguments_as_text("Oslo"))
        {"city":"Oslo"} {} {"no object": "Oslo"}
    """
    given = arguments_object(arguments)
    return json.dumps(given) if not arguments.strip() or given == {"no object": arguments} else arguments


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


class SurrogateJoiner:
    """Joins halves of characters in consecutive pieces of text; each answer needs one.

    Attributes:
        held: the half that waits for the next piece; empty if there is none.
    """

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        """Return the text that is complete now; a first half at the end waits for the next piece."""
        if not self.held and text.isascii():
            return text
        text = self.held + text
        self.held = text[-1:] if text and ord(text[-1]) in _HIGH_SURROGATES else ""
        return encodable(text[: len(text) - len(self.held)])

    def rest(self) -> str:
        """Return the half that still waits, when the answer has ended."""
        held, self.held = self.held, ""
        return encodable(held)


def encodable(text: str) -> str:
    """Return the text with pairs of surrogates joined and single ones replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
