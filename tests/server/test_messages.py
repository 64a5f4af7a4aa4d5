"""From frames to messages, to what an agent is sent, and to what a page is told."""

from collections.abc import Mapping
from typing import cast

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    Image,
    Message,
    MiniAgents,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.cli._server._messages import (
    conversation_of,
    messages_of_run,
    run_in,
    shown,
    turn_in,
    user_message,
)
from miniagents.ext.web import (
    DataPart,
    Frame,
    MessageBegan,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    frames_of,
)
from miniagents.parts import Finish, Reasoning, Restart, ToolCall, ToolCallDelta, ToolResult, Usage


def note(message: Message) -> Mapping[str, object]:
    """What the server notes of a message."""
    return cast("Mapping[str, object]", message.served)  # type: ignore[attr-defined]


def test_a_whole_run() -> None:
    """Each message has its class, its content, who wrote it, what it cost; the last one how it ended."""
    frames: list[Frame] = [
        MessageBegan(0, "assistant", "POET", "m-1"),
        MessagePart(0, "Let me "),
        MessagePart(0, Restart()),
        MessagePart(0, Reasoning("Hm.", signature="s")),
        MessagePart(0, "Look: "),
        MessagePart(0, ToolCallDelta(0, "c", "look", "{")),
        MessagePart(0, ToolCallDelta(0, arguments="}")),
        MessagePart(0, Usage(1, 2)),
        MessagePart(0, Usage(7, 3)),
        MessagePart(0, Finish("tool_use")),
        MessageEnded(0),
        MessageBegan(1, "tool", "POET", None, "look", "c"),
        MessagePart(1, ToolResult("c", "a tree", name="look")),
        MessageEnded(1),
        MessageBegan(2, "assistant"),
        MessagePart(2, "A tree."),
        MessagePart(2, Image(data=b"GIF89a")),
        MessageEnded(2),
        RunEnded("finished"),
    ]
    first, second, third = messages_of_run("r", frames, 1.5)
    content = (Reasoning("Hm.", signature="s"), "Look: ", ToolCall("c", "look", "{}"))
    assert isinstance(first, AssistantMessage)
    assert (content, "Look: ", Usage(7, 3), "tool_use", "m-1") == (
        first.content,
        first.text,
        first.usage,
        first.finish_reason,
        first.model,
    )
    assert isinstance(second, ToolMessage)
    assert ("a tree", "look", "POET") == (
        second.text,
        *(getattr(second, name) for name in ("tool", "agent_alias")),
    )
    assert isinstance(third, AssistantMessage)
    assert ("A tree.", Image(data=b"GIF89a")) == third.content
    assert [{"run": "r"}, {"run": "r"}] == [dict(note(each)) for each in (first, second)]
    assert {"run": "r", "ended": "finished", "sentence": "", "seconds": 1.5} == dict(note(third))


async def test_edited_arguments() -> None:
    """A call that a person has edited is kept, shown and sent on with the arguments that ran, and marked."""
    frames: list[Frame] = []
    for number in (0, 2):  # some models use the ids of their calls again
        frames += [
            MessageBegan(number, "assistant"),
            MessagePart(number, ToolCallDelta(0, "c", "pay", '{"cents": 9}')),
            MessageEnded(number),
            QuestionAsked(f"q{number}", "approval", {"tool": "pay", "call": "c"}, ""),
            QuestionAnswered(f"q{number}", "allowed", {"cents": 5} if number else None),
            *(MessageBegan(number + 1, "tool", call="c"), MessagePart(number + 1, ToolResult("c", "paid"))),
            MessageEnded(number + 1),
        ]
    told = messages_of_run("r", frames, None)
    expected = ['{"cents": 9}', '{"cents": 5}']
    sent = [each for each in conversation_of(told) if isinstance(each, AssistantMessage)]
    assert expected == [call.arguments for each in sent for call in each.tool_calls]
    async with MiniAgents():
        seen = [each for each in shown(told, bool) if each["role"] == "assistant"]
    assert [None, {"c": "edited"}] == [each["decided"] for each in seen]
    assert expected == [cast("list[dict[str, object]]", each["parts"])[0]["arguments"] for each in seen]


def test_data_of_the_agent() -> None:
    """Data for the page are kept, newer ones in the place of older ones; agents are not sent them."""
    parts = [
        DataPart("weather", {"city": "Oslo", "none": None}, "w"),
        DataPart("progress", 0.5, transient=True),
        DataPart("weather", 1, "x"),
        DataPart("weather", [{"degrees": 12}], "w"),
        DataPart("step", "one"),
        DataPart("step"),
    ]
    frames: list[Frame] = []
    for at, part in enumerate(parts):
        frames += [MessageBegan(at, "data", "POET"), MessagePart(at, part), MessageEnded(at)]
    said = messages_of_run("r", [*frames, RunEnded("finished")], 1.5)
    kept = [parts[3], parts[2], parts[4], parts[5]]

    async def told() -> list[dict[str, object]]:
        return shown(said, bool)

    messages = MiniAgents().run(told())
    assert [[MessagePart(0, each).as_data()["part"]] for each in kept] == [each["parts"] for each in messages]
    assert {("data", "POET", "")} == {(each["role"], each["agent"], each["text"]) for each in messages}
    assert ("finished", 1.5) == (messages[-1]["ended"], messages[-1]["seconds"])
    assert () == conversation_of(said)


