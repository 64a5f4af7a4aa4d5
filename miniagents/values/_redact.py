"""Keys out of texts: what providers echo into error messages must not reach logs."""

import re

_MARK = "[redacted]"
# Prefixes of the providers' own keys, then anything that is introduced as a credential.
_KEY = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|AIza)[-_][A-Za-z0-9_\-*.]{6,}")
_NAME = re.compile(r"(?i)(^|[_-])(api[_-]?key|secret|password|authorization|(auth|access)[_-]?token)$")
_INTRODUCED = re.compile(
    r"""(?ix)
    (?P<name> \b bearer \s+
            | \b (?: x-api-key | api[_\-\ ]?key (?:\ provided)? | authorization | secret | password )
              ["']? \s* [:=] \s* (?: bearer \s+ | basic \s+ )? ["']? )
    (?P<secret> [^\s"',;)}\]]{4,} )
    """
)


def redact_keys(text: str) -> str:
    """Return the text with everything that looks like a credential replaced by ``[redacted]``.

    Args:
        text: Any text, for example the body of a provider's error response.

    Example:
        >>> redact_keys("Incorrect API key provided: sk-abcdef123456. See the docs.")
        'Incorrect API key provided: [redacted] See the docs.'
    """
    return _KEY.sub(_MARK, _INTRODUCED.sub(lambda found: found["name"] + _MARK, text))


def is_secret_name(name: str) -> bool:
    """Return whether a field or keyword of this name holds a credential.

    Args:
        name: Of the field or keyword; `max_tokens` is none, `access_token` is one.

    Example:
        >>> is_secret_name("openai_api_key"), is_secret_name("max_tokens")
        (True, False)
    """
    return _NAME.search(name) is not None
