"""Crosses modules: the keys under which users have stored values, one of each class of the library."""

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

import miniagents
from miniagents import (
    AgentCallNode,
    AgentPart,
    AgentReplyNode,
    AssistantMessage,
    Citation,
    ErrorMessage,
    File,
    Finish,
    Frozen,
    Image,
    Message,
    ParsedMessage,
    RaceReport,
    Reasoning,
    Refusal,
    Restart,
    Retry,
    SystemMessage,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
)
from miniagents.agents import RaceEntry
from miniagents.ext.jobs._calls import RowMessage
from miniagents.ext.web import DataPart, PageData
from miniagents.messages import InputMessage, Summary
from miniagents.messages._message import ContentMessage
from miniagents.values import PartValue, RateLimit, ResponseHeaders, ServerToolCall, ServerToolResult


class Poem(Frozen):
    """A class of a user, in a module of their own."""

    __module__ = "poems"

    title: str


def entry() -> RaceEntry:
    return RaceEntry(agent_alias="A", outcome="won", seconds=0.5, messages=1, tokens=2, characters=5)


STORED: dict[str, tuple[object, str]] = {
    "AgentCallNode": (
        AgentCallNode(agent_alias="A", messages=(Message("one"),)),
        "3de554440d9a8b7097e36350ea5fd08e5880af25",
    ),
    "AgentPart": (AgentPart(("A", "B"), Reasoning("thought")), "cdd5d607b06113c363dcde52d660fe91b7d012af"),
    "AgentReplyNode": (
        AgentReplyNode(agent_alias="A", call=AgentCallNode(agent_alias="A"), replies=(Message("two"),)),
        "3240af7cb23a9965613ef325dda51d374fd1f389",
    ),
    "AssistantMessage": (
        AssistantMessage("Hello", finish_reason="stop"),
        "dd031e0e0bc30543ea77f7b3fc3928b1522dbed2",
    ),
    "Citation": (Citation("https://example.com", "title"), "ceebcc5c5e17d34166b98935a4c88a69506590fb"),
    "ContentMessage": (ContentMessage("Hello"), "f4488e85c14a8de0b9983342416040ebfffc0425"),
    "DataPart": (DataPart("weather", 12, "w1"), "a778dfb153d5285a6818b584297978d676497dec"),
    "ErrorMessage": (
        ErrorMessage("It broke.", error_type="ValueError", error_text="broken", agent_alias="A"),
        "e7f5524342c5d1edc2780d5231a4a8067bb8d471",
    ),
    "File": (
        File(data=b"1", media_type="text/plain", name="one.txt"),
        "1002b478195daf6da71a37bd4a8914a66b1ee7fa",
    ),
    "Finish": (Finish("stop"), "084fabef72e00113901bb267688480f2d66db63c"),
    "Frozen": (Frozen.model_validate({"value": 1}), "302364e7cf30897ba2662ffac36623b1cad71fa6"),
    "Image": (Image(url="https://example.com/one.png"), "c750982e4d0ad91a32f576f5b464e6ef92f1a60e"),
    "InputMessage": (
        InputMessage("Stop.", when="interrupt", input_id="m7"),
        "3b7ec6ca8ff04e76b5ac82a3abc514342294a009",
    ),
    "Message": (Message("Hello", tags=["a", "b"]), "c1892ccdeb0c6c6a97441ceddff24bac1723e761"),
    "PageData": (PageData(name="weather", data=12, id="w1"), "bb412b0b864cb0832d915ca011daa4ee9ff0e381"),
    "ParsedMessage": (
        ParsedMessage[Poem]("{}", parsed=Poem(title="one")),
        "b92bf9805bda89df17effd19b09191aee6764d5c",
    ),
    "RaceEntry": (entry(), "48af5be339bc65bb14d54a8e2d364ef1416defe0"),
    "RateLimit": (RateLimit(500, 499, 0.12), "de08ebc0fd2eafe21744fe36a7d7222dc05332b0"),
    "ResponseHeaders": (
        ResponseHeaders(200, "req-1", tokens=RateLimit(500, 499, 0.12)),
        "268ae671a0fd68ec1f89603e62c903672aebfd11",
    ),
    "RaceReport": (
        RaceReport(agent_alias="R", winner="A", entries=(entry(),)),
        "e114eff2db5cb898c7ef34297d5d6cc0dc688d27",
    ),
    "Reasoning": (Reasoning("thought"), "7306c93a8b40d820ae6d23914918919e4ca044df"),
    "Refusal": (Refusal("No."), "f8975c6ff83ff65c0438ed5d8b30fa6b347ca96c"),
    "Restart": (Restart("lost"), "7496b75d9bd1d196e30530288c93cc1537bbae33"),
    "Retry": (Retry(1, 0.5, "busy"), "9454f3fcdb9152ad387a219acf8d52460a0eb457"),
    "RowMessage": (RowMessage(row={"city": "Oslo"}), "8425216e5097bae0872365b0530572440bc4a6f7"),
    "ServerToolCall": (ServerToolCall("1", "web_search"), "2c18cfd8f394ed5f87a498fadb2579ae65eae6ab"),
    "ServerToolResult": (ServerToolResult("1", "[]"), "b9b0a78379de3143fff9e2f3d3d22f7b6375365c"),
    "Summary": (Summary("short", replaces=["k1"], among=2), "f837ca8f926046ec182b19ed38c0d918d5c0c464"),
    "SystemMessage": (SystemMessage("Hello"), "71a67f27a00636fd00c561b9dde27bd2439f9e7d"),
    "ToolCall": (ToolCall("1", "add", "{}"), "2d1f00a846a1cbe9d4451004f69a9525091b5245"),
    "ToolCallDelta": (ToolCallDelta(0, "1", "add"), "722d3a6739a55917707bd65ee07c98e04cc6947b"),
    "ToolMessage": (
        ToolMessage.model_validate({"text": "12", "tool_call_id": "1"}),
        "00bd541c3f2a6b957bbc985aa8602ee533a32277",
    ),
    "ToolResult": (ToolResult("1", "12"), "8883225c49cf7d21d5c30d1ef31ea535ce5dfdbc"),
    "Usage": (Usage(1, 2), "2d0487b966319f40d7e43783833800031378c4cf"),
    "UserMessage": (
        UserMessage("Hello", parts=("Hello", Image(data=b"1", media_type="image/png"))),
        "586869c875c8d6a90cd186fd54f745262924023e",
    ),
}
"""Class -> a value, and the key of what has it as its `value`. They never change: users have stored them."""

