"""Names of tools that every provider takes, made of names that servers give."""

import re

import pytest
from hypothesis import given, strategies as st

from miniagents import SchemaError
from miniagents.ext.mcp._names import tool_names

LONG = "x" * 70


def test_names_that_fit() -> None:
    """A name that fits stays as it is, behind the prefix."""
    assert dict(tool_names(["read", "Write-2"], "fs_")) == {"read": "fs_read", "Write-2": "fs_Write-2"}


def test_other_names() -> None:
    """What no provider takes becomes `_`; what is too long, empty or would be taken ends in a digest."""
    told = tool_names(["a.b", "é", LONG, "", "c/d", "c.d", "e_f", "e.f"])
    assert (told["a.b"], told["é"], told["e_f"]) == ("a_b", "_", "e_f")
    assert re.fullmatch(r"x{55}_[0-9a-f]{8}", told[LONG])
    assert re.fullmatch(r"c_d_[0-9a-f]{8}", told["c/d"])
    assert re.fullmatch(r"e_f_[0-9a-f]{8}", told["e.f"])
    assert len(set(told.values())) == len(told)


def test_a_name_like_a_digest() -> None:
    """A server that names a tool like what another one would become takes nothing from either."""
    made = tool_names(["e.f", "e_f"])["e.f"]
    told = tool_names(["e.f", "e_f", made])
    assert told[made] == made
    assert told["e.f"] not in {made, "e_f"}


@given(
    st.lists(st.text(max_size=70) | st.sampled_from(["a.b", "a/b", "a_b", LONG, f"{LONG}y"])), st.booleans()
)
def test_always(names: list[str], reverse: bool) -> None:
    """Each name is told once, as one that providers take, and the same in any order of the server."""
    told = tool_names(names, "p_")
    assert list(told) == list(dict.fromkeys(names))
    assert len(set(told.values())) == len(told)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in told.values())
    assert dict(tool_names(sorted(names, reverse=reverse), "p_")) == dict(told)


@pytest.mark.parametrize("prefix", ["a.", "x" * 33, "é"])
def test_prefixes(prefix: str) -> None:
    """A prefix that no provider takes, or that leaves no space, is refused."""
    with pytest.raises(SchemaError, match="cannot begin the name of a tool"):
        tool_names([], prefix)
