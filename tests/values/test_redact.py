"""Texts for logs: keys are taken out, and validation errors show no secret."""

import logging
import re
import time
from io import StringIO
from typing import Annotated

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr, ValidationError, field_validator
from typing_extensions import TypeAliasType, override

from miniagents.values import SafeErrors, label_of, misfit, redact_keys, safe_traceback, text_of_error
from tests.support.amounts import amount

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


FORMS = {
    "OpenAI": "Incorrect API key provided: {sk-proj-AbC_dEf-0123456789abcdef}.",
    "Anthropic": "invalid x-api-key {sk-ant-api03-abcdefghijklmnop_0123456789-AA}",
    "Groq": "key {gsk_0123456789abcdefABCDEF} is not valid",
    "xAI": "key {xai-0123456789abcdefABCDEF}",
    "Hugging Face": "token {hf_0123456789abcdefABCDEF} has no access",
    "Google": "https://x.googleapis.com/v1/models?key={AIzaSyD0123456789abcdefghijklmnopqrstuvw}",
    "Google alone": "API key not valid: {AIzaSyD0123456789abcdefghijklmnopqrstuvw}",
    "GitHub": "remote: {ghp_0123456789abcdefABCDEF0123456789abcd} expired",
    "GitHub, fine": "{github_pat_11ABCDEFG0123456789_abcdefghijklmnop}",
    "GitLab": "PRIVATE-TOKEN {glpat-0123456789abcdefABCD}",
    "Slack": "invalid_auth for {xoxb-123456789012-abcdefABCDEF0123}",
    "AWS id": "The key {AKIAIOSFODNN7EXAMPLE} does not exist",
    "AWS secret": "aws_secret_access_key = {wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}",
    "JWT": "token {eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N} is expired",
    "Postgres": "could not connect to postgres://u:{p4ss-w0rd}@db.example:5432/x",
    "Redis": "redis://:{p4ss:w0rd}@localhost:6379/0 refused",
    "access token": "{{'access_token': '{ya29.a0AfB_byC}', 'expires_in': 3599}}",
    "refresh token, YAML": "refresh_token: {1//0gabcdefghij}",
    "client secret": "client_id=abc&client_secret={GOCSPX-abcdef}&grant_type=x",
    "password with spaces": 'password="{open sesame now}" is wrong',
    "JSON in JSON": '{{"body": "{{\\"password\\": \\"{hunter2-hunter2}\\"}}"}}',
    "bearer": "Authorization: Bearer {my-own-token.0001}",
    "basic": "'authorization': 'Basic {dXNlcjpwYXNz}'",
    "cookie": "Cookie: {session=abcdef0123456789}; theme=dark",
    "signature": "https://x.blob.core.windows.net/c?sv=2024&sig={abc%2Fdef0123456789}&se=1",
    "Amazon's address": "https://s3/x?X-Amz-Credential={AKIA0000}&X-Amz-Signature={0123456789abcdef}",
    "PEM": "-----BEGIN RSA PRIVATE KEY-----\n{MIIEowIBAAKCAQEA}\n{zz}\n-----END RSA PRIVATE KEY-----\nend",
    "SendGrid": "{SG.abcdefghijkl.mnopqrstuvwxyz0123}",
    "account key": "AccountName=x;AccountKey={abcdefgh0123456789==};EndpointSuffix=y",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_secrets(form: str) -> None:
    """A5: each form in which secrets come in errors of providers, servers and databases is taken out."""
    secrets = re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", FORMS[form]) or re.findall(
        r"\{([^{}]+)\}", FORMS[form]
    )
    text = FORMS[form].replace("{{", "\0").replace("}}", "\1").replace("{", "").replace("}", "")
    text = text.replace("\0", "{").replace("\1", "}")
    once = redact_keys(text)
    assert "[redacted]" in once
    for secret in secrets:
        assert secret in text
        assert secret not in once
    assert once == redact_keys(once)


