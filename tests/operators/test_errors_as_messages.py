"""`errors_as_messages`: an error becomes a message in its place."""

from collections.abc import Callable

import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import operators as ops

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    InteractionContext,
    Message,
    MiniAgents,
    Reasoning,
    StopLoop,
    ToolCallDelta,
    Usage,
    fallback,
    miniagent,
)
from miniagents.operators import as_messages, errors_as_messages, resolve, to_async_iter, tokens
from miniagents.parts import Part
from miniagents.testing import scripted_model
from tests.support.pipes import Outcome, Promises, outcomes, promises, texts, typed, written
from tests.support.typewriter import Typewriter

ITEMS = st.lists(st.text(max_size=3) | st.sampled_from([ValueError("v"), KeyError(), StopLoop(), EOFError()]))


def tolerant(stream: Promises) -> Promises:
    """Apply the operator."""
    operator: Callable[[Promises], Promises] = errors_as_messages()
    return operator(stream)


@given(ITEMS, st.none() | st.builds(ValueError, st.text(max_size=3)))
def test_it_never_fails(items: list[str | Exception], end: ValueError | None) -> None:
    """Whatever fails, the result is as long as the source and has no error."""
    ending: rx.Observable[str | Exception] = rx.empty() if end is None else rx.throw(end)
    got = outcomes(tolerant(rx.concat(rx.of(*items), ending).pipe(as_messages())))
    assert len(got) == len(items) + (end is not None)
    assert not any(isinstance(item, Exception) for item in got)
    assert [item for item in items if isinstance(item, str)] == [
        text for text, item in zip(got, items, strict=False) if isinstance(item, str)
    ]


@given(st.lists(st.lists(st.text(max_size=2), max_size=3), max_size=4))
def test_without_errors(messages: list[list[str]]) -> None:
    """Without errors nothing changes, and twice is the same as once."""
    assert texts(tolerant(written(*messages))) == texts(written(*messages))
    assert texts(tolerant(tolerant(written(*messages)))) == texts(written(*messages))


def test_what_it_says() -> None:
    """The message has the error's type and text; no agent, if it went through none."""
    message, bare = MiniAgents().run(tolerant(promises(ValueError("broken"), KeyError())).pipe(resolve()))
    assert isinstance(message, ErrorMessage)
    assert isinstance(bare, ErrorMessage)
    assert (message.error_type, message.error_text, message.agent_alias) == ("ValueError", "broken", None)
    assert [message.text, bare.text] == ["ValueError: broken", "KeyError"]


def test_the_agent() -> None:
    """The message names the agent that failed."""

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        ctx.reply("before")
        raise ValueError("broken")

    replies = tolerant(failing_agent(rx.of("x")))
    before, error = MiniAgents().run(replies.pipe(resolve()))
    assert before.text == "before"
    assert isinstance(error, ErrorMessage)
    assert error.agent_alias == "FAILING_AGENT"


def test_classes_and_data_stay() -> None:
    """A message that does not fail is passed on as it is."""
    message = AssistantMessage("x", model="m")
    (got,) = MiniAgents().run(tolerant(promises(message)).pipe(resolve()))
    assert got is message


def test_partial_messages() -> None:
    """What had come of a failing message stays a message of its own; one without a token leaves no trace."""
    half, nothing = Typewriter("ha", "lf"), Typewriter()
    for typewriter in (half, nothing):
        typewriter.fail(ValueError("broken"))
    assert texts(tolerant(typed(half, nothing))) == ["half", "ValueError: broken", "ValueError: broken"]


def test_an_empty_source() -> None:
    """An empty source gives an empty result."""
    assert texts(tolerant(rx.empty().pipe(as_messages()))) == []


async def test_as_they_come() -> None:
    """A message streams while it is written."""
    typewriter = Typewriter()
    async with MiniAgents():
        stream = to_async_iter(typed(typewriter).pipe(errors_as_messages(), tokens()))
        for token in "ab":
            typewriter.type(token)
            assert await anext(stream) == token
        typewriter.fail(ValueError("broken"))
        assert [token async for token in stream] == ["ValueError: broken"]


async def test_leaving() -> None:
    """Disposing stops the message that is read, and makes no error message of that."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        outcome = Outcome(typed(typewriter).pipe(errors_as_messages(), tokens(), ops.take(1)))
        await typewriter.closed.wait()
    assert (outcome.items, outcome.ended) == (["a"], True)


async def test_take_one() -> None:
    """A message that was taken streams on; if it fails then, what had come of it stays a message."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        (taken,) = [item async for item in to_async_iter(tolerant(typed(typewriter)).pipe(ops.take(1)))]
        typewriter.type("b")
        typewriter.fail(ValueError("broken"))
        assert (await taken).text == "ab"


def test_a_message_promise_of_messages_is_data() -> None:
    """A message of data only, without text, is passed on as it is."""
    message = Message(None, n=1)
    (got,) = MiniAgents().run(tolerant(promises(message)).pipe(resolve()))
    assert got is message


async def test_all_parts_are_kept() -> None:
    """What is not text streams, too; an answer that begins anew stays one; a failed one keeps what stands."""
    parts: list[Part | Exception] = [
        Reasoning("Hm."),
        "Hello",
        Usage(1, 2),
        ToolCallDelta(0, "1", "look", "{}"),
    ]
    first: list[Part | Exception] = ["He", ConnectionError("cut")]
    failing: list[Part | Exception] = ["Hal", ConnectionError("cut again")]
    async with MiniAgents():
        for agent in (
            scripted_model(then=parts),
            fallback(scripted_model(then=first), scripted_model(then=parts)),
        ):
            (plain,) = [each async for each in agent.inquire("?")]
            (same,) = [each async for each in agent.errors_as_messages().inquire("?")]
            assert await plain.parts == await same.parts
            assert await plain == await same
        both = fallback(scripted_model(then=first), scripted_model(then=failing)).errors_as_messages()
        assert ["Hal", "ConnectionError: cut again"] == [str(each) for each in await both.inquire("?")]
