"""JSON of models, as every client can read it."""

import pytest

from miniagents.ext.web._safe_json import safe_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"city": "Oslo", "days": [1, 2.5, null, true]}', {"city": "Oslo", "days": [1, 2.5, None, True]}),
        ('"__proto__"', "__proto__"),
        ('{"constructor": 1, "prototype": 2}', {"constructor": 1, "prototype": 2}),
        ("[" * 63 + "]" * 63, None),
    ],
)
def test_safe(text: str, value: object) -> None:
    """What is JSON, and no attack, is its value."""
    told = safe_json(text)
    assert value is None or value == told


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "{'a': 1}", "NaN", "[Infinity]", "-Infinity", "1e999", "[-1e999]", "1" * 5_000),
        *('{"__proto__": {}}', '[{"a": {"\\u005f_proto__": 1}}]', '{"constructor": {"prototype": {}}}'),
        *("[" * 65 + "]" * 65, "[" * 100_000, '{"a":' * 100_000),
    ],
)
def test_refused(text: str) -> None:
    """What is no JSON, or would be the end of a client, is refused."""
    with pytest.raises(ValueError, match=r"."):
        safe_json(text)