def test_redacting_is_linear() -> None:
    """A5: a long text takes some milliseconds, whatever is in it."""
    for sign in (
        "a",
        "-",
        "eyJ",
        "sk-",
        "://",
        "://a:",
        "secret",
        "api_key=",
        "-----BEGIN PRIVATE KEY-----",
        "?key=",
        "eyJaaa-",
        "eyJaaaaaa.bbbbbb-",
        "cookie:",
        "cookie: a,",
        "bearer ",
        "password'",
        "token: token ",
    ):
        size = amount(40_000, 300_000)
        text = sign * (size // len(sign))
        began = time.process_time()
        redact_keys(text)
        assert time.process_time() - began < 5.0 * size / 300_000, (
            sign
        )  # of 300,000: 0.2, or 100 if quadratic


INTRODUCING = (
    *("bearer ", "api key=", "API_KEY provided: ", "secret=", "secret_access_key=", "access_key_id="),
    *("private-key=", "encryption_key=", "signing_key=", "account-key=", "shared_key=", "subscription-key="),
    *("access_token=", "auth-token=", "refresh_token=", "session_token=", "id_token=", "bearer_token="),
    *("security_token=", "password=", "passwd=", "passphrase=", "pwd=", "authorization="),
)


@pytest.mark.parametrize("word", INTRODUCING)
def test_words_that_introduce_a_secret(word: str) -> None:
    """Each word that introduces a credential does so, also in capital letters."""
    for text in (word, word.upper()):
        assert f"see: {text}[redacted]" == redact_keys(f"see: {text}hunter22")


class _NastyError(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (ValueError(), "ValueError"),
        (RuntimeError("key sk-abcdefghijkl was refused"), "RuntimeError: key [redacted] was refused"),
        (_NastyError(), "_NastyError: (its text cannot be made: RuntimeError)"),
    ],
)
def test_text_of_error(error: Exception, text: str) -> None:
    """An error is told by its class and text, never with a key."""
    assert text == text_of_error(error)


def test_safe_traceback() -> None:
    """A5: an error in a log has its traceback, without keys and without sequences that control a terminal."""
    try:
        raise ValueError("\x1b]0;owned\x07\x1b[2J postgres://u:p4ss@db\r\u202e")  # noqa: TRY301
    except ValueError as error:
        told = safe_traceback(error)
    assert "test_redact.py" in told
    assert told.endswith("ValueError: ]0;owned[2J postgres://u:[redacted]@db")


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
        "Unexpected token: 'abcdef' at 5; max_tokens: 4096, output_tokens=120",
        "The secretary: Mary. Keyboard: qwerty. The author: Alice",
        "see https://example.org:8080/users/@me and git@github.com:a/b.git",
        "the private key is missing; the password was not given; no api key",
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


class Inner(BaseModel):
    """Something with a secret in it."""

    number: int
    key: SecretStr = SecretStr("")


Phrase = TypeAliasType("Phrase", SecretStr)


class Book(BaseModel):
    """A class with fields of many kinds."""

    title: str = ""
    year: int = 0
    tags: tuple[int, ...] = ()
    pages: dict[str, int] = Field(default={}, alias="content")
    inner: Inner | None = None
    token: SecretStr | None = None
    phrase: Phrase | None = None
    tokens: Annotated[list[SecretBytes], "many"] = []
    api_key: int = 0
    quiet: int = Field(default=0, repr=False)

    model_config = ConfigDict(populate_by_name=False)


