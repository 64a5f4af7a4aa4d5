"""W9: thoughts that a server writes into the text become `Reasoning` if it is asked for."""

import time

import pytest

from miniagents import Finish, Reasoning
from miniagents.ext.llm import ServerEvent
from miniagents.ext.llm._answer import Decoded
from miniagents.ext.llm._thinking_tag import TaggedThoughts
from tests.support.chat_wire import chat, completion
from tests.support.opaque import plain
from tests.support.sse_server import answer, sse
from tests.support.wires import CHAT, asking

CASES = {
    "<think>Hm.</think>It rains.": ("Hm.", "It rains."),
    "\n<think>\nHm.\n</think>\n\nIt rains.": ("\nHm.\n", "It rains."),
    "<think></think>It rains.": ("", "It rains."),
    "<think>A</think><think>B</think>It rains.": ("A|B", "It rains."),
    "It <think>rains</think>.": ("", "It <think>rains</think>."),
    "<thinking>Hm.</thinking>It": ("", "<thinking>Hm.</thinking>It"),
    "<thi": ("", "<thi"),
    " \n": ("", " \n"),
    "<think>Hm": ("Hm", ""),
    "<think>1 < 2 </thin > 3</think>It": ("1 < 2 </thin > 3", "It"),
}


def text_of(event: ServerEvent) -> list[Decoded]:
    """An event is a text, or the end."""
    return [event.data.decode()] if event.data else [Finish("stop")]


@pytest.mark.parametrize(("said", "expected"), CASES.items(), ids=repr)
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_tags(said: str, expected: tuple[str, str], size: int) -> None:
    """However the text is cut, the thoughts before it are thoughts, and nothing else is."""
    decode = TaggedThoughts(text_of, "think")
    pieces = [said[at : at + size].encode() for at in range(0, len(said), size)]
    parts = [part for piece in (*pieces, b"") for part in decode(ServerEvent("", piece))]
    thoughts: dict[int, str] = {}
    for part in parts:
        if isinstance(part, Reasoning):
            thoughts[part.index] = thoughts.get(part.index, "") + part.text
    text = "".join(part for part in parts if isinstance(part, str))
    assert expected == ("|".join(thoughts.values()), text)
    assert Finish("stop") == parts[-1]


def test_white_space_is_linear() -> None:
    """A model that writes nothing but line ends costs no more for each."""
    decode, piece = TaggedThoughts(text_of, "think"), ServerEvent("", b"\n")
    began = time.process_time()
    assert [] == [part for _ in range(150_000) for part in decode(piece)]
    assert time.process_time() - began < 3.0  # 0.3; 7 if each looks at all before it


@pytest.mark.parametrize(
    "said", [b"<think>" + b"a" * 800_000, b"<think>a</think>" * 50_000], ids=["long", "many"]
)
def test_one_large_piece_is_linear(said: bytes) -> None:
    """A long thought, or many of them, in one piece cost no more for each character."""
    decode = TaggedThoughts(text_of, "think")
    began = time.process_time()
    thoughts = "".join(part.text for part in decode(ServerEvent("", said)) if isinstance(part, Reasoning))
    assert time.process_time() - began < 1.5  # 0.3; 3 or 9 if each character or thought looks at all others
    assert thoughts == "a" * said.count(b"a")


@pytest.mark.parametrize("stream", [True, False])
async def test_the_option(*, stream: bool) -> None:
    """`thinking_tag` makes thoughts of the tags, streamed and whole; without it they are text."""
    said = "<think>Hm.</think>\n\nIt rains."
    script = sse(*chat(*said)) if stream else answer(200, completion(said))
    async with asking(CHAT, script, stream=stream) as asked:
        (tagged,) = await asked.inquire(thinking_tag="think")
        (untagged,) = await asked.inquire()
    assert [Reasoning("Hm."), "It rains."] == plain(tagged.content)
    assert said == untagged.text