def test_only_transient_data() -> None:
    """A run of which nothing is kept but how it ended has one message for that."""
    part = MessagePart(0, DataPart("p", 1, transient=True))
    frames: list[Frame] = [MessageBegan(0, "data"), part, MessageEnded(0)]
    (message,) = messages_of_run("r", [*frames, RunEnded("finished")], None)
    assert ("", "finished") == (message.text, note(message)["ended"])


def test_what_was_cut() -> None:
    """Of a message that was cut what came is kept; one of which nothing came is not."""
    frames: list[Frame] = [
        MessageBegan(0, "assistant"),
        MessagePart(0, "Hel"),
        MessageEnded(0),
        MessageBegan(1, "tool", tool="look", call="c"),
        RunEnded("stopped", "It was stopped."),
    ]
    (message,) = messages_of_run("r", frames, None)
    assert ("Hel", {"run": "r", "ended": "stopped", "sentence": "It was stopped."}) == (
        message.text,
        dict(note(message)),
    )
    (lost,) = messages_of_run("r", frames[3:4], None)  # not even the last frame is there
    assert (True, "lost") == (isinstance(lost, ErrorMessage), note(lost)["ended"])
    (silent,) = messages_of_run("r", [RunEnded("finished")], None)
    assert (True, "") == (isinstance(silent, AssistantMessage), silent.text)


def test_turns() -> None:
    """What the user says begins a turn; what an agent says as a user does not."""
    asked = user_message("Hi", "t")
    (echoed,) = messages_of_run(
        "r", [MessageBegan(0, "user"), MessagePart(0, "Hi"), RunEnded("finished")], None
    )
    assert ["t", None, "", None, None] == [
        turn_in(each) for each in (asked, echoed, UserMessage("Hi"), AssistantMessage("Hi"), Message("Hi"))
    ]
    assert ["", "r"] == [run_in(each) for each in (asked, echoed)]


def test_what_an_agent_is_sent() -> None:
    """No notes, no errors, no empty answers, and no call without its result: neither of them."""
    whole = AssistantMessage(parts=["I look.", ToolCall("a", "look")], finish_reason="tool_use")
    half = AssistantMessage(parts=[Reasoning("Hm."), ToolCall("b", "look"), ToolCall("c", "look")], model="m")
    messages = [
        SystemMessage("Be kind."),
        user_message("Hi", "t"),
        whole,
        ToolMessage(parts=[ToolResult("a", "a tree")]),
        half,
        ToolMessage(parts=[ToolResult("b", "a house")]),
        *messages_of_run("r", [RunEnded("finished")], 1.0),
        *messages_of_run("r", [RunEnded("failed", "It failed.")], 1.0),
        AssistantMessage(parts=[ToolCall("d", "look")]),
    ]
    assert (
        SystemMessage("Be kind."),
        UserMessage("Hi"),
        whole,
        ToolMessage(parts=[ToolResult("a", "a tree")]),
        AssistantMessage(parts=[Reasoning("Hm.")], model="m"),
    ) == conversation_of(messages)


async def test_there_and_back() -> None:
    """What a page is told of a message that was kept is what it was told while it came."""
    frames: list[Frame] = [
        MessageBegan(0, "assistant", "POET", "m-1"),
        MessagePart(0, Reasoning("Hm.")),
        MessagePart(0, "Look."),
        MessagePart(0, ToolCallDelta(0, "c", "look", "{}")),
        MessagePart(0, Image(data=b"GIF89a")),
        MessageEnded(0),
    ]
    async with MiniAgents():
        said = messages_of_run("r", [*frames, RunEnded("finished")], None)
        assert frames == frames_of(said)
        (told,) = shown(said, bool)
    streamed = [each.as_data()["part"] for each in frames if isinstance(each, MessagePart)]
    assert (streamed, "Look.", "r") == (told["parts"], told["text"], told["run"])
    assert "unknown" not in str(told)


async def test_what_the_user_interrupted() -> None:
    """A page is told of an answer that was kept that the user has interrupted it."""
    frames: list[Frame] = [
        MessageBegan(0, "assistant"),
        MessagePart(0, "One "),
        MessagePart(0, Finish("interrupted")),
        MessageEnded(0),
        MessageBegan(1, "user", when="interrupt", id="m-1"),
        MessagePart(1, "Stop"),
        MessageEnded(1),
        MessageBegan(2, "assistant"),
        MessagePart(2, "Well."),
        MessageEnded(2),
        RunEnded("finished"),
    ]
    async with MiniAgents():
        told = shown(messages_of_run("r", frames, None), bool)
    assert ["interrupted", None, "finished"] == [each["ended"] for each in told]
