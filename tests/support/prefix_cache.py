"""A server with the prompt cache of Anthropic or OpenAI: what it counts is what they would, in words.

Anthropic (https://platform.claude.com/docs/en/build-with-claude/prompt-caching): a request writes what stands
before each of its marks, at most four, none on a thought. It reads the longest prefix that was written
before, and looks for it at its marks and up to 20 blocks before each. OpenAI
(https://developers.openai.com/api/docs/guides/prompt-caching): each machine keeps the prefixes that it has
seen, of 1,024 tokens or more, in steps of 128; the first tokens of a request and its `prompt_cache_key`
choose the machine. With both, an entry can be read when the answer that wrote it has come.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, cast

from tests.support import anthropic_wire, chat_wire, responses_wire
from tests.support.sse_server import Exchange, answer, sse
from tests.support.wires import ANTHROPIC, CHAT, Wire

__all__ = ["PrefixCache"]

MACHINES: Final = 4
SECONDS: Final = 0.01
"""Until an answer begins: many requests come before the first answer."""
LOOKS_BACK: Final = 20
Block = dict[str, object]


@dataclass
class PrefixCache:
    """Answers like a provider, and counts.

    Attributes:
        wire: of the provider.
        sent: tokens that were sent.
        requests: how many came.
        read: tokens that came from the cache.
        possible: tokens that a perfect cache would have read: what any earlier request began with.
    """

    wire: Wire
    sent: int = 0
    read: int = 0
    possible: int = 0
    requests: int = 0
    _entries: set[str] = field(default_factory=set[str])
    _seen: set[str] = field(default_factory=set[str])  # also by requests without an answer yet

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request."""
        body = exchange.request.json
        blocks = [*_blocks(body)]
        marks = [at for at, block in enumerate(blocks, 1) if "cache_control" in block]
        if len(marks) > 4 or any(
            blocks[at - 1].get("type") in {"thinking", "redacted_thinking"} for at in marks
        ):
            await answer(400, {"error": {"type": "invalid_request_error", "message": "bad marks"}})(exchange)
            return
        prefixes, sizes = [*_prefixes(blocks)], [*_sizes(blocks)]
        sent = sizes[-1]
        if self.wire is ANTHROPIC:
            looked = {at - back for at in marks for back in range(LOOKS_BACK) if at > back}
            hits = [at for at in looked if prefixes[at] in self._entries]
            read = sizes[max(hits, default=0)]
            new = {prefixes[at] for at in marks}
        else:
            route = (
                sha256(f"{body.get('prompt_cache_key')}{json.dumps(blocks)[:1000]}".encode()).digest()[0]
                % MACHINES
            )
            known = [f"{route} {prefix}" for prefix in prefixes]
            read = max((sizes[at] for at, each in enumerate(known) if each in self._entries), default=0)
            read = read // 128 * 128 if read >= 1024 else 0
            new = set(known)
        self.requests += 1
        self.sent += sent
        self.read += read
        self.possible += max((sizes[at] for at, each in enumerate(prefixes) if each in self._seen), default=0)
        self._seen |= set(prefixes)
        written = max((sizes[at] for at in marks), default=read) - read
        await asyncio.sleep(SECONDS)
        await sse(*self._said(sent, read, max(written, 0)))(exchange)
        self._entries |= new

    def _said(self, sent: int, read: int, written: int) -> tuple[bytes, ...]:
        text = f"{self.requests} " + "word " * 60
        if self.wire is ANTHROPIC:
            usage = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
            return (
                anthropic_wire.event(
                    "message_start",
                    message={"id": "m", "usage": {"input_tokens": sent - read - written, **usage}},
                ),
                anthropic_wire.begin(),
                anthropic_wire.delta(text),
                anthropic_wire.end(),
            )
        details = {"cached_tokens": read}
        if self.wire is CHAT:
            counts: Block = {"prompt_tokens": sent, "completion_tokens": 61, "prompt_tokens_details": details}
            return (
                chat_wire.chunk(text),
                chat_wire.chunk(finish="stop"),
                chat_wire.event({"choices": [], "usage": counts}),
            )
        done: Block = {
            "status": "completed",
            "usage": {"input_tokens": sent, "output_tokens": 61, "input_tokens_details": details},
        }
        return (
            responses_wire.CREATED,
            responses_wire.begin(),
            responses_wire.delta(text),
            responses_wire.event("response.completed", response=done),
        )


def _blocks(body: Block) -> Iterator[Block]:
    """Everything that a model reads, in its order."""
    yield from cast("list[Block]", body.get("tools") or [])
    turns: list[object] = [body.get("system") or body.get("instructions") or []]
    said = cast("list[Block]", body.get("messages") or body.get("input"))
    turns += [turn.get("content", turn) for turn in said]
    for content in turns:
        if isinstance(content, list):
            yield from cast("list[Block]", content)
        elif content:
            yield {"type": "text", "text": content}


def _prefixes(blocks: list[Block]) -> Iterator[str]:
    """A hash of each prefix, the empty one first."""
    known = sha256()
    yield known.hexdigest()
    for block in blocks:
        plain = {name: each for name, each in block.items() if name != "cache_control"}
        known.update(json.dumps(plain, sort_keys=True).encode())
        yield known.hexdigest()


def _sizes(blocks: list[Block]) -> Iterator[int]:
    """The words of each prefix."""
    size = 0
    yield size
    for block in blocks:
        size += len(json.dumps(block).split())
        yield size