def said_of(model: type[BaseModel], data: object) -> str:
    """What `misfit` says of the error of `data`."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    return misfit(caught.value, model.__pydantic_fields__)


def test_field_and_value() -> None:
    """The field is named, and its value shown."""
    assert said_of(Book, {"title": 5}) == "title: Input should be a valid string (got 5)"


def test_several() -> None:
    """Every field that does not fit is named."""
    said = said_of(Book, {"title": 5, "year": None})
    assert said == (
        "title: Input should be a valid string (got 5); year: Input should be a valid integer (got None)"
    )


def test_path() -> None:
    """Where it stands in a collection is told, and an alias is a name."""
    assert said_of(Book, {"tags": (1, "x")}).startswith("tags[1]: Input should be a valid integer")
    assert said_of(Book, {"content": {"a": "x"}}).startswith("content.a: Input should be a valid integer")


def test_missing() -> None:
    """A field that is not there has no value to show."""
    assert said_of(Inner, {"text": "private"}) == "number: Field required"


def test_long_values_are_shortened() -> None:
    """A value is cut to 60 characters, and a collection is only said to be one."""
    said = said_of(Book, {"year": "1" * 50 + "x" * 500})
    assert said.endswith("(got '" + "1" * 50 + "x" * 8 + "…)")
    assert said_of(Book, {"title": ["private"]}).endswith("(got a value of type list)")
    assert said_of(Book, {"title": {"a": "private"}}).endswith("(got a value of type mapping)")


@pytest.mark.parametrize(
    "data",
    [
        {"token": 50_123},
        {"phrase": 50_123},
        {"tokens": [50_123]},
        {"inner": {"number": 1, "key": 50_123}},
        {"inner": {"number": "50123x"}},
        {"api_key": "50123x"},
        {"quiet": "50123x"},
        {"year": "sk-50123abcdef"},
        {"tags": "50123x", "content": ["50123"]},
    ],
)
def test_secrets(data: dict[str, object]) -> None:
    """No secret is shown: by its type, however deep, its name, `repr=False`, or the look of a key."""
    said = said_of(Book, data)
    assert said.startswith(next(iter(data)))
    if "tags" not in data:
        assert "50123" not in said


def test_a_validator_that_quotes() -> None:
    """What a validator of a secret field says is not passed on: it may quote the value."""

    class Login(BaseModel):
        password: SecretStr

        @field_validator("password")
        @classmethod
        def check(cls, value: SecretStr) -> SecretStr:
            msg = f"{value.get_secret_value()} is too short"
            raise ValueError(msg)

    assert said_of(Login, {"password": "hunter2"}) == "password: not valid (value_error)"


def test_no_field() -> None:
    """The value of a keyword that is no field, and of the whole, is not shown."""

    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")

    assert said_of(Closed, {"more": "private"}) == "more: Extra inputs are not permitted"
    assert "private" not in said_of(Closed, "private")


def test_a_model_of_itself() -> None:
    """A class that contains itself has no end, and no secret."""

    class Tree(BaseModel):
        leaf: int = 0
        left: "Tree | None" = None

    assert said_of(Tree, {"left": {"leaf": "x"}}).startswith("left.leaf: Input should be a valid integer")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gpt-5.4-mini-2026-01-01", True),
        ("C:\\models\\llama.gguf", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("two words", False),
        ("one\nline", False),
        ("\x1b[31m", False),
        ("sk-abcdef0123456789", False),
        (7, False),
    ],
)
def test_labels(text: object, shown: bool) -> None:
    """A name that somebody else tells is one word of plain characters, and no key."""
    assert label_of(text) == (text if shown else None)


def test_errors_in_a_log() -> None:
    """A record with an error has no credentials and no control characters, and still the error itself."""
    logger, lines = logging.getLogger("miniagents.test_redact"), StringIO()
    handler, safe = logging.StreamHandler(lines), SafeErrors()
    logger.addHandler(handler)
    logger.addFilter(safe)
    errors: list[object] = []

    def noted(record: logging.LogRecord) -> bool:
        errors.append(record.exc_info[1] if record.exc_info else None)
        return True

    handler.addFilter(noted)
    error = ValueError("\x1b[31mpassword=hunter2")
    try:
        logger.error("%r was not expected", error, exc_info=error)
        logger.error("password=hunter2")  # no error: what the library writes itself stays
    finally:
        logger.removeHandler(handler)
        logger.removeFilter(safe)
    first, second, third = lines.getvalue().splitlines()
    assert [error, None] == errors
    assert ("ValueError: [31mpassword=[redacted]", "password=hunter2") == (second, third)
    assert "hunter2" not in first
    assert "was not expected" in first
