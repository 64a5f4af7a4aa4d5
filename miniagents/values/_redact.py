"""Functions that keep secrets out of texts for logs and for other agents.

Error messages of providers may contain API keys. pydantic's own error text shows every input as a whole.
`misfit` says in one line what does not fit a class. It shows a value only if it is short and plain, and only
of a known field that is not a secret: not by its type (`SecretStr`, also nested), nor by its name, nor by
`repr=False`.
"""

import logging
import re
import traceback
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final, cast, get_args
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typing_extensions import override

from ._aliases import unaliased
from ._terminal_text import strip_control

_MARK = "[redacted]"
_MOST_TOLD: Final = 5  # errors of a group, and of the groups in it
# Only the sources: `re` compiles them at their first use, and caches the result. Keys that are known by their
# own form: of providers of models, of clouds, of places for code, of chats, and tokens of any service (JWT).
_KEY = (
    r"\b(?:(?:sk|pk|rk|gsk|xai|hf|pplx|nvapi|r8|fw|glpat|npm|pypi|dop_v1|gh[opsur]|github_pat|xox[abeoprs])"
    r"[-_][A-Za-z0-9_\-*.]{6,}"
    r"|AIza[-_A-Za-z0-9*]{6,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|SG\.[-_A-Za-z0-9]{8,}\.[-_A-Za-z0-9]{8,}"
    r"|eyJ[-_A-Za-z0-9]{6,2000}\.[-_A-Za-z0-9]{6,}(?:\.[-_A-Za-z0-9]*)?)"
)
_BLOCK = (
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_IN_ADDRESS = r"""(?x)
    (?P<name> :// [^\s/@:"']{0,200} : ) [^\s/@"']{1,500} (?= @ )
    """
_IN_QUERY = r"""(?ix)
    (?P<name> [?&\#] (?: sig | signature | key | token | code | x-amz-[a-z\-]{1,30} ) = ) [^&\s"']{8,}
    """
_NAME = (
    r"(?i)(^|[_-])(api[_-]?key|private[_-]?key|secret|password|passwd|passphrase|credentials?|authorization"
    r"|(auth|access|refresh|session|bearer)[_-]?token)$"
)
_LABEL = r"[A-Za-z0-9_.:/@+\\-]{1,128}"
# Then anything that is introduced as a credential, in whatever form. First the two letters with which the
# words begin: to try all of them at each place of a long prompt takes five times as long.
_INTRODUCED = r"""(?ix)
    (?= [abceiprs] ) (?= [brs]e | co | a[cpu] | p[raw] | en | s[hiu] | id )
    (?P<name> \b bearer \s+
            | (?: \b (?: set- )? cookie \s* : \s* (?= [^\s=:;"']{1,256} = ) )
            | (?: api [_\-\ ]? key (?:\ provided)?
                | (?: access | private | encryption | signing | account | shared | subscription ) [_\-]? key
                  (?: [_\-]? id )?
                | (?: access | auth | refresh | session | id | bearer | security ) [_\-]? token
                | secret (?: [_\-]? (?: access [_\-]? )? key )?
                | password | passwd | passphrase | \b pwd | \b authorization )
              ["'\\]* \s* [:=] \s* (?: ["'\\]* (?: bearer | basic | token ) \s+ )?+ )
    (?! ["'\\]* \[redacted\] )
    (?P<secret> \\? "[^"\n]{4,500}" | \\? '[^'\n]{4,500}' | ["'\\]* [^\s"',;)}\]\\]{4,} )
    """


def redact_keys(text: str | BaseException) -> str:
    """Return the text with everything that looks like a credential replaced by ``[redacted]``.

    Args:
        text: Any text, for example the body of a provider's error response; or an error, of whose text that
            is to be returned, also if its class cannot make one.

    Example:
        >>> redact_keys("Incorrect API key provided: sk-abcdef123456. See the docs.")
        'Incorrect API key provided: [redacted] See the docs.'
    """
    told = re.sub(_BLOCK, _MARK, text if isinstance(text, str) else said_by(text), flags=re.DOTALL)
    for form in (_IN_ADDRESS, _IN_QUERY, _INTRODUCED):
        told = re.sub(form, _hidden, told)
    return re.sub(_KEY, _MARK, told)


def said_by(error: BaseException) -> str:
    """Return the text of an error as it is; that of a group of errors says what these are.

    Args:
        error: Any error.

    Example:
        >>> said_by(ExceptionGroup("two failed", [ValueError("no city"), TimeoutError()]))
        'two failed (2 sub-exceptions): ValueError: no city; TimeoutError'
    """
    told, rest = list[str](), [error]
    while rest and len(told) <= _MOST_TOLD:
        each = rest.pop()
        text = text_of_error(each, _text_of(each)) if told else _text_of(each)
        if isinstance(each, BaseExceptionGroup):
            rest += reversed(cast("BaseExceptionGroup[BaseException]", each).exceptions)
        told.append(f"{text}{': ' if isinstance(each, BaseExceptionGroup) else '; '}")
    return "".join([*told, "..."]) if rest else "".join(told).removesuffix("; ")


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - of a class of the user
        return f"(its text cannot be made: {type(failure).__name__})"


def text_of_error(error: BaseException, text: str | None = None) -> str:
    """Return the class and the text of an error; its class alone if it has no text.

    Args:
        error: Any error.
        text: What it says; None: its own text, without credentials.

    Example:
        >>> text_of_error(ValueError("no such city")), text_of_error(TimeoutError())
        ('ValueError: no such city', 'TimeoutError')
    """
    name, said = type(error).__name__, redact_keys(error) if text is None else text
    return f"{name}: {said}" if said else name


def _hidden(found: re.Match[str]) -> str:
    return found["name"] + _MARK


def safe_traceback(error: BaseException) -> str:
    r"""Return the traceback of an error for a log: without credentials, and without control characters.

    Args:
        error: Any error; its text may come from a server or a user.

    Example:
        >>> print(safe_traceback(ValueError("\x1b[31mpassword=hunter2")))
        ValueError: [31mpassword=[redacted]
    """
    return strip_control(redact_keys("".join(traceback.format_exception(error)))).rstrip()


class SafeErrors(logging.Filter):
    """A filter of a logger, for records that have an error: their text and traceback have no credentials.

    The error itself stays in the record, for handlers that send it elsewhere; they have rules of their own.

    Example:
        >>> error = ValueError("password=hunter2")
        >>> info = (ValueError, error, None)
        >>> record = logging.LogRecord("mine", logging.ERROR, "app.py", 1, "It failed", (), info)
        >>> SafeErrors().filter(record), record.exc_text
        (True, 'ValueError: password=[redacted]')
    """

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Write the text and the traceback of a record, which formatters take as they are."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not record.exc_text:
            record.msg, record.args = strip_control(redact_keys(record.getMessage())), ()
            record.exc_text = safe_traceback(error)
        return True


def is_secret_name(name: str) -> bool:
    """Return whether a field or keyword of this name holds a credential.

    Args:
        name: The name; for example, `access_token` holds a credential, `max_tokens` does not.

    Example:
        >>> is_secret_name("openai_api_key"), is_secret_name("max_tokens")
        (True, False)
    """
    return re.search(_NAME, name) is not None


def label_of(value: object) -> str | None:
    """Return a name or an id that a server or a model sent; None if it looks like anything else.

    A server may send any text as a name, so a text that does not look like a name is not shown.

    Args:
        value: What the server or the model sent.

    Example:
        >>> label_of("meta-llama/Llama-3.1-8B:free"), label_of("Say hello to my sister.")
        ('meta-llama/Llama-3.1-8B:free', None)
    """
    if not isinstance(value, str) or re.fullmatch(_LABEL, value) is None or redact_keys(value) != value:
        return None
    return value


_LONGEST: Final = 60
_PLAIN: Final = (str, bytes, bool, int, float, Decimal, date, time, timedelta, UUID, Enum, type(None))


def misfit(error: ValidationError, fields: Mapping[str, FieldInfo]) -> str:
    """Return a text that says which fields did not fit and why, with the values that may be shown.

    Args:
        error: What pydantic raised.
        fields: The fields of the class that was validated.

    Example:
        >>> class Book(BaseModel):
        ...     title: str
        ...     year: int
        >>> try:
        ...     Book.model_validate({"year": "late"})
        ... except ValidationError as error:
        ...     print(misfit(error, Book.__pydantic_fields__))
        title: Field required; year: Input should be a valid integer... (got 'late')
    """
    return "; ".join(
        _problem(each["loc"], each["type"], each["msg"], each["input"], fields)
        for each in error.errors(include_url=False, include_context=False)
    )


def _problem(
    loc: tuple[int | str, ...], kind: str, text: str, value: object, fields: Mapping[str, FieldInfo]
) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".")
    field = _field(fields, loc[0]) if loc else None
    if field is None:  # an error of the whole, or of an unknown keyword: its value may be a secret
        return f"{where}: {text}" if where else text
    if not field.repr or _names_secret(loc) or _has_secret(field.annotation, set()):
        return f"{where}: not valid ({kind})"
    if kind == "missing":
        return f"{where}: {text}"
    return f"{where}: {text} (got {_shown(value)})"


