"""Tests of taking keys out of texts."""

import pytest
from hypothesis import given, strategies as st

from miniagents.values import redact_keys

KEYS = (
    "sk-abcdefghij0123456789",
    "sk-proj-AbC_dEf-0123456789abcdef",
    "sk-ant-api03-abcdefghijklmnop_0123456789-AA",
    "sk-abcd**********wxyz",
    "gsk_0123456789abcdef",
    "hf_0123456789abcdef",
)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: {}. You can find yours in the settings.",
        "{}",
        "x-api-key: {}",
        "{{'Authorization': 'Bearer {}', 'x': 1}}",
        '{{"api_key": "{}"}}',
        "https://host/v1?api_key={}&x=1",
        "password={}",
    ],
)
def test_keys_are_taken_out(key: str, text: str) -> None:
    """A key of a known form is redacted wherever it stands."""
    redacted = redact_keys(text.format(key))
    assert key not in redacted
    assert key[-4:] not in redacted
    assert "[redacted]" in redacted


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("authorization: bearer my-own-token", "my-own-token"),
        ("Bearer eyJhbGciOi.abc.def", "eyJhbGciOi.abc.def"),
        ("api_key='unusual form of 0001'", "unusual"),
    ],
)
def test_introduced_secrets_are_taken_out(text: str, secret: str) -> None:
    """What is introduced as a credential is redacted whatever its form."""
    assert secret not in redact_keys(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the model gpt-5-mini was not found; set OPENAI_MODEL",
        "no key is set; set OPENAI_API_KEY or give api_key=",
        "the task-oriented risk-averse desk-bound bearer of news",
        "the stream ended without a stop reason after 120 characters",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """A sentence without a key is not changed."""
    assert text == redact_keys(text)


@given(st.text(), st.sampled_from(KEYS), st.text())
def test_redacting_twice_is_redacting_once(before: str, key: str, after: str) -> None:
    """Copies of an error are redacted again, which must not change them."""
    once = redact_keys(f"{before} {key} {after}")
    assert key not in once
    assert once == redact_keys(once)
