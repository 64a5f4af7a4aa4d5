"""A message on the page of `miniagents serve`: each part that a frame can have is shown, in a real browser."""

from base64 import b64encode
from typing import Literal, cast

import pytest
from pydantic import BaseModel

from miniagents.ext.web import DataPart, MessagePart
from miniagents.ext.web._frames import FramePart
from miniagents.values import (
    AgentPart,
    Citation,
    File,
    Finish,
    Image,
    Reasoning,
    Refusal,
    Restart,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from tests.support.browser import ONE_BROWSER
from tests.support.page_modules import page_modules

pytestmark = [pytest.mark.gate("starts a browser"), pytest.mark.loop(timeout=120.0), *ONE_BROWSER]

PIXEL = b"GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\n\x00\x01\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02L\x01\x00;"

SHOW = """
async ([parts, about]) => {
  const { MessageView } = await import("/page/message.js");
  const view = new MessageView({ role: "assistant", ...about }, new Map());
  document.body.replaceChildren(view.node);
  for (const part of parts) {
    view.take(part);
    view.flush();
  }
  view.abandon();
  for (const each of view.node.querySelectorAll("details")) each.open = true;
  for (const each of view.node.querySelectorAll("button")) each.remove();
  return [view.node.innerText.replaceAll(/\\n+/g, "\\n").trim(), view.text];
}
"""

CALL = (ToolCallDelta(0, "call-1", "weather"), ToolCallDelta(0, arguments='{"city": "Oslo"}'))

PARTS: list[tuple[tuple[FramePart, ...], str]] = [
    (("Hel", "lo ", Usage(7, 3), Finish("stop")), "Hello"),
    ((Refusal("I can"), Refusal("not.")), "I cannot."),
    ((Reasoning("Hm."), Reasoning(" So.", signature="x"), "Yes."), "Thoughts\nHm. So.\nYes."),
    ((Reasoning("One.", index=0), Reasoning("Two.", index=1)), "Thoughts\nOne.\nThoughts\nTwo."),
    ((Reasoning(redacted=True, signature="x"),), "Thoughts\n(The provider does not show this thought.)"),
    ((*CALL, ToolResult("call-1", "12")), 'weather Oslo done\nArguments\n{\n  "city": "Oslo"\n}\nResult\n12'),
    ((*CALL,), 'weather Oslo has no result\nArguments\n{\n  "city": "Oslo"\n}'),
    ((*CALL, ToolResult("call-1", ("12", File(data=b"x", name="a.pdf")))), 'weather Oslo done\nArguments\n{\n  "city": "Oslo"\n}\nResult\n12\nSave a.pdf'),
    ((ServerToolCall("s", "search", '{"q": "Oslo"}'), ServerToolResult("s", "[1]", "found")), 'search Oslo done\nArguments\n{\n  "q": "Oslo"\n}\nResult\n[\n  1\n]'),
    ((ToolCall("1", "go", "[1"), ToolResult("1", "no", is_error=True)), "go [1 failed\nArguments\n[1\nResult\nno"),
    ((ToolResult("call-9", "12.0", name="late"),), "late done\nArguments\nResult\n12.0"),
    ((AgentPart(("SCOUT", "READER"), "It is "), AgentPart(("SCOUT", "READER"), "cold.")), "SCOUT \u203a READER\nIt is cold."),
    (("Cold", Citation("https://a.b", title="A"), Citation("page 7"), Citation("page 7")), "Cold\nA\npage 7"),
    ((DataPart("weather", {"a": ["<b>1</b>"]}),), 'weather {"a":["<b>1</b>"]}\nData\n{\n  "a": [\n    "<b>1</b>"\n  ]\n}'),
    ((DataPart("w", 1, "1"), DataPart("w", None, "1"), DataPart("w", 2), DataPart("w", 2)), "w null\nData\nnull\nw 2\nData\n2\nw 2\nData\n2"),
    ((DataPart("done", 0.1, transient=True), DataPart("done", 1.0, transient=True), "Yes."), "Yes."),
    ((DataPart("w", 1, "1"), Restart(), DataPart("w", 2, "1")), "w 2\nData\n2"),
    (("Hal", Restart("no"), "Whole"), "Whole"),
    ((*CALL, Restart(), *CALL, ToolResult("call-1", "1")), 'weather Oslo done\nArguments\n{\n  "city": "Oslo"\n}\nResult\n1'),
    ((Retry(1, 0.5, ""), "Here."), "Here."),
    (("So far", Finish("max_tokens")), "So far\nThe model stopped here: max tokens."),
    ((File(data=b"x", media_type="text/html", name="a.html"),), "Save a.html"),
    ((File(url="javascript:alert(1)", name="x"), Image(url="https://a.b/c.png")), "https://a.b/c.png"),
]  # fmt: skip


async def test_parts() -> None:
    """What parts become; those that tell nothing to people are left out."""
    async with page_modules() as page:
        for parts, expected in PARTS:
            told = [MessagePart(0, each).as_data()["part"] for each in parts]
            shown, _ = cast("tuple[str, str]", await page.evaluate(SHOW, [told, {}]))
            assert expected == shown.replace("\u00b7 ", ""), parts


async def test_what_is_copied() -> None:
    """The text of a message is what was said: no thoughts, no calls, nothing that was withdrawn."""
    parts: list[object] = ["no", {"kind": "restart"}, {"kind": "reasoning", "text": "Hm."}, "**yes**"]
    async with page_modules() as page:
        _, text = cast("tuple[str, str]", await page.evaluate(SHOW, [parts, {}]))
    assert text == "**yes**"


async def test_a_result_as_a_message() -> None:
    """A message of the role tool is the result of its call."""
    async with page_modules() as page:
        about = {"role": "tool", "tool": "weather", "call": "call-1"}
        shown, _ = cast("tuple[str, str]", await page.evaluate(SHOW, [["12", " degrees"], about]))
    assert shown == "weather done\nArguments\nResult\n12 degrees"


async def test_parts_of_a_newer_server() -> None:
    """What the page does not know is left out."""
    parts: list[object] = [{"kind": "smell"}, "Hi"]
    async with page_modules() as page:
        shown, _ = cast("tuple[str, str]", await page.evaluate(SHOW, [parts, {}]))
    assert shown == "Hi"


async def test_data_of_several_messages() -> None:
    """Data with a name and an id take the place of those that came before; what is transient is shown once."""
    script = """
    async (messages) => {
      const { MessageView } = await import("/page/message.js");
      const [calls, data, told] = [new Map(), new Map(), []];
      const views = messages.map(() => new MessageView({ role: "data" }, calls, data));
      document.body.replaceChildren(...views.map((view) => view.node));
      messages.forEach((part, at) => {
        views[at].take(part);
        views[at].end();
        told.push(document.body.innerText.replaceAll(/\\s+/g, " ").trim());
      });
      for (const view of views) view.abandon();
      return [...told, document.body.innerText.replaceAll(/\\s+/g, " ").trim()];
    }
    """
    parts = [DataPart("p", 1, transient=True), DataPart("p", 2, transient=True), DataPart("w", 1, "x")]
    parts += [DataPart("w", 2, "y"), DataPart("w", 3, "x")]
    async with page_modules() as page:
        told = await page.evaluate(script, [MessagePart(0, each).as_data()["part"] for each in parts])
    assert ["p 1", "p 2", "p 2 w 1", "p 2 w 1 w 2", "p 2 w 3 w 2", "w 3 w 2"] == told


async def test_images() -> None:
    """An image in bytes is shown; a drawing that could hold scripts, and one from elsewhere, are not."""
    parts: list[object] = [
        {"kind": "image", "data": b64encode(PIXEL).decode(), "media_type": "image/gif"},
        {
            "kind": "image",
            "data": b64encode(b"<svg onload=alert(1)>").decode(),
            "media_type": "image/svg+xml",
        },
        {"kind": "image", "url": "https://a.b/c.png"},
    ]
    async with page_modules() as page:
        shown, _ = cast("tuple[str, str]", await page.evaluate(SHOW, [parts, {}]))
        loaded = await page.evaluate(
            "async () => { const all = [...document.images]; await Promise.all(all.map((each) => each.decode()));"
            " return all.map((each) => [each.src.slice(0, 15), each.naturalWidth]); }"
        )
    assert shown.split("\n") == ["Save the image", "https://a.b/c.png"]
    assert loaded == [["data:image/gif;", 1]]


READ = """
async ([schema, given, changes]) => {
  const { field } = await import("/page/fields.js");
  const { node, read } = field(schema, given ?? undefined);
  document.body.replaceChildren(node);
  for (const [name, value] of Object.entries(changes))
    [...node.querySelectorAll("label")].find((each) => each.textContent.startsWith(name)).control.value = value;
  return read();
}
"""


class City(BaseModel):
    """Where somebody lives."""

    name: str


class Letter(BaseModel):
    """All kinds of fields that may be left out."""

    text: str
    note: str | None = "none"
    copies: int | None = 10
    color: bool | None = True
    size: Literal["A4", "A5"] | None = "A4"
    city: City | None = None


async def test_what_is_not_changed() -> None:
    """A form changes only what its user changes: null stays null, line breaks stay, and what is optional is left out."""
    given: dict[str, object] = {"text": "one\r\ntwo", "note": None, "copies": None, "color": None}
    given |= {"size": None, "city": None}
    async with page_modules() as page:
        schema = Letter.model_json_schema()
        assert given == await page.evaluate(READ, [schema, given, {}])
        changed = {"Copies": "2", "Size": "1"}
        assert {**given, "copies": 2, "size": "A5"} == await page.evaluate(READ, [schema, given, changed])
        new = {"text": "Hi", "note": "none", "copies": 10, "color": True, "size": "A4", "city": None}
        assert new == await page.evaluate(READ, [schema, None, {"Text": "Hi"}])
