"""What the JSON of an error says, whichever server wrote it."""

import pytest
from hypothesis import given, strategies as st

from miniagents.ext.llm._reasons import Reason, reason_in

OPENAI = {"message": "Bad.", "type": "invalid_request_error", "param": None, "code": None}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"error": OPENAI}, "invalid_request_error: Bad."),
        (OPENAI, "invalid_request_error: Bad."),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}},
            "overloaded_error: Busy.",
        ),
        ({"error": "model 'm' not found"}, "model 'm' not found"),
        ({"error": "Bad Request", "message": "n is too big"}, "n is too big"),
        ({"detail": "Model m is not loaded"}, "Model m is not loaded"),
        ({"detail": {"error": {"message": "No.", "type": "gone"}}}, "gone: No."),
        (
            {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]},
            "body.x: Field required",
        ),
        (
            [{"error": {"code": 400, "message": "No key", "status": "INVALID_ARGUMENT"}}],
            "INVALID_ARGUMENT: No key",
        ),
        ({"code": 1001, "msg": "quota gone"}, "1001: quota gone"),
        ({"error_code": 336, "error_msg": "No such model"}, "336: No such model"),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "1004: login fail"),
        (
            {"object": "error", "message": "flat", "type": "BadRequestError", "code": 400},
            "BadRequestError: flat",
        ),
        (
            {"type": "about:blank", "title": "Bad", "status": 400, "detail": "n is missing"},
            "400: n is missing",
        ),
        ({"fault": {"faultstring": "Refused.", "detail": "policy"}}, "Refused."),
        ({"errors": [{"message": "One."}, {"message": "Two."}]}, "One.; Two."),
        ({"Message": "Denied", "__type": "AccessDeniedException"}, "AccessDeniedException: Denied"),
        (
            {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "too big"}}},
            "400: Provider returned error: too big",
        ),
        ({"status": "error", "message": "No."}, "No."),
        ("No.", "No."),
        ({"why": "because"}, '{"why": "because"}'),
        ({}, ""),
        (None, ""),
        ({"error": {}}, '{"error": {}}'),
    ],
)
def test_forms(body: object, told: str) -> None:
    """Each form that servers have for an error is read: its kind, and its text."""
    assert told == str(reason_in(body))


def test_status() -> None:
    """The status that a body names is known, also when it is written as a text."""
    assert 400 == reason_in({"error": {"message": "No.", "code": "400"}}).status
    assert 404 == reason_in({"status": 404, "detail": "No."}).status
    assert reason_in({"error": {"message": "No.", "code": "no_key"}}).status is None


def test_no_quote_of_the_request() -> None:
    """What a body quotes of the request is left out, beside a reason and where there is none."""
    item = {
        "type": "string_type",
        "loc": ["body", "n"],
        "msg": "Not a text",
        "input": "secret",
        "ctx": {"a": "secret"},
    }
    for body in (
        {"detail": [item]},
        {"why": "n", "messages": ["secret"], "input": "secret", "prompt": "secret"},
    ):
        assert "secret" not in str(reason_in(body))


def test_many() -> None:
    """Of a long list the first few are shown."""
    assert "e; e; e; e; e; ..." == str(reason_in([{"message": "e"}] * 1_000))


def test_deep() -> None:
    """A body of any depth is no danger."""
    body: object = "No."
    for _ in range(100):
        body = {"error": [body]}
    assert "No." in str(reason_in(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["error", "detail", "message", "msg", "type", "code", "status", "loc", "input", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON)
def test_anything(body: object) -> None:
    """Any JSON has a reason, which is text."""
    found = reason_in(body)
    assert isinstance(found, Reason)
    assert isinstance(str(found), str)
