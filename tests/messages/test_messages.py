"""What a sequence of messages resolves to."""

import copy
import pickle
from typing import assert_type

import pytest
from hypothesis import given, strategies as st

from miniagents.messages import Message, Messages, UserMessage

ONE, TWO, THREE = Message("one"), Message("two"), Message("three")


def test_a_tuple() -> None:
    """It is a tuple of messages: indexed, counted, iterated, unpacked and searched like one."""
    messages = Messages([ONE, TWO, THREE])
    first, *rest = messages
    assert isinstance(messages, tuple)
    assert (ONE, [TWO, THREE], 3, THREE) == (first, rest, len(messages), messages[-1])
    assert ONE in messages
    assert 1 == messages.index(TWO)
    assert [THREE, TWO, ONE] == list(reversed(messages))
    assert (True, False) == (bool(messages), bool(Messages()))
    with pytest.raises(TypeError):
        messages[0] = TWO  # type: ignore[index]
    with pytest.raises(IndexError):
        _ = messages[3]


@given(st.lists(st.integers()), st.slices(10))
def test_slices(numbers: list[int], part: slice) -> None:
    """A slice is `Messages` again, with the messages that a slice of a tuple has."""
    given_ = tuple(Message(n=number) for number in numbers)
    sliced = Messages(given_)[part]
    assert_type(sliced, Messages[Message])
    assert type(sliced) is Messages
    assert given_[part] == sliced


def test_adding() -> None:
    """`Messages` and `Messages` are `Messages`; with any other tuple they are what tuples are."""
    users = Messages([UserMessage("who")])
    added = users + Messages([ONE])
    assert_type(added, Messages[UserMessage | Message])
    assert type(added) is Messages
    assert "who\n\none" == str(added)
    assert (UserMessage("who"), ONE) == added
    more = (ONE,) + Messages([TWO])  # noqa: RUF005 - that is what is looked at
    assert type(more) is tuple
    assert (ONE, TWO) == more
    other = Messages([ONE]) + (2,)  # noqa: RUF005
    assert type(other) is tuple
    assert (ONE, 2) == other
    with pytest.raises(TypeError):
        _ = users + ["list"]  # type: ignore[operator]  # noqa: RUF005


def test_text() -> None:
    """Its text is the texts joined by a blank line, formatted as any text is."""
    messages = Messages([ONE, Message(n=1), Message("")])
    assert 'one\n\n{"n":1}\n\n' == str(messages) == f"{messages}"
    assert ("one  ", "  one") == (f"{Messages([ONE]):5}", f"{Messages([ONE]):>5}")
    assert "" == str(Messages())


def test_repr() -> None:
    """`repr` never prints content."""
    assert ("<Messages of 2>", "<Messages of 0>") == (repr(Messages([ONE, TWO])), repr(Messages()))


def test_a_text_is_not_among_them() -> None:
    """T5: to look for a text in messages, which is never found, is an error that says what to write."""
    with pytest.raises(TypeError, match=r"contain no text.*text in str"):
        _ = "one" in Messages([ONE])  # type: ignore[operator]
    assert THREE not in Messages([ONE])


def test_in_a_notebook() -> None:
    """A12: a notebook shows the texts, and nothing in them is read as HTML."""
    assert Messages([UserMessage("1 < 2"), ONE])._repr_html_() == (
        '<div><b>UserMessage</b><pre style="white-space: pre-wrap; margin-top: 0">1 &lt; 2</pre></div>'
        '<div><b>Message</b><pre style="white-space: pre-wrap; margin-top: 0">one</pre></div>'
    )


async def test_awaiting() -> None:
    """Awaiting it gives itself, at once, however often; so does `aresolve_messages`."""
    messages = Messages([UserMessage("one")])
    assert messages is await messages is await (await messages) is await messages.aresolve_messages()
    assert_type(await messages, Messages[UserMessage])
    assert_type(messages[0], UserMessage)


def test_equality() -> None:
    """It equals, and has the hash of, any tuple of equal messages; so it can be a key."""
    messages = Messages([Message("one"), Message("two")])
    assert messages == Messages([ONE, TWO]) == (ONE, TWO)
    assert messages != Messages([TWO, ONE])
    assert messages != Messages([ONE])
    assert Messages([UserMessage("one")]) != Messages([ONE])
    assert 1 == len({messages, Messages([ONE, TWO]), (ONE, TWO)})


def test_copies() -> None:
    """A copy, a deep copy and what was pickled are equal to it and `Messages` too."""
    messages = Messages([ONE, UserMessage("two", parts=["two"])])
    for other in (copy.copy(messages), copy.deepcopy(messages), pickle.loads(pickle.dumps(messages))):  # noqa: S301
        assert type(other) is Messages
        assert messages == other
        assert [Message, UserMessage] == [type(message) for message in other]
    assert "one\n\ntwo" == str(copy.copy(messages))