def _field(fields: Mapping[str, FieldInfo], name: int | str) -> FieldInfo | None:
    if isinstance(name, str) and name in fields:
        return fields[name]
    return next((field for field in fields.values() if name in (field.alias, field.validation_alias)), None)


def _names_secret(loc: Iterable[int | str]) -> bool:
    return any(is_secret_name(step) for step in loc if isinstance(step, str))


def _has_secret(annotation: object, seen: set[int]) -> bool:
    """Return whether a type contains a secret anywhere, also in the fields of models."""
    if id(annotation) in seen:
        return False
    seen.add(id(annotation))
    annotation = unaliased(annotation)
    if isinstance(annotation, type):
        if hasattr(annotation, "get_secret_value"):  # as pydantic's secret types have; their module is slow
            return True
        if issubclass(annotation, BaseModel):
            fields = annotation.__pydantic_fields__.values()
            return any(not field.repr or _has_secret(field.annotation, seen) for field in fields)
    return any(_has_secret(part, seen) for part in cast("tuple[object, ...]", get_args(annotation)))


def _shown(value: object) -> str:
    if not isinstance(value, _PLAIN):
        kind = "mapping" if isinstance(value, Mapping) else type(value).__name__
        return f"a value of type {kind}"
    text = redact_keys(repr(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