BASES = {"Attachment", "PartValue"}
"""Classes that have no values of their own."""


def key(value: object) -> str:
    return Frozen.model_validate({"value": value}).hash_key


def names_of(kind: type) -> Iterator[str]:
    """The names of the library's public classes that extend ``kind``."""
    subclasses: list[type] = type.__subclasses__(kind)
    for each in subclasses:
        # The module of a class in a docstring that was executed does not have it.
        if getattr(sys.modules.get(each.__module__), each.__name__, None) is each and (
            each.__module__.startswith("miniagents.") and "[" not in each.__qualname__
        ):
            yield each.__qualname__
        yield from names_of(each)


@pytest.mark.parametrize("name", STORED)
def test_stored_keys(name: str) -> None:
    """A value has the key that it had in the first release, wherever its class stands now."""
    value, stored = STORED[name]
    assert type(value).__qualname__.partition("[")[0] == name
    assert key(value) == stored


def test_every_class_is_here() -> None:
    """No class of values is left out: a new one comes with its key."""
    for module in pkgutil.walk_packages(miniagents.__path__, "miniagents."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    assert STORED.keys() | BASES == {"Frozen", *names_of(Frozen), *names_of(PartValue)} | {"PartValue"}


def moved(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    monkeypatch.setattr(kind, "__module__", "miniagents.core.moved")


def test_a_move_keeps_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of the library that moves to another module has the key that it had; a user's has not."""
    for kind in (Message, Usage):
        moved(monkeypatch, kind)
    assert key(Message("Hello", tags=["a", "b"])) == STORED["Message"][1]
    assert key(Usage(1, 2)) == STORED["Usage"][1]
    before = key(Poem(title="one"))
    monkeypatch.setattr(Poem, "__module__", "moved")
    assert key(Poem(title="one")) != before


def test_a_class_that_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of the library that is newer than the first release can be moved, too."""

    class New(Frozen):
        __module__ = "miniagents.agents._new"

    before = key(New())
    moved(monkeypatch, New)
    assert key(New()) == before
